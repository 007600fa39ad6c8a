//! Stage sessions.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_STAGE_SESSION_RESULTS, PAGINATION_TOKEN, STAGE_ARN, STAGE_SESSION_ID,
};
use crate::operation::{Operation, Paged, Request};
use crate::read::Body;
use crate::time::Timestamp;

/// Input of ListStageSessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListStageSessionsRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListStageSessionsRequest {
    const OPERATION: Operation = Operation::ListStageSessions;
    type Response = ListStageSessionsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_STAGE_SESSION_RESULTS)?,
        })
    }
}

impl ListStageSessionsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> [(&'static str, &str); 1] {
        [("stageArn", self.stage_arn.as_str())]
    }
}

impl Paged for ListStageSessionsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListStageSessions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListStageSessionsResponse {
    pub stage_sessions: Vec<StageSessionShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of GetStageSession.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetStageSessionRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `sessionId`: a session id, 16 characters.
    pub session_id: String,
}

impl Request for GetStageSessionRequest {
    const OPERATION: Operation = Operation::GetStageSession;
    type Response = GetStageSessionResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &STAGE_SESSION_ID)?,
        })
    }
}

/// Output of GetStageSession.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetStageSessionResponse {
    pub stage_session: StageSessionShape,
}

/// A stage session. There is no `endTime` while it is active.
/// `StageSession` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct StageSessionShape {
    pub session_id: String,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}
