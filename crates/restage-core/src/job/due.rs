//! Jobs and time: due starts, expired leases, and restarts of the server.

use crate::kernel::context::Context;
use crate::kernel::decision::Effect;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::JOB_LEASE_S;
use crate::row::{Job, JobState};

/// The jobs that [`tick`] needs.
pub(crate) fn needs(context: &Context) -> Need {
    Need::JobsDue(context.steady)
}

/// Starts the jobs that are due, and ends starts whose lease has expired.
pub(crate) fn tick(draft: &mut Draft<'_>) {
    let (world, context) = (draft.given(), draft.context);
    for due in world.due_jobs(context.steady) {
        // What has ended in this tick may have changed it.
        let Some(job) = draft.job(&due.id).cloned() else {
            continue;
        };
        match &job.state {
            JobState::Pending { .. } => {
                super::begin(draft, job);
            }
            JobState::Running(_) => give_up(draft, job),
            JobState::Done { .. } | JobState::Failed { .. } => {}
        }
    }
}

fn give_up(draft: &mut Draft<'_>, job: Job) {
    draft.order(Effect::AbandonJob {
        job: job.id.clone(),
        generation: job.generation,
    });
    let reason = format!("there was no sign of life for {JOB_LEASE_S} s");
    super::fail(draft, job, &reason);
}

/// When the server starts, every lease belongs to a process that is gone, which counts as a failed start. When it
/// stops, the leases are its own; their runners were told to pause, and nothing has failed. In both cases the jobs
/// are due at once.
pub(crate) fn recover(draft: &mut Draft<'_>) {
    let (world, context) = (draft.given(), draft.context);
    for id in world.jobs.keys() {
        let Some(job) = draft.job(id).filter(|job| job.is_live()).cloned() else {
            continue;
        };
        let is_lost = job.lease().is_some_and(|lease| lease.owner != context.run);
        let now = context.steady;
        match is_lost {
            true => super::fail_until(draft, job, "the process that ran it ended", now),
            false => super::wait(draft, job, now),
        }
    }
}
