//! What each subscriber is shown: looked at by its own timer, and when it wishes for something else.

use std::time::Instant;

use super::Sfu;
use crate::allocate::wish::Wish;
use crate::io::{GoneReason, Output, PeerId};
use crate::sdp::offer::Role;
use crate::util::slab::Index;

impl Sfu {
    /// Lets a peer that is served by its timer check its limit and take what it is allotted, if that is due. False: it is gone.
    pub(super) fn look_at_subscriber(&mut self, now: Instant, index: Index) -> bool {
        let Some(peer) = self.peers.get_mut(index) else {
            return false;
        };
        if peer.role() != Role::Subscriber {
            return true;
        }
        let publication = peer
            .publication
            .and_then(|index| self.publications.get(index));
        let ladder = publication.and_then(|publication| publication.ladder.as_deref());
        if let Some(excess) = peer.excess(now, ladder) {
            self.gone(index, GoneReason::Exceeded(excess));
            return false;
        }
        if peer.allots_at().is_some_and(|at| now >= at) {
            self.allot(now, index);
        }
        true
    }

    /// Lets a connected subscriber take what it is allotted, and tells what that changes.
    pub(super) fn allot(&mut self, now: Instant, index: Index) {
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        let place = peer.publication;
        let publication = place.and_then(|index| self.publications.get(index));
        let (peer, state) = match peer.carrier_index() {
            None => {
                let state = peer.allot(now, publication, None);
                (peer, state)
            }
            Some(carrier) => {
                let Some((peer, carrier)) = self.peers.pair_mut(index, carrier) else {
                    return;
                };
                let state = peer.allot(now, publication, Some(carrier));
                (peer, state)
            }
        };
        let wants = peer.wants();
        if let Some(state) = state {
            let peer = peer.key;
            let output = Output::Stream { peer, state };
            self.sink.outputs.push_back(output);
        }
        if let Some(publication) = place {
            self.want_layers(now, publication, wants);
        }
    }

    /// Feedback has come to a connection that carries subscriptions: those that are due take what they are allotted.
    pub(super) fn allot_carried(&mut self, now: Instant, carrier: Index) {
        for index in self.carried_by(carrier) {
            let Some((peer, carrier)) = self.peers.pair_mut(index, carrier) else {
                continue;
            };
            if peer.allots_after_feedback(now, Some(carrier)) {
                self.allot(now, index);
                self.set_peer_timer(now, index);
            }
        }
    }

    /// A subscriber wishes for something else.
    pub(super) fn wish(&mut self, now: Instant, key: PeerId, wish: Wish) {
        let Some(&index) = self.peer_keys.get(&key) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        peer.set_wish(wish);
        if peer.is_connected {
            self.allot(now, index);
            self.settle(now, index, Ok(()));
        }
    }
}
