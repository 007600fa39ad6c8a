//! The rows a command looks at. The edge loads just what [`crate::needs`] names; tests and the
//! simulator keep a whole one and apply changes to it. Both must lead to the same decision.

use std::collections::BTreeMap;

use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use crate::row::{Connection, Participant, Replica, Stage, StageEvent, StageSession, Token};

/// Key of a [`Replica`]: source session, participant, destination session.
pub type ReplicaKey = (StageSessionId, ParticipantId, StageSessionId);

/// A set of rows by key.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct World {
    /// By id.
    pub stages: BTreeMap<StageId, Stage>,
    /// By id.
    pub sessions: BTreeMap<StageSessionId, StageSession>,
    /// By participant id.
    pub tokens: BTreeMap<ParticipantId, Token>,
    /// By session and participant id.
    pub participants: BTreeMap<(StageSessionId, ParticipantId), Participant>,
    /// By source session, participant, destination session.
    pub replicas: BTreeMap<ReplicaKey, Replica>,
    /// Open connections by id.
    pub connections: BTreeMap<ConnectionId, Connection>,
    /// Written history; never read by the rules, kept here for tests and the simulator.
    pub events: Vec<StageEvent>,
    /// How many stages the caller's account and region have, for the stage limit.
    pub stage_count: u64,
}
