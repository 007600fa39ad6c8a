//! Replication of participants to other stages.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    MAX_PARTICIPANT_REPLICA_RESULTS, PAGINATION_TOKEN, PARTICIPANT_ID, RECONNECT_WINDOW_SECONDS,
    STAGE_ARN,
};
use crate::generated::participant::ReplicationState;
use crate::operation::{EmptyResponse, Operation, Paged, Request};
use crate::read::{Body, StringMap};

/// Input of StartParticipantReplication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartParticipantReplicationRequest {
    /// `sourceStageArn`: the ARN of a stage, 1–128 characters.
    pub source_stage_arn: String,
    /// `destinationStageArn`: the ARN of a stage, 1–128 characters.
    pub destination_stage_arn: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
    /// `reconnectWindowSeconds`: 0–300. 0 unless given.
    pub reconnect_window_seconds: u32,
    /// `attributes`: at most [`MAX_ATTRIBUTES_BYTES`](crate::shape::MAX_ATTRIBUTES_BYTES) bytes, keys and values together. Empty unless given.
    pub attributes: StringMap,
}

impl Request for StartParticipantReplicationRequest {
    const OPERATION: Operation = Operation::StartParticipantReplication;
    type Response = EmptyResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            source_stage_arn: members.required_text("sourceStageArn", &STAGE_ARN)?,
            destination_stage_arn: members.required_text("destinationStageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            reconnect_window_seconds: members
                .number("reconnectWindowSeconds", RECONNECT_WINDOW_SECONDS)?
                .unwrap_or_default(),
            attributes: members.attributes("attributes")?.unwrap_or_default(),
        })
    }
}

/// Input of StopParticipantReplication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopParticipantReplicationRequest {
    /// `sourceStageArn`: the ARN of a stage, 1–128 characters.
    pub source_stage_arn: String,
    /// `destinationStageArn`: the ARN of a stage, 1–128 characters.
    pub destination_stage_arn: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
}

impl Request for StopParticipantReplicationRequest {
    const OPERATION: Operation = Operation::StopParticipantReplication;
    type Response = EmptyResponse;

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
    /// `sourceStageArn`: the ARN of a stage, 1–128 characters.
    pub source_stage_arn: String,
    /// `participantId`: ASCII letters, digits, hyphens and underscores, 0–64 characters.
    pub participant_id: String,
    /// `nextToken`: `None` for the first page.
    pub next_token: Option<String>,
    /// `maxResults`: 1–50, 50 unless given.
    pub max_results: u32,
}

impl Request for ListParticipantReplicasRequest {
    const OPERATION: Operation = Operation::ListParticipantReplicas;
    type Response = ListParticipantReplicasResponse;

    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let body = Body::parse(body)?;
        let members = body.members();
        Ok(Self {
            source_stage_arn: members.required_text("sourceStageArn", &STAGE_ARN)?,
            participant_id: members.required_text("participantId", &PARTICIPANT_ID)?,
            next_token: members.page_token(&PAGINATION_TOKEN)?,
            max_results: members.max_results(50, MAX_PARTICIPANT_REPLICA_RESULTS)?,
        })
    }
}

impl ListParticipantReplicasRequest {
    /// The members that a page token of this request is bound to, besides account and Region.
    pub fn filters(&self) -> [(&'static str, &str); 2] {
        [
            ("sourceStageArn", self.source_stage_arn.as_str()),
            ("participantId", self.participant_id.as_str()),
        ]
    }
}

impl Paged for ListParticipantReplicasRequest {
    fn page(&self) -> (Option<&str>, u32) {
        (self.next_token.as_deref(), self.max_results)
    }
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

/// `ParticipantReplica` of the model.
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
