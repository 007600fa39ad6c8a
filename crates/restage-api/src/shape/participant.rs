//! Participants of a stage session: ListParticipants, GetParticipant.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::read::{Body, Object, fail};
use crate::shape::rule::{PAGE_SIZE, PARTICIPANT_ID, SESSION_ID, STAGE_ARN, USER_ID};
use crate::shape::wire_enum::{WireEnum, wire_enum};
use crate::shape::{Request, StringMap};
use crate::time::Timestamp;

/// Participants per page when the request does not say.
const DEFAULT_MAX_RESULTS: u32 = 50;

wire_enum! {
    /// Whether a participant is there now.
    ParticipantState {
        Connected = "CONNECTED",
        Disconnected = "DISCONNECTED",
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
    /// How a participant's media arrives.
    ParticipantProtocol {
        Unknown = "UNKNOWN",
        Whip = "WHIP",
        Rtmp = "RTMP",
        Rtmps = "RTMPS",
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

wire_enum! {
    /// Whether a replication is going on.
    ReplicationState {
        Active = "ACTIVE",
        Stopped = "STOPPED",
    }
}

/// The recording states one may filter by: all but DISABLED.
#[derive(Clone, Copy)]
struct FilterableRecordingState(RecordingState);

impl WireEnum for FilterableRecordingState {
    const VALUES: &'static [Self] = &[
        Self(RecordingState::Starting),
        Self(RecordingState::Active),
        Self(RecordingState::Stopping),
        Self(RecordingState::Stopped),
        Self(RecordingState::Failed),
    ];

    fn word(self) -> &'static str {
        self.0.as_str()
    }
}

/// The filter of a ListParticipants call. There is at most one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParticipantFilter {
    /// `filterByUserId`: those with exactly this user id. An empty one finds those without.
    UserId(String),
    /// `filterByPublished`: those who have, or have not, ever published in the session.
    Published(bool),
    /// `filterByState`
    State(ParticipantState),
    /// `filterByRecordingState`; never DISABLED.
    RecordingState(RecordingState),
}

impl ParticipantFilter {
    /// A filter counts as given even when its value is `false` or empty.
    fn read(members: &Object<'_>) -> Result<Option<Self>, ApiError> {
        let given: Vec<Self> = [
            members.text("filterByUserId", &USER_ID)?.map(Self::UserId),
            members.flag("filterByPublished")?.map(Self::Published),
            members.word("filterByState")?.map(Self::State),
            members
                .word::<FilterableRecordingState>("filterByRecordingState")?
                .map(|state| Self::RecordingState(state.0)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if given.len() > 1 {
            let names: Vec<_> = given.iter().map(|filter| filter.as_pair().0).collect();
            let rule = "cannot be combined: at most one filter may be given per request";
            return Err(fail(&names.join(" and "), rule));
        }
        Ok(given.into_iter().next())
    }

    /// The member's name and its value as text.
    fn as_pair(&self) -> (&'static str, &str) {
        match self {
            Self::UserId(id) => ("filterByUserId", id),
            Self::Published(true) => ("filterByPublished", "true"),
            Self::Published(false) => ("filterByPublished", "false"),
            Self::State(state) => ("filterByState", state.as_str()),
            Self::RecordingState(state) => ("filterByRecordingState", state.as_str()),
        }
    }
}

/// Input of ListParticipants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParticipantsRequest {
    /// Of which stage.
    pub stage_arn: String,
    /// Of which session.
    pub session_id: String,
    /// Which of them; all if `None`.
    pub filter: Option<ParticipantFilter>,
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–100.
    pub max_results: u32,
}

impl ListParticipantsRequest {
    /// What a page token of this request is bound to.
    pub fn filters(&self) -> Vec<(&'static str, &str)> {
        let mut filters = vec![
            ("stageArn", &*self.stage_arn),
            ("sessionId", &*self.session_id),
        ];
        filters.extend(self.filter.as_ref().map(ParticipantFilter::as_pair));
        filters
    }
}

impl Request for ListParticipantsRequest {
    const OPERATION: Operation = Operation::ListParticipants;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &SESSION_ID)?,
            filter: ParticipantFilter::read(&members)?,
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, PAGE_SIZE)?,
        })
    }
}

/// Input of GetParticipant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetParticipantRequest {
    /// Of which stage.
    pub stage_arn: String,
    /// Of which session.
    pub session_id: String,
    /// Whom. May be empty, which names nobody.
    pub participant_id: String,
}

impl Request for GetParticipantRequest {
    const OPERATION: Operation = Operation::GetParticipant;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            stage_arn: members.required_text("stageArn", &STAGE_ARN)?,
            session_id: members.required_text("sessionId", &SESSION_ID)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
        })
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

impl ParticipantReplication {
    /// Never replicated: only the type is said.
    pub const fn none() -> Self {
        Self {
            replication_type: ReplicationType::None,
            replication_state: None,
            source_stage_arn: None,
            source_session_id: None,
        }
    }

    /// Replicated out of this stage. The source members are there and empty, as the service has it.
    pub const fn source(state: ReplicationState) -> Self {
        Self {
            replication_type: ReplicationType::Source,
            replication_state: Some(state),
            source_stage_arn: Some(String::new()),
            source_session_id: Some(String::new()),
        }
    }

    /// A replica of someone who joined `stage_arn` in its session `session_id`.
    pub const fn replica(state: ReplicationState, stage_arn: String, session_id: String) -> Self {
        Self {
            replication_type: ReplicationType::Replica,
            replication_state: Some(state),
            source_stage_arn: Some(stage_arn),
            source_session_id: Some(session_id),
        }
    }
}

/// A participant in a list.
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
    #[serde(flatten)]
    pub replication: ParticipantReplication,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redundant_ingest: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_configuration_arn: Option<String>,
}

/// A participant (`Participant` in the model). What the client did not tell about itself is empty, and
/// so is the recording's place when there is no recording.
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
    #[serde(rename = "recordingS3BucketName")]
    pub recording_s3_bucket_name: String,
    #[serde(rename = "recordingS3Prefix")]
    pub recording_s3_prefix: String,
    pub recording_state: RecordingState,
    pub protocol: ParticipantProtocol,
    #[serde(flatten)]
    pub replication: ParticipantReplication,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redundant_ingest: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_configuration_arn: Option<String>,
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

/// Output of GetParticipant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs)]
pub struct GetParticipantResponse {
    pub participant: ParticipantShape,
}
