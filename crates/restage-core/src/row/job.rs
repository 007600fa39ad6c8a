//! Jobs: durable work beside the rules, which outlives the process that runs it.

use crate::id::{JobId, ParticipantId, RunId, StageId, StageSessionId, Time};

/// Durable work beside the rules, such as a recording. The row contains the task and who runs it at present; the work
/// itself is done by the node's runner for this kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// The row's key.
    pub id: JobId,
    /// The kind of work: a word of `a-z`, `0-9` and `-` that begins with a letter, at most
    /// [`JOB_KIND_LEN_MAX`](crate::limits::JOB_KIND_LEN_MAX) characters.
    pub kind: String,
    /// The stage it is for.
    pub stage: StageId,
    /// The stage session it is for, if it is for one.
    pub session: Option<StageSessionId>,
    /// The participant it is for, if it is for one.
    pub participant: Option<ParticipantId>,
    /// The task, as JSON for the kind's runner; at most
    /// [`JOB_SPEC_BYTES_MAX`](crate::limits::JOB_SPEC_BYTES_MAX) bytes.
    pub spec: String,
    /// The progress of the job.
    pub state: JobState,
    /// Number of starts so far. Each start has a number of its own, so that a report of an earlier one is recognised
    /// and refused.
    pub generation: u32,
    /// Number of failed starts in a row. A start that lasts resets it.
    pub attempts: u32,
    /// Whether the job was asked to end. It then ends as its kind requires, and keeps its result.
    pub stop_requested: bool,
    /// When the job was created.
    pub created_at: Time,
    /// When the job was done, or failed for good.
    pub ended_at: Option<Time>,
}

/// The progress of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobState {
    /// It waits for its next start.
    Pending {
        /// When it will be started, by the steady clock.
        due_at: Time,
    },
    /// A runner works on it. It is stopping if [`Job::stop_requested`] is set.
    Running(Lease),
    /// It has ended successfully.
    Done {
        /// The result, in a form of the kind; at most
        /// [`JOB_RESULT_BYTES_MAX`](crate::limits::JOB_RESULT_BYTES_MAX) bytes.
        result: String,
    },
    /// It has failed for good.
    Failed {
        /// The reason, for an operator; as long as a result.
        reason: String,
    },
}

/// Who runs a job, and how long that is assumed without a sign of life.
///
/// Times are those of the steady clock, because a lease is valid within one process only: [`Command::Recover`] ends
/// leases of earlier processes. So setting the wall clock does not end a lease.
///
/// [`Command::Recover`]: crate::Command::Recover
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The process that runs it, by the id of its run.
    pub owner: RunId,
    /// When this start began.
    pub started_at: Time,
    /// When the start is given up, unless the lease is renewed.
    pub ends_at: Time,
}

impl Job {
    /// Whether the job has not ended.
    pub const fn is_live(&self) -> bool {
        matches!(self.state, JobState::Pending { .. } | JobState::Running(_))
    }

    /// The lease, while a runner works on the job.
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            JobState::Running(lease) => Some(lease),
            _ => None,
        }
    }

    /// When [`Command::Tick`](crate::Command::Tick) must check the job, by the steady clock: to start it, or because
    /// its lease ends. `None` if it has ended.
    pub const fn due_at(&self) -> Option<Time> {
        match &self.state {
            JobState::Pending { due_at } => Some(*due_at),
            JobState::Running(lease) => Some(lease.ends_at),
            JobState::Done { .. } | JobState::Failed { .. } => None,
        }
    }
}
