//! Participants of a stage session.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    DISCONNECT_PARTICIPANT_REASON, MAX_PARTICIPANT_RESULTS, PAGINATION_TOKEN, PARTICIPANT_ID,
    PARTICIPANT_TOKEN_ID, STAGE_ARN, STAGE_SESSION_ID, USER_ID,
};
use crate::operation::{EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, Object, StringMap, fail, wire_enum};
use crate::time::Timestamp;

wire_enum! {
    /// The protocol by which a participant's media arrives.
    ParticipantProtocol {
        Unknown = "UNKNOWN",
        Whip = "WHIP",
        Rtmp = "RTMP",
        Rtmps = "RTMPS",
    }
}

wire_enum! {
    /// The recording states that a filter may name: all but DISABLED.
    FilterableRecordingState {
        Starting = "STARTING",
        Active = "ACTIVE",
        Stopping = "STOPPING",
        Stopped = "STOPPED",
        Failed = "FAILED",
    }
}

wire_enum! {
    /// The state of a participant's own recording.
    RecordingState {
        Starting = "STARTING",
        Active = "ACTIVE",
        Stopping = "STOPPING",
        Stopped = "STOPPED",
        Failed = "FAILED",
        Disabled = "DISABLED",
    }
}

wire_enum! {
    /// The state of a participant: connected or not.
    ParticipantState {
        Connected = "CONNECTED",
        Disconnected = "DISCONNECTED",
    }
}

wire_enum! {
    /// The state of a replication.
    ReplicationState {
        Active = "ACTIVE",
        Stopped = "STOPPED",
    }
}

wire_enum! {
    /// A participant's part in replications.
    ReplicationType {
        Source = "SOURCE",
        Replica = "REPLICA",
        None = "NONE",
    }
}

/// The four replication members of a participant, which only make sense together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ParticipantReplication {
    pub replication_type: ReplicationType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_state: Option<ReplicationState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_stage_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_session_id: Option<String>,
}

/// The filter of a ListParticipants call. It counts as given even when its value is `false` or empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParticipantFilter {
    /// `filterByUserId`: any text without U+0000, 0–128 characters.
    UserId(String),
    /// `filterByPublished`.
    Published(bool),
    /// `filterByState`.
    State(ParticipantState),
    /// `filterByRecordingState`.
    RecordingState(FilterableRecordingState),
}

impl ParticipantFilter {
    fn read(members: &Object<'_>) -> Result<Option<Self>, ApiError> {
        let given: Vec<Self> = [
            members.text("filterByUserId", &USER_ID)?.map(Self::UserId),
            members.flag("filterByPublished")?.map(Self::Published),
            members.word("filterByState")?.map(Self::State),
            members
                .word("filterByRecordingState")?
                .map(Self::RecordingState),
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
            Self::UserId(given) => ("filterByUserId", given.as_str()),
            Self::Published(given) => ("filterByPublished", if *given { "true" } else { "false" }),
            Self::State(given) => ("filterByState", given.as_str()),
            Self::RecordingState(given) => ("filterByRecordingState", given.as_str()),
        }
    }
}

/// Input of ListParticipants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParticipantsRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `sessionId`: a session id, 16 characters.
    pub session_id: String,
    /// At most one of `filterByUserId`, `filterByPublished`, `filterByState`, `filterByRecordingState`.
    pub filter: Option<ParticipantFilter>,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–100, 50 unless given.
    pub max_results: u32,
}

impl Request for ListParticipantsRequest {
    const OPERATION: Operation = Operation::ListParticipants;
    type Response = ListParticipantsResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &STAGE_SESSION_ID)?,
            filter: ParticipantFilter::read(&members)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_PARTICIPANT_RESULTS)?,
        })
    }
}

impl ListParticipantsRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let mut filters = vec![
            ("stageArn", self.stage_arn.as_str()),
            ("sessionId", self.session_id.as_str()),
        ];
        filters.extend(self.filter.as_ref().map(ParticipantFilter::as_pair));
        filters
    }
}

impl Paged for ListParticipantsRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
}

/// Output of ListParticipants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListParticipantsResponse {
    pub participants: Vec<ParticipantSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Input of GetParticipant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetParticipantRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `sessionId`: a session id, 16 characters.
    pub session_id: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
}

impl Request for GetParticipantRequest {
    const OPERATION: Operation = Operation::GetParticipant;
    type Response = GetParticipantResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &STAGE_SESSION_ID)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
        })
    }
}

/// Output of GetParticipant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GetParticipantResponse {
    pub participant: ParticipantShape,
}

/// Input of DisconnectParticipant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisconnectParticipantRequest {
    /// `stageArn`: the ARN of a stage, 1–128 characters.
    pub stage_arn: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
    /// `reason`: any text, 0–128 characters.
    pub reason: Option<String>,
}

impl Request for DisconnectParticipantRequest {
    const OPERATION: Operation = Operation::DisconnectParticipant;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_TOKEN_ID)?,
            reason: members.text("reason", &DISCONNECT_PARTICIPANT_REASON)?,
        })
    }
}

/// A participant. What the client did not say of itself is empty, and so is the recording's place when there is no recording.
/// `Participant` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ParticipantShape {
    pub participant_id: String,
    pub user_id: String,
    pub state: ParticipantState,
    pub first_join_time: Timestamp,
    pub attributes: StringMap,
    pub published: bool,
    pub isp_name: String,
    pub os_name: String,
    pub os_version: String,
    pub browser_name: String,
    pub browser_version: String,
    pub sdk_version: String,
    pub recording_s3_bucket_name: String,
    pub recording_s3_prefix: String,
    pub recording_state: RecordingState,
    pub protocol: ParticipantProtocol,
    /// The members `replicationType`, `replicationState`, `sourceStageArn`, `sourceSessionId`.
    #[serde(flatten)]
    pub replication: ParticipantReplication,
    pub redundant_ingest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_configuration_arn: Option<String>,
}

/// `ParticipantSummary` of the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ParticipantSummary {
    pub participant_id: String,
    pub user_id: String,
    pub state: ParticipantState,
    pub first_join_time: Timestamp,
    pub published: bool,
    pub recording_state: RecordingState,
    /// The members `replicationType`, `replicationState`, `sourceStageArn`, `sourceSessionId`.
    #[serde(flatten)]
    pub replication: ParticipantReplication,
    pub redundant_ingest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_configuration_arn: Option<String>,
}
