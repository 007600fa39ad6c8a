//! CreateParticipantToken: remembers that the token was issued. The text is made at the edge.

use super::{Outcome, create_stage, own_stage};
use crate::arn::StageArn;
use crate::command::{Need, NewToken};
use crate::decision::Reply;
use crate::draft::Draft;

pub(super) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Stage(stage.id.clone())]
}

pub(super) fn decide(draft: &mut Draft<'_>, arn: &StageArn, token: &NewToken) -> Outcome {
    own_stage(draft, "stageArn", arn)?;
    draft.put_token(create_stage::issued(arn, token));
    Ok(Reply::Done)
}
