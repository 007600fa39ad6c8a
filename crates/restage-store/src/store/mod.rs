//! The handle to the store: opening it, executing commands, closing it. Reads are in [`crate::read`].

mod health;
mod outbox;
mod watch;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use restage_core::{Command, Context};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::config::StoreConfig;
use crate::engine::Engine;
use crate::error::StoreError;
use crate::outbox::{Board, Outbox, Settlement};
use crate::sql::Readers;
use crate::tables::purge;
use crate::writer::changes::ChangeCounts;
use crate::writer::health::Health;
use crate::writer::retention::Sweep;
use crate::writer::turn::Turn;
use crate::writer::{
    Counters, EffectSink, End, Outcome, Request, Trouble, WRITER_QUEUE, Writer, newest,
};

/// Longest wait of a command for its turn with the writer.
pub const TURN_MAX: Duration = Duration::from_secs(20);
/// Time limit for closing the connections for reads.
const READERS_CLOSE_MAX: Duration = Duration::from_secs(2);

/// A command and what the rules take from outside besides rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Execution {
    /// What is asked.
    pub command: Command,
    /// Time, limits and fresh ids.
    pub context: Context,
}

/// Counters of the writer since the store was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreStats {
    /// Transactions committed.
    pub commits: u64,
    /// Commands in these transactions.
    pub commands: u64,
    /// Commands waiting for the writer now.
    pub queued: usize,
}

/// A handle to the store. Clones share it; dropping the last one stops the writer after
/// the queued commands are done.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: mpsc::Sender<Request>,
    readers: Readers,
    writer: Mutex<Option<oneshot::Receiver<()>>>,
    counters: Arc<Counters>,
    board: Arc<Board>,
    changes: Arc<ChangeCounts>,
    health: Arc<Health>,
    end: tokio::sync::watch::Receiver<End>,
}

impl Store {
    /// Opens the database, migrates its schema and starts the writer. Until the store is
    /// closed or dropped, nobody else can open the database.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::InUse`], [`StoreError::NewerSchema`] or
    /// [`StoreError::Migration`]; each names the database and what to do.
    pub async fn open(config: &StoreConfig, sink: EffectSink) -> Result<Self, StoreError> {
        let config = config.clone();
        let purging = config.purging;
        let outbox_config = config.outbox.clone();
        let engine = tokio::task::spawn_blocking(move || Engine::acquire(&config))
            .await
            .map_err(|_| StoreError::Defect)??;
        let mut connection = engine.open_writer().await?;
        let purge_pending = purge::is_pending(&mut connection).await?;
        let latest = newest::time(&mut connection).await?;
        let outbox = Outbox::open(&mut connection, outbox_config).await?;
        let board = Arc::clone(&outbox.board);
        let readers = engine.connect_readers().await?;
        let counters = Arc::new(Counters::default());
        let changes = Arc::new(ChangeCounts::default());
        let health = Arc::new(Health::default());
        let (sender, requests) = mpsc::channel(WRITER_QUEUE);
        let (ending, end) = tokio::sync::watch::channel(End::NotYet);
        let writer = Writer {
            _checkpoints: engine.checkpoints(&counters.rows)?,
            engine,
            connection: Some(connection),
            requests,
            sink,
            counters: Arc::clone(&counters),
            changes: Arc::clone(&changes),
            purging,
            purge_pending,
            outbox,
            latest,
            health: Arc::clone(&health),
            readers: readers.clone(),
            end: ending,
            trouble: Trouble::default(),
        };
        let writer = Mutex::new(Some(writer.start()?));
        Ok(Self {
            shared: Arc::new(Shared {
                requests: sender,
                readers,
                writer,
                counters,
                board,
                changes,
                health,
                end,
            }),
        })
    }

    /// Executes a command. When this returns `Ok`, its changes are durable and its effects were handed over. Waits for
    /// room in the queue ([`WRITER_QUEUE`]) and for its turn, [`TURN_MAX`] in total. Once queued, a command is executed
    /// even if the caller drops the future.
    ///
    /// # Errors
    /// Any [`StoreError`]; then nothing was changed and no effect is performed, except for [`StoreError::Unknown`].
    /// [`StoreError::Late`] means that the writer had not begun with the command, and will not.
    pub async fn execute(&self, execution: Execution) -> Result<Outcome, StoreError> {
        self.execute_holding(execution, None, Instant::now() + TURN_MAX)
            .await
    }

    /// The same, with a reserved place among the waiting effects, and the time until which the command may wait for
    /// its turn. The sink gets the place with the decision; without a decision the place is released.
    ///
    /// # Errors
    /// Any [`StoreError`], as for `execute`.
    pub async fn execute_holding(
        &self,
        execution: Execution,
        place: Option<OwnedSemaphorePermit>,
        ends_at: Instant,
    ) -> Result<Outcome, StoreError> {
        let Execution { command, context } = execution;
        let turn = Arc::new(Turn::default());
        let (answer, answered) = oneshot::channel();
        let request = Request::Execute {
            command: Box::new(command),
            context: Box::new(context),
            place,
            turn: Arc::clone(&turn),
            answer,
        };
        let late = StoreError::Late {
            seconds: TURN_MAX.as_secs(),
        };
        let Ok(sent) = timeout_at(ends_at, self.shared.requests.send(request)).await else {
            return Err(late);
        };
        sent.map_err(|_| StoreError::Closed)?;
        tokio::pin!(answered);
        let outcome = match timeout_at(ends_at, &mut answered).await {
            Err(_) if turn.withdraw() => return Err(late),
            // The writer has begun with the command, so its result is awaited without a time limit.
            Err(_) => answered.await,
            Ok(outcome) => outcome,
        };
        outcome.map_err(|_| StoreError::Closed)?
    }

    #[cfg(test)]
    pub(crate) async fn execute_within(
        &self,
        execution: Execution,
        turn_max: Duration,
    ) -> Result<Outcome, StoreError> {
        self.execute_holding(execution, None, Instant::now() + turn_max)
            .await
    }

    /// Stores a value under a name unless there is one already, and returns the stored value.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn meta_put_if_absent(
        &self,
        name: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let (name, value) = (name.to_owned(), value.to_vec());
        self.ask(|answer| Request::PutMeta {
            name,
            value,
            answer,
        })
        .await
    }

    /// Removes up to `limit` rows that deleted stages left behind and returns how many; fewer than
    /// `limit` means that none are left. The writer does this by itself when it is idle, unless the
    /// configuration says otherwise.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn purge(&self, limit: u32) -> Result<u32, StoreError> {
        self.ask(|answer| Request::Purge { limit, answer }).await
    }

    /// Records the results of sending events to a sink.
    ///
    /// # Errors
    /// Any [`StoreError`]; then the events still wait.
    pub async fn settle(
        &self,
        sink: &'static str,
        settlement: Settlement,
    ) -> Result<(), StoreError> {
        self.ask(|answer| Request::Settle {
            sink,
            settlement,
            answer,
        })
        .await
    }

    /// Advances a [`Sweep`] by one short step of about `limit` rows.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn sweep(&self, sweep: Sweep, limit: u32) -> Result<Sweep, StoreError> {
        self.ask(|answer| Request::Sweep {
            sweep,
            limit,
            answer,
        })
        .await
    }

    /// Counters of the writer.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            commits: self.shared.counters.commits.load(Ordering::Relaxed),
            commands: self.shared.counters.commands.load(Ordering::Relaxed),
            queued: WRITER_QUEUE - self.shared.requests.capacity(),
        }
    }

    /// Finishes the queued commands, refuses later ones, and releases the database. Other clones of
    /// this handle return [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        // An error means that the writer has stopped already.
        let _ = self.shared.requests.send(Request::Close).await;
        let writer = self
            .shared
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Connections that pass no bytes cannot be closed properly.
        let _ = tokio::time::timeout(READERS_CLOSE_MAX, self.shared.readers.close()).await;
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the writer did not end well");
        }
    }

    /// Waits until the database or its writer is lost permanently, and returns the reason. Waits forever once the
    /// store is closed.
    pub async fn lost(&self) -> StoreError {
        let mut end = self.shared.end.clone();
        loop {
            let found = end.borrow_and_update().clone();
            match found {
                End::Lost(error) => return error,
                End::Closed => std::future::pending().await,
                End::NotYet => {}
            }
            if end.changed().await.is_err() && matches!(*end.borrow(), End::NotYet) {
                return StoreError::WriterDied;
            }
        }
    }

    /// How long batches took to commit, in seconds.
    pub fn batch_durations(&self) -> Histogram {
        self.shared.counters.batches.clone()
    }

    fn board(&self) -> &Board {
        &self.shared.board
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.shared.requests.send(request(answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}
