//! A participant's history.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_PARTICIPANT_EVENT_RESULTS, PAGINATION_TOKEN, PARTICIPANT_ID, STAGE_ARN, STAGE_SESSION_ID,
};
use crate::generated::token::Capability;
use crate::operation::{Operation, Paged, Request};
use crate::read::{Body, StringMap, wire_enum};
use crate::time::Timestamp;

wire_enum! {
    /// The reason for an event that reports an error.
    EventErrorCode {
        InsufficientCapabilities = "INSUFFICIENT_CAPABILITIES",
        QuotaExceeded = "QUOTA_EXCEEDED",
        PublisherNotFound = "PUBLISHER_NOT_FOUND",
        BitrateExceeded = "BITRATE_EXCEEDED",
        ResolutionExceeded = "RESOLUTION_EXCEEDED",
        StreamDurationExceeded = "STREAM_DURATION_EXCEEDED",
        InvalidAudioCodec = "INVALID_AUDIO_CODEC",
        InvalidVideoCodec = "INVALID_VIDEO_CODEC",
        InvalidProtocol = "INVALID_PROTOCOL",
        InvalidStreamKey = "INVALID_STREAM_KEY",
        ReuseOfStreamKey = "REUSE_OF_STREAM_KEY",
        BFramePresent = "B_FRAME_PRESENT",
        InvalidInput = "INVALID_INPUT",
        InternalServerException = "INTERNAL_SERVER_EXCEPTION",
    }
}

wire_enum! {
    /// The kind of an event in a participant's history.
    EventName {
        Joined = "JOINED",
        Left = "LEFT",
        PublishStarted = "PUBLISH_STARTED",
        PublishStopped = "PUBLISH_STOPPED",
        SubscribeStarted = "SUBSCRIBE_STARTED",
        SubscribeStopped = "SUBSCRIBE_STOPPED",
        PublishError = "PUBLISH_ERROR",
        SubscribeError = "SUBSCRIBE_ERROR",
        JoinError = "JOIN_ERROR",
        ReplicationStarted = "REPLICATION_STARTED",
        ReplicationStopped = "REPLICATION_STOPPED",
        TokenExchanged = "TOKEN_EXCHANGED",
    }
}

/// Input of ListParticipantEvents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParticipantEventsRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `sessionId`: a session id, 16 characters.
    pub session_id: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListParticipantEventsRequest {
    const OPERATION: Operation = Operation::ListParticipantEvents;
    type Response = ListParticipantEventsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &STAGE_SESSION_ID)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_PARTICIPANT_EVENT_RESULTS)?,
        })
    }
}

impl ListParticipantEventsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> [(&'static str, &str); 3] {
        [
            ("stageArn", self.stage_arn.as_str()),
            ("sessionId", self.session_id.as_str()),
            ("participantId", self.participant_id.as_str()),
        ]
    }
}

impl Paged for ListParticipantEventsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListParticipantEvents.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListParticipantEventsResponse {
    pub events: Vec<EventShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// One event of a participant's history. Members that do not belong to the event's name are left out.
/// `Event` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct EventShape {
    pub name: EventName,
    pub participant_id: String,
    pub event_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_participant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<EventErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_stage_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_session_id: Option<String>,
    pub replica: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_token: Option<ExchangedParticipantToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_token: Option<ExchangedParticipantToken>,
}

/// The claims of a token before or after an exchange.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ExchangedParticipantToken {
    pub capabilities: Vec<Capability>,
    pub attributes: StringMap,
    pub user_id: String,
    pub expiration_time: Timestamp,
}
