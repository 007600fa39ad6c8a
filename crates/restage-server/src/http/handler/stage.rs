//! CreateStage, GetStage, ListStages, UpdateStage, DeleteStage.

use restage_api::shape::{
    CreateStageRequest, CreateStageResponse, DeleteStageRequest, GetStageRequest, GetStageResponse,
    ListStagesRequest, ListStagesResponse, UpdateStageRequest, UpdateStageResponse,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::Reply;
use restage_core::command::Command;
use restage_core::row::Stage;
use restage_store::Subject;
use restage_store::system::ids;

use super::super::App;
use super::super::answer_cache::Answer;
use super::super::api::Caller;
use super::super::{recording, view};
use super::token::Issue;
use super::{Missing, Paging, answer, arn, empty, execute, own_region, stage_of, store_failed};

pub(super) async fn create(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = CreateStageRequest::parse(body)?;
    let recording = recording::command(&request.recording)?;
    let stage = ids::stage(&caller.account, &caller.region);
    let issues: Vec<Issue> = request
        .participant_token_configurations
        .into_iter()
        .map(Issue::new)
        .collect();
    let command = Command::CreateStage {
        stage: stage.clone(),
        name: request.name,
        tags: request.tags,
        recording,
        tokens: issues.iter().map(Issue::row).collect(),
    };
    let created = stage_reply(execute(app, caller, command).await?)?;
    let participant_tokens = issues
        .into_iter()
        .map(|issue| issue.sign(app, &stage))
        .collect::<Result<_, _>>()?;
    answer(&CreateStageResponse {
        stage: view::stage(app, &created),
        participant_tokens,
    })
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<Answer, ApiError> {
    let request = GetStageRequest::parse(body)?;
    let id = arn("arn", &request.arn)?.id;
    let watch = app.control.store().watch([Subject::Stage(&id); 2]);
    let stage = stage_of(app, caller, "arn", &request.arn, Missing::NotFound).await?;
    let body = answer(&GetStageResponse {
        stage: view::stage(app, &stage),
    })?;
    Ok(Answer::while_holds(watch, body))
}

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListStagesRequest::parse(body)?;
    let paging = Paging::new(app, caller, Operation::ListStages, &[]);
    let after = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_stages(&caller.account, &caller.region, after, request.max_results)
        .await
        .map_err(store_failed)?;
    let last = page
        .rows
        .last()
        .map(|stage| (stage.created_at, stage.id.as_str()));
    let next_token = paging.next(page.more, last);
    let stages = page.rows.iter().map(view::stage_summary).collect();
    answer(&ListStagesResponse { stages, next_token })
}

pub(super) async fn update(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = UpdateStageRequest::parse(body)?;
    let stage = arn("arn", &request.arn)?;
    own_region(caller, "arn", stage.clone())?;
    let recording = request.recording.as_ref().map(recording::command);
    let command = Command::UpdateStage {
        stage,
        name: request.name,
        recording: recording.transpose()?,
    };
    let updated = stage_reply(execute(app, caller, command).await?)?;
    answer(&UpdateStageResponse {
        stage: view::stage(app, &updated),
    })
}

pub(super) async fn delete(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = DeleteStageRequest::parse(body)?;
    let stage = arn("arn", &request.arn)?;
    own_region(caller, "arn", stage.clone())?;
    execute(app, caller, Command::DeleteStage { stage }).await?;
    empty()
}

fn stage_reply(reply: Reply) -> Result<Stage, ApiError> {
    match reply {
        Reply::Stage(stage) => Ok(stage),
        _ => Err(ApiError::internal_server(
            "the rules gave no stage for a stage operation",
        )),
    }
}
