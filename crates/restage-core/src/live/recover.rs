//! Recover, the first command after start, and the last before an orderly end. Media does not survive a restart, so nobody
//! is connected any more, and there are no effects on connections. What may wait for a publisher waits: replicas with a
//! reconnect window, with the sessions that they lead out of and into, and recordings. Everything else that was live ends.
//! Jobs wait for the first tick.

use std::collections::BTreeSet;

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
    let waiting = may_wait(draft);
    for (id, stage) in &active {
        if waiting.contains(*id) {
            session::desert(draft, id, CloseReason::SessionEnded);
        } else {
            session::end(draft, stage, id, CloseReason::SessionEnded);
        }
    }
    settle_replicas(draft);
    for (id, stage) in active {
        if waiting.contains(id) && session::is_idle(draft, id) {
            session::end(draft, stage, id, CloseReason::SessionEnded);
        }
    }
    let connections: Vec<&ConnectionId> = world.connections.keys().collect();
    for id in connections {
        draft.remove_connection(id);
    }
    recording::recover(draft);
    composition::recover(draft);
    job::due::recover(draft);
    Ok(Reply::Done)
}

/// The sessions that ACTIVE replicas with a reconnect window lead out of and into.
fn may_wait(draft: &Draft<'_>) -> BTreeSet<StageSessionId> {
    let rows = draft.given().replicas.values();
    let with_window = rows.filter(|row| row.active && row.reconnect_window_s > 0);
    with_window
        .flat_map(|row| [row.source_session.clone(), row.destination_session.clone()])
        .collect()
}

/// Replicas whose publisher may come back wait from now on. Rows that should not be there are not left behind.
fn settle_replicas(draft: &mut Draft<'_>) {
    let rows = draft.given().replicas.values().filter(|row| row.active);
    let waits = |key: &ReplicaKey| {
        draft
            .replica(key)
            .is_some_and(|row| row.window_ends_at.is_some())
    };
    let (waiting, stray): (Vec<ReplicaKey>, Vec<ReplicaKey>) =
        rows.map(Replica::key).partition(waits);
    replica::end(draft, stray, CloseReason::SessionEnded);
    for key in &waiting {
        replica::wait_anew(draft, key);
    }
}
