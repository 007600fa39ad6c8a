//! Ingest configurations: RTMP publishers.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    INGEST_CONFIGURATION_ARN, INGEST_CONFIGURATION_NAME, INGEST_CONFIGURATION_STAGE_ARN,
    MAX_INGEST_CONFIGURATION_RESULTS, PAGINATION_TOKEN, STAGE_ARN, TAGS, USER_ID,
};
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, Object, StringMap, fail, wire_enum};

wire_enum! {
    /// The state of an ingest configuration: ACTIVE while an encoder publishes with it.
    IngestConfigurationState {
        Active = "ACTIVE",
        Inactive = "INACTIVE",
    }
}

wire_enum! {
    /// The protocol by which an encoder publishes.
    IngestProtocol {
        Rtmp = "RTMP",
        Rtmps = "RTMPS",
    }
}

/// The filter of a ListIngestConfigurations call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngestConfigurationFilter {
    /// `filterByStageArn`: the ARN of a stage, 1–128 characters.
    StageArn(String),
    /// `filterByState`.
    State(IngestConfigurationState),
}

impl IngestConfigurationFilter {
    fn read(members: &Object<'_>) -> Result<Option<Self>, ApiError> {
        let given: Vec<Self> = [
            members
                .text("filterByStageArn", &STAGE_ARN)?
                .map(Self::StageArn),
            members.word("filterByState")?.map(Self::State),
        ]
        .into_iter()
        .flatten()
        .collect();
        if given.len() > 1 {
            let names: Vec<_> = given.iter().map(|filter| filter.as_pair().0).collect();
            return Err(fail(
                &names.join(" and "),
                "cannot be combined: at most one filter may be given per request",
            ));
        }
        Ok(given.into_iter().next())
    }

    /// The member's name and its value as text.
    fn as_pair(&self) -> (&'static str, &str) {
        match self {
            Self::StageArn(given) => ("filterByStageArn", given.as_str()),
            Self::State(given) => ("filterByState", given.as_str()),
        }
    }
}

/// Input of CreateIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateIngestConfigurationRequest {
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters. Empty unless given.
    pub name: String,
    /// `stageArn`: empty, or the ARN of a stage, 0–128 characters. Empty unless given.
    pub stage_arn: String,
    /// `userId`: any text without U+0000, 0–128 characters. Empty unless given.
    pub user_id: String,
    /// `attributes`: at most [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES) bytes, keys and values together. Empty unless given.
    pub attributes: StringMap,
    /// `ingestProtocol`.
    pub ingest_protocol: IngestProtocol,
    /// `insecureIngest`. `false` unless given.
    pub insecure_ingest: bool,
    /// `redundantIngest`. `false` unless given.
    pub redundant_ingest: bool,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
}

impl Request for CreateIngestConfigurationRequest {
    const OPERATION: Operation = Operation::CreateIngestConfiguration;
    type Response = CreateIngestConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Self {
            name: members
                .text("name", &INGEST_CONFIGURATION_NAME)?
                .unwrap_or_default(),
            stage_arn: members
                .text("stageArn", &INGEST_CONFIGURATION_STAGE_ARN)?
                .unwrap_or_default(),
            user_id: members.text("userId", &USER_ID)?.unwrap_or_default(),
            attributes: members.attributes("attributes")?.unwrap_or_default(),
            ingest_protocol: members.required("ingestProtocol", members.word("ingestProtocol")?)?,
            insecure_ingest: members.flag("insecureIngest")?.unwrap_or_default(),
            redundant_ingest: members.flag("redundantIngest")?.unwrap_or_default(),
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
        }
        .checked()
    }
}

/// Output of CreateIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateIngestConfigurationResponse {
    pub ingest_configuration: IngestConfigurationShape,
}

/// Input of GetIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetIngestConfigurationRequest {
    /// `arn`: the ARN of an ingest configuration, 1–128 characters.
    pub arn: String,
}

impl Request for GetIngestConfigurationRequest {
    const OPERATION: Operation = Operation::GetIngestConfiguration;
    type Response = GetIngestConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &INGEST_CONFIGURATION_ARN)?,
        })
    }
}

impl ByArn for GetIngestConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetIngestConfigurationResponse {
    pub ingest_configuration: IngestConfigurationShape,
}

/// Input of ListIngestConfigurations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListIngestConfigurationsRequest {
    /// At most one of `filterByStageArn`, `filterByState`.
    pub filter: Option<IngestConfigurationFilter>,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListIngestConfigurationsRequest {
    const OPERATION: Operation = Operation::ListIngestConfigurations;
    type Response = ListIngestConfigurationsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            filter: IngestConfigurationFilter::read(&members)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_INGEST_CONFIGURATION_RESULTS)?,
        })
    }
}

impl ListIngestConfigurationsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let mut filters = vec![];
        filters.extend(self.filter.as_ref().map(IngestConfigurationFilter::as_pair));
        filters
    }
}

impl Paged for ListIngestConfigurationsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListIngestConfigurations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListIngestConfigurationsResponse {
    pub ingest_configurations: Vec<IngestConfigurationSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of UpdateIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateIngestConfigurationRequest {
    /// `arn`: the ARN of an ingest configuration, 1–128 characters.
    pub arn: String,
    /// `stageArn`: empty, or the ARN of a stage, 0–128 characters.
    pub stage_arn: Option<String>,
    /// `redundantIngest`.
    pub redundant_ingest: Option<bool>,
}

impl Request for UpdateIngestConfigurationRequest {
    const OPERATION: Operation = Operation::UpdateIngestConfiguration;
    type Response = UpdateIngestConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &INGEST_CONFIGURATION_ARN)?,
            stage_arn: members.text("stageArn", &INGEST_CONFIGURATION_STAGE_ARN)?,
            redundant_ingest: members.flag("redundantIngest")?,
        })
    }
}

impl ByArn for UpdateIngestConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of UpdateIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct UpdateIngestConfigurationResponse {
    pub ingest_configuration: IngestConfigurationShape,
}

/// Input of DeleteIngestConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteIngestConfigurationRequest {
    /// `arn`: the ARN of an ingest configuration, 1–128 characters.
    pub arn: String,
    /// `force`. `false` unless given.
    pub force: bool,
}

impl Request for DeleteIngestConfigurationRequest {
    const OPERATION: Operation = Operation::DeleteIngestConfiguration;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &INGEST_CONFIGURATION_ARN)?,
            force: members.flag("force")?.unwrap_or_default(),
        })
    }
}

impl ByArn for DeleteIngestConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// `IngestConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct IngestConfigurationShape {
    pub name: String,
    pub arn: String,
    pub ingest_protocol: IngestProtocol,
    pub stream_key: String,
    pub stage_arn: String,
    pub participant_id: String,
    pub state: IngestConfigurationState,
    pub user_id: String,
    pub redundant_ingest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redundant_ingest_credentials: Option<Vec<RedundantIngestCredential>>,
    pub attributes: StringMap,
    pub tags: StringMap,
}

/// Shows everything but `stream_key`, so that a secret never reaches a log by way of `{:?}`.
impl std::fmt::Debug for IngestConfigurationShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IngestConfigurationShape")
            .field("name", &self.name)
            .field("arn", &self.arn)
            .field("ingest_protocol", &self.ingest_protocol)
            .field("stage_arn", &self.stage_arn)
            .field("participant_id", &self.participant_id)
            .field("state", &self.state)
            .field("user_id", &self.user_id)
            .field("redundant_ingest", &self.redundant_ingest)
            .field(
                "redundant_ingest_credentials",
                &self.redundant_ingest_credentials,
            )
            .field("attributes", &self.attributes)
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

/// `IngestConfigurationSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct IngestConfigurationSummary {
    pub name: String,
    pub arn: String,
    pub ingest_protocol: IngestProtocol,
    pub stage_arn: String,
    pub participant_id: String,
    pub state: IngestConfigurationState,
    pub user_id: String,
    pub redundant_ingest: bool,
}

/// `RedundantIngestCredential` of the model.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct RedundantIngestCredential {
    pub participant_id: String,
    pub stream_key: String,
}

/// Shows everything but `stream_key`, so that a secret never reaches a log by way of `{:?}`.
impl std::fmt::Debug for RedundantIngestCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedundantIngestCredential")
            .field("participant_id", &self.participant_id)
            .finish_non_exhaustive()
    }
}
