//! A client with a verified token opens a connection: to publish, to watch a publisher, or for events.
//! The first one joins; a second of the same kind takes the first one's place.

use super::{Outcome, limit_reached, record_connection_error};
use crate::command::{Claims, Need, Signer};
use crate::decision::{CloseReason, PublicationKey, Reply};
use crate::draft::Draft;
use crate::error::{Error, Fault};
use crate::id::{ConnectionId, ParticipantId, StageSessionId};
use crate::row::{Client, Connection, ConnectionKind, Participant, Protocol, StageEventError};
use crate::{presence, publication, replica, session, token};

/// The command's members.
pub(super) struct Request<'a> {
    pub(super) connection: &'a ConnectionId,
    pub(super) kind: &'a ConnectionKind,
    pub(super) claims: &'a Claims,
    pub(super) protocol: Protocol,
    pub(super) client: &'a Client,
}

pub(super) fn needs(kind: &ConnectionKind, claims: &Claims) -> Vec<Need> {
    let stage = &claims.stage.id;
    let mut needs = token::needs(claims);
    let (here, bearer) = (stage.clone(), claims.participant.clone());
    needs.push(match claims.signer {
        // Its tokens all say the same.
        Signer::Service => Need::Presence(here, bearer),
        // A later token may say something new of a participant that is shown elsewhere.
        Signer::PublicKey(_) => Need::Participant(here, bearer),
    });
    if let ConnectionKind::Subscribe { publisher } = kind {
        needs.push(Need::Presence(stage.clone(), publisher.clone()));
    }
    if *kind != ConnectionKind::Events {
        needs.push(Need::Occupancy(stage.clone()));
    }
    needs
}

pub(super) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    check_token(draft, request.claims)?;
    let stage = &request.claims.stage.id;
    let active = draft.active_session(stage);
    let may_say_something_new = request.claims.signer != Signer::Service;
    if let Some(session) = active.as_ref().filter(|_| may_say_something_new) {
        let attributes = &request.claims.attributes;
        replica::check_attributes(draft, session, &request.claims.participant, attributes)?;
    }
    let publication = match check_role(draft, request, active.as_ref()) {
        Ok(publication) => publication,
        Err((error, refusal)) => {
            record_connection_error::record(draft, request.claims, request.kind, error);
            return Err(refusal);
        }
    };
    token::remember(draft, request.claims);
    let session = session::enter(draft, stage);
    let established = replace(draft, &session, request);
    draft.put_connection(Connection {
        id: request.connection.clone(),
        stage: stage.clone(),
        session: session.clone(),
        participant: request.claims.participant.clone(),
        kind: request.kind.clone(),
        established,
        opened_at: draft.context.now,
    });
    let mut participant = presence::enter(draft, &session, stage, request.claims, request.client);
    if *request.kind == ConnectionKind::Publish {
        participant.protocol = request.protocol;
        draft.put_participant(participant.clone());
    }
    if may_say_something_new {
        replica::refresh(draft, &session, &participant.id);
    }
    let publication = publication.unwrap_or_else(|| publication::key(&participant));
    draft.route(request.connection.clone(), request.kind, publication);
    Ok(Reply::Opened {
        session,
        participant,
    })
}

/// The token must be alive, and in time for a join. Who is in may open further connections after the
/// token's end, as expiry is a rule about joining.
fn check_token(draft: &Draft<'_>, claims: &Claims) -> Result<(), Error> {
    token::check(draft, claims)?;
    let (id, stage) = (&claims.participant, &claims.stage);
    let session = draft.active_session(&stage.id);
    let row = session.and_then(|session| draft.participant(&session, id));
    if draft.context.now >= claims.expires_at && !row.is_some_and(|row| row.connected) {
        return Err(Error::new(
            Fault::TokenExpired,
            format!("the participant token of {id} has expired"),
        ));
    }
    if row.is_some_and(Participant::is_replica) {
        return Err(Error::new(
            Fault::Conflict,
            format!("{stage} shows participant {id} as a replica"),
        ));
    }
    Ok(())
}

/// May it do this, and is there room? For a subscription the answer is what will be received.
fn check_role(
    draft: &Draft<'_>,
    request: &Request<'_>,
    active: Option<&StageSessionId>,
) -> Result<Option<PublicationKey>, (StageEventError, Error)> {
    let id = &request.claims.participant;
    let incapable = |capability: &str| {
        let message = format!("the participant token of {id} lacks the capability {capability}");
        Err((
            StageEventError::InsufficientCapabilities,
            Error::new(Fault::MissingCapability, message),
        ))
    };
    let (watched, limit, setting) = match request.kind {
        ConnectionKind::Events => return Ok(None),
        ConnectionKind::Publish if !request.claims.capabilities.publish => {
            return incapable("PUBLISH");
        }
        ConnectionKind::Subscribe { .. } if !request.claims.capabilities.subscribe => {
            return incapable("SUBSCRIBE");
        }
        ConnectionKind::Publish => (
            None,
            draft.context.limits.publishers_per_stage,
            "publishers_per_stage",
        ),
        ConnectionKind::Subscribe { publisher } => {
            let watched = watchable(draft, active, publisher);
            let watched =
                watched.map_err(|refusal| (StageEventError::PublisherNotFound, refusal))?;
            (
                Some(watched),
                draft.context.limits.subscribers_per_stage,
                "subscribers_per_stage",
            )
        }
    };
    if !has_place(draft, request, active)
        && occupied(draft, request.kind, active) >= u64::from(limit)
    {
        let what = if watched.is_none() {
            "Publishers per stage"
        } else {
            "Subscribers per stage"
        };
        return Err((
            StageEventError::QuotaExceeded,
            limit_reached(what, limit, setting),
        ));
    }
    Ok(watched)
}

fn watchable(
    draft: &Draft<'_>,
    active: Option<&StageSessionId>,
    publisher: &ParticipantId,
) -> Result<PublicationKey, Error> {
    let row = active.and_then(|session| draft.participant(session, publisher));
    let row = row.filter(|row| publication::is_watchable(row));
    row.map(publication::key).ok_or_else(|| {
        Error::new(
            Fault::NotFound,
            format!("participant {publisher} is not publishing in this stage"),
        )
    })
}

/// Whether this participant already counts towards the limit its request is under.
fn has_place(draft: &Draft<'_>, request: &Request<'_>, active: Option<&StageSessionId>) -> bool {
    let Some(session) = active else { return false };
    let same_role = |id: &ConnectionId| {
        draft.connection(id).is_some_and(|row| match row.kind {
            ConnectionKind::Publish => *request.kind == ConnectionKind::Publish,
            ConnectionKind::Subscribe { .. } => {
                matches!(request.kind, ConnectionKind::Subscribe { .. })
            }
            ConnectionKind::Events => false,
        })
    };
    draft
        .connections_of(session, &request.claims.participant)
        .iter()
        .any(same_role)
}

fn occupied(draft: &Draft<'_>, kind: &ConnectionKind, active: Option<&StageSessionId>) -> u64 {
    let Some(session) = active else { return 0 };
    let occupancy = draft.occupancy(session);
    if *kind == ConnectionKind::Publish {
        occupancy.publishers
    } else {
        occupancy.subscribers
    }
}

/// Takes away the connection of the same kind, if there is one. Nothing stops by it: the new one takes
/// over its place, and with it whether its start is in the history.
fn replace(draft: &mut Draft<'_>, session: &StageSessionId, request: &Request<'_>) -> bool {
    let ids = draft.connections_of(session, &request.claims.participant);
    let same = |id: &ConnectionId| {
        draft
            .connection(id)
            .is_some_and(|row| row.kind == *request.kind)
    };
    let Some(old) = ids.into_iter().find(same) else {
        return false;
    };
    draft.close(old.clone(), CloseReason::Replaced);
    draft
        .remove_connection(&old)
        .is_some_and(|row| row.established)
}
