//! Presence: a participant is CONNECTED while it has a connection.

use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use crate::kernel::decision::CloseReason;
use crate::kernel::draft::Draft;
use crate::limits::GIVEN_UP_AFTER_S;
use crate::live::{ingest, publication};
use crate::row::{
    Attributes, Client, ConnectionKind, IngestLink, Participant, Protocol, Replication,
    StageEventError, StageEventName,
};

/// Who joins.
pub(crate) struct Identity<'a> {
    pub(crate) participant: &'a ParticipantId,
    pub(crate) user_id: &'a str,
    pub(crate) attributes: &'a Attributes,
    /// The ingest configuration by which it publishes.
    pub(crate) ingest: Option<&'a IngestLink>,
}

/// Puts a participant into the session, or updates its row if it is there. Records JOINED if it had no
/// connection. A participant that joins again keeps its row.
pub(crate) fn enter(
    draft: &mut Draft<'_>,
    session: &StageSessionId,
    stage: &StageId,
    identity: &Identity<'_>,
    client: &Client,
) -> Participant {
    let known = draft.participant(session, identity.participant).cloned();
    let returning = known.as_ref().is_some_and(|row| row.connected);
    let mut row = known.unwrap_or_else(|| Participant {
        session: session.clone(),
        id: identity.participant.clone(),
        stage: stage.clone(),
        user_id: String::new(),
        attributes: Attributes::new(),
        connected: false,
        publishing: false,
        published: false,
        first_joined_at: draft.context.now,
        protocol: Protocol::Unknown,
        client: Client::default(),
        replication: Replication::None,
        recording: None,
        ingest: None,
    });
    identity.user_id.clone_into(&mut row.user_id);
    row.attributes.clone_from(identity.attributes);
    row.ingest = identity.ingest.cloned();
    row.client.clone_from(client);
    row.connected = true;
    draft.put_participant(row.clone());
    if !returning {
        draft.record(StageEventName::Joined, session, identity.participant);
    }
    row
}

/// Removes a connection with all that follows: what it published or watched stops, and its participant
/// leaves if it was the last. With a reason, the connection is closed and the client receives the reason; without one,
/// the client closed it.
pub(crate) fn close(draft: &mut Draft<'_>, id: &ConnectionId, reason: Option<CloseReason>) {
    let Some(connection) = draft.remove_connection(id) else {
        return;
    };
    if let Some(reason) = reason {
        draft.close(id.clone(), reason);
    }
    let (session, participant) = (&connection.session, &connection.participant);
    match &connection.kind {
        ConnectionKind::Publish => publication::stop(draft, session, participant),
        ConnectionKind::Subscribe { publisher } if connection.established => {
            let replica = draft.is_replica(session, publisher);
            let event = draft.record(StageEventName::SubscribeStopped, session, participant);
            event.remote_participant = Some(publisher.clone());
            event.replica = replica;
        }
        ConnectionKind::Subscribe { .. } | ConnectionKind::Events => {}
    }
    if !draft.has_connection(session, participant) {
        leave(draft, session, participant);
    }
}

/// Closes several connections for one reason. Subscriptions are closed first, so that each gets this reason and not the
/// one that follows when its publisher, which may be among them, is closed.
pub(crate) fn close_all(draft: &mut Draft<'_>, ids: Vec<ConnectionId>, reason: CloseReason) {
    let watches = |id: &ConnectionId| {
        draft
            .connection(id)
            .is_some_and(|row| matches!(row.kind, ConnectionKind::Subscribe { .. }))
    };
    let (subscriptions, others): (Vec<_>, Vec<_>) = ids.into_iter().partition(watches);
    for id in subscriptions.iter().chain(&others) {
        close(draft, id, Some(reason));
    }
}

/// Closes a connection that exceeded a limit. The error is recorded before the events of what stops.
pub(crate) fn exceed(draft: &mut Draft<'_>, id: &ConnectionId, error: StageEventError) {
    record_error(draft, id, error);
    close(draft, id, Some(CloseReason::LimitExceeded));
}

/// A client gives up a connection. If it was not established although the client waited for it
/// ([`GIVEN_UP_AFTER_S`]), an error is recorded.
pub(crate) fn give_up(draft: &mut Draft<'_>, id: &ConnectionId) {
    let now = draft.context.steady;
    let waited_in_vain = draft.connection(id).is_some_and(|row| {
        let is_media = row.kind != ConnectionKind::Events;
        is_media && !row.established && row.opened_at.plus_seconds(GIVEN_UP_AFTER_S) <= now
    });
    if waited_in_vain {
        record_error(draft, id, StageEventError::InvalidInput);
    }
}

/// Records the error event that fits the kind of the connection.
pub(crate) fn record_error(draft: &mut Draft<'_>, id: &ConnectionId, error: StageEventError) {
    let Some(connection) = draft.connection(id).cloned() else {
        return;
    };
    let (session, participant) = (&connection.session, &connection.participant);
    let (name, remote) = match connection.kind {
        ConnectionKind::Publish => (StageEventName::PublishError, None),
        ConnectionKind::Subscribe { publisher } => {
            (StageEventName::SubscribeError, Some(publisher))
        }
        ConnectionKind::Events => (StageEventName::JoinError, None),
    };
    let is_replica = remote
        .as_ref()
        .is_some_and(|publisher| draft.is_replica(session, publisher));
    let event = draft.record(name, session, participant);
    event.error = Some(error);
    event.replica |= is_replica;
    event.remote_participant = remote;
}

/// Marks a participant without connections as DISCONNECTED and records LEFT.
pub(crate) fn leave(draft: &mut Draft<'_>, session: &StageSessionId, id: &ParticipantId) {
    let Some(row) = draft.edit_participant(session, id) else {
        return;
    };
    if row.connected {
        row.connected = false;
        let gone = row.clone();
        draft.record(StageEventName::Left, session, id);
        ingest::left(draft, session, &gone);
    }
}
