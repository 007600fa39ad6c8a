//! DeleteStage: disconnects everyone, stops jobs, ends replications out of the stage and into it, then removes it.
//! History is kept in the other stages only, because the stage's own is removed with it.

use crate::arn::StageArn;
use crate::job::stop;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::session;

pub(crate) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Live(stage.id.clone()), Need::JobsOf(stage.id.clone())]
}

pub(crate) fn decide(draft: &mut Draft<'_>, arn: &StageArn) -> Outcome {
    own_stage(draft, "arn", arn)?;
    if let Some(active) = draft.active_session(&arn.id) {
        session::shut(draft, &active, CloseReason::StageDeleted);
    }
    stop::all_of(draft, &arn.id);
    draft.delete_stage(&arn.id);
    Ok(Reply::Done)
}
