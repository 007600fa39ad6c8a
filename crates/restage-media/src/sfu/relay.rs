//! Publications that are fed on one worker and received on another.

use std::sync::Arc;
use std::time::Instant;

use super::Sfu;
use crate::io::{Burst, Output, PublicationId, WorkerId};
use crate::packet::Packet;
use crate::publication::inlet::Inlet;

impl Sfu {
    /// Sets the workers that the publication is relayed to. Pending packets have been forwarded.
    pub(super) fn relay(&mut self, key: PublicationId, to: Vec<WorkerId>) {
        let is_known = self.publication_keys.contains_key(&key);
        if !is_known && to.is_empty() {
            return;
        }
        let Some(index) = self.publication(key) else {
            return;
        };
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let is_new = |worker: &&WorkerId| !publication.outlets.relays.contains(worker);
        let new: Vec<WorkerId> = to.iter().filter(is_new).copied().collect();
        let head: Vec<Packet> = publication.heads.packets().cloned().collect();
        if !new.is_empty() && !head.is_empty() && publication.inlet.is_local() {
            self.sink.outputs.push_back(Output::Relay {
                publication: key,
                to: new.into(),
                burst: Burst {
                    packets: head.into(),
                    formats: Arc::clone(&publication.offered),
                },
            });
        }
        publication.outlets.relays = to.into();
        self.forget_if_idle(index);
    }

    pub(super) fn relayed(&mut self, key: PublicationId, burst: &Burst) {
        let Some(&index) = self.publication_keys.get(&key) else {
            return;
        };
        self.learn_formats(index, &burst.formats);
        for packet in burst.packets.iter() {
            let Some(publication) = self.publications.get_mut(index) else {
                return;
            };
            // An inlet of this worker has taken over: these are the last packets of the former one.
            if publication.inlet.is_local() {
                return;
            }
            publication.on_relayed(packet);
            self.stats.packets_relayed_in += 1;
            self.queue(index, packet.clone());
        }
    }

    pub(super) fn keyframe_wanted_elsewhere(
        &mut self,
        now: Instant,
        key: PublicationId,
        layer: u8,
    ) {
        let Some(&index) = self.publication_keys.get(&key) else {
            return;
        };
        let publication = self.publications.get(index);
        if publication.is_some_and(|publication| publication.inlet.is_local()) {
            self.want_keyframe(now, index, layer);
        }
    }

    /// A peer of another worker feeds the publication from now on.
    pub(super) fn yield_feed(&mut self, key: PublicationId) {
        let Some(&index) = self.publication_keys.get(&key) else {
            return;
        };
        let publication = self.publications.get(index);
        if publication.is_some_and(|publication| publication.inlet.is_local()) {
            self.set_inlet(index, Inlet::default());
            self.forget_if_idle(index);
        }
    }
}
