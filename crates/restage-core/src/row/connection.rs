//! Connections.

use super::ConnectionTokenId;
use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId, Time};

/// What a connection is for. A participant holds at most one of each kind at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnectionKind {
    /// It publishes (WHIP, RTMP, RTMPS).
    Publish,
    /// It watches one publisher (WHEP).
    Subscribe {
        /// The publisher, by its id in this stage.
        publisher: ParticipantId,
    },
    /// It receives events (a WebSocket).
    Events,
}

/// A live connection of a participant. Rows exist only while it is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// The row's key; never reused.
    pub id: ConnectionId,
    /// The stage of the session.
    pub stage: StageId,
    /// The stage session it belongs to.
    pub session: StageSessionId,
    /// The participant that opened it.
    pub participant: ParticipantId,
    /// What the connection is for.
    pub kind: ConnectionKind,
    /// Whether media (or the socket) is up: the *_STARTED event has been written.
    pub established: bool,
    /// When it was opened, by the steady clock.
    pub opened_at: Time,
    /// The connection token that it was opened with besides, one of the account and Region of its stage. Its revocation
    /// ends the connection.
    pub connection_token: Option<ConnectionTokenId>,
}
