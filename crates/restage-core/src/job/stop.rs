//! StopJob, and the jobs of a stage that is deleted.

use crate::error::{Error, Fault};
use crate::id::{JobId, StageId};
use crate::kernel::decision::{Effect, Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::row::{Job, JobState};

pub(crate) fn needs(job: &JobId) -> Vec<Need> {
    vec![Need::Job(job.clone())]
}

pub(crate) fn decide(draft: &mut Draft<'_>, id: &JobId) -> Outcome {
    let Some(job) = draft.job(id).cloned() else {
        return Err(Error::new(
            Fault::NotFound,
            format!("job: there is no job {id}"),
        ));
    };
    stop(draft, job);
    Ok(Reply::Done)
}

/// Stops every job of a stage that is deleted.
pub(crate) fn all_of(draft: &mut Draft<'_>, stage: &StageId) {
    let world = draft.given();
    for live in world.live_jobs_of(stage) {
        if let Some(job) = draft.job(&live.id).cloned() {
            stop(draft, job);
        }
    }
}

/// Asks the job to end. A waiting job is started once more at the next tick, to end what its last start has begun.
pub(crate) fn stop(draft: &mut Draft<'_>, mut job: Job) {
    if !job.is_live() || job.stop_requested {
        return;
    }
    job.stop_requested = true;
    match &mut job.state {
        JobState::Pending { due_at } => *due_at = draft.context.steady,
        _ => draft.order(Effect::StopJob {
            job: job.id.clone(),
            generation: job.generation,
        }),
    }
    draft.put_job(job);
}
