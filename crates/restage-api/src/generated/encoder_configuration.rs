//! Encoder configurations: what the video of a composition is encoded as.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    BITRATE, ENCODER_CONFIGURATION_ARN, ENCODER_CONFIGURATION_NAME, FRAMERATE, HEIGHT,
    MAX_ENCODER_CONFIGURATION_RESULTS, PAGINATION_TOKEN, TAGS, WIDTH,
};
use crate::operation::{ByArn, EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, Object, Shape, StringMap};

/// Input of CreateEncoderConfiguration.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateEncoderConfigurationRequest {
    /// `name`: ASCII letters, digits, hyphens and underscores, 0–128 characters. Empty unless given.
    pub name: String,
    /// `video`. Its defaults unless given.
    pub video: Video,
    /// `tags`: 0–50 entries. Empty unless given.
    pub tags: StringMap,
}

impl Request for CreateEncoderConfigurationRequest {
    const OPERATION: Operation = Operation::CreateEncoderConfiguration;
    type Response = CreateEncoderConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            name: members
                .text("name", &ENCODER_CONFIGURATION_NAME)?
                .unwrap_or_default(),
            video: members.shape("video")?.unwrap_or_default(),
            tags: members.tags("tags", &TAGS)?.unwrap_or_default(),
        })
    }
}

/// Output of CreateEncoderConfiguration.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateEncoderConfigurationResponse {
    pub encoder_configuration: EncoderConfigurationShape,
}

/// Input of GetEncoderConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetEncoderConfigurationRequest {
    /// `arn`: the ARN of an encoder configuration, 1–128 characters.
    pub arn: String,
}

impl Request for GetEncoderConfigurationRequest {
    const OPERATION: Operation = Operation::GetEncoderConfiguration;
    type Response = GetEncoderConfigurationResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &ENCODER_CONFIGURATION_ARN)?,
        })
    }
}

impl ByArn for GetEncoderConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// Output of GetEncoderConfiguration.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GetEncoderConfigurationResponse {
    pub encoder_configuration: EncoderConfigurationShape,
}

/// Input of ListEncoderConfigurations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListEncoderConfigurationsRequest {
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 100 unless given.
    pub max_results: u32,
}

impl Request for ListEncoderConfigurationsRequest {
    const OPERATION: Operation = Operation::ListEncoderConfigurations;
    type Response = ListEncoderConfigurationsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(100, MAX_ENCODER_CONFIGURATION_RESULTS)?,
        })
    }
}

impl ListEncoderConfigurationsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub const fn filters(&self) -> [(&'static str, &str); 0] {
        []
    }
}

impl Paged for ListEncoderConfigurationsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListEncoderConfigurations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListEncoderConfigurationsResponse {
    pub encoder_configurations: Vec<EncoderConfigurationSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of DeleteEncoderConfiguration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteEncoderConfigurationRequest {
    /// `arn`: the ARN of an encoder configuration, 1–128 characters.
    pub arn: String,
}

impl Request for DeleteEncoderConfigurationRequest {
    const OPERATION: Operation = Operation::DeleteEncoderConfiguration;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            arn: members.required_text("arn", &ENCODER_CONFIGURATION_ARN)?,
        })
    }
}

impl ByArn for DeleteEncoderConfigurationRequest {
    fn arn(&self) -> &str {
        &self.arn
    }
}

/// `EncoderConfiguration` of the model.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct EncoderConfigurationShape {
    pub arn: String,
    pub name: String,
    pub video: Video,
    pub tags: StringMap,
}

/// `EncoderConfigurationSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct EncoderConfigurationSummary {
    pub arn: String,
    pub name: String,
    pub tags: StringMap,
}

/// `Video` of the model.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Video {
    /// `width`: 2–1,920.
    pub width: u32,
    /// `height`: 2–1,920.
    pub height: u32,
    /// `framerate`: 1–60.
    pub framerate: f64,
    /// `bitrate`: 1–8,500,000.
    pub bitrate: u32,
}

impl Shape for Video {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        Self {
            width: members.number("width", WIDTH)?.unwrap_or(defaults.width),
            height: members.number("height", HEIGHT)?.unwrap_or(defaults.height),
            framerate: members
                .decimal("framerate", FRAMERATE)?
                .unwrap_or(defaults.framerate),
            bitrate: members
                .number("bitrate", BITRATE)?
                .unwrap_or(defaults.bitrate),
        }
        .checked()
    }
}
