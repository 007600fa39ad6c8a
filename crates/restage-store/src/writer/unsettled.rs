//! A batch whose COMMIT was sent and not answered: it is found out whether it was made, before anything else is written.
//!
//! So a change that was made has its effects, once, and one that was not made has none, whatever the callers were told
//! meanwhile.

use restage_core::{Command, Decision};
use tokio::sync::OwnedSemaphorePermit;

use super::batch::Entry;
use super::request::{Done, Request};
use super::{StoreError, Writer, refuse};
use crate::error::Cause;
use crate::sql::Connection;

/// Such a batch.
pub(super) struct Unsettled {
    transaction: i64,
    /// Rows it put into the outbox, by sink.
    appended: u64,
    what: What,
}

enum What {
    /// The callers still wait.
    Asked(Vec<Entry>),
    /// They were told that it is not known.
    Told(Vec<Told>),
}

/// What follows from a command that was carried out after all. Whoever settles events with a sink asks again.
struct Told {
    command: Box<Command>,
    decision: Box<Decision>,
    place: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// Finds out at once, if the database can be reached; else the callers are told that it is not known, and it is
    /// found out with the next connection.
    pub(super) async fn settle_later(
        &mut self,
        transaction: i64,
        entries: Vec<Entry>,
        error: &StoreError,
    ) {
        let appended = self.outbox.mark();
        self.outbox.roll_back(0);
        self.changes.committed_unknown();
        self.note_failure(error);
        self.trouble.unsettled = Some(Unsettled {
            transaction,
            appended,
            what: What::Asked(entries),
        });
        match self.take_connection().await {
            Ok(connection) => self.connection = Some(connection),
            Err(_) => self.tell_unknown(error),
        }
    }

    fn tell_unknown(&mut self, error: &StoreError) {
        let Some(unsettled) = &mut self.trouble.unsettled else {
            return;
        };
        let What::Asked(entries) = std::mem::replace(&mut unsettled.what, What::Told(Vec::new()))
        else {
            return;
        };
        let unknown = StoreError::Unknown {
            reason: error.to_string(),
        };
        let told = entries
            .into_iter()
            .filter_map(|entry| told(entry, &unknown));
        unsettled.what = What::Told(told.collect());
    }

    /// Asks the database what became of the batch, if there is such a one.
    pub(super) async fn settle(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        let Some(Unsettled { transaction, .. }) = self.trouble.unsettled else {
            return Ok(());
        };
        let is_committed = self.engine.is_committed(connection, transaction).await?;
        let Some(unsettled) = self.trouble.unsettled.take() else {
            return Ok(());
        };
        tracing::warn!(
            is_committed,
            "it is known what became of a batch whose COMMIT was not answered"
        );
        if is_committed {
            self.outbox.committed_later(unsettled.appended);
        }
        match unsettled.what {
            What::Asked(entries) if is_committed => self.committed(entries),
            What::Asked(entries) => {
                let error = StoreError::Commit {
                    reason: "the connection to the database was lost before it was committed"
                        .to_owned(),
                    cause: Cause::Unreachable,
                };
                refuse(entries, &error);
            }
            What::Told(all) if is_committed => all.into_iter().for_each(|one| self.catch_up(one)),
            What::Told(_) => {}
        }
        Ok(())
    }

    fn catch_up(&mut self, one: Told) {
        self.changes.committed(&one.decision.changes);
        self.hand_over(&one.command, &one.decision, one.place);
    }
}

/// Answers a caller and keeps what has to be done if the change was made.
fn told(entry: Entry, unknown: &StoreError) -> Option<Told> {
    match (entry.request, entry.outcome) {
        (request, Some(Err(own))) => {
            request.refuse(&own);
            None
        }
        (
            Request::Execute {
                command,
                place,
                answer,
                ..
            },
            Some(Ok(Done::Decided(decision))),
        ) => {
            let _ = answer.send(Err(unknown.clone()));
            Some(Told {
                command,
                decision,
                place,
            })
        }
        (request, _) => {
            request.refuse(unknown);
            None
        }
    }
}
