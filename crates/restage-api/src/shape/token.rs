//! Participant tokens: CreateParticipantToken, DisconnectParticipant, and the tokens of CreateStage.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::read::{Body, Object};
use crate::shape::rule::{DISCONNECT_REASON, PARTICIPANT_ID, STAGE_ARN, TOKEN_DURATION, USER_ID};
use crate::shape::wire_enum::wire_enum;
use crate::shape::{Request, StringMap};
use crate::time::Timestamp;

/// How long a token lives, in minutes, when the request does not say: 12 hours.
pub const DEFAULT_TOKEN_DURATION_MINUTES: u32 = 720;

wire_enum! {
    /// What a token allows its holder.
    Capability {
        Publish = "PUBLISH",
        Subscribe = "SUBSCRIBE",
    }
}

/// What a new token shall say. Kept as it was asked for, since the answer repeats just that.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParticipantTokenConfiguration {
    /// Minutes, 1–20,160.
    pub duration: Option<u32>,
    /// The customer's label, at most 128 characters.
    pub user_id: Option<String>,
    /// At most [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES).
    pub attributes: Option<StringMap>,
    /// At most two; may be empty or name one twice.
    pub capabilities: Option<Vec<Capability>>,
}

impl ParticipantTokenConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            duration: members.number("duration", TOKEN_DURATION)?,
            user_id: members.text("userId", &USER_ID)?,
            attributes: members.attributes()?,
            capabilities: members.words("capabilities", 2)?,
        })
    }

    /// Reads the tokens a CreateStage asks for.
    pub(crate) fn read_all(members: &[Object<'_>]) -> Result<Vec<Self>, ApiError> {
        members.iter().map(Self::read).collect()
    }

    /// Minutes the token lives.
    pub fn duration_minutes(&self) -> u32 {
        self.duration.unwrap_or(DEFAULT_TOKEN_DURATION_MINUTES)
    }

    /// Whether the token allows this. A request that does not say gets both capabilities; one that
    /// gives an empty list asked for neither.
    pub fn allows(&self, capability: Capability) -> bool {
        self.capabilities
            .as_ref()
            .is_none_or(|given| given.contains(&capability))
    }

    /// The token as the answer shows it: what was asked for, and what was made of it.
    pub fn issued(
        self,
        participant_id: String,
        token: String,
        expiration_time: Timestamp,
    ) -> ParticipantToken {
        ParticipantToken {
            participant_id,
            token,
            user_id: self.user_id,
            attributes: self.attributes,
            duration: self.duration,
            capabilities: self.capabilities,
            expiration_time,
        }
    }
}

/// Input of CreateParticipantToken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateParticipantTokenRequest {
    /// For which stage.
    pub stage_arn: String,
    /// What it shall say.
    pub configuration: ParticipantTokenConfiguration,
}

impl Request for CreateParticipantTokenRequest {
    const OPERATION: Operation = Operation::CreateParticipantToken;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            configuration: ParticipantTokenConfiguration::read(&members)?,
        })
    }
}

/// Input of DisconnectParticipant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisconnectParticipantRequest {
    /// Where.
    pub stage_arn: String,
    /// Whom. May be empty, which names nobody.
    pub participant_id: String,
    /// For people, at most 128 characters.
    pub reason: Option<String>,
}

impl Request for DisconnectParticipantRequest {
    const OPERATION: Operation = Operation::DisconnectParticipant;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            reason: members.text("reason", &DISCONNECT_REASON)?,
        })
    }
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

/// Shows everything but the token itself, so that one never reaches a log by way of `{:?}`.
impl std::fmt::Debug for ParticipantToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParticipantToken")
            .field("participant_id", &self.participant_id)
            .field("expiration_time", &self.expiration_time)
            .finish_non_exhaustive()
    }
}

/// Output of CreateParticipantToken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CreateParticipantTokenResponse {
    pub participant_token: ParticipantToken,
}
