//! Who feeds what and who receives what.

use std::sync::Arc;
use std::time::Instant;

use super::Sfu;
use crate::io::{PeerKey, PublicationKey};
use crate::publication::{Feed, Publication};
use crate::sdp::offer::Role;
use crate::util::slab::Index;

impl Sfu {
    pub(super) fn publish(&mut self, now: Instant, key: PeerKey, publication: PublicationKey) {
        let Some(peer) = self.peer_of_role(key, Role::Publisher) else {
            return;
        };
        let Some(index) = self.publication(publication) else {
            return;
        };
        if self.feeder(index) == Some(peer) {
            return;
        }
        self.leave(peer);
        // Leaving may have ended an idle publication, but not this one unless it was idle: look again.
        let Some(index) = self.publication(publication) else {
            return;
        };
        if let Some(former) = self
            .feeder(index)
            .and_then(|former| self.peers.get_mut(former))
        {
            former.publication = None;
        }
        self.feeds += 1;
        // Told apart from those of other workers, whose packets may be relayed here.
        let worker = u64::from(self.config.worker.0) << 48;
        let id = worker | u64::from(self.config.generation) << 32 | self.feeds;
        let feed = Feed::new(id, peer, now);
        if let Some(publication) = self.publications.get_mut(index) {
            publication.set_feed(Some(feed));
        }
        self.publication_timers.clear(index);
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        peer.publication = Some(index);
        let formats = Arc::clone(&peer.formats);
        self.learn_formats(index, &formats);
    }

    pub(super) fn subscribe(&mut self, now: Instant, key: PeerKey, publication: PublicationKey) {
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
        if entry.subscribers.len() >= self.config.subscribers_per_publication_max {
            self.ignore_route("the publication has no room for another subscriber");
            self.forget_if_idle(index);
            return;
        }
        entry.subscribers.push(peer);
        let thinning = self.shed.thinning_of(peer);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.thin(thinning);
            peer.match_profiles(self.config.h264_profile_match);
            peer.publication = Some(index);
        }
        self.greet(now, peer);
    }

    /// Forgets a peer, saying goodbye to the remote end unless its connection is broken.
    pub(super) fn remove_peer(&mut self, index: Index, says_goodbye: bool) {
        self.leave(index);
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
        if says_goodbye {
            peer.transport.close(&mut self.sink);
            // What it may still have received is nobody's any more.
            self.sink.events.clear();
        }
    }

    /// The peer stops feeding or receiving.
    fn leave(&mut self, peer_index: Index) {
        let Some(index) = self.peers.get_mut(peer_index).and_then(|peer| {
            peer.transport.forget_sent();
            peer.publication.take()
        }) else {
            return;
        };
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        if publication
            .feed
            .as_ref()
            .is_some_and(|feed| feed.peer == peer_index)
        {
            publication.set_feed(None);
            self.publication_timers.clear(index);
        } else if let Some(place) = publication
            .subscribers
            .iter()
            .position(|other| *other == peer_index)
        {
            // Keeps the order, so that a burst under way skips nobody.
            publication.subscribers.remove(place);
            if let Some(job) = self.job.as_mut().filter(|job| job.publication == index) {
                job.on_removed(place);
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
            .job
            .as_ref()
            .is_some_and(|job| job.publication == index)
        {
            self.job = None;
        }
    }

    fn feeder(&self, index: Index) -> Option<Index> {
        self.publications
            .get(index)?
            .feed
            .as_ref()
            .map(|feed| feed.peer)
    }

    fn peer_of_role(&mut self, key: PeerKey, role: Role) -> Option<Index> {
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

    pub(super) fn publication(&mut self, key: PublicationKey) -> Option<Index> {
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
