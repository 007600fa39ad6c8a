//! Publications. A participant's publication starts and stops with its publishing connection; its subscribers, here and
//! wherever it is replicated, follow.

use crate::id::{ParticipantId, StageSessionId};
use crate::kernel::decision::CloseReason;
use crate::kernel::draft::Draft;
use crate::live::{ingest, recording, replica};
use crate::row::{Participant, PublicationKey, Replication, StageEventName};

/// The key of a participant's publication. A replica is a reference, so it has its source's key.
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

/// Whether a participant can be watched: it is publishing, or it is away and a reconnect window runs. (The window runs
/// while a replication is ACTIVE and its publisher does not publish.) Of a redundant ingest only the virtual participant can.
pub(crate) fn is_watchable(row: &Participant) -> bool {
    !row.is_physical() && (row.publishing || row.in_replication())
}

/// Media is up: records PUBLISH_STARTED, begins or continues the recording, and resumes each replica whose reconnect window is running.
pub(crate) fn start(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if row.publishing {
        return;
    }
    row.publishing = true;
    row.published = true;
    let started = row.clone();
    draft.record(StageEventName::PublishStarted, session, id);
    recording::published(draft, session, id);
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
    ingest::started(draft, session, &started);
}

/// The publishing connection is gone: records PUBLISH_STOPPED, and ends each replication and the recording or holds them for
/// their reconnect windows. Subscribers in the stage it joined are closed, unless a window runs: then they wait like those elsewhere.
/// Does nothing if the participant was not publishing.
pub(crate) fn stop(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if !row.publishing {
        return;
    }
    row.publishing = false;
    let stopped = row.clone();
    draft.record(StageEventName::PublishStopped, session, id);
    recording::unpublished(draft, session, id, 0);
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
    ingest::stopped(draft, session, &stopped);
}
