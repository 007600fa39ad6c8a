//! ExchangeToken: a connected participant continues with another self-signed token of the same identity.
//! Its user id and attributes change at once, here and wherever it is replicated; connections that the new token no
//! longer allows are closed.

use crate::error::{Error, Fault};
use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId};
use crate::kernel::command::{Claims, Signer};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::{claims, presence, replica};
use crate::row::{
    Capabilities, Connection, ConnectionKind, Participant, StageEventName, TokenExchange,
    TokenGrant,
};

/// The command's members.
pub(crate) struct Request<'a> {
    pub(crate) connection: &'a ConnectionId,
    pub(crate) stage: &'a StageId,
    pub(crate) participant: &'a ParticipantId,
    pub(crate) claims: &'a Claims,
}

pub(crate) fn needs(stage: &StageId, participant: &ParticipantId, claims: &Claims) -> Vec<Need> {
    let mut needs = claims::needs(claims);
    needs.extend([
        Need::Stage(stage.clone()),
        Need::Token(stage.clone(), participant.clone()),
        Need::Participant(stage.clone(), participant.clone()),
    ]);
    needs
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    let (session, participant) = check_bearer(draft, request)?;
    let previous = check_tokens(draft, request, &participant)?;
    let claims = request.claims;
    replica::check_attributes(draft, &session, request.participant, &claims.attributes)?;

    claims::remember(draft, claims);
    let new = TokenGrant {
        capabilities: claims.capabilities,
        attributes: claims.attributes.clone(),
        user_id: claims.user_id.clone(),
        expires_at: claims.expires_at,
    };
    let event = draft.record(
        StageEventName::TokenExchanged,
        &session,
        request.participant,
    );
    event.exchange = Some(Box::new(TokenExchange { previous, new }));
    if let Some(row) = draft.edit_participant(&session, request.participant) {
        row.user_id.clone_from(&claims.user_id);
        row.attributes.clone_from(&claims.attributes);
    }
    replica::refresh(draft, &session, request.participant);
    close_disallowed(draft, &session, request.participant, claims.capabilities);
    Ok(Reply::Done)
}

/// The connection must be open, and the new token must be for its stage and participant.
fn check_bearer(
    draft: &Draft<'_>,
    request: &Request<'_>,
) -> Result<(StageSessionId, Participant), Error> {
    let theirs =
        |row: &&Connection| row.stage == *request.stage && row.participant == *request.participant;
    let joined = draft
        .connection(request.connection)
        .filter(theirs)
        .and_then(|row| draft.participant(&row.session, &row.participant));
    let Some(row) = joined.filter(|row| !row.is_replica()) else {
        let message = "there is no such connection; it may have ended";
        return Err(Error::new(Fault::NotFound, message));
    };
    let immutable = |claim: &str| {
        let message = format!(
            "{claim} differs from that of the token in use; a token exchange may change attributes, \
             capabilities, user_id, iat and exp only"
        );
        Err(Error::new(Fault::Invalid, message))
    };
    if request.claims.stage.id != *request.stage {
        return immutable("resource");
    }
    if request.claims.participant != *request.participant {
        return immutable("jti");
    }
    Ok((row.session.clone(), row.clone()))
}

/// Both tokens must be self-signed, and the new one good for a join. Returns what the old one said.
fn check_tokens(
    draft: &Draft<'_>,
    request: &Request<'_>,
    participant: &Participant,
) -> Result<TokenGrant, Error> {
    let claims = request.claims;
    let in_use = draft.token(request.stage, request.participant);
    let in_use = in_use.and_then(|row| Some((row.self_signed?, row.expires_at)));
    let Some((capabilities, expires_at)) = in_use.filter(|_| claims.signer != Signer::Service)
    else {
        let message = "only self-signed participant tokens can be exchanged, not those of \
                       CreateParticipantToken and CreateStage";
        return Err(Error::new(Fault::Conflict, message));
    };
    claims::check(draft, claims)?;
    if draft.context.wall >= claims.expires_at {
        return Err(Error::new(
            Fault::TokenExpired,
            format!(
                "the new participant token of {} has expired",
                claims.participant
            ),
        ));
    }
    Ok(TokenGrant {
        capabilities,
        attributes: participant.attributes.clone(),
        user_id: participant.user_id.clone(),
        expires_at,
    })
}

/// Closes connections whose capability the new token lacks.
fn close_disallowed(
    draft: &mut Draft<'_>,
    session: &StageSessionId,
    id: &ParticipantId,
    allowed: Capabilities,
) {
    let mut connections = draft.connections_of(session, id);
    connections.retain(|connection| {
        draft
            .connection(connection)
            .is_some_and(|row| match row.kind {
                ConnectionKind::Publish => !allowed.publish,
                ConnectionKind::Subscribe { .. } => !allowed.subscribe,
                ConnectionKind::Events => false,
            })
    });
    presence::close_all(draft, connections, CloseReason::CapabilityLost);
}
