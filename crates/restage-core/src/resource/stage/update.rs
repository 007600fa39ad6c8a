//! UpdateStage: another name, another recording block.

use crate::arn::StageArn;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;

pub(crate) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Stage(stage.id.clone())]
}

pub(crate) fn decide(
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
