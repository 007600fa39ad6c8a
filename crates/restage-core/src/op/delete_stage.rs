//! DeleteStage: disconnects everyone, ends replications out of the stage and into it, then removes it.
//! History is written where it survives: in the other stages.

use super::{Outcome, own_stage};
use crate::arn::StageArn;
use crate::command::Need;
use crate::decision::{CloseReason, Reply};
use crate::draft::Draft;
use crate::session;

pub(super) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Live(stage.id.clone())]
}

pub(super) fn decide(draft: &mut Draft<'_>, arn: &StageArn) -> Outcome {
    own_stage(draft, "arn", arn)?;
    if let Some(active) = draft.active_session(&arn.id) {
        session::shut(draft, &active, CloseReason::StageDeleted);
    }
    draft.delete_stage(&arn.id);
    Ok(Reply::Done)
}
