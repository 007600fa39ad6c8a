//! The one writer: commands that arrive while a commit is under way share the next one.

mod batch;
pub(crate) mod changes;
mod complaint;
mod counts;
pub(crate) mod health;
pub(crate) mod newest;
mod request;
pub(crate) mod retention;
pub(crate) mod turn;
mod unsettled;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use restage_core::id::Time;
use restage_core::{Change, Command, Decision, Reply};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::config::Purging;
use crate::engine::{Checkpoints, Engine};
use crate::error::StoreError;
use crate::outbox::Outbox;
use crate::sql::{self, Readers};
use crate::tables::purge;
use batch::{Entry, Means, Progress};
use changes::ChangeCounts;
use complaint::Complaint;
use health::Health;
use newest::AHEAD_MAX_S;
use request::Done;
pub(crate) use request::Request;
use unsettled::Unsettled;

/// Commands waiting for the writer. When the queue is full, callers wait.
pub const WRITER_QUEUE: usize = 1_024;
/// Most commands that share one commit.
pub const BATCH_MAX: usize = 128;
/// After this many batches a step of purging is due even if callers keep the writer busy.
const PURGE_PATIENCE_BATCHES: u32 = 32;
/// Pause of the writer after a failed attempt to connect. Requests in this time are refused at
/// once.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Interval at which the database's own file is checked.
const PLACE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// First bucket of durations, in seconds, and the number of further buckets, each twice the previous: up to 3.3 s.
const DURATION_FIRST_S: f64 = 0.000_1;
const DURATION_BUCKETS: u16 = 16;

/// An empty histogram of durations in seconds.
pub fn durations() -> Histogram {
    Histogram::new(exponential_buckets(DURATION_FIRST_S, 2.0, DURATION_BUCKETS))
}

/// The result of an executed command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The reply of the rules. A refusal is a successful execution, and may have written history.
    pub reply: Result<Reply, restage_core::Error>,
}

/// Receives the effects of every committed decision, in the order of commits, before the caller is
/// answered, together with what [`Store::execute_holding`](crate::Store::execute_holding) got with the command. It runs
/// in the writer: it must hand over and return, and never wait.
pub type EffectSink = Box<dyn FnMut(&Command, &Decision, Option<OwnedSemaphorePermit>) + Send>;

/// Counters of the writer.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    /// Number of rows written, approximately.
    pub(crate) rows: Arc<AtomicU64>,
    pub(crate) commands: AtomicU64,
    pub(crate) batches: Histogram,
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

/// Whether and why the writer has ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It is running.
    NotYet,
    /// It was told to stop.
    Closed,
    /// It can never write again.
    Lost(StoreError),
}

pub(crate) struct Writer {
    // Held, not used. Declared before `engine`, so that it has ended when the database is released.
    pub(crate) _checkpoints: Option<Checkpoints>,
    pub(crate) engine: Engine,
    /// `None` after a failure that leaves the connection in doubt; the next batch opens a new one.
    pub(crate) connection: Option<sql::Connection>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) sink: EffectSink,
    pub(crate) counters: Arc<Counters>,
    pub(crate) changes: Arc<ChangeCounts>,
    pub(crate) purging: Purging,
    /// Rows of deleted stages may be left.
    pub(crate) purge_pending: bool,
    pub(crate) outbox: Outbox,
    /// The latest time at which a command was decided.
    pub(crate) latest: Time,
    pub(crate) health: Arc<Health>,
    /// The connections for reads, which are replaced when the writer's connection was lost.
    pub(crate) readers: Readers,
    /// Dropped without a value when the writer panics.
    pub(crate) end: watch::Sender<End>,
    pub(crate) trouble: Trouble,
}

/// Failures that are not repaired yet.
#[derive(Default)]
pub(crate) struct Trouble {
    /// A batch of which it is not known whether it was committed.
    unsettled: Option<Unsettled>,
    /// Until when no new connection is attempted, and why.
    down: Option<(Instant, StoreError)>,
    /// What was logged of batches that were not committed.
    said: Complaint,
    /// Set when the database is lost.
    lost: Option<StoreError>,
    /// When the database's file was last checked.
    looked_at: Option<Instant>,
}

/// Name of the writer's thread with SQLite.
const THREAD: &str = "restage-store";

impl Writer {
    /// Starts the writer. The returned receiver resolves when it has ended.
    ///
    /// With SQLite it has a thread of its own, because it waits for the disk there.
    pub(crate) fn start(self) -> Result<oneshot::Receiver<()>, StoreError> {
        let (ended, end) = oneshot::channel();
        let database = self.engine.name().to_owned();
        let is_sqlite = self
            .connection
            .as_ref()
            .is_some_and(sql::Connection::is_sqlite);
        let run = async move {
            self.run().await;
            // The receiver may have been dropped.
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

    /// Runs until the store is closed or dropped. Requests queued before that are still done.
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut batches = 0;
        loop {
            if self.should_purge(batches) {
                batches = 0;
                self.purge_step().await;
                // Lets callers queue between steps on a single-threaded runtime too.
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
                // Requests that are already queued behind are done too; later ones are refused.
                self.requests.close();
            }
            self.commit_batch(&mut batch).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = self.engine.close(connection).await
        {
            tracing::warn!(%error, "closing the database failed");
        }
        self.end.send_if_modified(|end| {
            let is_open = matches!(end, End::NotYet);
            if is_open {
                *end = End::Closed;
            }
            is_open
        });
    }

    /// Callers read the clock before they queue. Commands are decided in the order of the queue, and
    /// their times must not decrease in this order: lists are ordered by time, and a row that is written later must
    /// not appear before one that a page has already returned.
    fn order_times(&mut self, batch: &mut [Request]) {
        for request in batch {
            if let Request::Execute { context, .. } = request {
                context.now = following(self.latest, context.now);
                self.latest = context.now;
            }
        }
    }

    /// Whether to purge: when idle, or after many batches.
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
        // Assume that the step is the last one, so that a failing step is not repeated at once; a full step, and
        // the next deletion, set it again.
        self.purge_pending = false;
        self.commit_batch(&mut step).await;
    }

    async fn commit_batch(&mut self, batch: &mut Vec<Request>) {
        // A caller that has waited too long was told that nothing would be changed.
        batch.retain(Request::begins);
        if batch.is_empty() {
            return;
        }
        self.order_times(batch);
        let mut entries: Vec<Entry> = batch.drain(..).map(Entry::from).collect();
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(error) => return refuse(entries, &error),
        };
        let began = Instant::now();
        let mut progress = Progress::Open;
        let mut means = Means {
            connection: &mut connection,
            begin: self.engine.begin_write(),
            purging: self.purging,
            outbox: &mut self.outbox,
        };
        let written = means.write(&mut entries, &mut progress);
        match self.engine.in_time(written).await {
            Ok(()) => {
                self.counters.batches.observe(began.elapsed().as_secs_f64());
                self.connection = Some(connection);
                self.outbox.committed();
                self.committed(entries);
            }
            Err(error) => {
                // Whether it is still inside the transaction is unknown; closing it rolls back.
                drop(connection);
                let error = self.engine.explain(error);
                let complaint = &mut self.trouble.said;
                if let Some(kept_back) = complaint.admit(error.to_string(), Instant::now()) {
                    tracing::error!(%error, requests = entries.len(), kept_back, "a batch was not committed");
                }
                match progress {
                    Progress::Committing(Some(transaction)) => {
                        self.settle_later(transaction, entries, &error).await;
                    }
                    _ => self.failed(entries, error),
                }
            }
        }
    }

    /// Called when the batch is durable.
    fn committed(&mut self, entries: Vec<Entry>) {
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        let done = |entry: &Entry| match &entry.outcome {
            Some(Ok(done)) => done.rows(),
            _ => 0,
        };
        let rows: u64 = entries.iter().map(done).sum();
        self.counters.rows.fetch_add(rows, Ordering::Relaxed);
        self.note_health(&entries, rows);
        for entry in &entries {
            match &entry.outcome {
                Some(Ok(Done::Decided(decision))) => self.changes.committed(&decision.changes),
                Some(Ok(Done::Swept(_))) => self.changes.committed_unknown(),
                // Purged rows were invisible before.
                _ => {}
            }
        }
        for Entry { request, outcome } in entries {
            match outcome {
                Some(Ok(done)) => self.deliver(request, done),
                Some(Err(error)) => request.refuse(&error),
                None => request.refuse(&StoreError::Defect),
            }
        }
    }

    /// Called when nothing of the batch was kept.
    fn failed(&mut self, entries: Vec<Entry>, error: StoreError) {
        self.outbox.roll_back(0);
        // No caller was told of a commit, but it may have happened.
        self.changes.committed_unknown();
        let error = error.of_batch();
        self.note_failure(&error);
        refuse(entries, &error);
    }

    /// Records the writer's health: a transaction that wrote shows that writing works; one in which every request
    /// failed, that it does not.
    fn note_health(&self, entries: &[Entry], rows: u64) {
        if rows > 0 {
            self.health.found(Ok(()));
            return;
        }
        let failed = |entry: &Entry| match &entry.outcome {
            Some(Err(error)) => Some(self.engine.explain(error.clone())),
            _ => None,
        };
        if let Some(error) = entries.iter().find_map(failed) {
            self.health.found(Err(error));
        }
    }

    fn note_failure(&mut self, error: &StoreError) {
        self.health.found(Err(error.clone()));
        if error.is_final() && self.trouble.lost.is_none() {
            tracing::error!(%error, "the database is lost");
            self.trouble.lost = Some(error.clone());
            self.end.send_replace(End::Lost(error.clone()));
        }
    }

    /// The present connection, or a new one. After a failed attempt to connect, and once the database is lost,
    /// returns the same failure without an attempt.
    async fn take_connection(&mut self) -> Result<sql::Connection, StoreError> {
        if let Some(error) = &self.trouble.lost {
            return Err(error.clone());
        }
        let now = Instant::now();
        let is_due = |at: Instant| now.duration_since(at) >= PLACE_CHECK_EVERY;
        if self.trouble.looked_at.is_none_or(is_due) {
            self.trouble.looked_at = Some(now);
            self.engine
                .check_place()
                .inspect_err(|error| self.note_failure(error))?;
        }
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        if let Some((until, error)) = &self.trouble.down
            && now < *until
        {
            return Err(error.clone());
        }
        let mut reopened = self.engine.reopen_writer().await;
        if let Ok(connection) = &mut reopened
            && let Err(error) = self.settle(connection).await
        {
            reopened = Err(error);
        }
        match reopened {
            Ok(connection) => {
                self.trouble.down = None;
                self.readers.renew();
                Ok(connection)
            }
            Err(error) => {
                tracing::error!(%error, "the writer has no connection to the database");
                self.trouble.down = Some((Instant::now() + RECONNECT_PAUSE, error.clone()));
                self.note_failure(&error);
                Err(error)
            }
        }
    }

    /// Hands over effects first, then answers: a caller that has its answer may rely on the effects being under way.
    fn deliver(&mut self, request: Request, done: Done) {
        // If the caller has gone, its answer is dropped.
        match (request, done) {
            (
                Request::Execute {
                    command,
                    place,
                    answer,
                    ..
                },
                Done::Decided(decision),
            ) => {
                self.hand_over(&command, &decision, place);
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
            (Request::Probe { answer }, Done::Probed) => {
                let _ = answer.send(Ok(()));
            }
            // A request is always paired with its own kind of result.
            _ => {}
        }
    }

    fn hand_over(
        &mut self,
        command: &Command,
        decision: &Decision,
        place: Option<OwnedSemaphorePermit>,
    ) {
        self.counters.commands.fetch_add(1, Ordering::Relaxed);
        self.purge_pending |= decision
            .changes
            .iter()
            .any(|change| matches!(change, Change::DeleteStage(_)));
        (self.sink)(command, decision, place);
    }
}

/// Answers each request with its own failure, or else with the batch's.
fn refuse(entries: Vec<Entry>, error: &StoreError) {
    for Entry { request, outcome } in entries {
        match outcome {
            Some(Err(own)) => request.refuse(&own),
            _ => request.refuse(error),
        }
    }
}

/// The time at which a command is decided: `now` by the wall clock, but after `latest`. After the clock was set back,
/// each time is a microsecond after the previous one, until the clock has caught up. A `latest` that is more than
/// [`AHEAD_MAX_S`] ahead is not followed.
fn following(latest: Time, now: Time) -> Time {
    if latest <= now || latest > now.plus_seconds(AHEAD_MAX_S) {
        return now;
    }
    Time(latest.0.saturating_add(1))
}

#[cfg(test)]
mod times {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn times_follow_the_clock_and_never_go_back_by_hours() {
        let at = |latest, now| following(Time(latest), Time(now)).0;
        assert_eq!(at(0, HOUR), HOUR);
        assert_eq!(at(HOUR, HOUR), HOUR);
        assert_eq!(at(5 * HOUR, HOUR), 5 * HOUR + 1);
        assert_eq!(at(48 * HOUR + 7, 7), 48 * HOUR + 8);
    }

    #[test]
    fn a_clock_that_was_wrong_by_years_is_not_followed_for_years() {
        let decade = 87_600 * HOUR;
        assert_eq!(following(Time(decade), Time(HOUR)), Time(HOUR));
        assert_eq!(following(Time(i64::MAX), Time(0)), Time(0));
    }
}
