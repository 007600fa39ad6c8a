//! Jobs: work that goes on beside the rules and outlives the process that does it.

use crate::id::{JobId, ParticipantId, RunId, StageId, StageSessionId, Time};

/// Something durable that is done beside the rules, such as a recording. The row says what is to be done and who does it
/// right now; the work itself is done by a runner of this kind in the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    /// The row's key.
    pub id: JobId,
    /// What kind of work it is: a word of `a-z`, `0-9` and `-` that begins with a letter, at most
    /// [`JOB_KIND_LEN_MAX`](crate::limits::JOB_KIND_LEN_MAX) characters.
    pub kind: String,
    /// The stage it is for.
    pub stage: StageId,
    /// The stage session it is for, if it is for one.
    pub session: Option<StageSessionId>,
    /// The participant it is for, if it is for one.
    pub participant: Option<ParticipantId>,
    /// What is to be done, as JSON that the kind's runner reads; at most
    /// [`JOB_SPEC_BYTES_MAX`](crate::limits::JOB_SPEC_BYTES_MAX) bytes.
    pub spec: String,
    /// How far it is.
    pub state: JobState,
    /// How often the job has been started. Each start has a number of its own, so that a report of an earlier one is known
    /// and refused.
    pub generation: u32,
    /// How many starts in a row have failed. A start that lasts is no failure and begins the count anew.
    pub attempts: u32,
    /// Whether the job was asked to end. It ends by itself then, and keeps what it has.
    pub stop_requested: bool,
    /// When the job was made.
    pub created_at: Time,
    /// When the job was done, or had failed.
    pub ended_at: Option<Time>,
}

/// How far a job is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobState {
    /// It waits for its next start.
    Pending {
        /// When it is started, by the steady clock.
        due_at: Time,
    },
    /// A runner does it. It is stopping if [`Job::stop_requested`] says so.
    Running(Lease),
    /// It has ended as it should.
    Done {
        /// What came of it, in the kind's own words; at most
        /// [`JOB_RESULT_BYTES_MAX`](crate::limits::JOB_RESULT_BYTES_MAX) bytes.
        result: String,
    },
    /// It has failed for good.
    Failed {
        /// Why, for an operator; as long as a result.
        reason: String,
    },
}

/// Who does a job, and until when that is believed.
///
/// Times are those of the steady clock, because a lease is measured within one process only: [`Command::Recover`] ends
/// those of earlier processes. So a wall clock that is set ends none.
///
/// [`Command::Recover`]: crate::Command::Recover
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The run of the process that does it.
    pub owner: RunId,
    /// When this start was.
    pub started_at: Time,
    /// When the job is given up unless the lease is renewed.
    pub ends_at: Time,
}

impl Job {
    /// Whether there is still something to do.
    pub const fn is_live(&self) -> bool {
        matches!(self.state, JobState::Pending { .. } | JobState::Running(_))
    }

    /// The lease, while a runner does the job.
    pub const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            JobState::Running(lease) => Some(lease),
            _ => None,
        }
    }

    /// When [`Command::Tick`](crate::Command::Tick) has to look at the job, by the steady clock: it is to be started, or its
    /// lease ends. `None` for one that has ended.
    pub const fn due_at(&self) -> Option<Time> {
        match &self.state {
            JobState::Pending { due_at } => Some(*due_at),
            JobState::Running(lease) => Some(lease.ends_at),
            JobState::Done { .. } | JobState::Failed { .. } => None,
        }
    }
}
