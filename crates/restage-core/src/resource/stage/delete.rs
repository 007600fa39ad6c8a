//! DeleteStage: disconnects everyone, stops jobs, ends replications out of the stage and into it, then removes it.
//! Ingest configurations that publish to it stay, without a stage.
//! Recordings and compositions end at once and stay, because what they have recorded is still to be brought to their buckets.
//! History is kept in the other stages only, because the stage's own is removed with it.

use crate::arn::StageArn;
use crate::job::stop;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::live::{composition, ingest, recording, session};

pub(crate) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![
        Need::Live(stage.id.clone()),
        Need::JobsOf(stage.id.clone()),
        Need::IngestsOf(stage.id.clone()),
        recording::needs_of_stage(&stage.id),
        composition::needs_of_stage(&stage.id),
    ]
}

pub(crate) fn decide(draft: &mut Draft<'_>, arn: &StageArn) -> Outcome {
    own_stage(draft, "arn", arn)?;
    // Nobody will be back, so no recording waits.
    recording::end_all_in(draft, &arn.id);
    composition::end_all_in(draft, &arn.id);
    if let Some(active) = draft.active_session(&arn.id) {
        session::shut(draft, &active, CloseReason::StageDeleted);
    }
    for row in ingest::attached_to(draft, &arn.id) {
        ingest::detach(draft, row);
    }
    stop::all_of(draft, &arn.id);
    draft.delete_stage(&arn.id);
    Ok(Reply::Done)
}
