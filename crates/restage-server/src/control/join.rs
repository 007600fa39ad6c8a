//! Clients coming and going: WHIP, WHEP and the events socket, up to the rules and back.

use restage_core::command::{Claims, Command};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::{Client, ConnectionKind, Protocol, StageEventError};
use restage_core::{CloseReason, Fault};
use restage_media::{MediaKind, OfferErrorKind, PeerKey};
use tokio::sync::watch;

use super::connections::{Live, Reach};
use super::{Control, Failure, StageState};
use crate::ids;
use crate::media::{MediaError, Role};
use crate::token::TokenError;

/// Why a client may not join, patch or leave.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No bearer token, or one that is not ours.
    #[error("{0}")]
    Token(String),
    /// The rules or the store refuse.
    #[error(transparent)]
    Control(#[from] Failure),
    /// The SDP is unusable, or the media plane is busy.
    #[error(transparent)]
    Media(#[from] MediaError),
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
        let claims = self.inner.tokens.verify(&join.token)?;
        if join
            .expected
            .as_ref()
            .is_some_and(|id| *id != claims.participant)
        {
            return Err(JoinError::Token(
                "the URL names another participant than the token".into(),
            ));
        }
        let role = match join.kind {
            ConnectionKind::Publish => Role::Publisher,
            _ => Role::Subscriber,
        };
        let (peer, answer) = match self.inner.media.open(role, join.offer).await {
            Ok(opened) => opened,
            Err(error) => {
                self.record_refusal(&claims, &join.kind, &error).await;
                return Err(error.into());
            }
        };
        let connection = ids::connection();
        let live = Live::new(
            claims.stage.id.clone(),
            claims.participant.clone(),
            Reach::Peer(peer),
        );
        self.connections().insert(connection.clone(), live);
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: join.kind,
            claims,
            protocol: Protocol::Whip,
            client: join.client,
        };
        if let Err(error) = self.execute("", command).await {
            self.connections().remove(&connection);
            self.inner.media.close(peer).await;
            return Err(error.into());
        }
        let entity_tag = entity_tag(&connection, 0);
        Ok(Joined {
            connection,
            answer,
            entity_tag,
        })
    }

    async fn record_refusal(&self, claims: &Claims, kind: &ConnectionKind, error: &MediaError) {
        let MediaError::Offer(offer) = error else {
            return;
        };
        let error = match offer.kind() {
            OfferErrorKind::NoUsableCodec(MediaKind::Audio) => StageEventError::InvalidAudioCodec,
            OfferErrorKind::NoUsableCodec(MediaKind::Video) => StageEventError::InvalidVideoCodec,
            _ => StageEventError::InvalidInput,
        };
        let command = Command::RecordConnectionError {
            claims: claims.clone(),
            kind: kind.clone(),
            error,
        };
        self.execute("", command).await.ok();
    }

    /// Trickle ICE or an ICE restart. `if_match` is the header's text; `*` asks for a restart.
    pub async fn patch_media(
        &self,
        token: &str,
        connection: &ConnectionId,
        if_match: &str,
        fragment: String,
    ) -> Result<Patched, JoinError> {
        let (peer, generation) = self.own_peer(token, connection)?;
        if if_match != "*" && if_match != entity_tag(connection, generation) {
            return Err(JoinError::EntityTag);
        }
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

    /// Ends a media connection on its client's wish.
    pub async fn leave_media(
        &self,
        token: &str,
        connection: &ConnectionId,
    ) -> Result<(), JoinError> {
        self.own_peer(token, connection)?;
        let removed = self.connections().remove(connection);
        let Some(Live {
            stage,
            participant,
            reach: Reach::Peer(peer),
            ..
        }) = removed
        else {
            return Err(JoinError::NoSession);
        };
        self.inner.media.close(peer).await;
        self.closed(connection.clone(), stage, participant).await;
        Ok(())
    }

    fn own_peer(
        &self,
        token: &str,
        connection: &ConnectionId,
    ) -> Result<(PeerKey, u32), JoinError> {
        let claims = self.inner.tokens.verify(token)?;
        match self.connections().get(connection) {
            Some(Live {
                participant,
                reach: Reach::Peer(peer),
                ice_generation,
                ..
            }) if *participant == claims.participant => Ok((*peer, *ice_generation)),
            _ => Err(JoinError::NoSession),
        }
    }

    /// Opens an events socket for `stage`.
    pub async fn join_events(
        &self,
        token: &str,
        stage: &StageId,
        client: Client,
    ) -> Result<EventsSocket, JoinError> {
        let claims = self.inner.tokens.verify(token)?;
        if claims.stage.id != *stage {
            return Err(JoinError::Token("the token is for another stage".into()));
        }
        let (sender, close) = watch::channel(None);
        let connection = ids::connection();
        let participant = claims.participant.clone();
        let live = Live::new(stage.clone(), participant.clone(), Reach::Socket(sender));
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

impl JoinError {
    /// The rules' reason, if it was theirs.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Control(Failure::Refused(error)) => Some(error.fault),
            _ => None,
        }
    }
}

fn entity_tag(connection: &ConnectionId, generation: u32) -> String {
    let short = connection.as_str().get(..8).unwrap_or_default();
    format!("\"{short}-{generation}\"")
}
