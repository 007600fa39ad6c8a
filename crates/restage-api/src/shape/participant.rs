//! The replication members of a participant.

use super::{ParticipantReplication, ReplicationState, ReplicationType};

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
