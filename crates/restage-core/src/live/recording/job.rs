//! A recording and the job that captures it.

use super::{report, spec};
use crate::id::JobId;
use crate::job::stop as job_stop;
use crate::kernel::decision::Effect;
use crate::kernel::draft::Draft;
use crate::row::{
    Job, JobState, RECORDING_JOB, Recording, RecordingFailure, RecordingFailureCode, RecordingId,
    RecordingState,
};

/// After a command: the capture has ended of each recording whose job has ended, in whatever way. What is there of it is to
/// be brought to its bucket.
pub(crate) fn follow(draft: &mut Draft<'_>) {
    let has_ended = |(id, before, after): (&JobId, Option<&Job>, Option<&Job>)| {
        let is_capture = |row: &Job| row.kind == RECORDING_JOB && row.is_live();
        let was_live = before.is_some_and(is_capture);
        let is_live = after.is_some_and(Job::is_live);
        let state = after.map(|row| row.state.clone());
        (was_live && !is_live).then(|| (RecordingId::of_job(id), state))
    };
    let ended: Vec<_> = draft.job_differences().filter_map(has_ended).collect();
    for (id, state) in ended {
        let Some(row) = draft.recording(&id).cloned() else {
            continue;
        };
        captured(draft, row, state.as_ref());
        draft.order(Effect::FinishRecording { recording: id });
    }
}

fn captured(draft: &mut Draft<'_>, mut row: Recording, state: Option<&JobState>) {
    if row.state.is_final() {
        return;
    }
    match state {
        Some(JobState::Failed { reason }) if row.started_at.is_none() => {
            let failure = RecordingFailure {
                code: RecordingFailureCode::InternalServer,
                reason: reason.clone(),
            };
            report::fail(draft, row, failure);
        }
        Some(JobState::Failed { reason }) => {
            report::foretell(&mut row, reason);
            stopping(draft, row);
        }
        _ if row.is_open() => stopping(draft, row),
        _ => {}
    }
}

fn stopping(draft: &mut Draft<'_>, mut row: Recording) {
    if row.is_open() {
        row.state = RecordingState::Stopping;
        row.publication = None;
        row.window_ends_at = None;
        row.paused = false;
        row.ended_at = Some(draft.context.now).max(row.started_at);
    }
    draft.put_recording(row);
}

/// Asks the job to end. Where there is none any more, the rest of the recording is to be brought to its bucket.
pub(super) fn stop(draft: &mut Draft<'_>, row: &Recording) {
    match live(draft, row) {
        Some(job) => job_stop::stop(draft, job),
        None => finish(draft, row),
    }
}

/// Asks the job to end, if it has not.
pub(super) fn stop_if_live(draft: &mut Draft<'_>, row: &Recording) {
    if let Some(job) = live(draft, row) {
        job_stop::stop(draft, job);
    }
}

/// What is left to do for a recording whose capture has ended, unless its job is still to say so.
pub(super) fn finish_unless_live(draft: &mut Draft<'_>, row: &Recording) {
    if live(draft, row).is_none() {
        finish(draft, row);
    }
}

/// Tells the job how the recording is now.
pub(super) fn tell(draft: &mut Draft<'_>, row: &Recording) {
    let Some(mut job) = live(draft, row) else {
        return;
    };
    job.spec = spec::text(row);
    if job.lease().is_some() {
        draft.order(Effect::TellJob {
            job: Box::new(job.clone()),
        });
    }
    draft.put_job(job);
}

fn live(draft: &Draft<'_>, row: &Recording) -> Option<Job> {
    draft
        .job(&row.id.job())
        .filter(|job| job.is_live())
        .cloned()
}

fn finish(draft: &mut Draft<'_>, row: &Recording) {
    draft.order(Effect::FinishRecording {
        recording: row.id.clone(),
    });
}
