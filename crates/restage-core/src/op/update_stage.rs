//! UpdateStage: another name, another recording block.

use super::{Outcome, own_stage};
use crate::arn::StageArn;
use crate::command::Need;
use crate::decision::Reply;
use crate::draft::Draft;

pub(super) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Stage(stage.id.clone())]
}

pub(super) fn decide(
    draft: &mut Draft<'_>,
    arn: &StageArn,
    name: Option<&str>,
    recording: Option<&str>,
) -> Outcome {
    let mut stage = own_stage(draft, "arn", arn)?.clone();
    if let Some(name) = name {
        name.clone_into(&mut stage.name);
    }
    if let Some(recording) = recording {
        recording.clone_into(&mut stage.recording);
    }
    draft.put_stage(stage.clone());
    Ok(Reply::Stage(stage))
}
