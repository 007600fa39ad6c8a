//! Time has passed: reconnect windows that are over, connections that have lasted as long as they may, then
//! sessions that have been idle long enough, recordings that have waited long enough, compositions, and jobs that are due.

use crate::id::{ConnectionId, StageId, StageSessionId, Time};
use crate::job;
use crate::kernel::context::Context;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::limits::REDUNDANT_GRACE_S;
use crate::live::{composition, ingest, presence, recording, replica, session};
use crate::row::{Connection, ConnectionKind, ReplicaKey, StageEventError};

pub(crate) fn needs(context: &Context) -> Vec<Need> {
    vec![
        Need::Due {
            now: context.steady,
            idle_before: context.steady.minus_seconds(context.session_idle_s),
            opened_before: opened_before(context),
        },
        recording::needs_of_tick(context.steady),
        composition::needs_of_tick(context.steady),
        job::due::needs(context),
    ]
}

fn opened_before(context: &Context) -> Option<Time> {
    let limit = context.limits.connection_seconds;
    (limit > 0).then(|| context.steady.minus_seconds(limit))
}

pub(crate) fn decide(draft: &mut Draft<'_>) -> Outcome {
    let context = draft.context;
    let world = draft.given();
    let over: Vec<ReplicaKey> = world
        .replicas
        .iter()
        .filter(|(_, row)| {
            row.active
                && row
                    .window_ends_at
                    .is_some_and(|ends_at| ends_at <= context.steady)
        })
        .map(|(key, _)| key.clone())
        .collect();
    replica::end(draft, over, CloseReason::PublisherLeft);
    if let Some(opened_before) = opened_before(context) {
        end_overdue(draft, &world.overdue(opened_before));
    }
    let idle_before = context.steady.minus_seconds(context.session_idle_s);
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
    recording::tick(draft);
    composition::tick(draft);
    job::due::tick(draft);
    Ok(Reply::Done)
}

/// Subscriptions are closed first, so that each gets this reason and not the one of its publisher.
fn end_overdue(draft: &mut Draft<'_>, overdue: &[&Connection]) {
    let ids = |publishing: bool| {
        let of_kind = move |row: &&&Connection| (row.kind == ConnectionKind::Publish) == publishing;
        overdue.iter().filter(of_kind).map(|row| &row.id)
    };
    let ids: Vec<&ConnectionId> = ids(false).chain(ids(true)).collect();
    for id in ids {
        if has_grace(draft, id) {
            continue;
        }
        presence::exceed(draft, id, StageEventError::StreamDurationExceeded);
    }
}

/// Whether a connection may last a little longer: the only stream that a redundant ingest has left, so that the other can
/// come back first. So the two are not ended at the same time.
fn has_grace(draft: &Draft<'_>, id: &ConnectionId) -> bool {
    let context = draft.context;
    let Some(connection) = draft.connection(id) else {
        return false;
    };
    let limit = context.limits.connection_seconds;
    let grace_ends_at = connection
        .opened_at
        .plus_seconds(limit)
        .plus_seconds(REDUNDANT_GRACE_S);
    let row = draft.participant(&connection.session, &connection.participant);
    let is_last = row.is_some_and(|row| {
        row.is_physical() && !ingest::other_publishes(draft, &connection.session, row)
    });
    is_last && context.steady < grace_ends_at
}
