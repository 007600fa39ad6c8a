//! Which inlet feeds a publication, and which peers receive it.

use std::sync::Arc;
use std::time::Instant;

use super::Sfu;
use crate::io::{InletEnd, Output, PeerId, PublicationId};
use crate::publication::Publication;
use crate::publication::inlet::{Feed, Inlet};
use crate::sdp::offer::Role;
use crate::util::slab::Index;

impl Sfu {
    pub(super) fn publish(&mut self, now: Instant, key: PeerId, publication: PublicationId) {
        let Some(peer) = self.peer_of_role(key, Role::Publisher) else {
            return;
        };
        let Some(index) = self.publication(publication) else {
            return;
        };
        let publication_entry = self.publications.get(index);
        if publication_entry.is_some_and(|entry| entry.inlet.peer() == Some(peer)) {
            return;
        }
        self.leave(peer);
        // Leaving may have removed the publication if it was idle: look it up again.
        let Some(index) = self.publication(publication) else {
            return;
        };
        let feed = self.new_feed(now);
        self.set_inlet(index, Inlet::Peer { peer, feed });
        if let Some(publication) = self.publications.get_mut(index) {
            publication.wanted.begin(now);
            publication.layers_due = Some(publication.wanted.deadline(now));
        }
        self.set_publication_timer(index);
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        peer.publication = Some(index);
        let formats = Arc::clone(&peer.formats);
        self.learn_formats(index, &formats);
    }

    pub(super) fn subscribe(&mut self, now: Instant, key: PeerId, publication: PublicationId) {
        let Some(peer) = self.peer_of_role(key, Role::Subscriber) else {
            return;
        };
        let Some(index) = self.publication(publication) else {
            return;
        };
        if self
            .peers
            .get(peer)
            .is_some_and(|peer| peer.publication == Some(index))
        {
            return;
        }
        self.leave(peer);
        let Some(index) = self.publication(publication) else {
            return;
        };
        let Some(entry) = self.publications.get_mut(index) else {
            return;
        };
        if entry.outlets.peers.len() >= self.config.subscribers_per_publication_max {
            self.ignore_route("the publication has no room for another subscriber");
            self.forget_if_idle(index);
            return;
        }
        entry.outlets.peers.push(peer);
        let thinning = self.shed.thinning_of(peer);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.thin(thinning);
            peer.match_profiles(self.config.h264_profile_match);
            peer.publication = Some(index);
        }
        self.start_subscriber(now, peer);
    }

    /// Forgets a peer. Sends BYE and close_notify first, unless its connection is broken.
    pub(super) fn remove_peer(&mut self, index: Index, sends_bye: bool) {
        for carried in self.carried_by(index) {
            self.remove_peer(carried, false);
        }
        self.leave(index);
        self.uncarry(index);
        let Some(mut peer) = self.peers.remove(index) else {
            return;
        };
        self.peer_keys.remove(&peer.key);
        self.peer_timers.clear(index);
        self.demux.remove_ufrag(&peer.local_ufrag);
        if let Some(claimed) = peer.claimed {
            self.demux.withdraw(claimed, index);
        }
        for address in peer.addresses() {
            self.demux.remove_address(address, index);
        }
        if let Some(transport) = peer.transport.as_mut().filter(|_| sends_bye) {
            transport.close(&mut self.sink);
            // Packets that it may still have received are dropped.
            self.sink.events.clear();
        }
    }

    /// The peer stops feeding or receiving.
    fn leave(&mut self, peer_index: Index) {
        let Some(peer) = self.peers.get_mut(peer_index) else {
            return;
        };
        let publication = peer.publication.take();
        let (seat, owner) = (peer.seat(), peer.carrier_index().unwrap_or(peer_index));
        let owner = self.peers.get_mut(owner);
        if let Some(transport) = owner.and_then(|owner| owner.transport.as_mut()) {
            transport.forget_sent(seat);
        }
        let Some(index) = publication else {
            return;
        };
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        if publication.inlet.peer() == Some(peer_index) {
            self.set_inlet(index, Inlet::default());
        } else if let Some(place) = publication
            .outlets
            .peers
            .iter()
            .position(|other| *other == peer_index)
        {
            // The order is kept, so that the present burst skips nobody.
            publication.outlets.peers.remove(place);
            if let Some(delivery) = self
                .delivery
                .as_mut()
                .filter(|delivery| delivery.publication == index)
            {
                delivery.on_removed(place);
            }
        }
        self.forget_if_idle(index);
    }

    pub(super) fn forget_if_idle(&mut self, index: Index) {
        if !self
            .publications
            .get(index)
            .is_some_and(Publication::is_idle)
        {
            return;
        }
        if let Some(publication) = self.publications.remove(index) {
            self.publication_keys.remove(&publication.key);
        }
        self.publication_timers.clear(index);
        self.ready.retain(|ready| *ready != index);
        if self
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.publication == index)
        {
            self.delivery = None;
        }
    }

    /// A feed with an id that no other feed has on any worker, because packets of others may be relayed here.
    pub(super) fn new_feed(&mut self, now: Instant) -> Feed {
        self.feeds += 1;
        let worker = u64::from(self.config.worker.0) << 48;
        let id = worker | u64::from(self.config.generation) << 32 | self.feeds;
        Feed::new(id, now)
    }

    /// Another inlet takes over. The former one feeds the publication no more.
    pub(super) fn set_inlet(&mut self, index: Index, inlet: Inlet) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let former = publication.set_inlet(inlet);
        self.publication_timers.clear(index);
        match former {
            Inlet::Relay { .. } => {}
            Inlet::Peer { peer, .. } => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.publication = None;
                }
            }
            Inlet::External(external) => {
                self.inlet_keys.remove(&external.key);
                self.sink.outputs.push_back(Output::InletEnded {
                    inlet: external.key,
                    reason: InletEnd::Superseded,
                });
            }
        }
    }

    fn peer_of_role(&mut self, key: PeerId, role: Role) -> Option<Index> {
        let index = self.peer_keys.get(&key).copied();
        let found = index.filter(|index| {
            self.peers
                .get(*index)
                .is_some_and(|peer| peer.role() == role)
        });
        if found.is_none() {
            self.ignore_route("there is no such peer in that role");
        }
        found
    }

    pub(super) fn publication(&mut self, key: PublicationId) -> Option<Index> {
        if let Some(index) = self.publication_keys.get(&key) {
            return Some(*index);
        }
        if self.publications.len() >= self.config.publications_max {
            self.ignore_route("the table of publications is full");
            return None;
        }
        let index = self.publications.insert(Publication::new(key));
        self.publication_keys.insert(key, index);
        Some(index)
    }

    fn ignore_route(&mut self, reason: &str) {
        tracing::debug!(reason, "route ignored");
        self.stats.routes_ignored += 1;
    }
}
