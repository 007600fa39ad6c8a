//! CreateParticipantToken: remembers that the token was issued. The text is made at the edge.

use crate::arn::StageArn;
use crate::kernel::command::NewToken;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::kernel::owner::own_stage;
use crate::row::Token;

pub(crate) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::Stage(stage.id.clone())]
}

pub(crate) fn create(draft: &mut Draft<'_>, arn: &StageArn, token: &NewToken) -> Outcome {
    own_stage(draft, "stageArn", arn)?;
    draft.put_token(issued(arn, token));
    Ok(Reply::Done)
}

/// The row of a token issued for a stage.
pub(crate) fn issued(stage: &StageArn, token: &NewToken) -> Token {
    Token {
        stage: stage.id.clone(),
        participant: token.participant.clone(),
        expires_at: token.expires_at,
        revoked_at: None,
        self_signed: None,
    }
}
