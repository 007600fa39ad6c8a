//! A join failed at the edge: it goes into the participant's history.

use super::Outcome;
use crate::command::{Claims, Need};
use crate::decision::Reply;
use crate::draft::Draft;
use crate::row::{ConnectionKind, StageEventError, StageEventName};
use crate::token;

pub(super) fn needs(kind: &ConnectionKind, claims: &Claims) -> Vec<Need> {
    let mut needs = token::needs(claims);
    if let ConnectionKind::Subscribe { publisher } = kind {
        needs.push(Need::Presence(claims.stage.id.clone(), publisher.clone()));
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
    if token::check(draft, claims).is_ok() {
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
