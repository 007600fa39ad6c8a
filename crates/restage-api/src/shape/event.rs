//! A participant's history: ListParticipantEvents.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::read::Body;
use crate::shape::rule::{PAGE_SIZE, PARTICIPANT_ID, SESSION_ID, STAGE_ARN};
use crate::shape::token::Capability;
use crate::shape::wire_enum::wire_enum;
use crate::shape::{Request, StringMap};
use crate::time::Timestamp;

/// Events per page when the request does not say.
const DEFAULT_MAX_RESULTS: u32 = 50;

wire_enum! {
    /// What happened.
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

wire_enum! {
    /// Why it failed.
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

/// Input of ListParticipantEvents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParticipantEventsRequest {
    /// Of which stage.
    pub stage_arn: String,
    /// Of which session.
    pub session_id: String,
    /// Whose. May be empty, which names nobody.
    pub participant_id: String,
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–100.
    pub max_results: u32,
}

impl ListParticipantEventsRequest {
    /// What a page token of this request is bound to.
    pub fn filters(&self) -> [(&'static str, &str); 3] {
        [
            ("stageArn", &self.stage_arn),
            ("sessionId", &self.session_id),
            ("participantId", &self.participant_id),
        ]
    }
}

impl Request for ListParticipantEventsRequest {
    const OPERATION: Operation = Operation::ListParticipantEvents;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &SESSION_ID)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, PAGE_SIZE)?,
        })
    }
}

/// One line of a participant's history (`Event` in the model). Members that do not belong to the
/// event's name are left out; `replica` always is there.
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

/// What a token said, before or after an exchange.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ExchangedParticipantToken {
    pub capabilities: Vec<Capability>,
    pub attributes: StringMap,
    pub user_id: String,
    pub expiration_time: Timestamp,
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
