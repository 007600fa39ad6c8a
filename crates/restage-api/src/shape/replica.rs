//! Replication: StartParticipantReplication, StopParticipantReplication, ListParticipantReplicas.

use serde::Serialize;

use crate::error::ApiError;
use crate::operation::Operation;
use crate::shape::participant::ReplicationState;
use crate::shape::read::Body;
use crate::shape::rule::{PARTICIPANT_ID, RECONNECT_WINDOW, REPLICAS_PAGE_SIZE, STAGE_ARN};
use crate::shape::{Request, StringMap};

/// Replicas per page when the request does not say; also the most.
const DEFAULT_MAX_RESULTS: u32 = 50;

/// Input of StartParticipantReplication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartParticipantReplicationRequest {
    /// Where the participant publishes.
    pub source_stage_arn: String,
    /// Where it shall appear.
    pub destination_stage_arn: String,
    /// Whom. May be empty, which names nobody.
    pub participant_id: String,
    /// 0–300 s; 0 unless given.
    pub reconnect_window_seconds: u32,
    /// Merged over the token's, these win. At most
    /// [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES) before the merge.
    pub attributes: StringMap,
}

impl Request for StartParticipantReplicationRequest {
    const OPERATION: Operation = Operation::StartParticipantReplication;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            source_stage_arn: members.required_text("sourceStageArn", &STAGE_ARN)?,
            destination_stage_arn: members.required_text("destinationStageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            reconnect_window_seconds: members
                .number("reconnectWindowSeconds", RECONNECT_WINDOW)?
                .unwrap_or(0),
            attributes: members.attributes()?.unwrap_or_default(),
        })
    }
}

/// Input of StopParticipantReplication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopParticipantReplicationRequest {
    /// Where the participant publishes.
    pub source_stage_arn: String,
    /// Where it appears.
    pub destination_stage_arn: String,
    /// Whom. May be empty, which names nobody.
    pub participant_id: String,
}

impl Request for StopParticipantReplicationRequest {
    const OPERATION: Operation = Operation::StopParticipantReplication;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            source_stage_arn: members.required_text("sourceStageArn", &STAGE_ARN)?,
            destination_stage_arn: members.required_text("destinationStageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
        })
    }
}

/// Input of ListParticipantReplicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParticipantReplicasRequest {
    /// Where the participant publishes.
    pub source_stage_arn: String,
    /// Whose replicas. May be empty, which names nobody.
    pub participant_id: String,
    /// `None` for the first page.
    pub next_token: Option<String>,
    /// 1–50.
    pub max_results: u32,
}

impl ListParticipantReplicasRequest {
    /// What a page token of this request is bound to.
    pub fn filters(&self) -> [(&'static str, &str); 2] {
        [
            ("sourceStageArn", &self.source_stage_arn),
            ("participantId", &self.participant_id),
        ]
    }
}

impl Request for ListParticipantReplicasRequest {
    const OPERATION: Operation = Operation::ListParticipantReplicas;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            source_stage_arn: members.required_text("sourceStageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            next_token: members.page_token()?,
            max_results: members.max_results(DEFAULT_MAX_RESULTS, REPLICAS_PAGE_SIZE)?,
        })
    }
}

/// One destination of a replicated participant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ParticipantReplica {
    pub source_stage_arn: String,
    pub participant_id: String,
    pub source_session_id: String,
    pub destination_stage_arn: String,
    pub destination_session_id: String,
    pub replication_state: ReplicationState,
}

/// Output of ListParticipantReplicas.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ListParticipantReplicasResponse {
    pub replicas: Vec<ParticipantReplica>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
