//! Replicas: how one begins, waits for its publisher, comes back, and ends.
//!
//! In the destination's history JOINED and LEFT bracket the replication; between them PUBLISH_STARTED and
//! PUBLISH_STOPPED follow the publisher, so a reconnect window shows as a gap between these.

pub(crate) mod start;
pub(crate) mod stop;

use std::collections::BTreeSet;

use crate::error::{Error, Fault};
use crate::id::{ParticipantId, StageSessionId};
use crate::kernel::decision::CloseReason;
use crate::kernel::draft::Draft;
use crate::limits::ATTRIBUTES_BYTES_MAX;
use crate::live::{presence, recording};
use crate::row::{
    Attributes, IngestLink, Participant, Replica, ReplicaKey, Replication, StageEventName,
};

/// A token's attributes with a replication's overrides put over them.
///
/// # Errors
/// `Invalid` if that is more than the attributes of a participant may come to.
pub(crate) fn merged(of_token: &Attributes, overrides: &Attributes) -> Result<Attributes, Error> {
    let mut attributes = of_token.clone();
    attributes.extend(
        overrides
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let bytes: usize = attributes
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if bytes > ATTRIBUTES_BYTES_MAX {
        let message = format!(
            "attributes: the token's with the replication's merged over them come to {bytes} bytes; at most {ATTRIBUTES_BYTES_MAX} are allowed"
        );
        return Err(Error::new(Fault::Invalid, message));
    }
    Ok(attributes)
}

/// Whether these attributes of a new token go with the overrides of every replication there is.
///
/// # Errors
/// As [`merged`].
pub(crate) fn check_attributes(
    draft: &Draft<'_>,
    source: &StageSessionId,
    id: &ParticipantId,
    attributes: &Attributes,
) -> Result<(), Error> {
    for key in draft.active_replicas(source, id) {
        if let Some(row) = draft.replica(&key) {
            merged(attributes, &row.attributes)?;
        }
    }
    Ok(())
}

/// Copies the participant's user id and attributes to its replicas. The attributes must have been checked.
pub(crate) fn refresh(draft: &mut Draft<'_>, source: &StageSessionId, id: &ParticipantId) {
    let Some(shown) = draft.participant(source, id).cloned() else {
        return;
    };
    for key in draft.active_replicas(source, id) {
        let overrides = draft.replica(&key).map(|row| row.attributes.clone());
        let Some(Ok(attributes)) = overrides.map(|over| merged(&shown.attributes, &over)) else {
            continue;
        };
        if let Some(row) = draft.edit_participant(&key.2, id) {
            row.user_id.clone_from(&shown.user_id);
            row.attributes = attributes;
        }
    }
}

/// Makes the participant appear in the destination. `replica` names both sessions and is stored ACTIVE. If there is a row
/// for the same sessions, it becomes active again and keeps the time of its first start. The source row must exist.
pub(crate) fn begin(
    draft: &mut Draft<'_>,
    source: &Participant,
    replica: Replica,
    attributes: Attributes,
) {
    let key = replica.key();
    let (source_session, id, session) = &key;
    let started_at = draft
        .replica(&key)
        .map_or(replica.started_at, |row| row.started_at);
    let known = draft.participant(session, id);
    let first_joined_at = known.map_or(draft.context.now, |row| row.first_joined_at);
    let recording = known.and_then(|row| row.recording.clone());
    draft.put_participant(Participant {
        session: session.clone(),
        stage: replica.destination_stage.clone(),
        attributes,
        connected: true,
        publishing: true,
        published: true,
        first_joined_at,
        replication: Replication::Replica {
            active: true,
            source_stage: replica.source_stage.clone(),
            source_session: source_session.clone(),
        },
        recording,
        ingest: source.ingest.clone().map(|link| IngestLink {
            redundant: None,
            ..link
        }),
        ..source.clone()
    });
    draft.record(StageEventName::Joined, session, id);
    draft.record(StageEventName::PublishStarted, session, id);

    let destination = (replica.destination_stage.clone(), session.clone());
    draft.put_replica(Replica {
        started_at,
        active: true,
        window_ends_at: None,
        ..replica
    });
    if let Some(row) = draft.edit_participant(source_session, id) {
        row.replication = Replication::Source { active: true };
    }
    draft
        .record(StageEventName::ReplicationStarted, source_session, id)
        .destination = Some(destination);
    recording::published(draft, session, id);
}

/// The publisher is away and the reconnect window begins: the replica is DISCONNECTED but still ACTIVE, and its
/// subscribers stay.
pub(crate) fn hold(draft: &mut Draft<'_>, key: &ReplicaKey) {
    let now = draft.context.steady;
    let Some(row) = draft.edit_replica(key) else {
        return;
    };
    let window_s = row.reconnect_window_s;
    row.window_ends_at = Some(now.plus_seconds(window_s));
    let (_, id, session) = key;
    recording::unpublished(draft, session, id, window_s);
    if let Some(row) = draft.edit_participant(session, id) {
        row.connected = false;
    }
    unpublish(draft, session, id);
}

/// The reconnect window that runs is measured from now on, because the steady clock of another process means nothing here;
/// so is the idleness of both sessions, which begins when it is over.
pub(crate) fn wait_anew(draft: &mut Draft<'_>, key: &ReplicaKey) {
    let now = draft.context.steady;
    if let Some(row) = draft.edit_replica(key) {
        row.window_ends_at = Some(now.plus_seconds(row.reconnect_window_s));
    }
    for session in [&key.0, &key.2] {
        if let Some(row) = draft.edit_session(session) {
            row.idle_since = row.idle_since.map(|_| now);
        }
    }
}

/// The publisher is back inside the window.
pub(crate) fn resume(draft: &mut Draft<'_>, key: &ReplicaKey) {
    let (source_session, id, session) = key;
    let Some(row) = draft.edit_replica(key) else {
        return;
    };
    row.window_ends_at = None;
    let source = draft.participant(source_session, id).cloned();
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if let Some(source) = source {
        row.protocol = source.protocol;
        row.client = source.client;
    }
    row.connected = true;
    row.publishing = true;
    row.published = true;
    draft.record(StageEventName::PublishStarted, session, id);
    recording::published(draft, session, id);
}

/// Ends replications for good, without any window: STOPPED on both sides, and those who watched them in
/// their destinations are closed with this reason. Those that are STOPPED already stay as they are.
pub(crate) fn end(draft: &mut Draft<'_>, keys: Vec<ReplicaKey>, reason: CloseReason) {
    let mut sources = BTreeSet::new();
    for key in keys {
        take_down(draft, &key, reason);
        sources.insert((key.0, key.1));
    }
    for (session, id) in sources {
        settle_source(draft, &session, &id);
    }
}

/// Ends one replication, except for what depends on how many its source has left.
pub(crate) fn take_down(draft: &mut Draft<'_>, key: &ReplicaKey, reason: CloseReason) {
    let Some(row) = draft.edit_replica(key) else {
        return;
    };
    if !row.active {
        return;
    }
    row.active = false;
    row.window_ends_at = None;
    let destination = (
        row.destination_stage.clone(),
        row.destination_session.clone(),
    );
    let (source_session, id, session) = key;

    recording::unpublished(draft, session, id, 0);
    unpublish(draft, session, id);
    if let Some(row) = draft.edit_participant(session, id) {
        row.connected = false;
        if let Replication::Replica { active, .. } = &mut row.replication {
            *active = false;
        }
    }
    draft.record(StageEventName::Left, session, id);
    for subscription in draft.subscriptions_to(session, id) {
        presence::close(draft, &subscription, Some(reason));
    }
    draft
        .record(StageEventName::ReplicationStopped, source_session, id)
        .destination = Some(destination);
}

/// After replications of this participant ended: updates whether it is a SOURCE. If it neither publishes nor has an
/// ACTIVE replica, its subscribers in the stage it joined are closed.
pub(crate) fn settle_source(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let left = !draft.active_replicas(session, id).is_empty();
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if let Replication::Source { active } = &mut row.replication {
        *active = left;
    }
    if row.publishing || left {
        return;
    }
    for subscription in draft.subscriptions_to(session, id) {
        presence::close(draft, &subscription, Some(CloseReason::PublisherLeft));
    }
}

/// The key of the replication that shows this participant here, if it is an ACTIVE replica.
pub(crate) fn shown_by(
    draft: &Draft<'_>,
    session: &StageSessionId,
    id: &ParticipantId,
) -> Option<ReplicaKey> {
    match &draft.participant(session, id)?.replication {
        Replication::Replica {
            active: true,
            source_session,
            ..
        } => Some((source_session.clone(), id.clone(), session.clone())),
        _ => None,
    }
}

fn unpublish(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if row.publishing {
        row.publishing = false;
        draft.record(StageEventName::PublishStopped, session, id);
    }
}
