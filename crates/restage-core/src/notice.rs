//! What a decision tells the world outside: the matter of EventBridge-shaped events.
//!
//! History is for those who ask ([`StageEvent`]), notices are for those who listen. They say the same, but
//! a notice carries what a listener could not look up any more: whose it is, and, for a stage that is being
//! deleted, that it happened at all.

use crate::id::{StageId, StageSessionId, Time};
use crate::row::StageEvent;

/// One thing that happened on a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Where.
    pub stage: StageId,
    /// In which of its sessions.
    pub session: StageSessionId,
    /// When.
    pub at: Time,
    /// What.
    pub what: Occurrence,
}

/// The kinds of notices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Occurrence {
    /// A line of a participant's history.
    History {
        /// The line.
        event: Box<StageEvent>,
        /// The customer's label of the participant; may be empty.
        user_id: String,
        /// For a replica: the stage and session it joined.
        source: Option<(StageId, StageSessionId)>,
    },
    /// The stage session began.
    SessionStarted,
    /// The stage session ended.
    SessionEnded,
}
