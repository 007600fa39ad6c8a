//! Joining and leaving: WHIP, WHEP and the events socket, from the request to the rules and back.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use restage_core::command::{Claims, Command, ConnectionTokenClaims};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::rate::Rate;
use restage_core::row::{Client, ConnectionKind, Protocol};
use restage_core::{Fault, Reply};
use restage_media::{PeerId, Published, Wish};
use restage_store::system::{clock, ids};
use tokio::sync::{mpsc, oneshot, watch};

use super::IfMatch;
use super::connections::{
    Live, RESTARTS_MAX, RESTARTS_WITHIN, Reach, SocketClose, SocketEnd, TokenDigest,
};
use super::ended::{Ending, Endings, RESTARTING};
use super::hub::Listening;
use super::media_limits::refused_codecs;
use super::receive::{Owner, ReceiveLink, Viewer};
use super::report::{About, SOCKET_MESSAGES_MAX, now};
use super::streams::{StreamNews, Streams};
use super::trouble::Trouble;
use super::{Control, Failure, StageState};
use crate::media::{MediaError, RelayCredential, Role};
use crate::token::TokenError;

/// How often one participant may open connections and exchange tokens, including refused attempts. A client that
/// subscribes to everybody on a full stage does so at once, but none does it all day.
pub(super) const JOINS: Rate = Rate {
    per_second: 2,
    burst: 250,
};

/// Why a client may not join, patch or leave.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no bearer token, or an invalid one.
    #[error("{0}")]
    Token(String),
    /// The rules refuse, or the store failed.
    #[error(transparent)]
    Control(#[from] Failure),
    /// The same participant has tried too often; each join adds to its history.
    #[error(
        "participant {0} opens connections, or exchanges tokens, more than {per_second} times a second; wait a while",
        per_second = JOINS.per_second
    )]
    TooOften(ParticipantId),
    /// The client has restarted ICE too often.
    #[error(
        "ICE was restarted {RESTARTS_MAX} times within {} seconds, the most a session may; wait a while",
        RESTARTS_WITHIN.as_secs()
    )]
    RestartsTooOften,
    /// The SDP is unusable, or the media plane is busy.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The media plane has no processor time left for one more connection.
    #[error(
        "the server has no processor time left for another connection; those who are in are served on; try again in a moment"
    )]
    AtCapacity,
    /// The publisher sends nothing that this client offers to decode.
    #[error("{}", .0.message)]
    Mismatch(Trouble),
    /// The HTTP session has ended, and the reason is known.
    #[error("this session has ended: {}", .0.message)]
    Ended(Ending),
    /// There is no such HTTP session, or it belongs to another participant.
    #[error("there is no such session; it may have ended")]
    NoSession,
    /// The server is stopping.
    #[error("{RESTARTING}")]
    Restarting,
    /// The entity tag is not the current one (RFC 9725 §4.3.1).
    #[error("the If-Match entity tag is not this session's current one")]
    EntityTag,
}

impl From<TokenError> for JoinError {
    fn from(error: TokenError) -> Self {
        Self::Token(error.to_string())
    }
}

/// A request to publish or subscribe.
#[derive(Clone, Debug)]
pub struct MediaJoin {
    /// The bearer token.
    pub token: String,
    /// The resumption secret of an earlier connection, if the client has one.
    pub resumption: Option<String>,
    /// What the connection is for; a subscription names its publisher.
    pub kind: ConnectionKind,
    /// For `/publish/{participantId}`: the id must be that of the token.
    pub expected: Option<ParticipantId>,
    /// The SDP offer.
    pub offer: String,
    /// The client, from the User-Agent.
    pub client: Client,
    /// What a subscriber wishes to be shown.
    pub wish: Wish,
    /// The verified connection token that the client presented besides. Its revocation ends the connection.
    pub connection_token: Option<ConnectionTokenClaims>,
}

/// An open media connection.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The id of the HTTP session.
    pub connection: ConnectionId,
    /// The SDP answer.
    pub answer: String,
    /// The entity tag, with quotes.
    pub entity_tag: String,
    /// The resumption secret.
    pub resumption: String,
    /// A credential of the relay, if there is one.
    pub relay: Option<RelayCredential>,
}

/// The answer to a PATCH.
#[derive(Clone, Debug)]
pub struct Patched {
    /// For an ICE restart: the server's fragment and the new entity tag.
    pub restart: Option<(String, String)>,
}

/// The participant's name at the relay. Self-signed tokens choose their participant ids, so these are unique only within
/// their stage.
pub(super) fn relay_name(stage: &StageId, participant: &ParticipantId) -> String {
    format!("{}/{}", stage.as_str(), participant.as_str())
}

/// An open events socket, as the control plane's side sees it.
pub struct EventsSocket {
    /// The stage's state; only the newest is kept.
    pub states: watch::Receiver<Option<StageState>>,
    /// Who speaks there; only the newest is kept.
    pub speakers: watch::Receiver<Option<StageState>>,
    /// Set when the server ends the socket.
    pub close: watch::Receiver<Option<SocketClose>>,
    /// Messages for this participant only, as JSON.
    pub messages: mpsc::Receiver<Arc<str>>,
    /// What this participant is shown by its subscriptions.
    pub streams: StreamNews,
    /// The resumption secret.
    pub resumption: String,
    /// The connection token that it was opened with.
    pub connection_token: Option<ConnectionTokenClaims>,
    /// The receiving connection of this participant, once it has one.
    pub receiving: ReceiveLink,
    pub(super) connection: ConnectionId,
    pub(super) stage: StageId,
    pub(super) participant: ParticipantId,
    /// What its token says, and the client.
    pub(super) claims: Claims,
    pub(super) token: TokenDigest,
    pub(super) client: Client,
}

impl EventsSocket {
    /// The participant of this socket, in its stage.
    pub(super) fn viewer(&self) -> Viewer {
        Viewer {
            stage: self.stage.clone(),
            participant: self.participant.clone(),
        }
    }

    /// What subscriptions on its receiving connection are opened with.
    pub(super) fn owner(&self) -> Owner {
        Owner {
            claims: self.claims.clone(),
            token: self.token.clone(),
            client: self.client.clone(),
            connection_token: self.connection_token.clone(),
            socket: self.connection.clone(),
        }
    }
}

impl Control {
    /// Opens a publishing or subscribing connection.
    ///
    /// Runs to its end even if the caller stops waiting, so that nothing stays half open. In that case the connection
    /// is ended again, because the client does not know of it.
    pub async fn join_media(&self, join: MediaJoin) -> Result<Joined, JoinError> {
        let control = self.clone();
        let (told, outcome) = oneshot::channel();
        tokio::spawn(async move {
            let joined = control.join_media_to_the_end(join).await;
            if let Err(Ok(joined)) = told.send(joined) {
                control.abandon(joined.connection).await;
            }
        });
        outcome
            .await
            .unwrap_or(Err(JoinError::Media(MediaError::Busy)))
    }

    /// A credential of the relay for whoever has this token, which lasts as long as the token. `None` without a relay.
    ///
    /// # Errors
    /// The token is not valid.
    pub async fn relay_credential(
        &self,
        token: &str,
    ) -> Result<Option<RelayCredential>, JoinError> {
        if !self.inner.media.has_relay() {
            return Ok(None);
        }
        let claims = self.verify(token).await?;
        Ok(self.relay_credential_of(&claims))
    }

    /// A credential of the relay for the participant of this socket, if there is a relay.
    pub fn relay_of(&self, socket: &EventsSocket) -> Option<RelayCredential> {
        self.relay_credential_of(&socket.claims)
    }

    fn relay_credential_of(&self, claims: &Claims) -> Option<RelayCredential> {
        let expires_s = u64::try_from(claims.expires_at.0 / 1_000_000).unwrap_or(0);
        let name = relay_name(&claims.stage.id, &claims.participant);
        self.inner.media.relay_credential(&name, expires_s)
    }

    /// Ends a connection that its client does not know of.
    async fn abandon(&self, connection: ConnectionId) {
        let Some(live) = self.connections().remove(&connection) else {
            return;
        };
        if let Reach::Peer(peer) = live.reach {
            self.close_peer(peer).await;
        }
        self.closed(connection, live.stage, live.participant).await;
    }

    /// Refuses new connections while the server is stopping, because they would be closed at once.
    pub(super) fn check_running(&self) -> Result<(), JoinError> {
        match self.inner.is_stopping.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(JoinError::Restarting),
        }
    }

    async fn join_media_to_the_end(&self, join: MediaJoin) -> Result<Joined, JoinError> {
        self.check_running()?;
        let claims = self.verify(&join.token).await?;
        if join
            .expected
            .as_ref()
            .is_some_and(|id| *id != claims.participant)
        {
            return Err(JoinError::Token(
                "the URL names another participant than the token".into(),
            ));
        }
        self.count_connection(&claims, &join.kind)?;
        self.admit(&claims, &join.kind)?;
        let role = match join.kind {
            ConnectionKind::Publish => Role::Publisher,
            _ => Role::Subscriber,
        };
        if let Some(trouble) = self
            .foresee_mismatch(&claims, &join.kind, &join.offer)
            .await
        {
            self.refuse_join(&claims, &join.kind, &trouble).await;
            return Err(JoinError::Mismatch(trouble));
        }
        let published = match role {
            Role::Publisher => {
                let refused = refused_codecs(&self.inner.rules.limits);
                Published::of(&join.offer).map(|published| published.without(&refused))
            }
            Role::Subscriber => None,
        };
        let download = match role {
            Role::Publisher => None,
            Role::Subscriber => Some(self.download(&claims.stage.id, &claims.participant)),
        };
        let wish = join.wish.clone();
        let opened = self.inner.media.open(role, join.offer, download, wish);
        let (peer, answer) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                self.offer_refused(&claims, &join.kind, &error).await;
                return Err(error.into());
            }
        };
        let connection = ids::connection();
        let live = Live::new(
            claims.stage.id.clone(),
            claims.participant.clone(),
            join.kind.clone(),
            Reach::Peer(peer),
            &join.token,
        );
        let mut live = live.publishing(published);
        live.wish = join.wish;
        self.connections().insert(connection.clone(), live);
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: join.kind.clone(),
            claims: claims.clone(),
            resumes: self.resumed(&claims, join.resumption.as_deref()),
            protocol: Protocol::Whip,
            client: join.client,
            connection_token: join.connection_token,
        };
        match self.open(&claims, &connection, command).await {
            Ok(resumption) => Ok(Joined {
                relay: self.relay_credential_of(&claims),
                entity_tag: entity_tag(&connection, 0),
                connection,
                answer,
                resumption,
            }),
            Err(error) => {
                self.connections().remove(&connection);
                self.close_peer(peer).await;
                self.join_refused(&claims, &join.kind, &error);
                Err(error.into())
            }
        }
    }

    /// Opens a connection that is already in the table, and returns its resumption secret.
    pub(super) async fn open(
        &self,
        claims: &Claims,
        connection: &ConnectionId,
        command: Command,
    ) -> Result<String, Failure> {
        let Reply::Opened { session, .. } = self.execute("", command).await? else {
            return Ok(String::new());
        };
        let secret = self.inner.tokens.resumption_secret(claims, &session);
        if let Some(live) = self.connections().get_mut(connection) {
            live.session = Some(session);
        }
        Ok(secret)
    }

    /// Counts a join. A refusal for too many joins is counted by its reason and reported to the participant, and
    /// logged only where it cannot fill the log.
    pub(super) fn count_connection(
        &self,
        claims: &Claims,
        kind: &ConnectionKind,
    ) -> Result<(), JoinError> {
        self.count_join(claims).inspect_err(|error| {
            let trouble = Trouble::too_often(error.to_string());
            self.announce(&About::join(claims, kind), &trouble, true);
            tracing::debug!(stage = %claims.stage.id, participant = %claims.participant, %error, "refused");
        })
    }

    /// Counts a request that adds to a history, so that no token can make a history grow without end.
    pub(super) fn count_join(&self, claims: &Claims) -> Result<(), JoinError> {
        let key = (claims.stage.id.clone(), claims.participant.clone());
        let mut joins = self
            .inner
            .joins
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match joins.take(key, JOINS, clock::steady()) {
            true => Ok(()),
            false => Err(JoinError::TooOften(claims.participant.clone())),
        }
    }

    /// An offer was refused: counts, reports and records it in the history.
    pub(super) async fn offer_refused(
        &self,
        claims: &Claims,
        kind: &ConnectionKind,
        error: &MediaError,
    ) {
        let trouble = match error {
            MediaError::Offer(offer) => Trouble::of_offer(offer),
            MediaError::Busy => Trouble::internal("busy", error.to_string()),
        };
        self.refuse_join(claims, kind, &trouble).await;
    }

    async fn refuse_join(&self, claims: &Claims, kind: &ConnectionKind, trouble: &Trouble) {
        self.tell(&About::join(claims, kind), trouble, true);
        let command = Command::RecordConnectionError {
            claims: claims.clone(),
            kind: kind.clone(),
            error: trouble.error,
        };
        self.execute("", command).await.ok();
    }

    /// The rules or the store refused a join.
    pub(super) fn join_refused(&self, claims: &Claims, kind: &ConnectionKind, error: &Failure) {
        let trouble = match error {
            Failure::Refused(refused) => Trouble::of_rules(refused),
            Failure::Store(_) => {
                let message = "the server could not write the join; try again";
                Trouble::internal("store", message.to_owned())
            }
        };
        self.tell(&About::join(claims, kind), &trouble, true);
    }

    /// Trickle ICE or an ICE restart, depending on the fragment.
    pub async fn patch_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: &IfMatch,
        fragment: String,
    ) -> Result<Patched, JoinError> {
        let (peer, generation) = self.own_peer(token, connection).await?;
        check_tag(Some(if_match), connection, generation)?;
        let live = self
            .connections()
            .get_mut(connection)
            .map(|live| live.may_restart_ice(now()));
        if live == Some(false) {
            return Err(JoinError::RestartsTooOften);
        }
        let answer = self.inner.media.patch(peer, fragment).await?;
        let restart = answer.map(|fragment| {
            let mut connections = self.connections();
            let live = connections.get_mut(connection);
            let next = live.map_or(generation + 1, |live| live.restarts_ice(now()));
            (fragment, entity_tag(connection, next))
        });
        Ok(Patched { restart })
    }

    /// Ends a media connection at the client's request. If entity tags are given, they must match. If its media was not
    /// connected, returns how far it came.
    pub async fn leave_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: Option<&IfMatch>,
    ) -> Result<Option<Trouble>, JoinError> {
        let (peer, generation) = self.own_peer(token, connection).await?;
        check_tag(if_match, connection, generation)?;
        let Some(live) = self.connections().remove(connection) else {
            return Err(JoinError::NoSession);
        };
        self.remember(connection, &live, Ending::of_client());
        let trouble = self.let_go(peer, connection, &live).await;
        self.closed(connection.clone(), live.stage, live.participant)
            .await;
        Ok(trouble)
    }

    /// Checks that a media connection is open, for the bearer of a token of its participant.
    ///
    /// # Errors
    /// [`JoinError::Ended`] if it has ended, as long as this is remembered.
    pub async fn look_at_media(
        &self,
        token: &str,
        connection: &ConnectionId,
    ) -> Result<(), JoinError> {
        self.own_peer(token, connection).await.map(|_| ())
    }

    /// The reason why there is no such connection, as far as the bearer of this token may know it.
    pub(super) async fn no_session(&self, token: &str, connection: &ConnectionId) -> JoinError {
        let ended = |endings: &mut Endings| {
            endings.forget_old(now(), usize::MAX);
            endings.by_token(connection, token)
        };
        let ending = ended(&mut self.inner.endings());
        if let Some(ending) = ending {
            return JoinError::Ended(ending);
        }
        // An invalid token is reported as such for every path.
        let claims = match self.verify(token).await {
            Ok(claims) => claims,
            Err(error) => return error,
        };
        let ending =
            self.inner
                .endings()
                .by_participant(connection, &claims.stage.id, &claims.participant);
        ending.map_or(JoinError::NoSession, JoinError::Ended)
    }

    /// The peer of a media connection, for the bearer of a token of its participant.
    async fn own_peer(
        &self,
        token: &str,
        connection: &ConnectionId,
    ) -> Result<(PeerId, u32), JoinError> {
        let live = self.connections().get(connection).cloned();
        let Some(live) = live else {
            return Err(self.no_session(token, connection).await);
        };
        if !live.token.is_of(token) {
            let claims = self.verify(token).await?;
            if (&live.stage, &live.participant) != (&claims.stage.id, &claims.participant) {
                return Err(JoinError::NoSession);
            }
        }
        match live.reach {
            Reach::Peer(peer) => Ok((peer, live.ice_generation)),
            Reach::Socket(_) | Reach::Inlet(_) => Err(JoinError::NoSession),
        }
    }

    /// Opens an events socket for `stage` with a verified token, and a verified connection token if the client has presented one.
    pub async fn join_events(
        &self,
        token: &str,
        resumption: Option<&str>,
        (claims, connection_token): (Claims, Option<ConnectionTokenClaims>),
        stage: &StageId,
        client: Client,
    ) -> Result<EventsSocket, JoinError> {
        self.check_running()?;
        if claims.stage.id != *stage {
            return Err(JoinError::Token("the token is for another stage".into()));
        }
        self.count_connection(&claims, &ConnectionKind::Events)?;
        let (sender, close) = watch::channel(None);
        let (told, messages) = mpsc::channel(SOCKET_MESSAGES_MAX);
        let connection = ids::connection();
        let participant = claims.participant.clone();
        let streams: Arc<Streams> = Arc::default();
        let live = Live::new(
            stage.clone(),
            participant.clone(),
            ConnectionKind::Events,
            Reach::Socket(SocketEnd {
                close: sender,
                messages: told,
                streams: Arc::clone(&streams),
            }),
            token,
        );
        self.open_socket(connection.clone(), live, &streams);
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: ConnectionKind::Events,
            resumes: self.resumed(&claims, resumption),
            claims: claims.clone(),
            protocol: Protocol::Unknown,
            client: client.clone(),
            connection_token: connection_token.clone(),
        };
        let resumption = match self.open(&claims, &connection, command).await {
            Ok(resumption) => resumption,
            Err(error) => {
                self.connections().remove(&connection);
                return Err(error.into());
            }
        };
        let Listening {
            states, speakers, ..
        } = self.inner.hub.listen(stage);
        let socket = EventsSocket {
            states,
            speakers,
            close,
            messages,
            streams: StreamNews::new(streams, stage, &participant),
            resumption,
            receiving: ReceiveLink::default(),
            connection,
            stage: stage.clone(),
            participant,
            connection_token,
            claims,
            token: TokenDigest::of(token),
            client,
        };
        self.join_receiving(&socket);
        Ok(socket)
    }

    /// Records that the socket is open.
    pub async fn events_established(&self, socket: &EventsSocket) {
        self.report(Command::ConnectionEstablished {
            connection: socket.connection.clone(),
            stage: socket.stage.clone(),
            participant: socket.participant.clone(),
        })
        .await;
    }

    /// Records that the socket has ended, from either side.
    pub async fn leave_events(&self, socket: EventsSocket) {
        self.leave_receiving(&socket);
        if self.connections().remove(&socket.connection).is_some() {
            self.closed(socket.connection, socket.stage, socket.participant)
                .await;
        }
    }
}

impl JoinError {
    /// The rules' reason, if the rules refused.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Control(Failure::Refused(error)) => Some(error.fault),
            _ => None,
        }
    }
}

/// Checks the condition of a request on the session's present state.
pub(super) fn check_tag(
    if_match: Option<&IfMatch>,
    connection: &ConnectionId,
    generation: u32,
) -> Result<(), JoinError> {
    let current = entity_tag(connection, generation);
    match if_match.is_none_or(|tags| tags.allows(&current)) {
        true => Ok(()),
        false => Err(JoinError::EntityTag),
    }
}

fn entity_tag(connection: &ConnectionId, generation: u32) -> String {
    let short = connection.as_str().get(..8).unwrap_or_default();
    format!("\"{short}-{generation}\"")
}
