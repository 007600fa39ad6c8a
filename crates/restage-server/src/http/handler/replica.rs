//! StartParticipantReplication, StopParticipantReplication, ListParticipantReplicas.

use restage_api::shape::{
    ListParticipantReplicasRequest, ListParticipantReplicasResponse,
    StartParticipantReplicationRequest, StopParticipantReplicationRequest,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::command::Command;
use restage_core::id::ParticipantId;
use restage_store::Subject;

use super::super::App;
use super::super::answer_cache::Answer;
use super::super::api::Caller;
use super::super::view;
use super::{Missing, Paging, answer, arn, empty, execute, own_region, stage_of, store_failed};

pub(super) async fn start(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = StartParticipantReplicationRequest::parse(body)?;
    let source = arn("sourceStageArn", &request.source_stage_arn)?;
    own_region(caller, "sourceStageArn", source.clone())?;
    let command = Command::StartParticipantReplication {
        source,
        destination: arn("destinationStageArn", &request.destination_stage_arn)?,
        participant: ParticipantId::new(request.participant_id),
        reconnect_window_s: request.reconnect_window_seconds,
        attributes: request.attributes,
    };
    execute(app, caller, command).await?;
    empty()
}

pub(super) async fn stop(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = StopParticipantReplicationRequest::parse(body)?;
    let source = arn("sourceStageArn", &request.source_stage_arn)?;
    own_region(caller, "sourceStageArn", source.clone())?;
    let command = Command::StopParticipantReplication {
        source,
        destination: arn("destinationStageArn", &request.destination_stage_arn)?,
        participant: ParticipantId::new(request.participant_id),
    };
    execute(app, caller, command).await?;
    empty()
}

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<Answer, ApiError> {
    let request = ListParticipantReplicasRequest::parse(body)?;
    let id = arn("sourceStageArn", &request.source_stage_arn)?.id;
    let subjects = [Subject::Stage(&id), Subject::Replicas(&id)];
    let watch = app.control.store().watch(subjects);
    let missing = Missing::Invalid("sourceStageArn");
    let source = stage_of(
        app,
        caller,
        "sourceStageArn",
        &request.source_stage_arn,
        missing,
    )
    .await?;
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListParticipantReplicas, &filters);
    let after = paging.replicas_start(request.next_token.as_deref())?;
    let participant = ParticipantId::new(request.participant_id.as_str());
    let page = app
        .control
        .store()
        .list_replicas(&source.id, &participant, after, request.max_results)
        .await
        .map_err(store_failed)?;
    let next_token = paging.replicas_next(page.more, page.rows.last());
    let replicas = page
        .rows
        .iter()
        .map(|row| view::replica(&source, row))
        .collect();
    let body = answer(&ListParticipantReplicasResponse {
        replicas,
        next_token,
    })?;
    Ok(Answer::while_holds(watch, body))
}
