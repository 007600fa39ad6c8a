//! Clients coming and going: WHIP, WHEP and the events socket, up to the rules and back.

use std::sync::{Arc, PoisonError};

use restage_core::command::{Claims, Command};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::rate::Rate;
use restage_core::row::{Client, ConnectionKind, Protocol};
use restage_core::{CloseReason, Fault};
use restage_media::{PeerKey, Published};
use tokio::sync::{mpsc, watch};

use super::connections::{Live, Reach, SocketEnd, TokenDigest};
use super::ended::{Ending, Endings};
use super::tell::{About, SOCKET_MESSAGES_MAX, now};
use super::trouble::Trouble;
use super::{Control, Failure, StageState};
use crate::http::IfMatch;
use crate::media::{MediaError, Role};
use crate::token::{Presented, TokenError};
use crate::{clock, ids};

/// How often one participant may open connections and exchange tokens, refused attempts included. Someone who
/// subscribes to everybody on a full stage does so at once; nobody does it all day.
const JOINS: Rate = Rate {
    per_second: 2,
    burst: 250,
};

/// Why a client may not join, patch or leave.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No bearer token, or one that is not ours.
    #[error("{0}")]
    Token(String),
    /// The rules or the store refuse.
    #[error(transparent)]
    Control(#[from] Failure),
    /// The same participant again and again: each join is a line in a history.
    #[error(
        "participant {0} opens connections, or exchanges tokens, more than {per_second} times a second; wait a while",
        per_second = JOINS.per_second
    )]
    TooOften(ParticipantId),
    /// The SDP is unusable, or the media plane is busy.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The publisher sends nothing that this client offers to decode.
    #[error("{}", .0.message)]
    Mismatch(Trouble),
    /// The HTTP session has ended, and it is known why.
    #[error("this session has ended: {}", .0.message)]
    Ended(Ending),
    /// No such HTTP session, or another participant's.
    #[error("there is no such session; it may have ended")]
    NoSession,
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
    /// What for; for a subscription, to whom.
    pub kind: ConnectionKind,
    /// For `/publish/{participantId}`: the id must be the token's.
    pub expected: Option<ParticipantId>,
    /// The SDP offer.
    pub offer: String,
    /// From the User-Agent.
    pub client: Client,
}

/// An open media connection.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Names the HTTP session.
    pub connection: ConnectionId,
    /// The SDP answer.
    pub answer: String,
    /// The entity tag, with quotes.
    pub entity_tag: String,
}

/// The answer to a PATCH.
#[derive(Clone, Debug)]
pub struct Patched {
    /// For an ICE restart: the server's fragment and the new entity tag.
    pub restart: Option<(String, String)>,
}

/// An open events socket, from the control plane's side.
pub struct EventsSocket {
    /// The stage's state, newest only.
    pub states: watch::Receiver<Option<StageState>>,
    /// Set when the server ends the socket.
    pub close: watch::Receiver<Option<CloseReason>>,
    /// What is for this participant alone, as JSON.
    pub messages: mpsc::Receiver<Arc<str>>,
    connection: ConnectionId,
    stage: StageId,
    participant: ParticipantId,
}

impl Control {
    /// Opens a publishing or subscribing connection.
    ///
    /// Runs to its end even if the HTTP client hangs up meanwhile, so that nothing stays half open.
    pub async fn join_media(&self, join: MediaJoin) -> Result<Joined, JoinError> {
        let control = self.clone();
        tokio::spawn(async move { control.join_media_to_the_end(join).await })
            .await
            .unwrap_or(Err(JoinError::Media(MediaError::Busy)))
    }

    async fn join_media_to_the_end(&self, join: MediaJoin) -> Result<Joined, JoinError> {
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
            Role::Publisher => Published::of(&join.offer),
            Role::Subscriber => None,
        };
        let download = match role {
            Role::Publisher => None,
            Role::Subscriber => self.download(&claims.stage.id, &claims.participant),
        };
        let opened = self.inner.media.open(role, join.offer, download).await;
        let (peer, answer) = match opened {
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
        let live = live.publishing(published);
        self.connections().insert(connection.clone(), live);
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: join.kind.clone(),
            claims: claims.clone(),
            protocol: Protocol::Whip,
            client: join.client,
        };
        if let Err(error) = self.execute("", command).await {
            self.connections().remove(&connection);
            self.inner.media.close(peer).await;
            self.join_refused(&claims, &join.kind, &error);
            return Err(error.into());
        }
        let entity_tag = entity_tag(&connection, 0);
        Ok(Joined {
            connection,
            answer,
            entity_tag,
        })
    }

    /// Counts a join; one too many is counted by its reason and told to the participant, and logged where it cannot fill
    /// the log.
    fn count_connection(&self, claims: &Claims, kind: &ConnectionKind) -> Result<(), JoinError> {
        self.count_join(claims).inspect_err(|error| {
            let trouble = Trouble::too_often(error.to_string());
            self.announce(&About::join(claims, kind), &trouble, true);
            tracing::debug!(stage = %claims.stage.id, participant = %claims.participant, %error, "refused");
        })
    }

    /// What leaves a line in a history is counted, so that no token can make one grow without end.
    fn count_join(&self, claims: &Claims) -> Result<(), JoinError> {
        let key = (claims.stage.id.clone(), claims.participant.clone());
        let mut joins = self
            .inner
            .joins
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match joins.take(key, JOINS, clock::now()) {
            true => Ok(()),
            false => Err(JoinError::TooOften(claims.participant.clone())),
        }
    }

    /// An offer was not taken: everybody is told, and the history says so.
    async fn offer_refused(&self, claims: &Claims, kind: &ConnectionKind, error: &MediaError) {
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
    fn join_refused(&self, claims: &Claims, kind: &ConnectionKind, error: &Failure) {
        let trouble = match error {
            Failure::Refused(refused) => Trouble::of_rules(refused),
            Failure::Store(_) => {
                let message = "the server could not write the join; try again";
                Trouble::internal("store", message.to_owned())
            }
        };
        self.tell(&About::join(claims, kind), &trouble, true);
    }

    /// Trickle ICE or an ICE restart, whichever the fragment asks for.
    pub async fn patch_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: &IfMatch,
        fragment: String,
    ) -> Result<Patched, JoinError> {
        let (peer, generation) = self.own_peer(token, connection).await?;
        check_tag(Some(if_match), connection, generation)?;
        let answer = self.inner.media.patch(peer, fragment).await?;
        let restart = answer.map(|fragment| {
            let next = generation + 1;
            if let Some(live) = self.connections().get_mut(connection) {
                live.ice_generation = next;
            }
            (fragment, entity_tag(connection, next))
        });
        Ok(Patched { restart })
    }

    /// Ends a media connection on its client's wish. Entity tags, if any are given, must be the session's. Answers how
    /// far one had come whose media was not up.
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

    /// Whether a media connection is open, for the bearer of a token of its participant.
    ///
    /// # Errors
    /// [`JoinError::Ended`] if it has ended, as long as that is remembered.
    pub async fn look_at_media(
        &self,
        token: &str,
        connection: &ConnectionId,
    ) -> Result<(), JoinError> {
        self.own_peer(token, connection).await.map(|_| ())
    }

    /// Why there is no such connection, as far as the bearer of this token may know.
    async fn no_session(&self, token: &str, connection: &ConnectionId) -> JoinError {
        let ended = |endings: &mut Endings| {
            endings.forget_old(now(), usize::MAX);
            endings.by_token(connection, token)
        };
        let ending = ended(&mut self.inner.endings());
        if let Some(ending) = ending {
            return JoinError::Ended(ending);
        }
        // A bad token is told so wherever it is shown.
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
    ) -> Result<(PeerKey, u32), JoinError> {
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
            Reach::Socket(_) => Err(JoinError::NoSession),
        }
    }

    /// Opens an events socket for `stage` with a token that has been verified.
    pub async fn join_events(
        &self,
        token: &str,
        claims: Claims,
        stage: &StageId,
        client: Client,
    ) -> Result<EventsSocket, JoinError> {
        if claims.stage.id != *stage {
            return Err(JoinError::Token("the token is for another stage".into()));
        }
        self.count_connection(&claims, &ConnectionKind::Events)?;
        let (sender, close) = watch::channel(None);
        let (told, messages) = mpsc::channel(SOCKET_MESSAGES_MAX);
        let connection = ids::connection();
        let participant = claims.participant.clone();
        let live = Live::new(
            stage.clone(),
            participant.clone(),
            ConnectionKind::Events,
            Reach::Socket(SocketEnd {
                close: sender,
                messages: told,
            }),
            token,
        );
        self.connections().insert(connection.clone(), live);
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: ConnectionKind::Events,
            claims,
            protocol: Protocol::Unknown,
            client,
        };
        if let Err(error) = self.execute("", command).await {
            self.connections().remove(&connection);
            return Err(error.into());
        }
        let states = self.inner.hub.listen(stage);
        Ok(EventsSocket {
            states,
            close,
            messages,
            connection,
            stage: stage.clone(),
            participant,
        })
    }

    /// The socket is up.
    pub async fn events_established(&self, socket: &EventsSocket) {
        self.report(Command::ConnectionEstablished {
            connection: socket.connection.clone(),
            stage: socket.stage.clone(),
            participant: socket.participant.clone(),
        })
        .await;
    }

    /// The socket ended, from whichever side.
    pub async fn leave_events(&self, socket: EventsSocket) {
        if self.connections().remove(&socket.connection).is_some() {
            self.closed(socket.connection, socket.stage, socket.participant)
                .await;
        }
    }
}

impl Control {
    /// What a token says, if it bears the signature of whom it names.
    ///
    /// # Errors
    /// [`JoinError::Token`], or [`JoinError::Control`] if the store fails.
    pub async fn verify(&self, token: &str) -> Result<Claims, JoinError> {
        let unverified = match self.inner.tokens.read(token)? {
            Presented::Service(claims) => return Ok(*claims),
            Presented::SelfSigned(unverified) => unverified,
        };
        if self.inner.tokens.is_known_wrong(token) {
            return Err(TokenError::Signature.into());
        }
        let arn = &unverified.key;
        let row = self.inner.store.get_public_key(&arn.id).await;
        let row = row.map_err(Failure::from)?;
        let row = row.filter(|row| row.account == arn.account && row.region == arn.region);
        let Some(row) = row else {
            return Err(TokenError::UnknownKey(arn.clone()).into());
        };
        Ok(self.inner.tokens.verify(token, *unverified, &row.point)?)
    }

    /// Whether an open connection goes by this token.
    pub(crate) fn goes_by(&self, connection: &ConnectionId, token: &str) -> bool {
        let live = self.connections();
        live.get(connection)
            .is_some_and(|live| live.token.is_of(token))
    }

    /// Exchanges the token of an open media connection. Entity tags, if any are given, must be the session's.
    pub async fn exchange_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: Option<&IfMatch>,
    ) -> Result<Claims, JoinError> {
        let claims = self.verify(token).await?;
        let live = self.connections().get(connection).cloned();
        let Some(live) = live.filter(|live| matches!(live.reach, Reach::Peer(_))) else {
            return Err(self.no_session(token, connection).await);
        };
        check_tag(if_match, connection, live.ice_generation)?;
        self.exchange(token, claims, connection, live.stage, live.participant)
            .await
    }

    /// Exchanges the token of an events socket.
    pub async fn exchange_events(
        &self,
        socket: &EventsSocket,
        token: &str,
    ) -> Result<Claims, JoinError> {
        let claims = self.verify(token).await?;
        let (stage, participant) = (socket.stage.clone(), socket.participant.clone());
        self.exchange(token, claims, &socket.connection, stage, participant)
            .await
    }

    async fn exchange(
        &self,
        token: &str,
        claims: Claims,
        connection: &ConnectionId,
        stage: StageId,
        participant: ParticipantId,
    ) -> Result<Claims, JoinError> {
        self.count_join(&claims)?;
        let command = Command::ExchangeToken {
            connection: connection.clone(),
            stage,
            participant,
            claims: claims.clone(),
        };
        self.execute("", command).await?;
        if let Some(live) = self.connections().get_mut(connection) {
            live.token = TokenDigest::of(token);
        }
        Ok(claims)
    }
}

impl JoinError {
    /// The rules' reason, if it was theirs.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Control(Failure::Refused(error)) => Some(error.fault),
            _ => None,
        }
    }
}

/// Whether a request may be carried out on the session as it is now.
fn check_tag(
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
