//! The client left or vanished. Reported of a connection that is gone already, it changes nothing.

use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::live::presence;

pub(crate) fn decide(
    draft: &mut Draft<'_>,
    id: &ConnectionId,
    stage: &StageId,
    participant: &ParticipantId,
) -> Outcome {
    if draft
        .connection(id)
        .is_some_and(|row| row.stage == *stage && row.participant == *participant)
    {
        presence::give_up(draft, id);
        presence::close(draft, id, None);
    }
    Ok(Reply::Done)
}
