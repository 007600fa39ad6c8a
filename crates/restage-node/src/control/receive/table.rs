//! The receiving connections that live, and the participants that may use one of a connection token.

use std::collections::HashMap;
use std::sync::Arc;

use restage_core::ConnectionTokenClaims;
use restage_core::command::Claims;
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::{Client, ConnectionTokenKey};
use restage_media::PeerId;

use super::Receiving;
use crate::control::connections::TokenDigest;

/// A participant that receives in a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Viewer {
    /// The stage.
    pub stage: StageId,
    /// The participant, as its token names it.
    pub participant: ParticipantId,
}

/// The holder of a receiving connection. Each has one at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::control) enum Holder {
    /// A participant of a stage, by its events socket.
    Participant(Viewer),
    /// A connection token, by its socket: for each of its participants, in any number of stages.
    Token(ConnectionTokenKey),
}

/// The claims and the client with which a viewer's subscriptions are opened.
#[derive(Clone, Debug)]
pub(in crate::control) struct Owner {
    pub(in crate::control) claims: Claims,
    pub(in crate::control) token: TokenDigest,
    pub(in crate::control) client: Client,
    /// The connection token of its events socket, which each of its subscriptions carries too.
    pub(in crate::control) connection_token: Option<ConnectionTokenClaims>,
    /// The viewer's events socket.
    pub(in crate::control) socket: ConnectionId,
}

impl Owner {
    pub(in crate::control) fn viewer(&self) -> Viewer {
        Viewer {
            stage: self.claims.stage.id.clone(),
            participant: self.claims.participant.clone(),
        }
    }
}

/// At most as many connections as media has peers, and as many participants as there are sockets.
#[derive(Default)]
pub(in crate::control) struct Receivings {
    by_holder: HashMap<Holder, Arc<Receiving>>,
    by_carrier: HashMap<PeerId, Arc<Receiving>>,
    /// The participants whose events sockets were opened with a connection token.
    members: HashMap<(ConnectionTokenKey, Viewer), Owner>,
}

impl Receivings {
    pub(super) fn of_holder(&self, holder: &Holder) -> Option<&Arc<Receiving>> {
        self.by_holder.get(holder)
    }

    pub(super) fn of_carrier(&self, carrier: PeerId) -> Option<&Arc<Receiving>> {
        self.by_carrier.get(&carrier)
    }

    /// Takes a connection in. Returns the one that the holder had.
    pub(super) fn insert(
        &mut self,
        carrier: PeerId,
        receiving: &Arc<Receiving>,
    ) -> Option<Arc<Receiving>> {
        self.by_carrier.insert(carrier, Arc::clone(receiving));
        let holder = receiving.holder.clone();
        self.by_holder.insert(holder, Arc::clone(receiving))
    }

    pub(super) fn remove(&mut self, carrier: PeerId, receiving: &Arc<Receiving>) {
        self.by_carrier.remove(&carrier);
        let is_it = |living: &Arc<Receiving>| Arc::ptr_eq(living, receiving);
        if self.by_holder.get(&receiving.holder).is_some_and(is_it) {
            self.by_holder.remove(&receiving.holder);
        }
    }

    /// The participant of a socket that was opened with a connection token, or has another token now.
    pub(super) fn set_member(&mut self, owner: &Owner) {
        if let Some(token) = &owner.connection_token {
            let key = (token.key(), owner.viewer());
            self.members.insert(key, owner.clone());
        }
    }

    /// Its socket has ended.
    pub(super) fn remove_member(&mut self, owner: &Owner) {
        let Some(token) = &owner.connection_token else {
            return;
        };
        let key = (token.key(), owner.viewer());
        // Another socket of the participant may have taken its place.
        let is_it = |member: &Owner| member.socket == owner.socket;
        if self.members.get(&key).is_some_and(is_it) {
            self.members.remove(&key);
        }
    }

    pub(super) fn member(&self, token: &ConnectionTokenKey, viewer: &Viewer) -> Option<&Owner> {
        self.members.get(&(token.clone(), viewer.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use restage_core::id::Time;
    use restage_core::row::Capabilities;
    use restage_core::{PublicKeyArn, Signer, StageArn};

    use super::*;

    const STAGE: &str = "arn:aws:ivs:eu-west-1:000000000000:stage/AbCdEfGhIjKl";
    const KEY: &str = "arn:aws:ivs:eu-west-1:000000000000:public-key/AbCdEfGhIjKl";

    /// The participant ann of a stage, with a socket that was opened with a connection token.
    fn owner(token: &str, socket: &str) -> Owner {
        Owner {
            claims: Claims {
                participant: ParticipantId::new("ann"),
                stage: StageArn::parse(STAGE).unwrap(),
                user_id: String::new(),
                attributes: BTreeMap::new(),
                capabilities: Capabilities {
                    publish: false,
                    subscribe: true,
                },
                issued_at: Time(0),
                expires_at: Time(1),
                signer: Signer::Service,
            },
            token: TokenDigest::of("ann's"),
            client: Client::default(),
            connection_token: Some(ConnectionTokenClaims {
                id: token.into(),
                signer: PublicKeyArn::parse(KEY).unwrap(),
                issued_at: Time(0),
                expires_at: Time(1),
            }),
            socket: ConnectionId::new(socket),
        }
    }

    #[test]
    fn a_participant_is_a_member_of_its_own_connection_token_while_its_socket_lives() {
        let mut receivings = Receivings::default();
        let (first, second) = (owner("t1", "s1"), owner("t1", "s2"));
        let key = first.connection_token.as_ref().unwrap().key();
        let other = owner("t2", "s1").connection_token.unwrap().key();
        let viewer = first.viewer();
        receivings.set_member(&first);
        assert!(receivings.member(&other, &viewer).is_none());
        receivings.set_member(&second);
        // The end of the socket whose place another one took.
        receivings.remove_member(&first);
        let member = receivings.member(&key, &viewer).unwrap();
        assert_eq!(member.socket, second.socket);
        receivings.remove_member(&second);
        assert!(receivings.member(&key, &viewer).is_none());
    }

    #[test]
    fn without_a_connection_token_nobody_is_a_member() {
        let mut receivings = Receivings::default();
        let own = owner("t1", "s1");
        let key = own.connection_token.as_ref().unwrap().key();
        let without = Owner {
            connection_token: None,
            ..own
        };
        receivings.set_member(&without);
        assert!(receivings.member(&key, &without.viewer()).is_none());
    }
}
