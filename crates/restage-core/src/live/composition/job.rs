//! A composition and the job that makes it.

use super::{report, settle, spec};
use crate::id::JobId;
use crate::kernel::decision::Effect;
use crate::kernel::draft::Draft;
use crate::row::{
    COMPOSITION_JOB, Composition, CompositionFailure, CompositionFailureCode, CompositionId,
    CompositionState, DestinationState, Job, JobState,
};

/// What has happened to a job in this command.
enum Turn {
    /// It waits for its next start.
    Waits,
    /// It has ended; `Some` is why it has failed for good.
    Ended(Option<String>),
}

/// After a command: destinations of each composition whose job waits for another start are to be connected again, and
/// those of each whose job has ended, in whatever way, end.
pub(crate) fn follow(draft: &mut Draft<'_>) {
    let turned = |(id, before, after): (&JobId, Option<&Job>, Option<&Job>)| {
        let before = before.filter(|row| row.kind == COMPOSITION_JOB && row.is_live())?;
        let turn = match after.map(|row| &row.state) {
            Some(JobState::Pending { .. }) if before.lease().is_some() => Turn::Waits,
            Some(JobState::Pending { .. } | JobState::Running(_)) => return None,
            Some(JobState::Failed { reason }) => Turn::Ended(Some(reason.clone())),
            Some(JobState::Done { .. }) | None => Turn::Ended(None),
        };
        Some((CompositionId::of_job(id), turn))
    };
    let turned: Vec<_> = draft.job_differences().filter_map(turned).collect();
    for (id, turn) in turned {
        let Some(row) = draft.composition(&id).cloned() else {
            continue;
        };
        match turn {
            Turn::Waits => reconnect(draft, row),
            Turn::Ended(failure) => ended(draft, row, failure.as_deref()),
        }
    }
}

fn reconnect(draft: &mut Draft<'_>, mut row: Composition) {
    for destination in &mut row.destinations {
        if destination.state == DestinationState::Active {
            destination.state = DestinationState::Reconnecting;
        }
    }
    draft.put_composition(row);
}

/// The job has ended, and has failed for good if there is a reason. Channels have ended with it. What is recorded is to be
/// brought to its bucket, and a recording has failed then; one that has not begun has failed now.
pub(super) fn ended(draft: &mut Draft<'_>, mut row: Composition, failure: Option<&str>) {
    super::finish(draft, &row);
    if row.state.is_final() {
        return;
    }
    let failure = failure.map(|reason| CompositionFailure {
        code: CompositionFailureCode::InternalServer,
        reason: report::cut(reason),
    });
    if row.is_open() {
        row.state = CompositionState::Stopping;
        row.idle_since = None;
    }
    row.failure = row.failure.or_else(|| failure.clone());
    let now = draft.context.now;
    for destination in &mut row.destinations {
        if destination.state.is_final() {
            continue;
        }
        let has_begun = destination.started_at.is_some();
        let is_recorded = destination.target.recording().is_some();
        match &failure {
            Some(failure) if !(is_recorded && has_begun) => {
                report::fail(destination, failure.clone(), now);
            }
            _ if is_recorded => {
                destination.state = DestinationState::Stopping;
                destination.failure = destination.failure.take().or_else(|| failure.clone());
            }
            _ => report::stopped(destination, now),
        }
    }
    settle(draft, row);
}

/// Tells the job how the composition is now.
pub(super) fn tell(draft: &mut Draft<'_>, row: &Composition) {
    let Some(mut job) = live(draft, row) else {
        return;
    };
    let spec = spec::text(row);
    // Destinations of a composition that is to end are in no spec; its job ends what there is.
    if spec == job.spec || !row.is_open() {
        return;
    }
    job.spec = spec;
    if job.lease().is_some() {
        draft.order(Effect::TellJob {
            job: Box::new(job.clone()),
        });
    }
    draft.put_job(job);
}

/// The job, unless it has ended.
pub(super) fn live(draft: &Draft<'_>, row: &Composition) -> Option<Job> {
    draft
        .job(&row.id.job())
        .filter(|job| job.is_live())
        .cloned()
}
