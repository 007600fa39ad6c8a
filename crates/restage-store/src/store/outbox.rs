//! The outbox for the senders: events that wait for a sink, and the state of the sinks.

use restage_core::id::Time;
use tokio::sync::futures::Notified;

use super::Store;
use crate::error::StoreError;
use crate::limits::PAGE_ROWS_MAX;
use crate::outbox::{OutboxStats, Outgoing, WAITING, WAITING_COUNT, WAITING_KEYS, Waiting, decode};
use crate::sql::query;

impl Store {
    /// The events that wait for a sink, in order, after a sequence number.
    pub async fn outbox(
        &self,
        sink: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let query = query(WAITING)
            .bind(sink)
            .bind(after)
            .bind(i64::from(limit.min(PAGE_ROWS_MAX)));
        let page = self.readers().rows(query, decode::outgoing).await?;
        if after == 0 {
            let oldest = page.first().map(|event| event.at);
            self.board().set_oldest(sink, oldest);
        }
        Ok(page)
    }

    /// Positions and stages of the events that wait for a sink, in order, after a sequence number.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn outbox_waiting(
        &self,
        sink: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Waiting>, StoreError> {
        let query = query(WAITING_KEYS)
            .bind(sink)
            .bind(after)
            .bind(i64::from(limit.min(PAGE_ROWS_MAX)));
        self.readers().rows(query, decode::waiting).await
    }

    /// Number of events that wait for a sink, up to a sequence number.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn outbox_count(&self, sink: &str, up_to: i64) -> Result<u64, StoreError> {
        let query = query(WAITING_COUNT).bind(sink).bind(up_to);
        let count = self.readers().row_aside(query, |row| row.number(0)).await?;
        Ok(count.map_or(0, |count| u64::try_from(count).unwrap_or_default()))
    }

    /// One event, if it still waits.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn outbox_event(&self, sink: &str, seq: i64) -> Result<Option<Outgoing>, StoreError> {
        let query = query(WAITING).bind(sink).bind(seq - 1).bind(1);
        let rows = self.readers().rows(query, decode::outgoing).await?;
        Ok(rows.into_iter().next().filter(|event| event.seq == seq))
    }

    /// Records the time of a sink's oldest waiting event, for [`Self::outbox_stats`].
    pub fn outbox_oldest(&self, sink: &str, at: Option<Time>) {
        self.board().set_oldest(sink, at);
    }

    /// Resolves when events are committed after this call, whenever it is awaited.
    pub fn outbox_changed(&self) -> Notified<'_> {
        self.board().bell.notified()
    }

    /// The state of the sinks, by name.
    pub fn outbox_stats(&self) -> Vec<(&'static str, OutboxStats)> {
        self.board().stats()
    }
}
