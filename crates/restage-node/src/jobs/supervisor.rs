//! Runs one task for each job, and reports to the rules how it ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use restage_core::Command;
use restage_core::command::JobOutcome;
use restage_core::id::JobId;
use restage_core::limits::JOB_LEASE_S;
use restage_core::row::Job;
use restage_store::StoreError;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

use super::context::{JobContext, Order};
use super::runner::{End, Runners};
use crate::executor::{Executor, Failure};
use crate::supervise::why;

/// Most jobs that run at the same time. Further ones wait for their next start.
pub const JOBS_RUNNING_MAX: usize = 1_024;
/// Interval at which a lease is renewed: short enough that a late renewal does not lose it.
pub const RENEW_EVERY: Duration = Duration::from_secs(JOB_LEASE_S as u64 / 4);
/// Longest time for a runner to end a job that was stopped.
pub const STOP_MAX: Duration = Duration::from_secs(30);
/// Longest time for runners to pause when the server stops.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);

/// First pause before a report is written again, and the longest.
const REPORT_RETRY_FIRST: Duration = Duration::from_millis(100);
const REPORT_RETRY_MAX: Duration = Duration::from_secs(5);

/// The time limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) renew_every: Duration,
    pub(super) stop_max: Duration,
    pub(super) pause_max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            renew_every: RENEW_EVERY,
            stop_max: STOP_MAX,
            pause_max: PAUSE_MAX,
        }
    }
}

/// The jobs that run in this process. Clones share them.
#[derive(Clone, Debug)]
pub struct Jobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    runners: Runners,
    times: Times,
    running: Mutex<HashMap<JobId, Entry>>,
    /// Set when the server stops: no job is started any more.
    is_pausing: AtomicBool,
    /// Notified whenever a job has left `running`.
    left: Notify,
}

/// A running start.
#[derive(Debug)]
struct Entry {
    generation: u32,
    orders: watch::Sender<Order>,
    rows: watch::Sender<Job>,
    task: AbortHandle,
}

/// One start of a job, as the supervisor sees it.
struct Start {
    id: JobId,
    generation: u32,
    task: JoinHandle<End>,
    orders: watch::Receiver<Order>,
    signs: Arc<AtomicBool>,
    times: Times,
}

impl Jobs {
    /// Creates a supervisor with these runners. Nothing runs yet.
    pub fn new(runners: Runners) -> Self {
        Self::within(runners, Times::default())
    }

    pub(super) fn within(runners: Runners, times: Times) -> Self {
        let inner = Inner {
            runners,
            times,
            running: Mutex::default(),
            is_pausing: AtomicBool::new(false),
            left: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Number of running jobs.
    pub fn running(&self) -> usize {
        self.inner.running().len()
    }

    /// Begins a start that the rules have decided, and returns. Its outcome is reported through `executor`.
    pub(crate) fn run<D: Executor>(&self, job: Job, executor: &D) {
        let (id, generation) = (job.id.clone(), job.generation);
        let report = |outcome| {
            let (executor, id) = (executor.clone(), id.clone());
            tokio::spawn(async move { report(&executor, id, generation, outcome).await });
        };
        let Some(runner) = self.inner.runners.of_kind(&job.kind) else {
            let reason = format!(
                "this server has no runner for jobs of the kind {}",
                job.kind
            );
            tracing::error!(job = %id, reason, "a job cannot be done");
            return report(JobOutcome::Impossible(reason));
        };
        let mut running = self.inner.running();
        if self.inner.is_pausing.load(Ordering::Acquire) {
            return;
        }
        if running.len() >= JOBS_RUNNING_MAX {
            return report(JobOutcome::Released);
        }
        let first = match job.stop_requested {
            true => Order::Stop,
            false => Order::GoOn,
        };
        let (orders, receiver) = watch::channel(first);
        let signs = Arc::new(AtomicBool::new(false));
        let (rows, rows_receiver) = watch::channel(job.clone());
        let context = JobContext {
            job,
            rows: rows_receiver,
            orders: receiver.clone(),
            signs: Arc::clone(&signs),
        };
        // So that the runner's code before its first wait runs inside the task as well.
        let task = tokio::spawn(async move { runner.run(context).await });
        let entry = Entry {
            generation,
            orders,
            rows,
            task: task.abort_handle(),
        };
        running.insert(id.clone(), entry);
        drop(running);
        tracing::debug!(job = %id, generation, "a job was started");
        let start = Start {
            id,
            generation,
            task,
            orders: receiver,
            signs,
            times: self.inner.times,
        };
        tokio::spawn(Arc::clone(&self.inner).supervise(start, executor.clone()));
    }

    /// Tells the runner what the job is to do from now on.
    pub(crate) fn tell(&self, job: Job) {
        if let Some(entry) = self.inner.running().get(&job.id)
            && entry.generation == job.generation
        {
            entry.rows.send_replace(job);
        }
    }

    /// Tells the runner of this kind that the job has ended, in whatever way.
    pub(crate) fn complete(&self, kind: &str, job: &JobId) {
        if let Some(runner) = self.inner.runners.of_kind(kind) {
            runner.complete(job);
        }
    }

    /// Tells the runner of this kind that one part of what a job leaves behind is to be completed.
    pub(crate) fn complete_part(&self, kind: &str, job: &JobId, part: &str) {
        if let Some(runner) = self.inner.runners.of_kind(kind) {
            runner.complete_part(job, part);
        }
    }

    /// Tells the runner to stop, because the rules have stopped the job.
    pub(crate) fn stop(&self, job: &JobId, generation: u32) {
        if let Some(entry) = self.inner.running().get(job)
            && entry.generation == generation
        {
            entry.orders.send_replace(Order::Stop);
        }
    }

    /// Ends the task of a start that the rules have given up. Nothing is reported.
    pub(crate) fn abandon(&self, job: &JobId, generation: u32) {
        if self.inner.forget(job, generation) {
            tracing::warn!(%job, generation, "a job showed no sign of life and was given up");
        }
    }

    /// Called when the server stops: nothing is started any more, and running jobs pause within [`PAUSE_MAX`], or until
    /// `deadline` if that is earlier. Jobs that have not paused by then are started again by the next process.
    pub(crate) async fn pause(&self, deadline: Instant) {
        {
            let running = self.inner.running();
            self.inner.is_pausing.store(true, Ordering::Release);
            for entry in running.values() {
                entry.orders.send_replace(Order::Pause);
            }
        }
        let ends_at = deadline.min(Instant::now() + self.inner.times.pause_max);
        if timeout_at(ends_at, self.inner.empty()).await.is_err() {
            let mut running = self.inner.running();
            tracing::warn!(jobs = running.len(), "jobs did not leave off in time");
            for (_, entry) in running.drain() {
                entry.task.abort();
            }
        }
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the task of a start, if it still runs. Returns whether it did.
    fn forget(&self, job: &JobId, generation: u32) -> bool {
        let mut running = self.running();
        let is_known = running
            .get(job)
            .is_some_and(|entry| entry.generation == generation);
        if is_known && let Some(entry) = running.remove(job) {
            entry.task.abort();
        }
        drop(running);
        self.left.notify_waiters();
        is_known
    }

    /// Waits until no job runs.
    async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.running().is_empty() {
                return;
            }
            left.await;
        }
    }

    async fn supervise<D: Executor>(self: Arc<Self>, mut start: Start, executor: D) {
        let end = start.run_to_end(&executor).await;
        let is_pausing = *start.orders.borrow() == Order::Pause;
        let outcome = match end {
            // It was given up, and the rules know that.
            None => None,
            // When the server stops, the rules postpone the job without a report.
            Some(End::Failed(_) | End::Paused) if is_pausing => None,
            Some(End::Paused) => Some(JobOutcome::Released),
            Some(End::Done(result)) => Some(JobOutcome::Done(result)),
            Some(End::Failed(reason)) => {
                tracing::warn!(job = %start.id, generation = start.generation, reason, "a job failed");
                Some(JobOutcome::Failed(reason))
            }
            Some(End::Impossible(reason)) => {
                tracing::error!(job = %start.id, generation = start.generation, reason, "a job cannot be done");
                Some(JobOutcome::Impossible(reason))
            }
        };
        if let Some(outcome) = outcome {
            report(&executor, start.id.clone(), start.generation, outcome).await;
        }
        self.forget(&start.id, start.generation);
    }
}

impl Start {
    /// Waits for the end of the start. `None` if it was given up.
    async fn run_to_end<D: Executor>(&mut self, executor: &D) -> Option<End> {
        let mut renewals = interval_at(
            Instant::now() + self.times.renew_every,
            self.times.renew_every,
        );
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = self.orders.clone();
        let mut stop_by = None;
        loop {
            if stop_by.is_none() && *orders.borrow_and_update() == Order::Stop {
                stop_by = Some(Instant::now() + self.times.stop_max);
            }
            let overdue = async {
                match stop_by {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = &mut self.task => return match ended {
                    Ok(end) => Some(end),
                    Err(error) if error.is_cancelled() => None,
                    Err(error) => Some(End::Failed(why(error))),
                },
                _ = renewals.tick() => if !self.renew(executor).await {
                    self.task.abort();
                    return None;
                },
                Ok(()) = orders.changed(), if stop_by.is_none() => {}
                () = overdue => {
                    self.task.abort();
                    let limit = self.times.stop_max;
                    return Some(End::Failed(format!("it did not stop within {limit:?}")));
                }
            }
        }
    }

    /// Renews the lease if there was a sign of life. `false` means that the lease is lost.
    async fn renew<D: Executor>(&self, executor: &D) -> bool {
        if !self.signs.swap(false, Ordering::Relaxed) {
            return true;
        }
        let command = Command::RenewJob {
            job: self.id.clone(),
            generation: self.generation,
        };
        match executor.execute(command).await {
            Ok(_) => true,
            Err(Failure::Refused(_)) => false,
            Err(Failure::Store(error)) => {
                // The sign of life is kept for the next time.
                self.signs.store(true, Ordering::Relaxed);
                tracing::warn!(%error, job = %self.id, "the lease of a job could not be renewed yet");
                true
            }
        }
    }
}

/// Reports to the rules how a start ended. While the store fails this is repeated, because otherwise the work would be
/// done twice.
async fn report<D: Executor>(executor: &D, job: JobId, generation: u32, outcome: JobOutcome) {
    let command = Command::ReportJob {
        job,
        generation,
        outcome,
    };
    let mut pause = REPORT_RETRY_FIRST;
    loop {
        match executor.execute(command.clone()).await {
            Ok(_) | Err(Failure::Refused(_) | Failure::Store(StoreError::Closed)) => return,
            Err(Failure::Store(error)) if error.is_final() => return,
            Err(Failure::Store(error)) => {
                tracing::error!(%error, "the end of a job could not be written yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(REPORT_RETRY_MAX);
            }
        }
    }
}
