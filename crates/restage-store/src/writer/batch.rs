//! One transaction for all requests that wait together.

use super::request::{Done, Request};
use crate::config::Purging;
use crate::error::StoreError;
use crate::outbox::Outbox;
use crate::sql::Connection;

/// Begins each request of a batch.
const SAVEPOINT: &str = "SAVEPOINT request";
const RELEASE: &str = "RELEASE SAVEPOINT request";
const ROLLBACK_TO: &str = "ROLLBACK TO SAVEPOINT request";

/// A request and its result.
pub(super) struct Entry {
    pub(super) request: Request,
    /// `None` until the request was performed.
    pub(super) outcome: Option<Result<Done, StoreError>>,
}

impl From<Request> for Entry {
    fn from(request: Request) -> Self {
        Self {
            request,
            outcome: None,
        }
    }
}

/// The progress of a batch, which decides what is known of a batch that was interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Nothing of it is kept.
    Open,
    /// COMMIT was sent and has not been answered. The number is the transaction's, if the engine has such numbers.
    Committing(Option<i64>),
}

/// The parts of the writer that a batch uses.
pub(super) struct Means<'w> {
    pub(super) connection: &'w mut Connection,
    pub(super) begin: &'static str,
    pub(super) purging: Purging,
    pub(super) outbox: &'w mut Outbox,
}

impl Means<'_> {
    /// Writes one transaction with a savepoint per request, so that a request that fails rolls back only itself; a
    /// single request needs no savepoint. An error means that nothing of the batch was kept, or, depending on
    /// `progress`, that this is unknown.
    pub(super) async fn write(
        &mut self,
        entries: &mut [Entry],
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        let is_alone = entries.len() == 1;
        let transaction = self.connection.begin(self.begin).await?;
        for entry in &mut *entries {
            let mark = self.outbox.mark();
            if !is_alone {
                self.connection.command(SAVEPOINT).await?;
            }
            let connection = &mut *self.connection;
            let outcome = entry.request.perform(connection, self.purging, self.outbox);
            let outcome = outcome.await;
            let error = outcome.as_ref().err().cloned();
            entry.outcome = Some(outcome);
            let Some(error) = error else {
                if !is_alone {
                    self.connection.command(RELEASE).await?;
                }
                continue;
            };
            if error.cause().breaks_connection() {
                return Err(error);
            }
            tracing::warn!(%error, "a command was rolled back");
            self.outbox.roll_back(mark);
            if is_alone {
                return self.connection.command("ROLLBACK").await;
            }
            self.connection.command(ROLLBACK_TO).await?;
            self.connection.command(RELEASE).await?;
        }
        *progress = Progress::Committing(transaction);
        let committed = self.connection.command("COMMIT").await;
        if committed.as_ref().is_err_and(StoreError::is_refusal) {
            // The engine itself reports that the COMMIT failed.
            *progress = Progress::Open;
        }
        committed
    }
}
