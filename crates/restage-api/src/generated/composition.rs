//! Compositions: a stage's participants in one picture, sent to destinations.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    CHANNEL_ARN, COMPOSITION_ARN, COMPOSITION_CLIENT_TOKEN,
    COMPOSITION_RECORDING_TARGET_SEGMENT_DURATION_SECONDS,
    COMPOSITION_THUMBNAIL_CONFIGURATION_LIST, DESTINATION_CONFIGURATION_LIST,
    DESTINATION_CONFIGURATION_NAME, ENCODER_CONFIGURATION_ARN, ENCODER_CONFIGURATION_ARN_LIST,
    MAX_COMPOSITION_RESULTS, PAGINATION_TOKEN, STAGE_ARN, STORAGE_CONFIGURATION_ARN, TAGS,
    THUMBNAIL_INTERVAL_SECONDS, THUMBNAIL_STORAGE_TYPE_LIST,
};
use crate::generated::layout::LayoutConfiguration;
use crate::generated::recording::ThumbnailStorage;
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, Object, Shape, StringMap, wire_enum};
use crate::time::Timestamp;

wire_enum! {
    /// The state of a composition.
    CompositionState {
        Starting = "STARTING",
        Active = "ACTIVE",
        Stopping = "STOPPING",
        Failed = "FAILED",
        Stopped = "STOPPED",
    }
}

wire_enum! {
    /// The state of one destination of a composition.
    DestinationState {
        Starting = "STARTING",
        Active = "ACTIVE",
        Stopping = "STOPPING",
        Reconnecting = "RECONNECTING",
        Failed = "FAILED",
        Stopped = "STOPPED",
    }
}

wire_enum! {
    /// The format of the files that a composition is recorded to.
    CompositionRecordingFormat {
        Hls = "HLS",
    }
}

/// Input of StartComposition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartCompositionRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `idempotencyToken`: ASCII letters, digits, hyphens and underscores, 1–64 characters.
    pub idempotency_token: Option<String>,
    /// `layout`.
    pub layout: Option<LayoutConfiguration>,
    /// `destinations`: 1–2 entries.
    pub destinations: Vec<DestinationConfiguration>,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
}

impl Request for StartCompositionRequest {
    const OPERATION: Operation = Operation::StartComposition;
    type Response = StartCompositionResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            idempotency_token: members.text("idempotencyToken", &COMPOSITION_CLIENT_TOKEN)?,
            layout: members.shape("layout")?,
            destinations: members.required(
                "destinations",
                members.shapes("destinations", DESTINATION_CONFIGURATION_LIST)?,
            )?,
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
        }
        .checked()
    }
}

/// Output of StartComposition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct StartCompositionResponse {
    pub composition: CompositionShape,
}

/// Input of GetComposition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetCompositionRequest {
    /// `arn`: the ARN of a composition, 1–128 characters.
    pub arn: String,
}

impl Request for GetCompositionRequest {
    const OPERATION: Operation = Operation::GetComposition;
    type Response = GetCompositionResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &COMPOSITION_ARN)?,
        })
    }
}

impl ByArn for GetCompositionRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetComposition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GetCompositionResponse {
    pub composition: CompositionShape,
}

/// Input of ListCompositions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListCompositionsRequest {
    /// `filterByStageArn`: the ARN of a stage, 1–128 characters.
    pub filter_by_stage_arn: Option<String>,
    /// `filterByEncoderConfigurationArn`: the ARN of an encoder configuration, 1–128 characters.
    pub filter_by_encoder_configuration_arn: Option<String>,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 100 unless given.
    pub max_results: u32,
}

impl Request for ListCompositionsRequest {
    const OPERATION: Operation = Operation::ListCompositions;
    type Response = ListCompositionsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            filter_by_stage_arn: members.text("filterByStageArn", &STAGE_ARN)?,
            filter_by_encoder_configuration_arn: members.text(
                "filterByEncoderConfigurationArn",
                &ENCODER_CONFIGURATION_ARN,
            )?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(100, MAX_COMPOSITION_RESULTS)?,
        })
    }
}

impl ListCompositionsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let mut filters = vec![];
        filters.extend(
            self.filter_by_stage_arn
                .as_ref()
                .map(|given| ("filterByStageArn", given.as_str())),
        );
        filters.extend(
            self.filter_by_encoder_configuration_arn
                .as_ref()
                .map(|given| ("filterByEncoderConfigurationArn", given.as_str())),
        );
        filters
    }
}

impl Paged for ListCompositionsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListCompositions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListCompositionsResponse {
    pub compositions: Vec<CompositionSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of StopComposition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopCompositionRequest {
    /// `arn`: the ARN of a composition, 1–128 characters.
    pub arn: String,
}

impl Request for StopCompositionRequest {
    const OPERATION: Operation = Operation::StopComposition;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &COMPOSITION_ARN)?,
        })
    }
}

impl ByArn for StopCompositionRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// `ChannelDestinationConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelDestinationConfiguration {
    /// `channelArn`: the ARN of a channel, 1–128 characters.
    pub channel_arn: String,
    /// `encoderConfigurationArn`: the ARN of an encoder configuration, 1–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_configuration_arn: Option<String>,
}

impl Shape for ChannelDestinationConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            channel_arn: members.required_text("channelArn", &CHANNEL_ARN)?,
            encoder_configuration_arn: members
                .text("encoderConfigurationArn", &ENCODER_CONFIGURATION_ARN)?,
        })
    }
}

/// `Composition` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CompositionShape {
    pub arn: String,
    pub stage_arn: String,
    pub state: CompositionState,
    pub layout: LayoutConfiguration,
    pub destinations: Vec<Destination>,
    pub tags: StringMap,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}

/// `CompositionRecordingHlsConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompositionRecordingHlsConfiguration {
    /// `targetSegmentDurationSeconds`: 2–10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_segment_duration_seconds: Option<u32>,
}

impl Shape for CompositionRecordingHlsConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            target_segment_duration_seconds: members.number(
                "targetSegmentDurationSeconds",
                COMPOSITION_RECORDING_TARGET_SEGMENT_DURATION_SECONDS,
            )?,
        })
    }
}

/// `CompositionSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CompositionSummary {
    pub arn: String,
    pub stage_arn: String,
    pub destinations: Vec<DestinationSummary>,
    pub state: CompositionState,
    pub tags: StringMap,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}

/// `CompositionThumbnailConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompositionThumbnailConfiguration {
    /// `targetIntervalSeconds`: 1–86,400.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_interval_seconds: Option<u32>,
    /// `storage`: 0–2 entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Vec<ThumbnailStorage>>,
}

impl Shape for CompositionThumbnailConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            target_interval_seconds: members
                .number("targetIntervalSeconds", THUMBNAIL_INTERVAL_SECONDS)?,
            storage: members.words("storage", THUMBNAIL_STORAGE_TYPE_LIST)?,
        })
    }
}

/// `Destination` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Destination {
    pub id: String,
    pub state: DestinationState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    pub configuration: DestinationConfiguration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<DestinationDetail>,
}

/// `DestinationConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct DestinationConfiguration {
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `channel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelDestinationConfiguration>,
    /// `s3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3DestinationConfiguration>,
}

impl Shape for DestinationConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            name: members.text("name", &DESTINATION_CONFIGURATION_NAME)?,
            channel: members.shape("channel")?,
            s3: members.shape("s3")?,
        })
    }
}

/// `DestinationDetail` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct DestinationDetail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Detail>,
}

/// `DestinationSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct DestinationSummary {
    pub id: String,
    pub state: DestinationState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
}

/// `RecordingConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CompositionRecordingConfiguration {
    /// `hlsConfiguration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hls_configuration: Option<CompositionRecordingHlsConfiguration>,
    /// `format`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<CompositionRecordingFormat>,
}

impl Shape for CompositionRecordingConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            hls_configuration: members.shape("hlsConfiguration")?,
            format: members.word("format")?,
        })
    }
}

/// `S3DestinationConfiguration` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct S3DestinationConfiguration {
    /// `storageConfigurationArn`: the ARN of a storage configuration, 1–128 characters.
    pub storage_configuration_arn: String,
    /// `encoderConfigurationArns`: 1 entry.
    pub encoder_configuration_arns: Vec<String>,
    /// `recordingConfiguration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_configuration: Option<CompositionRecordingConfiguration>,
    /// `thumbnailConfigurations`: 0–1 entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_configurations: Option<Vec<CompositionThumbnailConfiguration>>,
}

impl Shape for S3DestinationConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            storage_configuration_arn: members
                .required_text("storageConfigurationArn", &STORAGE_CONFIGURATION_ARN)?,
            encoder_configuration_arns: members.required(
                "encoderConfigurationArns",
                members.texts(
                    "encoderConfigurationArns",
                    ENCODER_CONFIGURATION_ARN_LIST,
                    &ENCODER_CONFIGURATION_ARN,
                )?,
            )?,
            recording_configuration: members.shape("recordingConfiguration")?,
            thumbnail_configurations: members.shapes(
                "thumbnailConfigurations",
                COMPOSITION_THUMBNAIL_CONFIGURATION_LIST,
            )?,
        })
    }
}

/// `S3Detail` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct S3Detail {
    pub recording_prefix: String,
}
