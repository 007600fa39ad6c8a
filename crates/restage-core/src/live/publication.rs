//! What a participant publishes: it starts and stops with its publishing connection, and those who watch
//! it, here and wherever it is replicated, follow.

use crate::id::{ParticipantId, StageSessionId};
use crate::kernel::decision::{CloseReason, PublicationKey};
use crate::kernel::draft::Draft;
use crate::live::replica;
use crate::row::{Participant, Replication, StageEventName};

/// Under which name its tracks are known. A replica is a reference, so it has its source's.
pub(crate) fn key(row: &Participant) -> PublicationKey {
    let session = match &row.replication {
        Replication::Replica { source_session, .. } => source_session,
        Replication::None | Replication::Source { .. } => &row.session,
    };
    PublicationKey {
        session: session.clone(),
        participant: row.id.clone(),
    }
}

/// Whether it can be watched: it is publishing, or away with a reconnect window running. A replication
/// that is ACTIVE while its publisher does not publish is one whose window runs.
pub(crate) const fn is_watchable(row: &Participant) -> bool {
    row.publishing || row.in_replication()
}

/// Media is up: PUBLISH_STARTED, and it reappears wherever a window was running for it.
pub(crate) fn start(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if row.publishing {
        return;
    }
    row.publishing = true;
    row.published = true;
    draft.record(StageEventName::PublishStarted, session, id);
    let now = draft.context.steady;
    for key in draft.active_replicas(session, id) {
        match draft.replica(&key).and_then(|row| row.window_ends_at) {
            // Too late, whether or not a tick came in between.
            Some(ends_at) if ends_at <= now => {
                replica::take_down(draft, &key, CloseReason::PublisherLeft)
            }
            Some(_) => replica::resume(draft, &key),
            None => {}
        }
    }
    replica::settle_source(draft, session, id);
}

/// The publishing connection is gone: PUBLISH_STOPPED; each of its replications ends or is held for its
/// reconnect window. Those who watch it where it joined are let go, unless a window runs: then they wait
/// for it like those elsewhere. Does nothing if it was not publishing.
pub(crate) fn stop(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if !row.publishing {
        return;
    }
    row.publishing = false;
    draft.record(StageEventName::PublishStopped, session, id);
    for key in draft.active_replicas(session, id) {
        if draft
            .replica(&key)
            .is_some_and(|row| row.reconnect_window_s > 0)
        {
            replica::hold(draft, &key);
        } else {
            replica::take_down(draft, &key, CloseReason::PublisherLeft);
        }
    }
    replica::settle_source(draft, session, id);
}
