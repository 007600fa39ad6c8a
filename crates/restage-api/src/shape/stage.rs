//! Stages: CreateStage, GetStage, ListStages, UpdateStage, DeleteStage.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::read::{Body, Object};
use crate::shape::recording::RecordingConfiguration;
use crate::shape::rule::{MAX_TOKEN_CONFIGURATIONS, PAGE_SIZE, STAGE_ARN, STAGE_NAME};
use crate::shape::token::{ParticipantToken, ParticipantTokenConfiguration};
use crate::shape::{Request, StringMap};

/// Stages per page when the request does not say.
const DEFAULT_MAX_RESULTS: u32 = 50;
/// The member that holds the recording block, in requests and answers.
const RECORDING: &str = "autoParticipantRecordingConfiguration";

fn recording(members: &Object<'_>) -> Result<Option<RecordingConfiguration>, ApiError> {
    members
        .object(RECORDING)?
        .map(|block| RecordingConfiguration::read(&block))
        .transpose()
}

/// Input of CreateStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateStageRequest {
    /// Empty unless given.
    pub name: String,
    /// At most 12 tokens to issue with the stage.
    pub participant_token_configurations: Vec<ParticipantTokenConfiguration>,
    /// At most 50.
    pub tags: StringMap,
    /// Defaults unless given.
    pub recording: RecordingConfiguration,
}

impl Request for CreateStageRequest {
    const OPERATION: Operation = Operation::CreateStage;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        let tokens = members
            .objects("participantTokenConfigurations", MAX_TOKEN_CONFIGURATIONS)?
            .unwrap_or_default();
        Ok(Self {
            name: members.text("name", &STAGE_NAME)?.unwrap_or_default(),
            participant_token_configurations: ParticipantTokenConfiguration::read_all(&tokens)?,
            tags: members.tags()?.unwrap_or_default(),
            recording: recording(&members)?.unwrap_or_default(),
        })
    }
}

/// Input of GetStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetStageRequest {
    /// Which.
    pub arn: String,
}

impl Request for GetStageRequest {
    const OPERATION: Operation = Operation::GetStage;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        Ok(Self {
            arn: body.members().required_text("arn", &STAGE_ARN)?,
        })
    }
}

/// Input of ListStages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListStagesRequest {
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–100.
    pub max_results: u32,
}

impl ListStagesRequest {
    /// What a page token of this request is bound to besides account and region: nothing.
    pub const fn filters(&self) -> [(&'static str, &str); 0] {
        []
    }
}

impl Request for ListStagesRequest {
    const OPERATION: Operation = Operation::ListStages;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, PAGE_SIZE)?,
        })
    }
}

/// Input of UpdateStage. `None` leaves a member as it is; a recording block replaces the old one as a
/// whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateStageRequest {
    /// Which.
    pub arn: String,
    /// New name.
    pub name: Option<String>,
    /// New block.
    pub recording: Option<RecordingConfiguration>,
}

impl Request for UpdateStageRequest {
    const OPERATION: Operation = Operation::UpdateStage;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &STAGE_ARN)?,
            name: members.text("name", &STAGE_NAME)?,
            recording: recording(&members)?,
        })
    }
}

/// Input of DeleteStage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteStageRequest {
    /// Which.
    pub arn: String,
}

impl Request for DeleteStageRequest {
    const OPERATION: Operation = Operation::DeleteStage;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        Ok(Self {
            arn: body.members().required_text("arn", &STAGE_ARN)?,
        })
    }
}

/// A stage (`Stage` in the model). The name is empty if it has none; `activeSessionId` is there only
/// during a session.
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
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct StageEndpoints {
    pub events: String,
    pub whip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmps: Option<String>,
}

/// A stage in a list.
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

/// Output of CreateStage. The tokens stand in the order they were asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateStageResponse {
    pub stage: StageShape,
    pub participant_tokens: Vec<ParticipantToken>,
}

/// Output of GetStage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GetStageResponse {
    pub stage: StageShape,
}

/// Output of UpdateStage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct UpdateStageResponse {
    pub stage: StageShape,
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
