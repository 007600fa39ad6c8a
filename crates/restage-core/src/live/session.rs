//! Stage sessions: one opens with the first participant or replica, and ends when nobody has published
//! for a while.

use crate::id::{StageId, StageSessionId};
use crate::kernel::decision::CloseReason;
use crate::kernel::draft::Draft;
use crate::live::presence;
use crate::live::publication;
use crate::live::replica;
use crate::row::{ConnectionKind, StageSession};

/// The session in progress, or a new one with the fresh id. The stage must exist.
pub(crate) fn enter(draft: &mut Draft<'_>, stage: &StageId) -> StageSessionId {
    if let Some(session) = draft.active_session(stage) {
        return session;
    }
    let id = draft.context.fresh_session.clone();
    draft.put_session(StageSession {
        id: id.clone(),
        stage: stage.clone(),
        started_at: draft.context.now,
        ended_at: None,
        idle_since: Some(draft.context.steady),
    });
    if let Some(row) = draft.edit_stage(stage) {
        row.active_session = Some(id.clone());
    }
    id
}

/// Whether a session may end when it has been idle for long enough: nobody publishes or has a publishing connection open,
/// and no replication into or out of it is ACTIVE.
pub(crate) fn is_idle(draft: &Draft<'_>, session: &StageSessionId) -> bool {
    let involved = |id| {
        draft
            .participant(session, id)
            .is_some_and(|row| row.publishing || row.in_replication())
    };
    let publishes = |id| {
        draft
            .connection(id)
            .is_some_and(|row| row.kind == ConnectionKind::Publish)
    };
    !draft.participants_of(session).iter().any(involved)
        && !draft.connections_in(session).iter().any(publishes)
}

/// Everybody in a session is gone at once. Replicas of its participants elsewhere wait if they have a reconnect window, and
/// end if not; those that it is shown follow their own sources. The session itself stays.
pub(crate) fn desert(draft: &mut Draft<'_>, session: &StageSessionId, reason: CloseReason) {
    let connections = draft.connections_in(session);
    presence::close_all(draft, connections, reason);
    // Participants that are still connected here have rows without any connection.
    for id in draft.participants_of(session) {
        if replica::shown_by(draft, session, &id).is_none() {
            publication::stop(draft, session, &id);
            presence::leave(draft, session, &id);
        }
    }
}

/// Ends everything live in a session. Subscribers of its replicas elsewhere are closed with `ReplicationStopped`, its own
/// connections with `reason`.
pub(crate) fn shut(draft: &mut Draft<'_>, session: &StageSessionId, reason: CloseReason) {
    let is_subscription = |draft: &Draft<'_>, id: &_| {
        draft
            .connection(id)
            .is_some_and(|row| matches!(row.kind, ConnectionKind::Subscribe { .. }))
    };
    let mut subscriptions = draft.connections_in(session);
    subscriptions.retain(|id| is_subscription(draft, id));
    presence::close_all(draft, subscriptions, reason);

    let participants = draft.participants_of(session);
    for id in &participants {
        let mut replications = draft.active_replicas(session, id);
        replications.extend(replica::shown_by(draft, session, id));
        replica::end(draft, replications, CloseReason::ReplicationStopped);
    }
    let connections = draft.connections_in(session);
    presence::close_all(draft, connections, reason);
    // Participants that are still connected here have rows without any connection.
    for id in &participants {
        publication::stop(draft, session, id);
        presence::leave(draft, session, id);
    }
}

/// Ends a session for good, with everything live in it. It never ends before it began, whatever the clock was set to
/// meanwhile.
pub(crate) fn end(
    draft: &mut Draft<'_>,
    stage: &StageId,
    session: &StageSessionId,
    reason: CloseReason,
) {
    shut(draft, session, reason);
    let now = draft.context.now;
    if let Some(row) = draft.edit_session(session) {
        row.ended_at = Some(now.max(row.started_at));
    }
    if let Some(row) = draft
        .edit_stage(stage)
        .filter(|row| row.active_session.as_ref() == Some(session))
    {
        row.active_session = None;
    }
}
