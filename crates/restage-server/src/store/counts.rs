//! How much is live: for metrics, not for rules.

use sqlx::Row as _;

use super::error::StoreError;
use super::{Store, read};

/// Each count walks live rows only (`stage_sessions_active`, `replicas_out`, and `connections`, which
/// holds nothing else). A deleted stage's rows count until they are purged.
const LIVE_COUNTS: &str = "SELECT \
     (SELECT COUNT(*) FROM stage_sessions WHERE ended_at IS NULL) AS sessions, \
     (SELECT COUNT(*) FROM (SELECT DISTINCT session, participant FROM connections) AS present) \
     AS participants, \
     (SELECT COUNT(*) FROM replicas WHERE active = 1) AS replicas, \
     (SELECT COUNT(*) FROM connections WHERE kind = 'PUBLISH') AS publishing, \
     (SELECT COUNT(*) FROM connections WHERE kind = 'SUBSCRIBE') AS subscribing, \
     (SELECT COUNT(*) FROM connections WHERE kind = 'EVENTS') AS events";

/// How much is live at one moment.
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
    /// Counts what is live, in time that grows with it.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn live_counts(&self) -> Result<LiveCounts, StoreError> {
        let row = read::within(sqlx::query(LIVE_COUNTS).fetch_one(self.readers())).await?;
        Ok(LiveCounts {
            sessions: row.try_get("sessions")?,
            participants: row.try_get("participants")?,
            replicas: row.try_get("replicas")?,
            publishing: row.try_get("publishing")?,
            subscribing: row.try_get("subscribing")?,
            events: row.try_get("events")?,
        })
    }
}
