//! A join failed at the edge: it goes into the participant's history.

use super::Outcome;
use crate::command::{Claims, Need};
use crate::decision::Reply;
use crate::draft::Draft;
use crate::row::{ConnectionKind, StageEventError, StageEventName};

pub(super) fn needs(kind: &ConnectionKind, claims: &Claims) -> Vec<Need> {
    let stage = &claims.stage.id;
    let mut needs = vec![
        Need::Stage(stage.clone()),
        Need::Token(claims.participant.clone()),
    ];
    if let ConnectionKind::Subscribe { publisher } = kind {
        needs.push(Need::Presence(stage.clone(), publisher.clone()));
    }
    needs
}

pub(super) fn decide(
    draft: &mut Draft<'_>,
    claims: &Claims,
    kind: &ConnectionKind,
    error: StageEventError,
) -> Outcome {
    // A dead token has no say in the history any more.
    let alive = |row: &crate::row::Token| row.stage == claims.stage.id && row.revoked_at.is_none();
    if draft.token(&claims.participant).is_some_and(alive) {
        record(draft, claims, kind, error);
    }
    Ok(Reply::Done)
}

/// Writes the error event that fits the kind, if a session is active: without one there is no history.
pub(super) fn record(
    draft: &mut Draft<'_>,
    claims: &Claims,
    kind: &ConnectionKind,
    error: StageEventError,
) {
    let Some(session) = draft.active_session(&claims.stage.id) else {
        return;
    };
    let name = match kind {
        ConnectionKind::Publish => StageEventName::PublishError,
        ConnectionKind::Subscribe { .. } => StageEventName::SubscribeError,
        ConnectionKind::Events => StageEventName::JoinError,
    };
    let remote = match kind {
        ConnectionKind::Subscribe { publisher } => Some(publisher.clone()),
        ConnectionKind::Publish | ConnectionKind::Events => None,
    };
    let replica = remote
        .as_ref()
        .is_some_and(|publisher| draft.is_replica(&session, publisher));
    draft.claim_user(&claims.participant, &claims.user_id);
    let event = draft.record(name, &session, &claims.participant);
    event.remote_participant = remote;
    event.error = Some(error);
    event.replica = replica;
}
