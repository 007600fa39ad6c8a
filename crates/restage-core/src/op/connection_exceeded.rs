//! The media plane ended a connection because too much goes through it. Reported of a connection that is gone
//! already, it changes nothing.

use super::Outcome;
use crate::decision::Reply;
use crate::draft::Draft;
use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::presence;
use crate::row::StageEventError;

pub(super) fn decide(
    draft: &mut Draft<'_>,
    id: &ConnectionId,
    stage: &StageId,
    participant: &ParticipantId,
    error: StageEventError,
) -> Outcome {
    if draft
        .connection(id)
        .is_some_and(|row| row.stage == *stage && row.participant == *participant)
    {
        presence::exceed(draft, id, error);
    }
    Ok(Reply::Done)
}
