//! Taps: outlets by which the caller is given the packets of a publication.

use std::sync::Arc;
use std::time::Instant;

use super::Sfu;
use crate::io::{Output, PublicationId, TapError, TapId};
use crate::limits::{BATCH_PACKETS_MAX, TAP_BUFFERS_KEPT_MAX, TAPS_MAX, TAPS_PER_PUBLICATION_MAX};
use crate::packet::{Encoding, MediaPacket, Packet, TapLayers};
use crate::publication::Publication;
use crate::publication::outlets::Tap;
use crate::sdp::format::Format;
use crate::transport::event::Sink;
use crate::util::slab::Index;

impl Sfu {
    pub(super) fn open_tap(
        &mut self,
        now: Instant,
        key: TapId,
        publication: PublicationId,
        layers: TapLayers,
    ) {
        match self.try_open_tap(key, publication, layers) {
            Ok(index) => self.start_tap(now, key, index),
            Err(error) => {
                tracing::debug!(tap = key.0, %error, "refused");
                self.sink
                    .outputs
                    .push_back(Output::TapRefused { tap: key, error });
            }
        }
    }

    fn try_open_tap(
        &mut self,
        key: TapId,
        publication: PublicationId,
        layers: TapLayers,
    ) -> Result<Index, TapError> {
        if self.tap_keys.contains_key(&key) {
            return Err(TapError::KeyInUse);
        }
        if self.tap_keys.len() >= TAPS_MAX {
            return Err(TapError::Full);
        }
        let index = self.publication(publication).ok_or(TapError::Full)?;
        let entry = self.publications.get_mut(index).ok_or(TapError::Full)?;
        if entry.outlets.taps.len() >= TAPS_PER_PUBLICATION_MAX {
            return Err(TapError::Full);
        }
        entry.outlets.taps.push(Tap::new(key, layers));
        self.tap_keys.insert(key, index);
        Ok(index)
    }

    /// Gives a new tap the picture as it stands, and asks for the key frames that it needs. Pending packets have been forwarded.
    fn start_tap(&mut self, now: Instant, key: TapId, index: Index) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let Some(target) = publication.target else {
            return;
        };
        let Publication {
            outlets,
            heads,
            ladder,
            ..
        } = publication;
        let Some(tap) = outlets.taps.iter_mut().find(|tap| tap.key == key) else {
            return;
        };
        let us = |at: Instant| self.sink.us_since_1970(at);
        let rungs = ladder.as_deref().unwrap_or_default();
        let target = tap.layers.target(rungs, target);
        let mut packets = Vec::new();
        tap.begin(heads, target, now, |packet| {
            packets.push(MediaPacket::new(packet, us));
        });
        let others: Vec<Encoding> = rungs.iter().map(|rung| rung.encoding).collect();
        let wanted = tap.waiting(target, others);
        let (publication_key, formats) = (publication.key, Arc::clone(&publication.offered));
        self.stats.packets_tapped += packets.len() as u64;
        hand_out(&mut self.sink, key, publication_key, formats, packets);
        for layer in wanted {
            self.want_keyframe(now, index, layer);
        }
    }

    /// Gives each tap of a publication its part of a burst. Returns the layers whose key frame they need.
    pub(super) fn hand_to_taps(&mut self, index: Index, burst: &[Packet]) -> Vec<u8> {
        let Some(publication) = self.publications.get_mut(index) else {
            return Vec::new();
        };
        let mut wanted = Vec::new();
        for tap in &mut publication.outlets.taps {
            let mut packets = self.tap_buffers.pop().unwrap_or_default();
            packets.reserve(burst.len());
            let us = |at: Instant| self.sink.us_since_1970(at);
            let layers = tap.take(burst, |packet| packets.push(MediaPacket::new(packet, us)));
            self.stats.packets_tapped += packets.len() as u64;
            wanted.extend(layers);
            if packets.is_empty() {
                self.tap_buffers.push(packets);
                continue;
            }
            let formats = Arc::clone(&publication.offered);
            hand_out(&mut self.sink, tap.key, publication.key, formats, packets);
        }
        wanted
    }

    /// The tap is given other layers from the next packet on.
    pub(super) fn choose_tap_layers(&mut self, now: Instant, key: TapId, layers: TapLayers) {
        let Some(&index) = self.tap_keys.get(&key) else {
            return;
        };
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let taps = &mut publication.outlets.taps;
        let Some(tap) = taps.iter_mut().find(|tap| tap.key == key) else {
            return;
        };
        tap.layers = layers;
        let level = publication.level_of_taps();
        self.want_layers(now, index, level);
    }

    /// Takes back the list of an [`Output::Tapped`], so that the next one need not be allocated. What is in it is dropped.
    pub fn reuse_tapped(&mut self, mut packets: Vec<MediaPacket>) {
        packets.clear();
        if self.tap_buffers.len() < TAP_BUFFERS_KEPT_MAX && packets.capacity() <= BATCH_PACKETS_MAX
        {
            self.tap_buffers.push(packets);
        }
    }

    pub(super) fn close_tap(&mut self, key: TapId) {
        let Some(index) = self.tap_keys.remove(&key) else {
            return;
        };
        if let Some(publication) = self.publications.get_mut(index) {
            publication.outlets.taps.retain(|tap| tap.key != key);
        }
        self.forget_if_idle(index);
    }

    pub(super) fn keyframe_wanted_by_tap(&mut self, now: Instant, key: TapId) {
        let Some(&index) = self.tap_keys.get(&key) else {
            return;
        };
        let Some(publication) = self.publications.get(index) else {
            return;
        };
        let tap = publication.outlets.taps.iter().find(|tap| tap.key == key);
        if let (Some(tap), Some(best)) = (tap, publication.target) {
            let ladder = publication.ladder.as_deref().unwrap_or_default();
            let target = tap.layers.target(ladder, best);
            self.want_keyframe(now, index, target.layer);
        }
    }
}

fn hand_out(
    sink: &mut Sink,
    tap: TapId,
    publication: PublicationId,
    formats: Arc<[Arc<Format>]>,
    packets: Vec<MediaPacket>,
) {
    if packets.is_empty() {
        return;
    }
    sink.outputs.push_back(Output::Tapped {
        tap,
        publication,
        formats,
        packets,
    });
}
