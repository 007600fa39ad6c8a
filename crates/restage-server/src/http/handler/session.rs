//! ListStageSessions, GetStageSession.

use restage_api::shape::{
    GetStageSessionRequest, GetStageSessionResponse, ListStageSessionsRequest,
    ListStageSessionsResponse,
};
use restage_api::{ApiError, Operation, Request as _};
use restage_core::id::StageSessionId;
use restage_core::row::{Stage, StageSession};

use super::super::App;
use super::super::api::Caller;
use super::super::view;
use super::{Missing, Paging, answer, stage_of, store_failed};

pub(super) async fn list(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = ListStageSessionsRequest::parse(body)?;
    let missing = Missing::Invalid("stageArn");
    let stage = stage_of(app, caller, "stageArn", &request.stage_arn, missing).await?;
    let filters = request.filters();
    let paging = Paging::new(app, caller, Operation::ListStageSessions, &filters);
    let before = paging.start(request.next_token.as_deref())?;
    let page = app
        .control
        .store()
        .list_sessions(&stage.id, before, request.max_results)
        .await
        .map_err(store_failed)?;
    let last = page
        .rows
        .last()
        .map(|session| (session.started_at, session.id.as_str()));
    let next_token = paging.next(page.more, last);
    let stage_sessions = page.rows.iter().map(view::session).collect();
    answer(&ListStageSessionsResponse {
        stage_sessions,
        next_token,
    })
}

pub(super) async fn get(app: &App, caller: &Caller, body: &[u8]) -> Result<String, ApiError> {
    let request = GetStageSessionRequest::parse(body)?;
    let stage = stage_of(
        app,
        caller,
        "stageArn",
        &request.stage_arn,
        Missing::NotFound,
    )
    .await?;
    let session = session_of(app, &stage, &request.session_id, Missing::NotFound).await?;
    answer(&GetStageSessionResponse {
        stage_session: view::session(&session),
    })
}

/// A session of this stage.
pub(super) async fn session_of(
    app: &App,
    stage: &Stage,
    session: &str,
    missing: Missing,
) -> Result<StageSession, ApiError> {
    app.control
        .store()
        .get_session(&stage.id, &StageSessionId::new(session))
        .await
        .map_err(store_failed)?
        .ok_or_else(|| missing.error(&format!("stage session {session} of this stage")))
}
