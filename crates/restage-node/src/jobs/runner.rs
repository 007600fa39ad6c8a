//! Runners of jobs, by the kind of the job.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use restage_core::id::JobId;

use super::JobContext;

/// A running start of a job.
pub type Running = Pin<Box<dyn Future<Output = End> + Send>>;

/// Runs jobs of one kind. It is called once for each start of a job.
pub trait Runner: Send + Sync + 'static {
    /// Runs the job. It should call [`JobContext::alive`] several times within a lease
    /// ([`JOB_LEASE_S`](restage_core::limits::JOB_LEASE_S)), and follow [`JobContext::ordered`].
    fn run(&self, context: JobContext) -> Running;

    /// The job has ended, in whatever way; no start follows. A kind that leaves something behind completes it now, and
    /// must not wait here. It is called again at every start of the server until the rules know that it is complete
    /// (of recordings: [`Effect::FinishRecording`](restage_core::Effect::FinishRecording)).
    fn complete(&self, _job: &JobId) {}

    /// The same of one part of what a job leaves behind, by its name (of compositions: a destination,
    /// [`Effect::FinishCompositionDestination`](restage_core::Effect::FinishCompositionDestination)). The job may not have
    /// ended. It may be called several times for a part.
    fn complete_part(&self, _job: &JobId, _part: &str) {}
}

impl<F, R> Runner for F
where
    F: Fn(JobContext) -> R + Send + Sync + 'static,
    R: Future<Output = End> + Send + 'static,
{
    fn run(&self, context: JobContext) -> Running {
        Box::pin(self(context))
    }
}

/// How a start of a job ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The job is done, or has ended because it was asked to. The text is the result.
    Done(String),
    /// This start failed, and another one follows. The text is the reason, for an operator.
    Failed(String),
    /// The job cannot be done, however often it is started. The text is the reason, for an operator.
    Impossible(String),
    /// The job will continue later: the answer to [`Order::Pause`](super::Order::Pause).
    Paused,
}

/// The runners of this node, by the kind of their jobs.
#[derive(Clone, Default)]
pub struct Runners(BTreeMap<&'static str, Arc<dyn Runner>>);

impl Runners {
    /// Adds the runner for a kind of jobs, and replaces an earlier one.
    #[must_use]
    pub fn with(mut self, kind: &'static str, runner: impl Runner) -> Self {
        self.0.insert(kind, Arc::new(runner));
        self
    }

    pub(super) fn of_kind(&self, kind: &str) -> Option<Arc<dyn Runner>> {
        self.0.get(kind).cloned()
    }
}

impl std::fmt::Debug for Runners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
