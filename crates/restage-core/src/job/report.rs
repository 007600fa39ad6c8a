//! Reports of a job's runner: that it is alive, or how its start ended. They are accepted while it holds the lease.

use crate::error::{Error, Fault};
use crate::id::JobId;
use crate::kernel::command::JobOutcome;
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::{JOB_LEASE_S, JOB_RETRY_FIRST_S};
use crate::row::{Job, JobState, Lease};

pub(crate) fn needs(job: &JobId) -> Vec<Need> {
    vec![Need::Job(job.clone())]
}

/// Renews the lease from now on. A start that has lasted a while resets the count of failed starts.
pub(crate) fn renew(draft: &mut Draft<'_>, id: &JobId, generation: u32) -> Outcome {
    let (mut job, lease) = held(draft, id, generation)?;
    let now = draft.context.steady;
    if now
        >= lease
            .started_at
            .plus_seconds(super::steady_after_s(&job.kind))
    {
        job.attempts = 0;
    }
    job.state = JobState::Running(Lease {
        ends_at: now.plus_seconds(JOB_LEASE_S),
        ..lease
    });
    draft.put_job(job);
    Ok(Reply::Done)
}

/// Records the end of a start.
pub(crate) fn ended(
    draft: &mut Draft<'_>,
    id: &JobId,
    generation: u32,
    outcome: &JobOutcome,
) -> Outcome {
    let (job, _) = held(draft, id, generation)?;
    match outcome {
        JobOutcome::Done(result) => {
            let result = super::cut(result);
            super::end(draft, job, JobState::Done { result });
        }
        JobOutcome::Failed(reason) => super::fail(draft, job, reason),
        JobOutcome::Impossible(reason) => {
            let reason = super::cut(reason);
            super::end(draft, job, JobState::Failed { reason });
        }
        JobOutcome::Released => {
            let due_at = draft.context.steady.plus_seconds(JOB_RETRY_FIRST_S);
            super::wait(draft, job, due_at);
        }
    }
    Ok(Reply::Done)
}

/// The job and its lease, if this process still holds the lease of this start.
pub(crate) fn held(draft: &Draft<'_>, id: &JobId, generation: u32) -> Result<(Job, Lease), Error> {
    let job = draft.job(id);
    let found = job.and_then(|job| Some((job, job.lease()?)));
    let held = found
        .filter(|(job, lease)| job.generation == generation && lease.owner == draft.context.run);
    held.map(|(job, lease)| (job.clone(), lease.clone()))
        .ok_or_else(|| {
            Error::new(
                Fault::Conflict,
                format!("generation: start {generation} of job {id} has no lease any more"),
            )
        })
}
