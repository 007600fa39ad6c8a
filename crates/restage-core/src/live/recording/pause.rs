//! PauseRecording and ResumeRecording: for a while nothing is captured, and the recording stays one.

use crate::error::{Error, Fault};
use crate::kernel::decision::{Outcome, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::row::{Recording, RecordingId};

pub(crate) fn needs(recording: &RecordingId) -> Vec<Need> {
    vec![Need::Recording(recording.clone())]
}

/// Pauses or resumes the caller's recording. One that is paused or not already stays so.
pub(crate) fn decide(
    draft: &mut Draft<'_>,
    id: &RecordingId,
    region: &str,
    is_paused: bool,
) -> Outcome {
    let account = &draft.context.account;
    let is_own = |row: &&Recording| row.account == *account && row.region == region;
    let Some(mut row) = draft.recording(id).filter(is_own).cloned() else {
        return Err(Error::new(
            Fault::NotFound,
            format!("recordingId: there is no recording {id} in Region {region}"),
        ));
    };
    if !row.is_open() {
        let state = row.state.word();
        let message = format!(
            "recordingId: the recording {id} is {state}; only one that is STARTING or ACTIVE can be paused and resumed"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    if row.paused != is_paused {
        row.paused = is_paused;
        super::put(draft, row.clone());
    }
    Ok(Reply::Recording(Box::new(row)))
}
