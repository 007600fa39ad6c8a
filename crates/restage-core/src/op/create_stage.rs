//! CreateStage: a stage, with the tokens asked for alongside.

use std::collections::BTreeMap;

use super::{Outcome, limit_reached};
use crate::arn::StageArn;
use crate::command::{Need, NewToken};
use crate::decision::Reply;
use crate::draft::Draft;
use crate::error::{Error, Fault};
use crate::row::{Stage, Token};

pub(super) fn needs(stage: &StageArn) -> Vec<Need> {
    vec![Need::StageCount {
        account: stage.account.clone(),
        region: stage.region.clone(),
    }]
}

pub(super) fn decide(
    draft: &mut Draft<'_>,
    arn: &StageArn,
    name: &str,
    tags: &BTreeMap<String, String>,
    recording: &str,
    tokens: &[NewToken],
) -> Outcome {
    let context = draft.context;
    if arn.account != context.account {
        return Err(Error::new(
            Fault::Denied,
            format!("{arn} would belong to another account"),
        ));
    }
    let limit = context.limits.stages;
    if draft.given().stage_count_of(&arn.account, &arn.region) >= u64::from(limit) {
        return Err(limit_reached(
            "Stages per account and Region",
            limit,
            "stages",
        ));
    }
    let stage = Stage {
        id: arn.id.clone(),
        account: arn.account.clone(),
        region: arn.region.clone(),
        name: name.to_owned(),
        tags: tags.clone(),
        recording: recording.to_owned(),
        created_at: context.now,
        active_session: None,
    };
    draft.put_stage(stage.clone());
    for token in tokens {
        draft.put_token(issued(arn, token));
    }
    Ok(Reply::Stage(stage))
}

/// The row of a token issued for a stage.
pub(super) fn issued(stage: &StageArn, token: &NewToken) -> Token {
    Token {
        stage: stage.id.clone(),
        participant: token.participant.clone(),
        expires_at: token.expires_at,
        revoked_at: None,
        self_signed: None,
    }
}
