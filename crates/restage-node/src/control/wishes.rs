//! What participants wish to be shown by their subscriptions.

use std::sync::{Arc, PoisonError};

use restage_core::id::{ConnectionId, ParticipantId};
use restage_core::rate::Rate;
use restage_core::row::ConnectionKind;
use restage_media::{Control as MediaControl, Wish};
use restage_store::system::clock;

use super::Control;
use super::connections::{Live, Reach, with_mute};
use super::join::EventsSocket;
use super::receive::Holder;
use super::streams::Streams;

/// How often one participant may change its wishes, all subscriptions together. A page whose layout changes does so for everybody at
/// once.
const WISHES: Rate = Rate {
    per_second: 10,
    burst: 200,
};

/// Why a wish is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// The participant has no subscription to this publisher.
    #[error(
        "there is no subscription to participant {0}; subscribe first, or give what is wished in the WHEP URL"
    )]
    NoSubscription(ParticipantId),
    /// Too many changes.
    #[error("participant {0} changes what it wishes or sends more than {per_second} times a second; wait a moment", per_second = WISHES.per_second)]
    TooOften(ParticipantId),
}

/// A wish that was taken.
#[derive(Debug, Clone)]
pub struct Wished {
    /// The subscription.
    pub session: ConnectionId,
    /// All that is wished now.
    pub wish: Wish,
}

impl Control {
    /// Changes what the participant of this socket wishes to be shown of a publisher. A socket reaches the subscriptions of its own
    /// participant only.
    pub async fn wish(
        &self,
        socket: &EventsSocket,
        publisher: &ParticipantId,
        change: impl FnOnce(&mut Wish),
    ) -> Result<Wished, WishError> {
        self.count_wish(socket)?;
        let (peer, wished) = {
            let mut connections = self.connections();
            let none = || WishError::NoSubscription(publisher.clone());
            let (session, live) = connections
                .subscription_mut(&socket.stage, &socket.participant, publisher)
                .ok_or_else(none)?;
            let Reach::Peer(peer) = live.reach else {
                return Err(none());
            };
            change(&mut live.wish);
            let wish = live.wish.clone();
            (peer, Wished { session, wish })
        };
        let wish = wished.wish.clone();
        let control = MediaControl::Wish { peer, wish };
        self.inner.media.control(peer, control).await;
        Ok(wished)
    }

    pub(super) fn count_wish(&self, socket: &EventsSocket) -> Result<(), WishError> {
        match self.may_wish(Holder::Participant(socket.viewer())) {
            true => Ok(()),
            false => Err(WishError::TooOften(socket.participant.clone())),
        }
    }

    /// Counts a change of wishes. False: there are too many.
    pub(super) fn may_wish(&self, holder: Holder) -> bool {
        let wishes = self.inner.wishes.lock();
        let mut wishes = wishes.unwrap_or_else(PoisonError::into_inner);
        wishes.take(holder, WISHES, clock::steady())
    }

    /// Adds an events socket to the table, with what its participant is shown already.
    pub(super) fn open_socket(&self, connection: ConnectionId, live: Live, streams: &Arc<Streams>) {
        let mut connections = self.connections();
        for (id, other) in connections.subscriptions_of(&live.stage, &live.participant) {
            if let (ConnectionKind::Subscribe { publisher }, Some(state)) =
                (&other.kind, &other.stream)
            {
                let muted = other.publication().map(|key| connections.muted(key));
                let state = with_mute(state.clone(), muted.unwrap_or_default());
                streams.show(publisher, id, state);
            }
        }
        for (id, other) in connections.publishing_of(&live.stage, &live.participant) {
            if let Some(layers) = &other.layers {
                streams.want_layers(id, layers.clone());
            }
        }
        connections.insert(connection, live);
    }
}
