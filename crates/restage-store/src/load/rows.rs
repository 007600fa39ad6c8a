//! The queries behind [`world`](super::world): rows by key, for many keys at a time.
//!
//! Keys are passed as a table of values that is joined first, so that every key is one look-up in an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use restage_core::id::{ArnId as _, JobId, ParticipantId, StageId, StageSessionId, Time};
use restage_core::limits::{JOBS_PER_TICK_MAX, OVERDUE_PER_TICK_MAX};
use restage_core::row::{
    CompositionId, Connection, IngestConfiguration, Job, Participant, PlainId, PlainKind, PlainRow,
    PublicKey, RecordingId, Replica, Stage, StageSession, Token,
};
use restage_core::{Occupancy, RegionCount};

use super::PresenceKey;
use crate::error::StoreError;
use crate::sql::{self, Row, query};
use crate::tables::declare::PlainTable as _;
use crate::tables::{
    Table as _, connection, decode, ingest_configuration, job, participant, plain, public_key,
    replica, session, stage, token,
};

/// Keys per statement. A remainder uses the smaller sizes, so that only a few statements are prepared.
const CHUNK_SIZES: [usize; 4] = [256, 32, 4, 1];

/// A key, as the values of its columns.
pub(super) trait Key {
    fn columns(&self) -> [Option<&str>; 2];
}

impl Key for StageId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for StageSessionId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for ParticipantId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for JobId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for CompositionId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for RecordingId {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.as_str()), None]
    }
}

impl Key for PresenceKey {
    fn columns(&self) -> [Option<&str>; 2] {
        [Some(self.0.as_str()), Some(self.1.as_str())]
    }
}

/// `WITH want (…) AS (VALUES …)` before a statement that joins `want`.
pub(crate) fn with_keys(columns: &str, width: usize, keys: usize, rest: &str) -> String {
    let mut sql = format!("WITH want ({columns}) AS (VALUES ");
    for key in 0..keys {
        let comma = if key == 0 { "" } else { ", " };
        let first = 1 + key * width;
        match width {
            1 => write!(sql, "{comma}(${first})"),
            _ => write!(sql, "{comma}(${first}, ${})", first + 1),
        }
        .expect("writing to a String succeeds");
    }
    sql.push_str(") ");
    sql.push_str(rest);
    sql
}

/// A statement that joins a table of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByKeys {
    /// The names of the key's columns.
    pub(crate) columns: &'static str,
    /// The number of the key's columns.
    pub(crate) width: usize,
    /// The statement after `want`.
    pub(crate) sql: &'static str,
}

impl ByKeys {
    pub(super) const fn one(sql: &'static str) -> Self {
        Self {
            columns: "k",
            width: 1,
            sql,
        }
    }

    const fn place(sql: &'static str) -> Self {
        Self {
            columns: "session, id",
            width: 2,
            sql,
        }
    }

    pub(super) async fn fetch<K: Key, T>(
        self,
        connection: &mut sql::Connection,
        keys: BTreeSet<K>,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut rest = keys.as_slice();
        let mut found = Vec::new();
        while let Some(&size) = CHUNK_SIZES.iter().find(|size| **size <= rest.len()) {
            let (chunk, after) = rest.split_at(size);
            rest = after;
            let sql = with_keys(self.columns, self.width, size, self.sql);
            let mut query = query(sql);
            for column in chunk
                .iter()
                .flat_map(|key| key.columns().into_iter().flatten())
            {
                query = query.bind(column);
            }
            found.extend(query.rows(connection, &decode).await?);
        }
        Ok(found)
    }
}

pub(crate) const STAGES: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    stage::columns!(),
    " FROM want CROSS JOIN stages s WHERE s.id = want.k"
));
// Rows of deleted stages are still there but must not count.
pub(crate) const SESSIONS: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    session::columns!(),
    " FROM want CROSS JOIN stage_sessions x WHERE x.id = want.k \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = x.stage)"
));
pub(crate) const PARTICIPANTS: ByKeys = ByKeys::place(concat!(
    "SELECT ",
    participant::columns!(),
    " FROM want CROSS JOIN participants p WHERE p.session = want.session AND p.id = want.id \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = p.stage)"
));
pub(crate) const REPLICAS_OF: ByKeys = ByKeys::one(concat!(
    "SELECT ",
    replica::columns!(),
    " FROM want CROSS JOIN replicas r WHERE r.participant = want.k AND r.active = 1 \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = r.source_stage)"
));
pub(crate) const CONNECTIONS_OF: ByKeys = ByKeys::place(concat!(
    "SELECT ",
    connection::columns!(),
    " FROM want CROSS JOIN connections c WHERE c.session = want.session AND c.participant = want.id"
));
pub(crate) const SUBSCRIBERS: ByKeys = ByKeys::place(
    "SELECT c.session, c.participant FROM want CROSS JOIN connections c \
     WHERE c.session = want.session AND c.publisher = want.id AND c.publisher IS NOT NULL",
);
pub(crate) const OCCUPANCIES: ByKeys = ByKeys::one(
    "SELECT want.k, \
     (SELECT COUNT(*) FROM participants p WHERE p.session = want.k AND p.publishing = 1 AND p.is_virtual = 0), \
     (SELECT COUNT(*) FROM ( \
         SELECT p.id FROM participants p WHERE p.session = want.k AND p.publishing = 1 AND p.is_virtual = 0 \
         UNION SELECT p.id FROM participants p WHERE p.session = want.k \
             AND p.replication_active = 1 AND p.replication = 'REPLICA' \
         UNION SELECT c.participant FROM connections c WHERE c.session = want.k \
             AND c.kind = 'PUBLISH') AS publishers), \
     (SELECT COALESCE(MAX(x.subscribers), 0) FROM stage_sessions x WHERE x.id = want.k) \
     FROM want",
);

pub(crate) const STAGE_COUNT: &str =
    "SELECT c.stages FROM stage_counts c WHERE c.account = $1 AND c.region = $2";
pub(crate) const REGION_COUNT: &str = "SELECT c.publishers, c.subscriptions FROM stage_counts c \
     WHERE c.account = $1 AND c.region = $2";
pub(crate) const TOKEN: &str = concat!(
    "SELECT ",
    token::columns!(),
    " FROM tokens t JOIN stages s ON s.id = t.stage WHERE t.stage = $1 AND t.participant = $2"
);
pub(crate) const META: &str = "SELECT m.value FROM meta m WHERE m.name = $1";
pub(crate) const REPLICA: &str = concat!(
    "SELECT ",
    replica::columns!(),
    " FROM replicas r \
     WHERE r.source_session = $1 AND r.participant = $2 AND r.destination_session = $3"
);
// The index contains all columns.
pub(crate) const REPLICATIONS: &str = "SELECT COUNT(*) FROM replicas r \
     WHERE r.participant = $1 AND r.source_session = $2 AND r.active = 1";
pub(crate) const REPLICAS_DUE: &str = concat!(
    "SELECT ",
    replica::columns!(),
    " FROM replicas r WHERE r.active = 1 AND r.window_ends_at <= $1 \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = r.source_stage)"
);
pub(crate) const STAGES_IDLE: &str = "SELECT x.stage FROM stage_sessions x \
     WHERE x.ended_at IS NULL AND x.idle_since <= $1";
pub(crate) const CONNECTIONS_OVERDUE: &str = concat!(
    "SELECT ",
    connection::columns!(),
    " FROM connections c WHERE c.kind <> 'EVENTS' AND c.opened_at <= $1 \
     ORDER BY c.opened_at, c.id LIMIT $2"
);
pub(crate) const CONNECTIONS_OF_SESSION: &str = concat!(
    "SELECT ",
    connection::columns!(),
    " FROM connections c WHERE c.session = $1"
);
// Three look-ups; a row that matches several of them appears several times.
pub(crate) const PARTICIPANTS_LIVE: &str = concat!(
    "SELECT ",
    participant::columns!(),
    " FROM participants p WHERE p.session = $1 AND p.connected = 1 UNION ALL SELECT ",
    participant::columns!(),
    " FROM participants p WHERE p.session = $1 AND p.publishing = 1 UNION ALL SELECT ",
    participant::columns!(),
    " FROM participants p WHERE p.session = $1 AND p.replication_active = 1"
);
/// A job, unless it has ended and its stage is gone: then it is on its way out.
pub(crate) const JOB: &str = concat!(
    "SELECT ",
    job::columns!(),
    " FROM jobs j WHERE j.id = $1 \
     AND (j.ended_at IS NULL OR EXISTS (SELECT 1 FROM stages s WHERE s.id = j.stage))"
);
pub(crate) const JOBS_OF: &str = concat!(
    "SELECT ",
    job::columns!(),
    " FROM jobs j WHERE j.stage = $1 AND j.ended_at IS NULL"
);
pub(crate) const JOBS_DUE: &str = concat!(
    "SELECT ",
    job::columns!(),
    " FROM jobs j WHERE j.due_at IS NOT NULL AND j.due_at <= $1 ORDER BY j.due_at, j.id LIMIT $2"
);
// Used once, at the start: these read everything live in all stages.
const STAGES_WITH_SESSION: &str = "SELECT s.id FROM stages s WHERE s.active_session IS NOT NULL";
const REPLICAS_ACTIVE: &str = concat!(
    "SELECT ",
    replica::columns!(),
    " FROM replicas r WHERE r.active = 1 \
     AND EXISTS (SELECT 1 FROM stages s WHERE s.id = r.source_stage)"
);
const CONNECTIONS_ALL: &str = concat!("SELECT ", connection::columns!(), " FROM connections c");

const JOBS_LIVE: &str = concat!(
    "SELECT ",
    job::columns!(),
    " FROM jobs j WHERE j.ended_at IS NULL"
);

pub(crate) async fn job(
    connection: &mut sql::Connection,
    id: &JobId,
) -> Result<Option<Job>, StoreError> {
    query(JOB)
        .bind(id.as_str())
        .row(connection, Job::read)
        .await
}

/// The jobs of a stage that have not ended.
pub(crate) async fn jobs_of(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<Vec<Job>, StoreError> {
    query(JOBS_OF)
        .bind(stage.as_str())
        .rows(connection, Job::read)
        .await
}

/// The first jobs that are to be started or given up by then.
pub(crate) async fn jobs_due(
    connection: &mut sql::Connection,
    now: Time,
) -> Result<Vec<Job>, StoreError> {
    query(JOBS_DUE)
        .bind(now.0)
        .bind(JOBS_PER_TICK_MAX as i64)
        .rows(connection, Job::read)
        .await
}

pub(crate) async fn jobs_live(connection: &mut sql::Connection) -> Result<Vec<Job>, StoreError> {
    query(JOBS_LIVE).rows(connection, Job::read).await
}

pub(crate) async fn stages(
    connection: &mut sql::Connection,
    ids: BTreeSet<StageId>,
) -> Result<Vec<Stage>, StoreError> {
    STAGES.fetch(connection, ids, Stage::read).await
}

pub(crate) async fn sessions(
    connection: &mut sql::Connection,
    ids: BTreeSet<StageSessionId>,
) -> Result<Vec<StageSession>, StoreError> {
    SESSIONS.fetch(connection, ids, StageSession::read).await
}

pub(crate) async fn participants(
    connection: &mut sql::Connection,
    places: BTreeSet<PresenceKey>,
) -> Result<Vec<Participant>, StoreError> {
    PARTICIPANTS
        .fetch(connection, places, Participant::read)
        .await
}

/// The ACTIVE replica rows of these participants.
pub(crate) async fn replicas_of(
    connection: &mut sql::Connection,
    participants: BTreeSet<ParticipantId>,
) -> Result<Vec<Replica>, StoreError> {
    REPLICAS_OF
        .fetch(connection, participants, Replica::read)
        .await
}

/// The open connections of these participants.
pub(crate) async fn connections_of(
    connection: &mut sql::Connection,
    places: BTreeSet<PresenceKey>,
) -> Result<Vec<Connection>, StoreError> {
    CONNECTIONS_OF
        .fetch(connection, places, Connection::read)
        .await
}

/// The subscribers of these publishers.
pub(crate) async fn subscribers(
    connection: &mut sql::Connection,
    publishers: BTreeSet<PresenceKey>,
) -> Result<Vec<PresenceKey>, StoreError> {
    SUBSCRIBERS
        .fetch(connection, publishers, decode::place)
        .await
}

/// The occupancy of these sessions.
pub(crate) async fn occupancies(
    connection: &mut sql::Connection,
    ids: BTreeSet<StageSessionId>,
) -> Result<BTreeMap<StageSessionId, Occupancy>, StoreError> {
    let counted = OCCUPANCIES
        .fetch(connection, ids, decode::occupancy)
        .await?;
    Ok(counted.into_iter().collect())
}

pub(crate) async fn stage_count(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
) -> Result<u64, StoreError> {
    let found = query(STAGE_COUNT)
        .bind(account)
        .bind(region)
        .row(connection, decode::count)
        .await?;
    Ok(found.unwrap_or(0))
}

/// The live counts of an account in a Region.
pub(crate) async fn region_count(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
) -> Result<RegionCount, StoreError> {
    let found = query(REGION_COUNT)
        .bind(account)
        .bind(region)
        .row(connection, decode::region_count)
        .await?;
    Ok(found.unwrap_or_default())
}

/// How many plain resources of a kind an account has in a Region.
pub(crate) async fn plain_count(
    connection: &mut sql::Connection,
    kind: PlainKind,
    account: &str,
    region: &str,
) -> Result<u64, StoreError> {
    query(plain(kind).count)
        .bind(account)
        .bind(region)
        .only(connection, decode::count)
        .await
}

pub(crate) async fn plain_row(
    connection: &mut sql::Connection,
    id: &PlainId,
) -> Result<Option<PlainRow>, StoreError> {
    let table = plain(id.of_kind());
    query(table.get)
        .bind(id.text())
        .row(connection, table.read)
        .await
}

/// The public key with this point; an account has at most one in a Region.
pub(crate) async fn public_key_with_point(
    connection: &mut sql::Connection,
    account: &str,
    region: &str,
    point: &str,
) -> Result<Option<PlainRow>, StoreError> {
    query(public_key::WITH_POINT)
        .bind(account)
        .bind(region)
        .bind(point)
        .row(connection, PublicKey::read_plain)
        .await
}

/// The ingest configurations that publish to a stage.
pub(crate) async fn ingests_of(
    connection: &mut sql::Connection,
    stage: &StageId,
) -> Result<Vec<IngestConfiguration>, StoreError> {
    query(ingest_configuration::OF_STAGE)
        .bind(stage.as_str())
        .rows(connection, IngestConfiguration::read)
        .await
}

/// The ingest configurations that publish to a stage as this participant; there is at most one.
pub(crate) async fn ingests_by(
    connection: &mut sql::Connection,
    stage: &StageId,
    participant: &ParticipantId,
) -> Result<Vec<IngestConfiguration>, StoreError> {
    query(ingest_configuration::BY_PARTICIPANT)
        .bind(stage.as_str())
        .bind(participant.as_str())
        .rows(connection, IngestConfiguration::read)
        .await
}

pub(crate) async fn token(
    connection: &mut sql::Connection,
    stage: &StageId,
    participant: &ParticipantId,
) -> Result<Option<Token>, StoreError> {
    query(TOKEN)
        .bind(stage.as_str())
        .bind(participant.as_str())
        .row(connection, Token::read)
        .await
}

pub(crate) async fn replica(
    connection: &mut sql::Connection,
    source: &StageSessionId,
    participant: &ParticipantId,
    destination: &StageSessionId,
) -> Result<Option<Replica>, StoreError> {
    query(REPLICA)
        .bind(source.as_str())
        .bind(participant.as_str())
        .bind(destination.as_str())
        .row(connection, Replica::read)
        .await
}

/// The number of ACTIVE replicas of a source participant.
pub(crate) async fn replications(
    connection: &mut sql::Connection,
    (source, participant): &PresenceKey,
) -> Result<u64, StoreError> {
    query(REPLICATIONS)
        .bind(participant.as_str())
        .bind(source.as_str())
        .only(connection, decode::count)
        .await
}

/// ACTIVE replicas whose reconnect window is over.
pub(crate) async fn replicas_due(
    connection: &mut sql::Connection,
    now: Time,
) -> Result<Vec<Replica>, StoreError> {
    query(REPLICAS_DUE)
        .bind(now.0)
        .rows(connection, Replica::read)
        .await
}

/// The oldest connections for media that were opened by that time.
pub(crate) async fn connections_overdue(
    connection: &mut sql::Connection,
    opened_before: Time,
) -> Result<Vec<Connection>, StoreError> {
    query(CONNECTIONS_OVERDUE)
        .bind(opened_before.0)
        .bind(OVERDUE_PER_TICK_MAX as i64)
        .rows(connection, Connection::read)
        .await
}

/// Stages of active sessions in which nobody has published since that time.
pub(crate) async fn stages_idle(
    connection: &mut sql::Connection,
    since: Time,
) -> Result<Vec<StageId>, StoreError> {
    query(STAGES_IDLE)
        .bind(since.0)
        .rows(connection, decode::stage_id)
        .await
}

pub(crate) async fn stages_with_session(
    connection: &mut sql::Connection,
) -> Result<Vec<StageId>, StoreError> {
    query(STAGES_WITH_SESSION)
        .rows(connection, decode::stage_id)
        .await
}

pub(crate) async fn replicas_active(
    connection: &mut sql::Connection,
) -> Result<Vec<Replica>, StoreError> {
    query(REPLICAS_ACTIVE).rows(connection, Replica::read).await
}

pub(crate) async fn connections_all(
    connection: &mut sql::Connection,
) -> Result<Vec<Connection>, StoreError> {
    query(CONNECTIONS_ALL)
        .rows(connection, Connection::read)
        .await
}

pub(crate) async fn connections_of_session(
    connection: &mut sql::Connection,
    session: &StageSessionId,
) -> Result<Vec<Connection>, StoreError> {
    query(CONNECTIONS_OF_SESSION)
        .bind(session.as_str())
        .rows(connection, Connection::read)
        .await
}

/// Participants that are connected, publishing or in an ACTIVE replication.
pub(crate) async fn participants_live(
    connection: &mut sql::Connection,
    session: &StageSessionId,
) -> Result<Vec<Participant>, StoreError> {
    query(PARTICIPANTS_LIVE)
        .bind(session.as_str())
        .rows(connection, Participant::read)
        .await
}
