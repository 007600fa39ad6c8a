//! Forwarding: packets from a publication to its outlets, and key frame requests back.
//!
//! The packets of one batch of datagrams are collected per publication. Other workers and taps are given the burst once. Then
//! each subscriber in turn is given all of it: subscribers outside, packets inside. One subscriber is served per step, and its
//! datagrams are handed out before the next one's are written, so the output queue stays short however large the audience is.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use super::Sfu;
use crate::io::{Burst, Output};
use crate::limits::BATCH_PACKETS_MAX;
use crate::packet::Packet;
use crate::publication::Publication;
use crate::publication::inlet::{Inlet, layer_of_rid};
use crate::sfu::peer::Peer;
use crate::util::slab::Index;

/// A burst on its way to the subscribers of a publication.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) publication: Index,
    packets: Vec<Packet>,
    /// Index of the next subscriber.
    next: usize,
}

impl Delivery {
    /// The subscriber at this index was removed.
    pub(super) fn on_removed(&mut self, place: usize) {
        if place < self.next {
            self.next -= 1;
        }
    }
}

impl Sfu {
    pub(super) fn queue(&mut self, index: Index, mut packet: Packet) {
        let Some(now) = self.now else { return };
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        publication.note(&mut packet);
        if packet.kind == MediaKind::Audio
            && let Some(level) = publication.hear(&packet)
            && publication.inlet.is_local()
        {
            let publication = publication.key;
            let output = Output::Loudness { publication, level };
            self.sink.outputs.push_back(output);
        }
        if publication.outlets.is_empty() {
            publication.on_forwarded(packet, now);
            return;
        }
        if publication.pending.is_empty() {
            self.ready.push_back(index);
        }
        publication.pending.push(packet);
        if publication.pending.len() >= BATCH_PACKETS_MAX {
            self.forward_all();
        }
    }

    pub(super) fn forward_all(&mut self) {
        for index in &self.ready {
            if let Some(publication) = self.publications.get_mut(*index) {
                publication.waits_until = None;
            }
        }
        while self.forward_step() {}
    }

    /// Serves one subscriber. False: nothing is left to forward.
    pub(super) fn forward_step(&mut self) -> bool {
        let Some(now) = self.now else { return false };
        let Some(delivery) = self.delivery.as_mut() else {
            return self.next_delivery();
        };
        let Some(publication) = self.publications.get_mut(delivery.publication) else {
            self.delivery = None;
            return true;
        };
        let Some(&index) = publication.outlets.peers.get(delivery.next) else {
            // Every subscriber is served. The allocation is used for the next burst.
            for packet in delivery.packets.drain(..) {
                publication.on_forwarded(packet, now);
            }
            if publication.pending.is_empty() {
                publication.pending = std::mem::take(&mut delivery.packets);
            }
            self.delivery = None;
            return true;
        };
        delivery.next += 1;
        let next = publication.outlets.peers.get(delivery.next);
        if let Some(peer) = next.and_then(|next| self.peers.get(*next)) {
            let kind = delivery
                .packets
                .first()
                .map_or(MediaKind::Audio, |packet| packet.kind);
            std::hint::black_box(peer.touch(kind));
        }
        let Some(peer) = self.peers.get_mut(index).filter(|peer| peer.is_connected) else {
            return true;
        };
        let publication = delivery.publication;
        let mut is_mismatched = false;
        let (packets, scratch, sink) = (&delivery.packets, &mut self.scratch, &mut self.sink);
        let carrier = peer.carrier_index();
        // Whose connection it is.
        let owner = carrier.unwrap_or(index);
        self.serving = Some(owner);
        let outcome = match carrier {
            None => peer.forward(now, packets, scratch, sink, None),
            Some(carrier) => {
                let Some((peer, carrier)) = self.peers.pair_mut(index, carrier) else {
                    return true;
                };
                peer.forward(now, packets, scratch, sink, Some(carrier))
            }
        };
        let outcome = outcome.map(|forwarded| {
            self.stats.packets_out += forwarded.sent;
            self.stats.packets_unmappable += forwarded.unmappable;
            self.stats.packets_unselected += forwarded.unselected;
            is_mismatched = forwarded.is_mismatched;
            (forwarded.wanted, forwarded.is_unsettled)
        });
        let wanted = outcome.as_ref().ok().and_then(|(wanted, _)| *wanted);
        // First this peer's events, then others that follow from them.
        if !matches!(outcome, Ok((_, false))) {
            self.settle(now, owner, outcome.map(drop));
        }
        if is_mismatched {
            self.judge_codecs(index);
        }
        if let Some(wanted) = wanted
            && self.may_switch(now, index, publication, wanted.layer)
        {
            self.want_keyframe(now, publication, wanted.layer);
        }
        true
    }

    /// Whether a key frame of a layer may be asked for so that a subscriber can be shown it. One that was asked for already is for
    /// everybody.
    fn may_switch(&mut self, now: Instant, peer: Index, publication: Index, layer: u8) -> bool {
        let publication = self.publications.get_mut(publication);
        let requester = publication.and_then(|publication| publication.inlet.key_frames(layer));
        let is_further = requester.is_some_and(|requester| requester.is_idle());
        let peer = self.peers.get_mut(peer);
        let may = !is_further || peer.is_none_or(|peer| peer.may_switch(now));
        self.stats.keyframes_refused += u64::from(!may);
        may
    }

    /// Packets of publishers that wait to be forwarded.
    pub fn packets_pending(&self) -> usize {
        let publications = self
            .ready
            .iter()
            .filter_map(|index| self.publications.get(*index));
        publications
            .map(|publication| publication.pending.len())
            .sum()
    }

    /// When the first burst that waits for the rest of its picture is due.
    pub(super) fn burst_due(&self) -> Option<Instant> {
        let publications = self
            .ready
            .iter()
            .filter_map(|index| self.publications.get(*index));
        publications
            .filter_map(|publication| publication.waits_until)
            .min()
    }

    /// Begins with the next burst that does not wait. False: there is none.
    fn next_delivery(&mut self) -> bool {
        let is_due = |index: &Index| {
            let publication = self.publications.get(*index);
            let waits = publication.and_then(|publication| publication.waits_until);
            waits.is_none_or(|until| self.now.is_some_and(|now| now >= until))
        };
        let place = self.ready.iter().position(is_due);
        let Some(index) = place.and_then(|place| self.ready.remove(place)) else {
            return false;
        };
        let Some(publication) = self.publications.get_mut(index) else {
            return true;
        };
        publication.waits_until = None;
        let packets = std::mem::take(&mut publication.pending);
        // Packets that another worker has relayed are not relayed again.
        if !publication.outlets.relays.is_empty() && publication.inlet.is_local() {
            self.sink.outputs.push_back(Output::Relay {
                publication: publication.key,
                to: Arc::clone(&publication.outlets.relays),
                burst: Burst {
                    packets: packets.as_slice().into(),
                    formats: Arc::clone(&publication.offered),
                },
            });
        }
        let has_taps = !publication.outlets.taps.is_empty();
        let wanted = match has_taps {
            true => self.hand_to_taps(index, &packets),
            false => Vec::new(),
        };
        self.delivery = Some(Delivery {
            publication: index,
            packets,
            next: 0,
        });
        if let Some(now) = self.now.filter(|_| has_taps) {
            // Whichever worker feeds them.
            let publication = self.publications.get(index);
            let level = publication.map_or(0, Publication::level_of_taps);
            self.want_layers(now, index, level);
            for layer in wanted {
                self.want_keyframe(now, index, layer);
            }
        }
        true
    }

    /// A subscriber has lost the picture and needs a key frame of the layer it is shown. Every subscriber is sent that key frame,
    /// so a request that brings a further one is taken from the subscriber's budget.
    pub(super) fn on_keyframe_wanted(&mut self, now: Instant, peer: Index) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        let Some(index) = peer.publication else {
            return;
        };
        // Pictures that are withheld come back with a key frame anyway.
        if peer.is_withheld() {
            return;
        }
        peer.on_picture_lost();
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let Some(target) = publication.target else {
            return;
        };
        let shown = peer.video_encoding();
        let shown = shown.filter(|shown| shown.feed == target.feed);
        let layer = shown.unwrap_or(target).layer;
        let requester = publication.inlet.key_frames(layer);
        let is_further = requester.is_some_and(|requester| requester.is_idle());
        if is_further && !peer.key_frames.spend(now) {
            self.stats.keyframes_refused += 1;
            return;
        }
        self.want_keyframe(now, index, layer);
    }

    /// Sends a new subscriber the picture as it stands, and asks for a key frame if that is not the layer it should be shown.
    /// None of the publication's packets may be pending.
    pub(super) fn start_subscriber(&mut self, now: Instant, peer_index: Index) {
        let Some(peer) = self.peers.get_mut(peer_index) else {
            return;
        };
        let Some(index) = peer.publication.filter(|_| peer.is_connected) else {
            return;
        };
        if !self.judge_codecs(peer_index) {
            return;
        }
        self.allot(now, peer_index);
        let Some(peer) = self.peers.get_mut(peer_index) else {
            return;
        };
        let Some(publication) = self.publications.get(index) else {
            return;
        };
        let ladder = publication.ladder.as_deref();
        let target = publication.target.map(|best| peer.target(ladder, best));
        let Some(target) = target.filter(|target| peer.is_waiting(*target)) else {
            return;
        };
        let order = peer.first_encodings(ladder, target);
        if let Some(start) = publication.heads.start(target.feed, &order, now) {
            let (scratch, sink) = (&mut self.scratch, &mut self.sink);
            let carrier = peer.carrier_index();
            let outcome = match carrier {
                None => peer.begin(now, &start, scratch, sink, None),
                Some(carrier) => {
                    let Some((peer, carrier)) = self.peers.pair_mut(peer_index, carrier) else {
                        return;
                    };
                    peer.begin(now, &start, scratch, sink, Some(carrier))
                }
            };
            let outcome = outcome.map(|forwarded| self.stats.packets_out += forwarded.sent);
            self.settle(now, carrier.unwrap_or(peer_index), outcome);
        }
        let is_waiting = |peer: &Peer| peer.is_waiting(target);
        if self.peers.get(peer_index).is_some_and(is_waiting) {
            self.want_keyframe(now, index, target.layer);
        }
    }

    pub(super) fn want_keyframe(&mut self, now: Instant, index: Index, layer: u8) {
        let Some(key_frames) = self
            .publications
            .get_mut(index)
            .and_then(|publication| publication.inlet.key_frames(layer))
        else {
            return;
        };
        if key_frames.want(now) {
            self.send_keyframe_request(now, index, layer);
        }
        self.set_publication_timer(index);
    }

    pub(super) fn send_keyframe_request(&mut self, now: Instant, index: Index, layer: u8) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let (peer_index, rid) = match &mut publication.inlet {
            Inlet::Relay { .. } => {
                self.sink.outputs.push_back(Output::KeyframeWanted {
                    publication: publication.key,
                    layer,
                });
                return;
            }
            Inlet::External(external) => {
                if let Some(rid) = external.feed.video().rid(layer) {
                    self.stats.keyframe_requests += 1;
                    self.sink.outputs.push_back(Output::InletKeyframeWanted {
                        inlet: external.key,
                        layer: layer_of_rid(rid),
                    });
                }
                return;
            }
            Inlet::Peer { peer, feed } => (*peer, feed.video().rid(layer)),
        };
        let (Some(rid), Some(peer)) = (rid, self.peers.get_mut(peer_index)) else {
            return;
        };
        let with_fir = peer.needs_fir();
        let Some(transport) = &mut peer.transport else {
            return;
        };
        let outcome = transport
            .request_key_frame(rid, with_fir, &mut self.sink)
            .map(|is_sent| self.stats.keyframe_requests += u64::from(is_sent));
        self.settle(now, peer_index, outcome);
    }

    pub(super) fn set_publication_timer(&mut self, index: Index) {
        let publication = self.publications.get(index);
        let deadline = publication.and_then(|publication| {
            let timers = [publication.inlet.deadline(), publication.layers_due];
            timers.into_iter().flatten().min()
        });
        match deadline {
            // See `settle`.
            Some(deadline) => {
                let deadline = self.now.map_or(deadline, |now| deadline.max(now));
                self.publication_timers.set(index, deadline);
            }
            None => self.publication_timers.clear(index),
        }
    }
}
