//! Media, or the events socket, is up. Reported again, it changes nothing.

use crate::id::{ConnectionId, ParticipantId, StageId};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::live::publication;
use crate::row::{ConnectionKind, StageEventName};

pub(crate) fn decide(
    draft: &mut Draft<'_>,
    id: &ConnectionId,
    stage: &StageId,
    participant: &ParticipantId,
) -> Outcome {
    let Some(row) = draft.edit_connection(id) else {
        return Ok(Reply::Done);
    };
    if row.established || row.stage != *stage || row.participant != *participant {
        return Ok(Reply::Done);
    }
    row.established = true;
    let (session, kind) = (row.session.clone(), row.kind.clone());
    match kind {
        ConnectionKind::Publish => publication::start(draft, &session, participant),
        ConnectionKind::Subscribe { publisher } => {
            let replica = draft.is_replica(&session, &publisher);
            let event = draft.record(StageEventName::SubscribeStarted, &session, participant);
            event.remote_participant = Some(publisher);
            event.replica = replica;
        }
        ConnectionKind::Events => {}
    }
    Ok(Reply::Done)
}
