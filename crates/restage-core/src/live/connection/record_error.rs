//! RecordConnectionError: a join that the edge refused is recorded in the participant's history.

use crate::kernel::command::Claims;
use crate::kernel::decision::Outcome;
use crate::kernel::decision::Reply;
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::claims;
use crate::row::{ConnectionKind, StageEventError, StageEventName};

pub(crate) fn needs(kind: &ConnectionKind, claims: &Claims) -> Vec<Need> {
    let mut needs = claims::needs(claims);
    if let ConnectionKind::Subscribe { publisher } = kind {
        needs.push(Need::Presence(claims.stage.id.clone(), publisher.clone()));
    }
    needs
}

pub(crate) fn decide(
    draft: &mut Draft<'_>,
    claims: &Claims,
    kind: &ConnectionKind,
    error: StageEventError,
) -> Outcome {
    // A revoked token writes no history.
    if claims::check(draft, claims).is_ok() {
        record(draft, claims, kind, error);
    }
    Ok(Reply::Done)
}

/// Writes the error event that fits the kind, if a session is active: without one there is no history.
pub(crate) fn record(
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
