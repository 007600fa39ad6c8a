//! Time has passed: reconnect windows that are over, then sessions that have been idle long enough.

use super::Outcome;
use crate::command::Need;
use crate::decision::{CloseReason, Reply};
use crate::draft::Draft;
use crate::id::{StageId, StageSessionId, Time};
use crate::world::ReplicaKey;
use crate::{replica, session};

pub(super) fn needs(now: Time, session_idle_s: u32) -> Vec<Need> {
    vec![Need::Due {
        now,
        idle_before: now.minus_seconds(session_idle_s),
    }]
}

pub(super) fn decide(draft: &mut Draft<'_>) -> Outcome {
    let context = draft.context;
    let world = draft.given();
    let over: Vec<ReplicaKey> = world
        .replicas
        .iter()
        .filter(|(_, row)| {
            row.active
                && row
                    .window_ends_at
                    .is_some_and(|ends_at| ends_at <= context.now)
        })
        .map(|(key, _)| key.clone())
        .collect();
    replica::end(draft, over, CloseReason::PublisherLeft);
    let idle_before = context.now.minus_seconds(context.session_idle_s);
    let idle: Vec<(&StageSessionId, &StageId)> = world
        .sessions
        .iter()
        .filter(|(_, row)| {
            row.ended_at.is_none() && row.idle_since.is_some_and(|since| since <= idle_before)
        })
        .map(|(id, row)| (id, &row.stage))
        .collect();
    for (id, stage) in idle {
        if session::is_idle(draft, id) {
            session::end(draft, stage, id, CloseReason::SessionEnded);
        }
    }
    Ok(Reply::Done)
}
