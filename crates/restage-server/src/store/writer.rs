//! The one writer: commands that arrive while a commit is under way share the next one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use restage_core::id::Time;
use restage_core::{Change, Command, Context, Decision};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::durations;

use super::codec::bytes_text;
use super::engine::{Checkpoints, Engine};
use super::error::StoreError;
use super::outbox::{self, Outbox, Settlement};
use super::retention::{self, Sweep};
use super::sql::{self, query};
use super::turn::Turn;
use super::watch::ChangeCounts;
use super::{EffectSink, Outcome, Purging, codec, load, purge, read, write};
use crate::clock;

/// Commands waiting for the writer. When it is full, callers wait.
pub const WRITER_QUEUE: usize = 1_024;
/// Commands that share one commit.
pub const BATCH_MAX: usize = 128;
/// Batches after which a step of purging is due even if callers keep the writer busy.
const PURGE_PATIENCE_BATCHES: u32 = 32;

/// What the writer can be asked.
pub(super) enum Request {
    Execute {
        command: Box<Command>,
        context: Box<Context>,
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
    Close,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer did so far.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    /// Rows written, about.
    pub(super) rows: Arc<AtomicU64>,
    pub(super) commands: AtomicU64,
    pub(super) batches: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commits: AtomicU64::default(),
            rows: Arc::default(),
            commands: AtomicU64::default(),
            batches: durations(),
        }
    }
}

/// What a request led to, to be told once it is durable.
enum Done {
    Decided(Box<Decision>),
    Meta(Vec<u8>),
    Purged(u32),
    Settled,
    Swept(Sweep),
    Nothing,
}

impl Done {
    /// Rows that were written for it, about.
    fn rows(&self) -> u64 {
        match self {
            Self::Decided(decision) => decision.changes.len() as u64,
            Self::Purged(rows) => u64::from(*rows),
            Self::Swept(_) => u64::from(retention::RETENTION_STEP_ROWS),
            Self::Meta(_) | Self::Settled | Self::Nothing => 1,
        }
    }
}

pub(super) struct Writer {
    /// Held, not used. Before `engine`, so that it has ended when the database is given free.
    pub(super) _checkpoints: Option<Checkpoints>,
    pub(super) engine: Engine,
    /// `None` after a failure that leaves the connection in doubt; the next batch opens a new one.
    pub(super) connection: Option<sql::Connection>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) sink: EffectSink,
    pub(super) counters: Arc<Counters>,
    pub(super) changes: Arc<ChangeCounts>,
    pub(super) purging: Purging,
    /// Rows of deleted stages may be left.
    pub(super) purge_pending: bool,
    pub(super) outbox: Outbox,
    /// The latest time a command was decided at.
    pub(super) latest: Time,
}

/// What SQLite's writer is called among threads.
const THREAD: &str = "restage-store";

impl Writer {
    /// Starts it. What is returned resolves when it has ended.
    ///
    /// SQLite's has a thread of its own, since it waits for the disk there.
    pub(super) fn start(self) -> Result<oneshot::Receiver<()>, StoreError> {
        let (ended, end) = oneshot::channel();
        let database = self.engine.name().to_owned();
        let is_sqlite = self
            .connection
            .as_ref()
            .is_some_and(sql::Connection::is_sqlite);
        let run = async move {
            self.run().await;
            // Whoever waits for it may be gone.
            let _ = ended.send(());
        };
        if is_sqlite {
            let thread = std::thread::Builder::new().name(THREAD.to_owned());
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let spawned = runtime.and_then(|runtime| thread.spawn(move || runtime.block_on(run)));
            spawned.map_err(|error| StoreError::Open {
                database,
                reason: format!("no thread for its writer: {error}"),
            })?;
        } else {
            tokio::spawn(run);
        }
        Ok(end)
    }

    /// Runs until the store is closed or dropped. What was queued before is still done.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut batches = 0;
        loop {
            if self.should_purge(batches) {
                batches = 0;
                self.purge_step().await;
                // Let callers queue between steps on a single-threaded runtime too.
                tokio::task::yield_now().await;
                continue;
            }
            batches += 1;
            if self.requests.recv_many(&mut batch, BATCH_MAX).await == 0 {
                break;
            }
            if batch
                .iter()
                .any(|request| matches!(request, Request::Close))
            {
                // Those already queued behind are done too, later ones are refused.
                self.requests.close();
            }
            self.commit_batch(&mut batch).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the database failed");
        }
    }

    /// Callers read the clock before they queue. Commands are decided in the order of the queue, and
    /// times never go back along it: lists are ordered by time, and a row that is written later must
    /// not appear before one that a page has already passed.
    fn straighten(&mut self, batch: &mut [Request]) {
        for request in batch {
            if let Request::Execute { context, .. } = request {
                self.latest = self.latest.max(context.now);
                context.now = self.latest;
            }
        }
    }

    /// Purging waits for an idle moment, but not for ever.
    fn should_purge(&self, batches: u32) -> bool {
        self.purging.in_background
            && self.purge_pending
            && !self.requests.is_closed()
            && (self.requests.is_empty() || batches >= PURGE_PATIENCE_BATCHES)
    }

    async fn purge_step(&mut self) {
        let (answer, _) = oneshot::channel();
        let mut step = vec![Request::Purge {
            limit: purge::PURGE_STEP_ROWS,
            answer,
        }];
        // Assume it is done, so that a failing step is not tried again at once; one that was full, and
        // the next deletion, say otherwise.
        self.purge_pending = false;
        self.commit_batch(&mut step).await;
    }

    async fn commit_batch(&mut self, batch: &mut Vec<Request>) {
        // Who has waited too long was told that nothing would be changed.
        batch.retain(Request::begins);
        if batch.is_empty() {
            return;
        }
        self.straighten(batch);
        let mut requests = batch.drain(..);
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(error) => return requests.for_each(|request| request.refuse(&error)),
        };
        let mut written = Vec::with_capacity(requests.len());
        let begin = self.engine.begin_write();
        let began = Instant::now();
        match write_batch(
            &mut connection,
            begin,
            self.purging,
            &mut self.outbox,
            &mut requests,
            &mut written,
        )
        .await
        {
            Ok(()) => {
                self.counters.batches.observe(began.elapsed().as_secs_f64());
                self.connection = Some(connection);
                self.outbox.committed();
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                let rows = written.iter().map(|(_, done)| done.rows()).sum();
                self.counters.rows.fetch_add(rows, Ordering::Relaxed);
                for (_, done) in &written {
                    match done {
                        Done::Decided(decision) => self.changes.committed(&decision.changes),
                        Done::Swept(_) => self.changes.committed_unknown(),
                        // What is purged was out of sight before.
                        Done::Meta(_) | Done::Purged(_) | Done::Settled | Done::Nothing => {}
                    }
                }
                for (request, done) in written {
                    self.deliver(request, done);
                }
            }
            Err(error) => {
                tracing::error!(%error, requests = written.len(), "a batch was not committed");
                self.outbox.roll_back(0);
                // Nobody was told that it was committed; it may have been.
                self.changes.committed_unknown();
                // Whether it is still inside the transaction is unknown; closing it rolls back.
                drop(connection);
                written
                    .into_iter()
                    .for_each(|(request, _)| request.refuse(&error));
                requests.for_each(|request| request.refuse(&error));
            }
        }
    }

    async fn take_connection(&mut self) -> Result<sql::Connection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.engine.reopen_writer().await,
        }
    }

    /// Effects first, then the answer: who has an answer may rely on the effects being under way.
    fn deliver(&mut self, request: Request, done: Done) {
        // An answer nobody waits for any more is dropped.
        match (request, done) {
            (
                Request::Execute {
                    command, answer, ..
                },
                Done::Decided(decision),
            ) => {
                self.counters.commands.fetch_add(1, Ordering::Relaxed);
                self.purge_pending |= decision
                    .changes
                    .iter()
                    .any(|change| matches!(change, Change::DeleteStage(_)));
                (self.sink)(&command, &decision);
                let _ = answer.send(Ok(Outcome {
                    reply: decision.reply,
                }));
            }
            (Request::PutMeta { answer, .. }, Done::Meta(value)) => {
                let _ = answer.send(Ok(value));
            }
            (Request::Purge { limit, answer }, Done::Purged(rows)) => {
                self.purge_pending = rows == limit;
                let _ = answer.send(Ok(rows));
            }
            (
                Request::Settle {
                    sink,
                    settlement,
                    answer,
                },
                Done::Settled,
            ) => {
                self.outbox.board.settled(sink, &settlement);
                let _ = answer.send(Ok(()));
            }
            (Request::Sweep { answer, .. }, Done::Swept(sweep)) => {
                let _ = answer.send(Ok(sweep));
            }
            // A request is only ever paired with its own kind of result.
            _ => {}
        }
    }
}

/// One transaction with a savepoint per request, so that one that fails takes only itself back; a request that is
/// alone needs none. An error means that nothing of the batch was kept.
async fn write_batch(
    connection: &mut sql::Connection,
    begin: &'static str,
    purging: Purging,
    outbox: &mut Outbox,
    requests: &mut impl ExactSizeIterator<Item = Request>,
    written: &mut Vec<(Request, Done)>,
) -> Result<(), StoreError> {
    let lost = |error: StoreError| StoreError::Commit {
        reason: error.to_string(),
    };
    let is_alone = requests.len() == 1;
    connection.command(begin).await.map_err(lost)?;
    for request in requests {
        let mark = outbox.mark();
        if is_alone {
            match request.perform(connection, purging, outbox).await {
                Ok(done) => written.push((request, done)),
                Err(error) => {
                    tracing::warn!(%error, "a command was rolled back");
                    request.refuse(&error);
                    outbox.roll_back(mark);
                    return connection.command("ROLLBACK").await.map_err(lost);
                }
            }
            continue;
        }
        connection.command(SAVEPOINT).await.map_err(lost)?;
        match request.perform(connection, purging, outbox).await {
            Ok(done) => {
                written.push((request, done));
                connection.command(RELEASE).await.map_err(lost)?;
            }
            Err(error) => {
                tracing::warn!(%error, "a command was rolled back");
                request.refuse(&error);
                outbox.roll_back(mark);
                connection.command(ROLLBACK_TO).await.map_err(lost)?;
                connection.command(RELEASE).await.map_err(lost)?;
            }
        }
    }
    connection.command("COMMIT").await.map_err(lost)
}

impl Request {
    /// Whether it is still wanted, which nobody can take back from now on.
    fn begins(&self) -> bool {
        match self {
            Self::Execute { turn, .. } => turn.begin(),
            _ => true,
        }
    }

    async fn perform(
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
            Self::Close => Ok(Done::Nothing),
        }
    }

    fn refuse(self, error: &StoreError) {
        match self {
            Self::Execute { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::PutMeta { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Purge { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Settle { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Sweep { answer, .. } => drop(answer.send(Err(error.clone()))),
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

/// A defect in the rules costs the command that met it, not every later one. The rules are pure, so
/// there is no state for a panic to leave half done.
fn contained<T>(rules: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(rules)).map_err(|_| StoreError::Defect)
}

/// Around each request of a batch.
const SAVEPOINT: &str = "SAVEPOINT request";
const RELEASE: &str = "RELEASE SAVEPOINT request";
const ROLLBACK_TO: &str = "ROLLBACK TO SAVEPOINT request";

const PUT_META: &str =
    "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

/// Keeps the value unless there is one, and says which one there is now.
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
    query(read::GET_META)
        .bind(name)
        .only(connection, codec::meta_value)
        .await
}
