//! Stage sessions.

use crate::id::{StageId, StageSessionId, Time};

/// One stretch of time in which a stage has participants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageSession {
    /// The row's key, unique over all stages.
    pub id: StageSessionId,
    /// The stage it is a session of.
    pub stage: StageId,
    /// When the first participant (or replica) appeared.
    pub started_at: Time,
    /// When it ended; `None` while it is active.
    pub ended_at: Option<Time>,
    /// Since when nobody publishes here, by the steady clock; `None` while somebody does. Set when the session starts.
    pub idle_since: Option<Time>,
}
