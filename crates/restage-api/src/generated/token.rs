//! Participant tokens.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    PARTICIPANT_TOKEN_CAPABILITIES, PARTICIPANT_TOKEN_DURATION_MINUTES, PARTICIPANT_TOKEN_USER_ID,
    STAGE_ARN,
};
use crate::operation::{Operation, Request};
use crate::read::{Body, Object, Shape, StringMap, wire_enum};
use crate::time::Timestamp;

wire_enum! {
    /// A capability: something that a token allows its holder.
    Capability {
        Publish = "PUBLISH",
        Subscribe = "SUBSCRIBE",
    }
}

/// Input of CreateParticipantToken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateParticipantTokenRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// The members `duration`, `userId`, `attributes`, `capabilities`.
    pub configuration: ParticipantTokenConfiguration,
}

impl Request for CreateParticipantTokenRequest {
    const OPERATION: Operation = Operation::CreateParticipantToken;
    type Response = CreateParticipantTokenResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            configuration: ParticipantTokenConfiguration::read(&members)?,
        })
    }
}

/// Output of CreateParticipantToken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateParticipantTokenResponse {
    pub participant_token: ParticipantToken,
}

/// An issued token. Members that were not asked for are left out.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ParticipantToken {
    pub participant_id: String,
    pub token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<StringMap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    pub expiration_time: Timestamp,
}

/// Shows everything but `token`, so that a secret never reaches a log by way of `{:?}`.
impl std::fmt::Debug for ParticipantToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParticipantToken")
            .field("participant_id", &self.participant_id)
            .field("user_id", &self.user_id)
            .field("attributes", &self.attributes)
            .field("duration", &self.duration)
            .field("capabilities", &self.capabilities)
            .field("expiration_time", &self.expiration_time)
            .finish_non_exhaustive()
    }
}

/// What a new token shall say. Kept as it was asked for, since the answer repeats just that.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParticipantTokenConfiguration {
    /// `duration`: 1–20,160.
    pub duration: Option<u32>,
    /// `userId`: any text without U+0000, 0–128 characters.
    pub user_id: Option<String>,
    /// `attributes`: at most [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES) bytes, keys and values together.
    pub attributes: Option<StringMap>,
    /// `capabilities`: 0–2 entries.
    pub capabilities: Option<Vec<Capability>>,
}

impl Shape for ParticipantTokenConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            duration: members.number("duration", PARTICIPANT_TOKEN_DURATION_MINUTES)?,
            user_id: members.text("userId", &PARTICIPANT_TOKEN_USER_ID)?,
            attributes: members.attributes("attributes")?,
            capabilities: members.words("capabilities", PARTICIPANT_TOKEN_CAPABILITIES)?,
        })
    }
}
