//! The requests to the writer, and how each is performed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use restage_core::{Command, Context, Decision};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Outcome;
use super::health::PROBE_ROW;
use super::retention::{self, Sweep};
use super::turn::Turn;
use crate::config::Purging;
use crate::error::StoreError;
use crate::load::{self, rows};
use crate::outbox::{self, Outbox, Settlement};
use crate::sql::{self, bytes_text, query};
use crate::system::clock;
use crate::tables::{decode, purge, write};

/// A request to the writer.
pub(crate) enum Request {
    Execute {
        command: Box<Command>,
        context: Box<Context>,
        /// A reserved place among the effects that wait to be performed.
        place: Option<OwnedSemaphorePermit>,
        turn: Arc<Turn>,
        answer: Answer<Outcome>,
    },
    PutMeta {
        name: String,
        value: Vec<u8>,
        answer: Answer<Vec<u8>>,
    },
    Purge {
        limit: u32,
        answer: Answer<u32>,
    },
    Settle {
        sink: &'static str,
        settlement: Settlement,
        answer: Answer<()>,
    },
    Sweep {
        sweep: Sweep,
        limit: u32,
        answer: Answer<Sweep>,
    },
    /// Writes a row, to check whether writing works.
    Probe {
        answer: Answer<()>,
    },
    Close,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// The result of a request, which is returned once it is durable.
pub(super) enum Done {
    Decided(Box<Decision>),
    Meta(Vec<u8>),
    Purged(u32),
    Settled,
    Swept(Sweep),
    Probed,
    Nothing,
}

impl Done {
    /// Number of rows written for it, approximately.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Decided(decision) => decision.changes.len() as u64,
            Self::Purged(rows) => u64::from(*rows),
            Self::Swept(_) => u64::from(retention::RETENTION_STEP_ROWS),
            Self::Meta(_) | Self::Settled | Self::Probed => 1,
            Self::Nothing => 0,
        }
    }
}

impl Request {
    /// Whether the caller still waits; from now on it cannot withdraw.
    pub(super) fn begins(&self) -> bool {
        match self {
            Self::Execute { turn, .. } => turn.begin(),
            _ => true,
        }
    }

    pub(super) async fn perform(
        &self,
        connection: &mut sql::Connection,
        purging: Purging,
        outbox: &mut Outbox,
    ) -> Result<Done, StoreError> {
        match self {
            Self::Execute {
                command, context, ..
            } => {
                let decision = decide(connection, command, context).await?;
                let events = outbox.compose(connection, &decision.notices).await?;
                write::apply(connection, &decision.changes, purging.inline_rows).await?;
                outbox.append(connection, &events).await?;
                Ok(Done::Decided(Box::new(decision)))
            }
            Self::PutMeta { name, value, .. } => {
                put_meta(connection, name, value).await.map(Done::Meta)
            }
            Self::Purge { limit, .. } => purge::purge(connection, *limit).await.map(Done::Purged),
            Self::Settle {
                sink, settlement, ..
            } => {
                outbox::settle(connection, sink, clock::now(), settlement).await?;
                Ok(Done::Settled)
            }
            Self::Sweep { sweep, limit, .. } => {
                let swept = retention::step(connection, sweep.clone(), *limit).await?;
                Ok(Done::Swept(swept))
            }
            Self::Probe { .. } => {
                let now = clock::now().0.to_string();
                let probe = query(PROBE)
                    .bind(PROBE_ROW)
                    .bind(bytes_text(now.as_bytes()));
                probe.execute(connection).await?;
                Ok(Done::Probed)
            }
            Self::Close => Ok(Done::Nothing),
        }
    }

    pub(super) fn refuse(self, error: &StoreError) {
        match self {
            Self::Execute { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::PutMeta { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Purge { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Settle { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Sweep { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Probe { answer } => drop(answer.send(Err(error.clone()))),
            Self::Close => {}
        }
    }
}

async fn decide(
    connection: &mut sql::Connection,
    command: &Command,
    context: &Context,
) -> Result<Decision, StoreError> {
    let needs = contained(|| restage_core::needs(command, context))?;
    let world = load::world(connection, &needs).await?;
    contained(|| restage_core::decide(&world, context, command))
}

/// Catches a panic of the rules, so that a defect costs only the command that met it. The rules are pure, so
/// a panic leaves no state half changed.
fn contained<T>(rules: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(rules)).map_err(|_| StoreError::Defect)
}

const PROBE: &str = "INSERT INTO meta (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const PUT_META: &str =
    "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/// Stores the value unless there is one, and returns the stored value.
async fn put_meta(
    connection: &mut sql::Connection,
    name: &str,
    value: &[u8],
) -> Result<Vec<u8>, StoreError> {
    query(PUT_META)
        .bind(name)
        .bind(bytes_text(value))
        .execute(connection)
        .await?;
    query(rows::META)
        .bind(name)
        .only(connection, decode::meta_value)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_rules_is_an_error_of_the_command() {
        assert_eq!(contained(|| 7).unwrap(), 7);
        let defect = contained(|| panic!("a defect of a rule")).map(|(): ()| ());
        assert!(matches!(defect, Err(StoreError::Defect)), "{defect:?}");
        let said = StoreError::Defect.to_string();
        assert!(!said.is_empty(), "callers are told something");
    }
}
