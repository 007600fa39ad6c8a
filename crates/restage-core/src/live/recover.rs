//! Recover, the first command after start. Media does not survive a restart, so every session ends with all that was
//! live in it. No client is connected any more, so there are no effects on connections. Jobs wait for the first tick, and
//! recordings for their publishers, if they have a reconnect window.

use crate::id::{ConnectionId, StageId, StageSessionId};
use crate::job;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::{composition, recording, replica, session};
use crate::row::{Replica, ReplicaKey};

pub(crate) fn needs() -> Vec<Need> {
    vec![Need::Everything]
}

pub(crate) fn decide(draft: &mut Draft<'_>) -> Outcome {
    let world = draft.given();
    let active = world
        .sessions
        .iter()
        .filter(|(_, row)| row.ended_at.is_none());
    let active: Vec<(&StageSessionId, &StageId)> =
        active.map(|(id, row)| (id, &row.stage)).collect();
    for (id, stage) in active {
        session::end(draft, stage, id, CloseReason::SessionEnded);
    }
    // Rows that should not be there without an active session are not left behind either.
    let replicas: Vec<ReplicaKey> = world
        .replicas
        .values()
        .filter(|row| row.active)
        .map(Replica::key)
        .collect();
    replica::end(draft, replicas, CloseReason::SessionEnded);
    let connections: Vec<&ConnectionId> = world.connections.keys().collect();
    for id in connections {
        draft.remove_connection(id);
    }
    recording::recover(draft);
    composition::recover(draft);
    job::due::recover(draft);
    Ok(Reply::Done)
}
