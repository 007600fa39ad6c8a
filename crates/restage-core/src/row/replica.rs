//! Replicas.

use super::Attributes;
use crate::id::{ParticipantId, StageId, StageSessionId, Time};

/// The key of a [`Replica`]: source session, participant, destination session.
pub type ReplicaKey = (StageSessionId, ParticipantId, StageSessionId);

/// One replication of a participant from the stage it joined into another stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replica {
    /// Where the participant joined.
    pub source_stage: StageId,
    /// The session of the source stage.
    pub source_session: StageSessionId,
    /// The participant that is replicated.
    pub participant: ParticipantId,
    /// Where the participant appears.
    pub destination_stage: StageId,
    /// The session of the destination stage.
    pub destination_session: StageSessionId,
    /// `true` for ACTIVE, `false` for STOPPED. A row that is started again in the same two sessions becomes active again in place.
    pub active: bool,
    /// Attributes of the start call; they win over the token's.
    pub attributes: Attributes,
    /// How long the replica waits for its publisher to come back, 0–300 seconds.
    pub reconnect_window_s: u32,
    /// Set while the publisher is away and the window runs; the replication stops at this time of the
    /// steady clock.
    pub window_ends_at: Option<Time>,
    /// When it was first started. Lists are ordered by it, then by destination session.
    pub started_at: Time,
}

impl Replica {
    /// The row's key.
    pub fn key(&self) -> ReplicaKey {
        (
            self.source_session.clone(),
            self.participant.clone(),
            self.destination_session.clone(),
        )
    }
}
