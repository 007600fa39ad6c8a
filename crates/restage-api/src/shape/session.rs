//! Stage sessions: ListStageSessions, GetStageSession.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::Request;
use crate::shape::read::Body;
use crate::shape::rule::{PAGE_SIZE, SESSION_ID, STAGE_ARN};
use crate::time::Timestamp;

/// Sessions per page when the request does not say.
const DEFAULT_MAX_RESULTS: u32 = 50;

/// Input of ListStageSessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListStageSessionsRequest {
    /// Of which stage.
    pub stage_arn: String,
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–100.
    pub max_results: u32,
}

impl ListStageSessionsRequest {
    /// What a page token of this request is bound to.
    pub fn filters(&self) -> [(&'static str, &str); 1] {
        [("stageArn", &self.stage_arn)]
    }
}

impl Request for ListStageSessionsRequest {
    const OPERATION: Operation = Operation::ListStageSessions;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, PAGE_SIZE)?,
        })
    }
}

/// Input of GetStageSession.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetStageSessionRequest {
    /// Of which stage.
    pub stage_arn: String,
    /// Which session.
    pub session_id: String,
}

impl Request for GetStageSessionRequest {
    const OPERATION: Operation = Operation::GetStageSession;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &SESSION_ID)?,
        })
    }
}

/// A stage session (`StageSession` and `StageSessionSummary` in the model, which are alike). There is
/// no `endTime` while it is active.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct StageSessionShape {
    pub session_id: String,
    pub start_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
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

/// Output of GetStageSession.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetStageSessionResponse {
    pub stage_session: StageSessionShape,
}
