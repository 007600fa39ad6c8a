//! What the node reports of a recording: the capture has begun, cannot begin, or everything is in the bucket.

use super::job;
use crate::error::{Error, Fault};
use crate::id::JobId;
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::RECORDING_TEXT_BYTES_MAX;
use crate::row::{Recording, RecordingFailure, RecordingFailureCode, RecordingId, RecordingState};

/// The command's members.
pub(crate) struct Finished<'a> {
    pub(crate) recording: &'a RecordingId,
    pub(crate) duration_ms: u64,
    pub(crate) failure: Option<&'a RecordingFailure>,
    pub(crate) message: Option<&'a str>,
}

/// The rows that a report of the runner needs.
pub(crate) fn needs_of_runner(job: &JobId) -> Vec<Need> {
    vec![Need::Job(job.clone())]
}

pub(crate) fn needs_of_finished(recording: &RecordingId) -> Vec<Need> {
    vec![Need::Recording(recording.clone())]
}

/// The capture has begun. A recording that is to end by now has begun as well.
pub(crate) fn started(draft: &mut Draft<'_>, job: &JobId, generation: u32) -> Outcome {
    let mut row = held(draft, job, generation)?;
    if row.state.is_final() || row.started_at.is_some() {
        return Ok(Reply::Done);
    }
    let now = draft.context.now;
    row.started_at = Some(now);
    // A capture that was ended before it could say that it began has not ended earlier.
    row.ended_at = row.ended_at.map(|ended| ended.max(now));
    if row.state == RecordingState::Starting {
        row.state = RecordingState::Active;
    }
    draft.put_recording(row);
    Ok(Reply::Done)
}

/// The capture cannot begin.
pub(crate) fn start_failed(
    draft: &mut Draft<'_>,
    job: &JobId,
    generation: u32,
    failure: &RecordingFailure,
) -> Outcome {
    let row = held(draft, job, generation)?;
    if row.started_at.is_some() {
        let message = format!("job: the recording {} has begun already", row.id);
        return Err(Error::new(Fault::Conflict, message));
    }
    if !row.state.is_final() {
        fail(draft, row, failure.clone());
    }
    Ok(Reply::Done)
}

/// Everything is in the bucket, or will never be. A recording that is not known any more was removed as too old.
pub(crate) fn finished(draft: &mut Draft<'_>, report: &Finished<'_>) -> Outcome {
    let Some(mut row) = draft.recording(report.recording).cloned() else {
        return Ok(Reply::Done);
    };
    if row.state.is_final() {
        return Ok(Reply::Done);
    }
    row.message = report.message.map(cut);
    row.duration_ms = Some(report.duration_ms);
    match report.failure {
        Some(failure) => fail(draft, row, failure.clone()),
        None => {
            row.failure = None;
            close(draft, row, RecordingState::Stopped);
        }
    }
    Ok(Reply::Done)
}

/// Records that the recording has failed.
pub(super) fn fail(draft: &mut Draft<'_>, mut row: Recording, failure: RecordingFailure) {
    let RecordingFailure { code, reason } = failure;
    let reason = cut(&reason);
    row.failure = Some(RecordingFailure { code, reason });
    close(draft, row, RecordingState::Failed);
}

/// Says why the capture has failed while the rest is brought to the bucket.
pub(super) fn foretell(row: &mut Recording, reason: &str) {
    row.failure = Some(RecordingFailure {
        code: RecordingFailureCode::InternalServer,
        reason: cut(reason),
    });
}

/// Ends the recording for good. A job that still runs is asked to end.
fn close(draft: &mut Draft<'_>, mut row: Recording, state: RecordingState) {
    if row.is_open() {
        job::stop_if_live(draft, &row);
    }
    row.state = state;
    row.publication = None;
    row.window_ends_at = None;
    row.paused = false;
    row.ended_at = row.ended_at.or(Some(draft.context.now)).max(row.started_at);
    draft.put_recording(row);
}

/// The recording that a runner captures, if its lease is its own.
fn held(draft: &Draft<'_>, job: &JobId, generation: u32) -> Result<Recording, Error> {
    crate::job::report::held(draft, job, generation)?;
    draft
        .recording(&RecordingId::of_job(job))
        .cloned()
        .ok_or_else(|| Error::new(Fault::NotFound, format!("job: {job} captures no recording")))
}

/// The text as a row stores it: cut to its length, and without the character U+0000, which PostgreSQL does not store.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(RECORDING_TEXT_BYTES_MAX)].replace('\0', "")
}
