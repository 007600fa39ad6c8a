//! Removes the rows of deleted stages. The stage row is removed at once, after which no reader sees anything that
//! belongs to the stage; its other rows are removed in bounded steps.

use restage_core::id::StageId;

use crate::error::StoreError;
use crate::sql::{self, Row, query};

/// Rows removed per step in the background.
pub(crate) const PURGE_STEP_ROWS: u32 = 1_000;

const UNCOUNT_STAGE: &str = "UPDATE stage_counts SET stages = stages - 1 WHERE EXISTS \
     (SELECT 1 FROM stages s WHERE s.id = $1 AND s.account = stage_counts.account \
      AND s.region = stage_counts.region)";
const DELETE_STAGE: &str = "DELETE FROM stages WHERE id = $1";
const NOTE_DELETED: &str =
    "INSERT INTO deleted_stages (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
const FORGET_DELETED: &str = "DELETE FROM deleted_stages WHERE id = $1";
const NEXT_DELETED: &str = "SELECT id FROM deleted_stages ORDER BY id LIMIT 1";
pub(crate) const NEXT_SESSION: &str = "SELECT id FROM stage_sessions WHERE stage = $1 LIMIT 1";

/// Connections are removed at once, because they are not history. There are none outside the
/// active session, and the rules have closed those.
const DELETE_CONNECTIONS: &str = "DELETE FROM connections WHERE session = \
     (SELECT s.active_session FROM stages s WHERE s.id = $1)";
/// Rows that belong to a session, by its id and a limit. The session row itself is removed last, because it
/// identifies the others. Replicas that have the session as destination stay: they are the
/// source's history.
pub(crate) const OF_SESSION: [&str; 3] = [
    "DELETE FROM stage_events WHERE (session, participant, seq) IN \
     (SELECT session, participant, seq FROM stage_events WHERE session = $1 LIMIT $2)",
    "DELETE FROM replicas WHERE (source_session, participant, destination_session) IN \
     (SELECT source_session, participant, destination_session FROM replicas \
      WHERE source_session = $1 LIMIT $2)",
    "DELETE FROM participants WHERE (session, id) IN \
     (SELECT session, id FROM participants WHERE session = $1 LIMIT $2)",
];
const DELETE_SESSION: &str = "DELETE FROM stage_sessions WHERE id = $1";
pub(crate) const DELETE_TOKENS: &str = "DELETE FROM tokens WHERE (stage, participant) IN \
     (SELECT stage, participant FROM tokens WHERE stage = $1 LIMIT $2)";

/// Jobs that have ended. Those that have not belong to the rules, which remove them when they end.
pub(crate) const DELETE_JOBS: &str = "DELETE FROM jobs WHERE id IN \
     (SELECT id FROM jobs WHERE stage = $1 AND ended_at IS NOT NULL LIMIT $2)";

/// Removes a stage, and with it up to `purge_rows` of its rows. Removing a missing stage
/// changes nothing.
pub(crate) async fn delete_stage(
    connection: &mut sql::Connection,
    stage: &StageId,
    purge_rows: u32,
) -> Result<(), StoreError> {
    for sql in [UNCOUNT_STAGE, DELETE_CONNECTIONS] {
        query(sql).bind(stage.as_str()).execute(connection).await?;
    }
    let deleted = query(DELETE_STAGE)
        .bind(stage.as_str())
        .execute(connection)
        .await?;
    if deleted > 0 {
        query(NOTE_DELETED)
            .bind(stage.as_str())
            .execute(connection)
            .await?;
        purge_stage(connection, stage.as_str(), purge_rows).await?;
    }
    Ok(())
}

/// Removes up to `limit` rows of deleted stages and returns how many. Fewer than `limit` means that
/// none are left.
pub(crate) async fn purge(connection: &mut sql::Connection, limit: u32) -> Result<u32, StoreError> {
    let mut left = limit;
    while left > 0 {
        let next = query(NEXT_DELETED).row(connection, id).await?;
        let Some(stage) = next else {
            break;
        };
        left -= purge_stage(connection, &stage, left).await?;
    }
    Ok(limit - left)
}

/// Whether rows of deleted stages are left.
pub(crate) async fn is_pending(connection: &mut sql::Connection) -> Result<bool, StoreError> {
    let next = query(NEXT_DELETED).row(connection, id).await?;
    Ok(next.is_some())
}

/// Removes up to `limit` rows of one deleted stage, and with the last of them its entry in the work list.
async fn purge_stage(
    connection: &mut sql::Connection,
    stage: &str,
    limit: u32,
) -> Result<u32, StoreError> {
    let mut left = limit;
    for sql in [DELETE_TOKENS, DELETE_JOBS] {
        left -= delete_some(connection, sql, stage, left).await?;
    }
    while left > 0 {
        let next = query(NEXT_SESSION).bind(stage).row(connection, id).await?;
        let Some(session) = next else {
            query(FORGET_DELETED)
                .bind(stage)
                .execute(connection)
                .await?;
            break;
        };
        for sql in OF_SESSION {
            left -= delete_some(connection, sql, &session, left).await?;
        }
        if left > 0 {
            query(DELETE_SESSION)
                .bind(session.as_str())
                .execute(connection)
                .await?;
            left -= 1;
        }
    }
    Ok(limit - left)
}

pub(crate) async fn delete_some(
    connection: &mut sql::Connection,
    sql: &'static str,
    of: &str,
    limit: u32,
) -> Result<u32, StoreError> {
    if limit == 0 {
        return Ok(0);
    }
    let deleted = query(sql)
        .bind(of)
        .bind(i64::from(limit))
        .execute(connection)
        .await?;
    Ok(u32::try_from(deleted).unwrap_or(limit).min(limit))
}

/// The only column of a row.
pub(crate) fn id(row: &Row<'_>) -> Result<String, StoreError> {
    row.text(0).map(str::to_owned)
}
