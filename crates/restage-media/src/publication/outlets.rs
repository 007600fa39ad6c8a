//! Where a publication's packets go.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use super::head::{Heads, Start};
use super::select::{Choice, Selector};
use crate::io::{TapId, WorkerId};
use crate::limits::{LAYERS_MAX, PICTURE_WAIT_AUDIENCE_MIN};
use crate::packet::{Encoding, Packet, TapLayers};
use crate::util::slab::Index;

/// All outlets of a publication. Peers are served one after the other with every burst. Relays and taps are given a burst once.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    /// Subscribing peers of this worker.
    pub(crate) peers: Vec<Index>,
    /// Other workers that have subscribers of it.
    pub(crate) relays: Arc<[WorkerId]>,
    /// The caller of this crate: [`Output::Tapped`](crate::Output::Tapped).
    pub(crate) taps: Vec<Tap>,
}

impl Outlets {
    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.relays.is_empty() && self.taps.is_empty()
    }

    /// Whether a burst should wait for the end of its picture: for a large audience that saves system calls.
    pub(crate) fn is_large(&self) -> bool {
        self.peers.len() >= PICTURE_WAIT_AUDIENCE_MIN || !self.relays.is_empty()
    }
}

/// An outlet to the caller.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) key: TapId,
    pub(crate) layers: TapLayers,
    /// One for the one layer that it is given, or one for each.
    selectors: [Selector; LAYERS_MAX],
}

impl Tap {
    pub(crate) fn new(key: TapId, layers: TapLayers) -> Self {
        Self {
            key,
            layers,
            selectors: Default::default(),
        }
    }

    /// The selector that decides about packets of an encoding, and the encoding that it should let through. `target` is that of the tap.
    fn selector(
        &mut self,
        encoding: Encoding,
        target: Encoding,
    ) -> Option<(&mut Selector, Encoding)> {
        let (place, wanted) = match self.layers {
            TapLayers::Best | TapLayers::Nearest(_) => (0, target),
            TapLayers::All => (usize::from(encoding.layer), encoding),
        };
        Some((self.selectors.get_mut(place)?, wanted))
    }

    /// The encoding that the tap should be given from this packet on.
    fn target(&self, packet: &Packet) -> Encoding {
        let ladder = packet.ladder.as_deref().unwrap_or_default();
        self.layers.target(ladder, packet.target)
    }

    /// Whether the tap is given a packet. Video begins with a key frame, and again after every change of encodings.
    fn takes(&mut self, packet: &Packet) -> bool {
        if packet.payload.is_empty() {
            return false;
        }
        if packet.kind == MediaKind::Audio {
            return true;
        }
        let (encoding, target) = (packet.encoding, self.target(packet));
        let can_start = packet.starts_key_frame;
        self.selector(encoding, target)
            .is_some_and(|(selector, wanted)| {
                selector.select(encoding, can_start, wanted) != Choice::Drop
            })
    }

    /// Gives `give` the packets of a burst that the tap is given. Returns the layers whose key frame it needs.
    pub(crate) fn take(&mut self, burst: &[Packet], mut give: impl FnMut(&Packet)) -> Vec<u8> {
        let mut wanted = Vec::new();
        for packet in burst {
            if self.takes(packet) {
                give(packet);
            } else if let Some(layer) = self.waits_for(packet)
                && !wanted.contains(&layer)
            {
                wanted.push(layer);
            }
        }
        wanted
    }

    fn waits_for(&mut self, packet: &Packet) -> Option<u8> {
        if packet.kind != MediaKind::Video {
            return None;
        }
        let target = self.target(packet);
        let (selector, wanted) = self.selector(packet.encoding, target)?;
        selector.is_waiting(wanted).then_some(wanted.layer)
    }

    /// Gives `give` the packets that a new tap is given: the picture as it stands. `target` is that of the tap.
    pub(crate) fn begin(
        &mut self,
        heads: &Heads,
        target: Encoding,
        now: Instant,
        mut give: impl FnMut(&Packet),
    ) {
        let starts: Vec<Start<'_>> = match self.layers {
            TapLayers::Best | TapLayers::Nearest(_) => {
                let start = heads.start(target.feed, &[target], now);
                start.into_iter().collect()
            }
            TapLayers::All => heads.starts(target.feed, now).collect(),
        };
        for start in starts {
            let mut last = None;
            for packet in start.packets {
                // The target may have changed since the packet came.
                let (encoding, can_start) = (packet.encoding, packet.starts_key_frame);
                let Some((selector, wanted)) = self.selector(encoding, target) else {
                    continue;
                };
                if selector.select(encoding, can_start, wanted) != Choice::Drop {
                    give(packet);
                    last = Some(encoding);
                }
            }
            if let Some(last) = last.filter(|_| start.is_still)
                && let Some((selector, _)) = self.selector(last, target)
            {
                selector.hold();
            }
        }
    }

    /// Those layers of these encodings whose key frame the tap needs. `target` is that of the tap.
    pub(crate) fn waiting(
        &mut self,
        target: Encoding,
        others: impl IntoIterator<Item = Encoding>,
    ) -> Vec<u8> {
        let all = std::iter::once(target).chain(others);
        let relevant = all.filter(|one| self.layers == TapLayers::All || *one == target);
        let mut layers: Vec<u8> = Vec::new();
        for encoding in relevant.collect::<Vec<_>>() {
            let waits = self
                .selector(encoding, target)
                .is_some_and(|(selector, wanted)| selector.is_waiting(wanted));
            if waits && !layers.contains(&encoding.layer) {
                layers.push(encoding.layer);
            }
        }
        layers
    }
}
