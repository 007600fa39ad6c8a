//! What a decision reports to event sinks: the content of EventBridge-shaped events.
//!
//! History ([`StageEvent`]) is what the API answers, notices are what sinks receive. They say the same, but a notice
//! also carries what a sink could not look up any more: the participant's label, and events of a stage that is being
//! deleted.

use crate::id::{StageId, StageSessionId, Time};
use crate::row::{Composition, CompositionDestinationId, Recording, StageEvent};

/// One thing that happened on a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The stage it happened on.
    pub stage: StageId,
    /// The stage session it happened in; compositions are not of one.
    pub session: Option<StageSessionId>,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub what: Occurrence,
}

/// What a notice reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Occurrence {
    /// An event of a participant's history.
    History {
        /// The event as the history has it.
        event: Box<StageEvent>,
        /// The customer's label of the participant; may be empty.
        user_id: String,
        /// The stage and session that a replica's participant joined; `None` for others.
        source: Option<(StageId, StageSessionId)>,
    },
    /// A recording began or ended. The stage may have been deleted; the session is the one in which it began.
    Recording {
        /// What became of the recording.
        name: RecordingNotice,
        /// The recording as it now is.
        recording: Box<Recording>,
    },
    /// A composition or one of its destinations began, failed or ended. The stage may have been deleted.
    Composition {
        /// What became of it.
        name: CompositionNotice,
        /// The composition as it now is.
        composition: Box<Composition>,
    },
    /// The stage session began.
    SessionStarted,
    /// The stage session ended.
    SessionEnded,
}

/// What became of a recording: the event names of IVS Participant Recording State Change (IVS user guide, "Using Amazon
/// EventBridge").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum RecordingNotice {
    Start,
    End,
    StartFailure,
    EndFailure,
}

/// What became of a composition: the event names of IVS Composition State Change (IVS user guide, "Using Amazon
/// EventBridge"). Those of a destination name it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum CompositionNotice {
    SessionStart,
    SessionEnd,
    SessionFailure,
    DestinationStart(CompositionDestinationId),
    DestinationEnd(CompositionDestinationId),
    DestinationReconnecting(CompositionDestinationId),
    DestinationFailure(CompositionDestinationId),
}
