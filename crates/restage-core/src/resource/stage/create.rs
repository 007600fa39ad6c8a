//! CreateStage: a stage, with the tokens asked for alongside.

use crate::arn::StageArn;
use crate::error::limit_reached;
use crate::error::{Error, Fault};
use crate::kernel::command::NewStageRecording;
use crate::kernel::command::NewToken;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::resource::stage::recording;
use crate::resource::token::issued;
use crate::row::{Stage, Tags};

pub(crate) fn needs(stage: &StageArn, new: &NewStageRecording) -> Vec<Need> {
    let count = Need::StageCount {
        account: stage.account.clone(),
        region: stage.region.clone(),
    };
    let mut needs = vec![count];
    needs.extend(recording::need(new));
    needs
}

pub(crate) fn decide(
    draft: &mut Draft<'_>,
    arn: &StageArn,
    name: &str,
    tags: &Tags,
    recording: &NewStageRecording,
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
    // The operation has no error for what is not found.
    let recording =
        recording::found(draft, recording, &arn.region).map_err(|error| match error.fault {
            Fault::NotFound => Error::new(Fault::Invalid, error.message),
            _ => error,
        })?;
    let stage = Stage {
        id: arn.id.clone(),
        account: arn.account.clone(),
        region: arn.region.clone(),
        name: name.to_owned(),
        tags: tags.clone(),
        recording,
        created_at: context.now,
        active_session: None,
    };
    draft.put_stage(stage.clone());
    for token in tokens {
        draft.put_token(issued(arn, token));
    }
    Ok(Reply::Stage(stage))
}
