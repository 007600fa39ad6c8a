//! Stages.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_STAGE_RESULTS, PAGINATION_TOKEN, PARTICIPANT_TOKEN_CONFIGURATIONS, STAGE_ARN, STAGE_NAME,
    TAGS,
};
use crate::generated::recording::RecordingConfiguration;
use crate::generated::token::{ParticipantToken, ParticipantTokenConfiguration};
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, StringMap};

/// Input of CreateStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateStageRequest {
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters. Empty unless given.
    pub name: String,
    /// `participantTokenConfigurations`: 0–12 entries. Empty unless given.
    pub participant_token_configurations: Vec<ParticipantTokenConfiguration>,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
    /// `autoParticipantRecordingConfiguration`. Its defaults unless given.
    pub recording: RecordingConfiguration,
}

impl Request for CreateStageRequest {
    const OPERATION: Operation = Operation::CreateStage;
    type Response = CreateStageResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            name: members.text("name", &STAGE_NAME)?.unwrap_or_default(),
            participant_token_configurations: members
                .shapes(
                    "participantTokenConfigurations",
                    PARTICIPANT_TOKEN_CONFIGURATIONS,
                )?
                .unwrap_or_default(),
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
            recording: members
                .shape("autoParticipantRecordingConfiguration")?
                .unwrap_or_default(),
        })
    }
}

/// Output of CreateStage.
/// The tokens stand in the order they were asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateStageResponse {
    pub stage: StageShape,
    pub participant_tokens: Vec<ParticipantToken>,
}

/// Input of GetStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetStageRequest {
    /// `arn`: the ARN of a stage, 1–128 characters.
    pub arn: String,
}

impl Request for GetStageRequest {
    const OPERATION: Operation = Operation::GetStage;
    type Response = GetStageResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STAGE_ARN)?,
        })
    }
}

impl ByArn for GetStageRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetStage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GetStageResponse {
    pub stage: StageShape,
}

/// Input of ListStages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListStagesRequest {
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListStagesRequest {
    const OPERATION: Operation = Operation::ListStages;
    type Response = ListStagesResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_STAGE_RESULTS)?,
        })
    }
}

impl ListStagesRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub const fn filters(&self) -> [(&'static str, &str); 0] {
        []
    }
}

impl Paged for ListStagesRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListStages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListStagesResponse {
    pub stages: Vec<StageSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of UpdateStage.
/// `None` leaves a member as it is; a recording block replaces the old one as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateStageRequest {
    /// `arn`: the ARN of a stage, 1–128 characters.
    pub arn: String,
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    pub name: Option<String>,
    /// `autoParticipantRecordingConfiguration`.
    pub recording: Option<RecordingConfiguration>,
}

impl Request for UpdateStageRequest {
    const OPERATION: Operation = Operation::UpdateStage;
    type Response = UpdateStageResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STAGE_ARN)?,
            name: members.text("name", &STAGE_NAME)?,
            recording: members.shape("autoParticipantRecordingConfiguration")?,
        })
    }
}

impl ByArn for UpdateStageRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of UpdateStage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct UpdateStageResponse {
    pub stage: StageShape,
}

/// Input of DeleteStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteStageRequest {
    /// `arn`: the ARN of a stage, 1–128 characters.
    pub arn: String,
}

impl Request for DeleteStageRequest {
    const OPERATION: Operation = Operation::DeleteStage;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STAGE_ARN)?,
        })
    }
}

impl ByArn for DeleteStageRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// A stage. The name is empty if it has none; `activeSessionId` is there only during a session.
/// `Stage` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct StageShape {
    pub arn: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_session_id: Option<String>,
    pub tags: StringMap,
    pub auto_participant_recording_configuration: RecordingConfiguration,
    pub endpoints: StageEndpoints,
}

/// Where clients of a stage connect. The RTMP ones are left out where there is no such listener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct StageEndpoints {
    pub events: String,
    pub whip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmps: Option<String>,
}

/// `StageSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct StageSummary {
    pub arn: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_session_id: Option<String>,
    pub tags: StringMap,
}
