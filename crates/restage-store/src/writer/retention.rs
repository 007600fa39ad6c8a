//! Removes history that is older than the configured age, in short steps.
//!
//! A session that has ended is removed completely. A session that continues loses its old events, then participants
//! without remaining events, and STOPPED replicas without remaining events at the source; the last event of each is
//! its end, so its age is that of the participant or replica. A row that is connected, publishing or ACTIVE is never
//! removed.
//!
//! What is remembered of revoked connection tokens has an age of its own, whatever the configured one.

use restage_core::id::Time;
use restage_core::limits::{ISSUED_AHEAD_MAX_S, TOKEN_LIFE_MAX_S};

use crate::error::StoreError;
use crate::outbox::DEAD_LETTERS_MAX;
use crate::sql::{self, Row, query};
use crate::tables::purge;

/// Rows removed, or checked in a session that continues, per step.
pub const RETENTION_STEP_ROWS: u32 = 500;

/// Participants of a session that continues checked per step.
const PARTICIPANTS_PER_STEP: u32 = 100;

/// Latest expiry of a token that is already signed, in seconds from now.
const SIGNED_BEFORE_MAX_S: u32 = TOKEN_LIFE_MAX_S as u32 + ISSUED_AHEAD_MAX_S;

/// One pass over everything that may be too old. Steps advance it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sweep {
    before: Time,
    phase: Phase,
    removed: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    Ended,
    Tokens,
    DeadLetters,
    Jobs,
    Recordings,
    /// Sessions that continue, after this one.
    Lasting(Position),
    /// Participants of one such session, after `passed`.
    Participants {
        session: Position,
        passed: Position,
    },
    /// Revoked connection tokens of which none is good any more.
    Revocations,
    Done,
}

/// A position in a list: a time, and an id as tie-break.
type Position = (i64, String);

const FIRST: Position = (i64::MIN, String::new());

impl Sweep {
    /// A pass that removes what ended before this time.
    pub const fn before(before: Time) -> Self {
        Self {
            before,
            phase: Phase::Ended,
            removed: 0,
        }
    }

    /// A pass that removes what is remembered of connection tokens that were revoked before this time, and nothing else.
    pub const fn of_revocations(before: Time) -> Self {
        Self {
            before,
            phase: Phase::Revocations,
            removed: 0,
        }
    }

    /// Whether nothing is left to check.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Rows removed so far.
    pub const fn removed(&self) -> u64 {
        self.removed
    }
}

pub(crate) const NEXT_ENDED: &str = "SELECT x.id FROM stage_sessions x \
     WHERE x.ended_at IS NOT NULL AND x.ended_at < $1 ORDER BY x.ended_at LIMIT 1";
/// The token of a connected participant is kept after its expiry, because the bearer may reconnect with a resumption
/// secret. A revoked self-signed token is remembered for as long as a token signed before could be valid.
pub(crate) const DELETE_TOKENS: &str = "DELETE FROM tokens WHERE (stage, participant) IN ( \
     SELECT t.stage, t.participant FROM tokens t WHERE t.expires_at < $1 \
     AND (t.revoked_at IS NULL OR t.allow_publish IS NULL OR t.revoked_at < $3) AND NOT EXISTS ( \
         SELECT 1 FROM stages s JOIN participants p \
             ON p.session = s.active_session AND p.id = t.participant \
         WHERE s.id = t.stage AND p.connected = 1) \
     ORDER BY t.expires_at LIMIT $2)";
pub(crate) const DELETE_DEAD_LETTERS: &str = "DELETE FROM dead_letters WHERE (sink, seq) IN \
     (SELECT d.sink, d.seq FROM dead_letters d WHERE d.failed_at < $1 \
      ORDER BY d.failed_at LIMIT $2)";
const DELETE_EXCESS_DEAD_LETTERS: &str = "DELETE FROM dead_letters WHERE (sink, seq) IN \
     (SELECT d.sink, d.seq FROM dead_letters d ORDER BY d.failed_at DESC LIMIT $1 OFFSET $2)";
pub(crate) const LASTING: &str = "SELECT x.started_at, x.id FROM stage_sessions x \
     WHERE x.ended_at IS NULL AND x.started_at < $1 AND (x.started_at, x.id) > ($2, $3) \
     ORDER BY x.started_at, x.id LIMIT 1";
pub(crate) const PARTICIPANTS: &str = "SELECT p.first_joined_at, p.id FROM participants p \
     WHERE p.session = $1 AND p.first_joined_at < $2 AND (p.first_joined_at, p.id) > ($3, $4) \
     ORDER BY p.first_joined_at, p.id LIMIT $5";
pub(crate) const DELETE_EVENTS: &str = "DELETE FROM stage_events WHERE (session, participant, seq) IN \
     (SELECT e.session, e.participant, e.seq FROM stage_events e \
      WHERE e.session = $1 AND e.participant = $2 AND e.at < $3 ORDER BY e.seq LIMIT $4)";
pub(crate) const DELETE_REPLICAS: &str = "DELETE FROM replicas \
     WHERE (source_session, participant, destination_session) IN \
     (SELECT r.source_session, r.participant, r.destination_session FROM replicas r \
      WHERE r.source_session = $1 AND r.participant = $2 AND r.active = 0 \
      AND r.destination_session NOT IN (SELECT e.destination_session FROM stage_events e \
          WHERE e.session = $1 AND e.participant = $2 AND e.destination_session IS NOT NULL) LIMIT $3)";
pub(crate) const DELETE_PARTICIPANT: &str = "DELETE FROM participants \
     WHERE session = $1 AND id = $2 AND connected = 0 AND publishing = 0 AND replication_active = 0 \
     AND NOT EXISTS (SELECT 1 FROM stage_events e WHERE e.session = $1 AND e.participant = $2)";
pub(crate) const DELETE_JOBS: &str = "DELETE FROM jobs WHERE id IN \
     (SELECT id FROM jobs WHERE ended_at IS NOT NULL AND ended_at < $1 LIMIT $2)";
/// Recordings whose objects are all in the bucket, or will never be. The objects stay.
pub(crate) const DELETE_RECORDINGS: &str = "DELETE FROM recordings WHERE id IN \
     (SELECT id FROM recordings WHERE is_final = 1 AND ended_at < $1 LIMIT $2)";
pub(crate) const DELETE_REVOCATIONS: &str = "DELETE FROM revoked_connection_tokens \
     WHERE (account, region, id) IN (SELECT v.account, v.region, v.id FROM revoked_connection_tokens v \
     WHERE v.revoked_at < $1 ORDER BY v.revoked_at LIMIT $2)";
const DELETE_SESSION: &str = "DELETE FROM stage_sessions WHERE id = $1";

/// Advances a sweep by about `limit` rows.
pub(crate) async fn step(
    connection: &mut sql::Connection,
    mut sweep: Sweep,
    limit: u32,
) -> Result<Sweep, StoreError> {
    let before = sweep.before;
    let (removed, next) = match sweep.phase {
        Phase::Ended => {
            let (removed, more) = ended(connection, before, limit).await?;
            (removed, if more { Phase::Ended } else { Phase::Tokens })
        }
        Phase::Tokens => {
            let removed = tokens(connection, before, limit).await?;
            let more = removed >= u64::from(limit);
            (
                removed,
                if more {
                    Phase::Tokens
                } else {
                    Phase::DeadLetters
                },
            )
        }
        Phase::DeadLetters => {
            let old = delete(connection, DELETE_DEAD_LETTERS, before, limit).await?;
            let excess = query(DELETE_EXCESS_DEAD_LETTERS)
                .bind(i64::from(limit))
                .bind(i64::from(DEAD_LETTERS_MAX))
                .execute(connection)
                .await?;
            let more = old.max(excess) >= u64::from(limit);
            let next = if more {
                Phase::DeadLetters
            } else {
                Phase::Jobs
            };
            (old + excess, next)
        }
        Phase::Jobs => {
            let removed = delete(connection, DELETE_JOBS, before, limit).await?;
            let more = removed >= u64::from(limit);
            let next = if more { Phase::Jobs } else { Phase::Recordings };
            (removed, next)
        }
        Phase::Recordings => {
            let removed = delete(connection, DELETE_RECORDINGS, before, limit).await?;
            let more = removed >= u64::from(limit);
            let next = if more {
                Phase::Recordings
            } else {
                Phase::Lasting(FIRST)
            };
            (removed, next)
        }
        Phase::Lasting(passed) => {
            let next = next_lasting(connection, before, passed).await?;
            let phase = next.map_or(Phase::Done, |session| Phase::Participants {
                session,
                passed: FIRST,
            });
            (0, phase)
        }
        Phase::Participants { session, passed } => {
            participants(connection, before, session, passed, limit).await?
        }
        Phase::Revocations => {
            let removed = delete(connection, DELETE_REVOCATIONS, before, limit).await?;
            let more = removed >= u64::from(limit);
            let next = if more {
                Phase::Revocations
            } else {
                Phase::Done
            };
            (removed, next)
        }
        Phase::Done => (0, Phase::Done),
    };
    sweep.removed += removed;
    sweep.phase = next;
    Ok(sweep)
}

/// Removes rows of the session that ended first. Returns how many, and whether there may be more.
async fn ended(
    connection: &mut sql::Connection,
    before: Time,
    limit: u32,
) -> Result<(u64, bool), StoreError> {
    let next = query(NEXT_ENDED)
        .bind(before.0)
        .row(connection, purge::id)
        .await?;
    let Some(session) = next else {
        return Ok((0, false));
    };
    let mut left = limit;
    for sql in purge::OF_SESSION {
        left -= purge::delete_some(connection, sql, &session, left).await?;
    }
    if left > 0 {
        query(DELETE_SESSION)
            .bind(session.as_str())
            .execute(connection)
            .await?;
        left -= 1;
    }
    Ok((u64::from(limit - left), true))
}

async fn next_lasting(
    connection: &mut sql::Connection,
    before: Time,
    passed: Position,
) -> Result<Option<Position>, StoreError> {
    query(LASTING)
        .bind(before.0)
        .bind(passed.0)
        .bind(passed.1)
        .row(connection, position)
        .await
}

fn position(row: &Row<'_>) -> Result<Position, StoreError> {
    Ok((row.number(0)?, row.text(1)?.to_owned()))
}

/// One page of participants of a session that continues.
async fn participants(
    connection: &mut sql::Connection,
    before: Time,
    session: Position,
    mut passed: Position,
    limit: u32,
) -> Result<(u64, Phase), StoreError> {
    let page = query(PARTICIPANTS)
        .bind(session.1.as_str())
        .bind(before.0)
        .bind(passed.0)
        .bind(passed.1.as_str())
        .bind(i64::from(PARTICIPANTS_PER_STEP))
        .rows(connection, position)
        .await?;
    if page.is_empty() {
        return Ok((0, Phase::Lasting(session)));
    }
    let (mut removed, limit) = (0, u64::from(limit));
    for (joined_at, id) in page {
        let of_participant = |sql| query(sql).bind(session.1.as_str()).bind(id.as_str());
        let left = limit.saturating_sub(removed);
        let events = of_participant(DELETE_EVENTS)
            .bind(before.0)
            .bind(i64::try_from(left).unwrap_or(i64::MAX))
            .execute(connection)
            .await?;
        removed += events;
        let left = left - events;
        let replicas = of_participant(DELETE_REPLICAS)
            .bind(i64::try_from(left).unwrap_or(i64::MAX))
            .execute(connection)
            .await?;
        removed += replicas;
        if replicas >= left {
            // This session may have more; the next step starts with it.
            break;
        }
        removed += of_participant(DELETE_PARTICIPANT)
            .execute(connection)
            .await?;
        passed = (joined_at, id);
    }
    Ok((removed, Phase::Participants { session, passed }))
}

async fn tokens(
    connection: &mut sql::Connection,
    before: Time,
    limit: u32,
) -> Result<u64, StoreError> {
    let query = query(DELETE_TOKENS)
        .bind(before.0)
        .bind(i64::from(limit))
        .bind(before.minus_seconds(SIGNED_BEFORE_MAX_S).0);
    query.execute(connection).await
}

async fn delete(
    connection: &mut sql::Connection,
    sql: &'static str,
    before: Time,
    limit: u32,
) -> Result<u64, StoreError> {
    let query = query(sql).bind(before.0).bind(i64::from(limit));
    query.execute(connection).await
}
