//! The media plane ended a connection because too much goes through it. Reported of a connection that is gone
//! already, it changes nothing.

use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::live::presence;
use crate::row::StageEventError;

pub(crate) fn decide(
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
