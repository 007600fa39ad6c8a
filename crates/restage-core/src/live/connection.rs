//! Connections: a client opens one, the edge reports what becomes of it.

pub(crate) mod closed;
pub(crate) mod established;
pub(crate) mod exceeded;
pub(crate) mod failed;
pub(crate) mod open;
pub(crate) mod record_error;

use crate::id::{ParticipantId, StageId};
use crate::kernel::need::Need;

/// The rows that a report on a connection needs: all that changes when its participant comes or goes.
pub(crate) fn needs_of_report(stage: &StageId, participant: &ParticipantId) -> Vec<Need> {
    vec![
        Need::Stage(stage.clone()),
        Need::Participant(stage.clone(), participant.clone()),
    ]
}
