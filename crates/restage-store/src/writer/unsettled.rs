//! A batch whose COMMIT was sent and not answered. Its result is looked up before anything else is written.
//!
//! So a change that was made has its effects exactly once, and a change that was not made has none, whatever the
//! callers were told meanwhile.

use restage_core::{Command, Decision};
use tokio::sync::OwnedSemaphorePermit;

use super::batch::Entry;
use super::request::{Done, Request};
use super::{StoreError, Writer, refuse};
use crate::error::Cause;
use crate::sql::Connection;

/// A batch whose result is not known.
pub(super) struct Unsettled {
    transaction: i64,
    /// Rows it put into the outbox, by sink.
    appended: u64,
    what: What,
}

enum What {
    /// The callers are still waiting.
    Asked(Vec<Entry>),
    /// The callers were told that the result is not known.
    Told(Vec<Told>),
}

/// What follows from a command that was committed after all. A sender that settles events repeats its call.
struct Told {
    command: Box<Command>,
    decision: Box<Decision>,
    place: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// Looks the result up at once, if the database can be reached. Otherwise the callers are told that it is not
    /// known, and it is looked up with the next connection.
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
            Err(_) => self.answer_unknown(error),
        }
    }

    fn answer_unknown(&mut self, error: &StoreError) {
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

    /// Looks up the result of such a batch in the database, if there is one.
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

/// Answers a caller and keeps what must be done if the change was made.
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
