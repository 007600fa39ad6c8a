//! A subscription on a receiving connection: the same command, admission and checks as for one by WHEP.

use std::sync::Arc;

use restage_core::Fault;
use restage_core::command::Command;
use restage_core::row::{ConnectionKind, Protocol};
use restage_media::{Control as MediaControl, OfferErrorKind, PeerId};
use restage_store::system::ids;

use super::members::Attached;
use super::{Owner, ReceiveError, ReceiveWant, Receiving};
use crate::control::connections::{Live, Reach};
use crate::control::ended::Ending;
use crate::control::join::JoinError;
use crate::control::trouble::Trouble;
use crate::control::{Control, Failure};
use crate::media::MediaError;

/// Why a publisher was not attached.
pub(super) enum NotAttached {
    /// It is not publishing.
    NotThere,
    /// A code and a message.
    Refused(&'static str, String),
}

impl From<JoinError> for NotAttached {
    fn from(error: JoinError) -> Self {
        let code = match &error {
            JoinError::TooOften(_) => "TOO_OFTEN",
            JoinError::AtCapacity => "STAGE_AT_CAPACITY",
            JoinError::Restarting => "SERVER_RESTART",
            JoinError::Token(_) => "TOKEN_MALFORMED",
            JoinError::Media(MediaError::Busy) => "BUSY",
            JoinError::Media(MediaError::Offer(offer)) => match offer.kind() {
                OfferErrorKind::Full | OfferErrorKind::TooMany => "BUSY",
                _ => "INTERNAL",
            },
            JoinError::Control(Failure::Refused(refused)) => {
                if refused.fault == Fault::NotFound {
                    return Self::NotThere;
                }
                Trouble::of_rules(refused).code
            }
            _ => "INTERNAL",
        };
        Self::Refused(code, error.to_string())
    }
}

impl Control {
    /// Whether a receiving connection may be opened: it costs what a first subscription costs.
    pub(super) fn admit_receiving(&self) -> Result<(), ReceiveError> {
        let running = self.check_running();
        let admitted = running.and_then(|()| match self.inner.media.has_room() {
            true => Ok(()),
            false => Err(JoinError::AtCapacity),
        });
        admitted.map_err(|error| match NotAttached::from(error) {
            NotAttached::Refused(code, message) => ReceiveError::new(code, message),
            NotAttached::NotThere => ReceiveError::new("NOT_FOUND", "it is not there"),
        })
    }

    /// Subscribes to a publisher on a receiving connection.
    pub(super) async fn attach(
        &self,
        receiving: &Arc<Receiving>,
        carrier: PeerId,
        owner: &Owner,
        want: &ReceiveWant,
    ) -> Result<Attached, NotAttached> {
        let claims = &owner.claims;
        let kind = ConnectionKind::Subscribe {
            publisher: want.publisher.clone(),
        };
        self.check_running()?;
        self.count_connection(claims, &kind)?;
        self.admit(claims, &kind)?;
        let connection = ids::connection();
        // A publisher and its replica have one id. Whoever receives in several stages may receive both.
        let label = match receiving.is_shared() {
            true => connection.to_string(),
            false => want.publisher.to_string(),
        };
        let carried = self
            .inner
            .media
            .carry(carrier, label, want.has_video, want.wish.clone());
        let peer = match carried.await {
            Ok(peer) => peer,
            Err(error) => {
                self.offer_refused(claims, &kind, &error).await;
                return Err(JoinError::from(error).into());
            }
        };
        let mut live = Live::of_digest(
            claims.stage.id.clone(),
            claims.participant.clone(),
            kind.clone(),
            Reach::Peer(peer),
            owner.token.clone(),
        );
        live.wish = want.wish.clone();
        live.receiving = Some(Arc::clone(receiving));
        self.connections().insert(connection.clone(), live);
        let resumes = {
            let connections = self.connections();
            let socket = connections.get(&owner.socket);
            socket.and_then(|socket| socket.session.clone())
        };
        let command = Command::OpenConnection {
            connection: connection.clone(),
            kind: kind.clone(),
            claims: claims.clone(),
            resumes,
            protocol: Protocol::Whip,
            client: owner.client.clone(),
            connection_token: owner.connection_token.clone(),
        };
        match self.open(claims, &connection, command).await {
            Ok(_) => Ok(Attached { connection, peer }),
            Err(error) => {
                self.connections().remove(&connection);
                self.close_peer(peer).await;
                let is_there = !matches!(&error, Failure::Refused(refused) if refused.fault == Fault::NotFound);
                if is_there {
                    self.join_refused(claims, &kind, &error);
                }
                Err(JoinError::from(error).into())
            }
        }
    }

    /// Ends a subscription because its client does not want it any more.
    pub(super) async fn detach(&self, attached: &Attached) {
        let Some(live) = self.connections().remove(&attached.connection) else {
            return;
        };
        self.remember(&attached.connection, &live, Ending::of_client());
        self.close_peer(attached.peer).await;
        let connection = attached.connection.clone();
        self.closed(connection, live.stage, live.participant).await;
    }

    /// Changes what is wished of a publisher.
    pub(super) async fn wish_for(&self, attached: &Attached, want: &ReceiveWant) {
        if let Some(live) = self.connections().get_mut(&attached.connection) {
            live.wish = want.wish.clone();
        }
        let (peer, wish) = (attached.peer, want.wish.clone());
        let control = MediaControl::Wish { peer, wish };
        self.inner.media.control(peer, control).await;
    }
}
