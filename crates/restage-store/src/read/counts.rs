//! Counts of live rows, for metrics.

use crate::error::StoreError;
use crate::sql::{Row, query};
use crate::store::Store;

/// Each count reads live rows only (`stage_sessions_active`, `replicas_out`, and `connections`, which
/// has no others). A deleted stage's rows count until they are purged.
const LIVE_COUNTS: &str = "SELECT \
     (SELECT COUNT(*) FROM stage_sessions WHERE ended_at IS NULL), \
     (SELECT COUNT(*) FROM (SELECT DISTINCT session, participant FROM connections) AS present) \
    , \
     (SELECT COUNT(*) FROM replicas WHERE active = 1), \
     (SELECT COUNT(*) FROM connections WHERE kind = 'PUBLISH'), \
     (SELECT COUNT(*) FROM connections WHERE kind = 'SUBSCRIBE'), \
     (SELECT COUNT(*) FROM connections WHERE kind = 'EVENTS')";

/// Counts of live rows at one moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct LiveCounts {
    /// Stage sessions that have not ended.
    pub sessions: i64,
    /// Participants with an open connection; replicas have none of their own.
    pub participants: i64,
    /// Replications that are ACTIVE.
    pub replicas: i64,
    /// Connections that publish.
    pub publishing: i64,
    /// Connections that subscribe, one for each publisher watched.
    pub subscribing: i64,
    /// Events sockets.
    pub events: i64,
}

impl Store {
    /// Counts live rows, in time proportional to their number.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn live_counts(&self) -> Result<LiveCounts, StoreError> {
        let counted = self.readers().row_aside(query(LIVE_COUNTS), counts).await?;
        Ok(counted.unwrap_or_default())
    }
}

fn counts(row: &Row<'_>) -> Result<LiveCounts, StoreError> {
    Ok(LiveCounts {
        sessions: row.number(0)?,
        participants: row.number(1)?,
        replicas: row.number(2)?,
        publishing: row.number(3)?,
        subscribing: row.number(4)?,
        events: row.number(5)?,
    })
}
