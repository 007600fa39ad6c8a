//! Which layers of a publisher somebody wants, and that it is told.

use std::time::Instant;

use super::Sfu;
use crate::io::{LayerWanted, Output, PublicationId};
use crate::limits::LAYERS_MAX;
use crate::publication::inlet::Inlet;
use crate::util::slab::Index;

impl Sfu {
    /// Somebody wants this many layers of a publication, from the smallest on.
    pub(super) fn want_layers(&mut self, now: Instant, index: Index, level: usize) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        publication.wanted.want(now, level);
        match &publication.inlet {
            Inlet::Peer { .. } => {
                if let Some(level) = publication.wanted.risen(now) {
                    self.tell_layers(now, index, level);
                }
            }
            Inlet::Relay { .. } => {
                if let Some(level) = publication.wanted.needed(now) {
                    let publication = publication.key;
                    let output = Output::LayersNeeded { publication, level };
                    self.sink.outputs.push_back(output);
                }
            }
            // The caller sends what it has.
            Inlet::External(_) => {}
        }
    }

    pub(super) fn layers_needed_elsewhere(
        &mut self,
        now: Instant,
        key: PublicationId,
        level: usize,
    ) {
        let Some(&index) = self.publication_keys.get(&key) else {
            return;
        };
        let publication = self.publications.get(index);
        if publication.is_some_and(|publication| publication.inlet.is_local()) {
            self.want_layers(now, index, level);
        }
    }

    /// Looks whether layers of a publisher are wanted no longer, if that is due.
    pub(super) fn look_at_layers(&mut self, now: Instant, index: Index) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        if publication.inlet.peer().is_none() || publication.layers_due.is_none_or(|at| now < at) {
            return;
        }
        // While nothing comes, nothing else says what taps take.
        let level = publication.level_of_taps();
        publication.wanted.want(now, level);
        let level = publication.wanted.tell_all(now);
        self.tell_layers(now, index, level);
    }

    /// Tells a publisher which of its layers are wanted, if that is another answer than the last. A layer that is wanted again is asked
    /// for a key frame.
    fn tell_layers(&mut self, now: Instant, index: Index, level: usize) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        publication.layers_due = Some(publication.wanted.deadline(now));
        let Inlet::Peer { peer, feed } = &mut publication.inlet else {
            return;
        };
        let peer = *peer;
        let layers = feed.video().want(now, level);
        let before = std::mem::replace(&mut publication.layers_told, layers);
        let layers = &publication.layers_told;
        let was_unwanted = |rid| {
            before
                .iter()
                .any(|(of, is_wanted)| *of == rid && !is_wanted)
        };
        let is_news = *layers != before
            && layers
                .iter()
                .any(|(rid, is_wanted)| !is_wanted || was_unwanted(*rid));
        let back: Vec<u8> = (0..LAYERS_MAX as u8)
            .filter(|layer| {
                let rid = feed.video().rid(*layer).flatten();
                rid.is_some_and(|rid| was_unwanted(rid) && layers.contains(&(rid, true)))
            })
            .collect();
        let told = layers
            .iter()
            .map(|(rid, is_wanted)| LayerWanted {
                rid: rid.as_str().to_owned(),
                is_wanted: *is_wanted,
            })
            .collect();
        for layer in back {
            self.want_keyframe(now, index, layer);
        }
        if is_news && let Some(peer) = self.peers.get(peer) {
            let peer = peer.key;
            let output = Output::LayersWanted { peer, layers: told };
            self.sink.outputs.push_back(output);
        }
        self.set_publication_timer(index);
    }
}
