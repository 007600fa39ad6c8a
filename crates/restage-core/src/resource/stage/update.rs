//! UpdateStage: another name, another recording block.

use crate::arn::StageArn;
use crate::error::{Error, Fault};
use crate::kernel::command::NewStageRecording;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::resource::stage::recording;
use crate::row::Stage;

pub(crate) fn needs(stage: &StageArn, new: Option<&NewStageRecording>) -> Vec<Need> {
    let mut needs = vec![Need::Stage(stage.id.clone())];
    if let Some(new) = new {
        needs.push(Need::RecordingCount(stage.id.clone()));
        needs.extend(recording::need(new));
    }
    needs
}

pub(crate) fn decide(
    draft: &mut Draft<'_>,
    arn: &StageArn,
    name: Option<&str>,
    recording: Option<&NewStageRecording>,
) -> Outcome {
    let mut stage = own_stage(draft, "arn", arn)?.clone();
    if let Some(name) = name {
        name.clone_into(&mut stage.name);
    }
    if let Some(recording) = recording {
        set_recording(draft, &mut stage, recording)?;
    }
    draft.put_stage(stage.clone());
    Ok(Reply::Stage(stage))
}

/// Replaces the recording block. It may not change while participants are recorded by the one there is.
fn set_recording(
    draft: &Draft<'_>,
    stage: &mut Stage,
    new: &NewStageRecording,
) -> Result<(), Error> {
    let recording = recording::found(draft, new, &stage.region)?;
    if recording == stage.recording {
        return Ok(());
    }
    let recordings = draft.given().recording_count_of(&stage.id);
    if recordings > 0 {
        let message = format!(
            "autoParticipantRecordingConfiguration: recordings of the stage that are STARTING, ACTIVE or STOPPING: {recordings}; it can be changed when all are STOPPED or FAILED"
        );
        return Err(Error::new(Fault::Conflict, message));
    }
    stage.recording = recording;
    Ok(())
}
