//! A client with a verified token opens a connection: to publish, to watch a publisher, or for events.
//! The first connection joins the stage; a second one of the same kind replaces the first.

use crate::error::limit_reached;
use crate::error::{Error, Fault};
use crate::id::{ConnectionId, ParticipantId, StageSessionId};
use crate::kernel::command::{Claims, ConnectionTokenClaims, Signer};
use crate::kernel::decision::Outcome;
use crate::kernel::decision::{CloseReason, Reply};
use crate::kernel::draft::Draft;
use crate::kernel::need::Need;
use crate::live::connection::record_error;
use crate::live::presence::{self, Identity};
use crate::live::{claims, connection_token, publication, replica, session};
use crate::row::{
    Client, Connection, ConnectionKind, Participant, Protocol, PublicationKey, StageEventError,
};

/// The command's members.
pub(crate) struct Request<'a> {
    pub(crate) connection: &'a ConnectionId,
    pub(crate) kind: &'a ConnectionKind,
    pub(crate) claims: &'a Claims,
    pub(crate) resumes: Option<&'a StageSessionId>,
    pub(crate) protocol: Protocol,
    pub(crate) client: &'a Client,
    pub(crate) connection_token: Option<&'a ConnectionTokenClaims>,
}

pub(crate) fn needs(
    kind: &ConnectionKind,
    claims: &Claims,
    is_expired: bool,
    connection_token: Option<&ConnectionTokenClaims>,
) -> Vec<Need> {
    let stage = &claims.stage.id;
    let mut needs = claims::needs(claims);
    if let Some(token) = connection_token {
        needs.extend(connection_token::needs(token));
    }
    let (here, bearer) = (stage.clone(), claims.participant.clone());
    needs.push(match claims.signer {
        // All tokens of the service with one identity say the same.
        Signer::Service if !is_expired => Need::Presence(here, bearer),
        // A later self-signed token may change a participant that is replicated, and the bearer of an expired one may
        // publish while a replication waits for it.
        Signer::Service | Signer::PublicKey(_) => Need::Participant(here, bearer),
    });
    if let ConnectionKind::Subscribe { publisher } = kind {
        needs.push(Need::Presence(stage.clone(), publisher.clone()));
    }
    if *kind != ConnectionKind::Events {
        needs.push(Need::Occupancy(stage.clone()));
        needs.push(Need::RegionCount {
            account: claims.stage.account.clone(),
            region: claims.stage.region.clone(),
        });
    }
    needs
}

pub(crate) fn decide(draft: &mut Draft<'_>, request: &Request<'_>) -> Outcome {
    check_token(draft, request)?;
    if let Some(token) = request.connection_token {
        let stage = &request.claims.stage;
        connection_token::check(draft, token, (&stage.account, &stage.region))?;
    }
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
            record_error::record(draft, request.claims, request.kind, error);
            return Err(refusal);
        }
    };
    claims::remember(draft, request.claims);
    let session = session::enter(draft, stage);
    let established = replace(draft, &session, request);
    draft.put_connection(Connection {
        id: request.connection.clone(),
        stage: stage.clone(),
        session: session.clone(),
        participant: request.claims.participant.clone(),
        kind: request.kind.clone(),
        established,
        opened_at: draft.context.steady,
        connection_token: request.connection_token.map(|token| token.id.clone()),
    });
    let identity = Identity {
        participant: &request.claims.participant,
        user_id: &request.claims.user_id,
        attributes: &request.claims.attributes,
        ingest: None,
    };
    let mut participant = presence::enter(draft, &session, stage, &identity, request.client);
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

/// The token must be good, and not expired unless the client may come back.
fn check_token(draft: &Draft<'_>, request: &Request<'_>) -> Result<(), Error> {
    let claims = request.claims;
    claims::check(draft, claims)?;
    let (id, stage) = (&claims.participant, &claims.stage);
    let session = draft.active_session(&stage.id);
    if draft.context.wall >= claims.expires_at
        && !session
            .as_ref()
            .is_some_and(|session| may_come_back(draft, request, session))
    {
        return Err(Error::new(
            Fault::TokenExpired,
            format!("the participant token of {id} has expired"),
        ));
    }
    let row = session.and_then(|session| draft.participant(&session, id));
    if row.is_some_and(Participant::is_replica) {
        return Err(Error::new(
            Fault::Conflict,
            format!("{stage} shows participant {id} as a replica"),
        ));
    }
    if row.is_some_and(|row| row.ingest.is_some()) {
        let message = format!("participant {id} of {stage} publishes by an ingest configuration");
        return Err(Error::new(Fault::Conflict, message));
    }
    Ok(())
}

/// Whether a participant of the session in progress may come back with an expired token: with a resumption secret; and
/// without one, to publish while the reconnect window of a replication waits for it, because encoders have only their
/// token.
fn may_come_back(draft: &Draft<'_>, request: &Request<'_>, session: &StageSessionId) -> bool {
    let id = &request.claims.participant;
    if draft.participant(session, id).is_none() {
        return false;
    }
    let now = draft.context.steady;
    let is_awaited = || {
        draft.active_replicas(session, id).iter().any(|key| {
            let window = draft.replica(key).and_then(|row| row.window_ends_at);
            window.is_some_and(|ends_at| ends_at > now)
        })
    };
    request.resumes == Some(session) || (*request.kind == ConnectionKind::Publish && is_awaited())
}

/// The token must have the capability, and the limits must allow one more. Returns the publication that a subscription
/// will receive.
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
    let watched = match request.kind {
        ConnectionKind::Events => return Ok(None),
        ConnectionKind::Publish if !request.claims.capabilities.publish => {
            return incapable("PUBLISH");
        }
        ConnectionKind::Subscribe { .. } if !request.claims.capabilities.subscribe => {
            return incapable("SUBSCRIBE");
        }
        ConnectionKind::Publish => None,
        ConnectionKind::Subscribe { publisher } => {
            let watched = watchable(draft, active, publisher);
            Some(watched.map_err(|refusal| (StageEventError::PublisherNotFound, refusal))?)
        }
    };
    check_room(draft, request, active)
        .map_err(|refusal| (StageEventError::QuotaExceeded, refusal))?;
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

/// The limits of the stage, and of the account and Region, must allow one more. A participant that is counted already
/// is not counted twice.
fn check_room(
    draft: &Draft<'_>,
    request: &Request<'_>,
    active: Option<&StageSessionId>,
) -> Result<(), Error> {
    let limits = &draft.context.limits;
    let stage = &request.claims.stage;
    let here = active.map(|session| draft.occupancy(session));
    let here = here.unwrap_or_default();
    let region = || draft.region_count(&stage.account, &stage.region);
    let (counted, limit, what, setting) = match request.kind {
        ConnectionKind::Events => return Ok(()),
        ConnectionKind::Publish => (
            here.publishers,
            limits.publishers_per_stage,
            "Publishers per stage",
            "publishers_per_stage",
        ),
        ConnectionKind::Subscribe { .. } => (
            here.subscribers,
            limits.subscribers_per_stage,
            "Subscribers per stage",
            "subscribers_per_stage",
        ),
    };
    let is_counted = holds(draft, request, active, |kind| {
        std::mem::discriminant(kind) == std::mem::discriminant(request.kind)
    });
    if !is_counted && counted >= u64::from(limit) {
        return Err(limit_reached(what, limit, setting));
    }
    if holds(draft, request, active, |kind| kind == request.kind) {
        return Ok(());
    }
    let (counted, limit, what, setting) = match request.kind {
        ConnectionKind::Events => return Ok(()),
        ConnectionKind::Publish => (
            region().publishers,
            limits.publishers,
            "Concurrent publishers per account and Region",
            "publishers",
        ),
        ConnectionKind::Subscribe { .. } => (
            region().subscriptions,
            limits.subscriptions,
            "Concurrent subscriptions per account and Region",
            "subscriptions",
        ),
    };
    if counted >= u64::from(limit) {
        return Err(limit_reached(what, limit, setting));
    }
    Ok(())
}

/// Whether the participant has a connection of such a kind.
fn holds(
    draft: &Draft<'_>,
    request: &Request<'_>,
    active: Option<&StageSessionId>,
    such: impl Fn(&ConnectionKind) -> bool,
) -> bool {
    let Some(session) = active else { return false };
    draft
        .connections_of(session, &request.claims.participant)
        .iter()
        .any(|id| draft.connection(id).is_some_and(|row| such(&row.kind)))
}

/// Removes the participant's connection of the same kind, if there is one. Nothing stops: the new connection replaces it.
/// Returns whether the old one was established, that is, whether its *_STARTED event has been recorded.
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
    presence::give_up(draft, &old);
    draft.close(old.clone(), CloseReason::Replaced);
    draft
        .remove_connection(&old)
        .is_some_and(|row| row.established)
}
