//! A publication: one publisher's audio and video. It has one inlet and any number of outlets.
//!
//! | | peer | relay | outside |
//! |---|---|---|---|
//! | [`Inlet`](inlet::Inlet) | a publisher of this worker | another worker | `External`: packets that the caller pushes |
//! | [`Outlets`](outlets::Outlets) | subscribers of this worker | other workers | taps: packets that the caller is given |
//!
//! A replica of a participant in another stage is nothing more than further peers among the outlets of the same publication.

pub(crate) mod head;
pub(crate) mod history;
pub(crate) mod inlet;
mod loudness;
pub(crate) mod outlets;
pub(crate) mod select;
pub(crate) mod thin;
pub(crate) mod wanted;

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::io::PublicationId;
use crate::limits::{LAYERS_MAX, PICTURE_WAIT_MAX, STOPPED_AFTER};
use crate::packet::{Encoding, Ladder, Packet, TapLayers};
use crate::rtp::extensions::RidName;
use crate::sdp::format::{Format, of_kind};
use head::Heads;
use history::History;
use inlet::Inlet;
use loudness::Loudness;
use outlets::Outlets;
use wanted::Wanted;

#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) key: PublicationId,
    pub(crate) inlet: Inlet,
    pub(crate) outlets: Outlets,
    /// Packets that have not been handed to the outlets yet.
    pub(crate) pending: Vec<Packet>,
    /// Until when these may wait for the rest of their picture.
    pub(crate) waits_until: Option<Instant>,
    /// Video packets so far.
    pub(crate) numbered: u64,
    pub(crate) history: History,
    /// What new outlets begin with.
    pub(crate) heads: Heads,
    /// The encoding of video that subscribers should be shown; `None` before the present feed's first packet.
    pub(crate) target: Option<Encoding>,
    /// The living layers of video, once their rates are measured.
    pub(crate) ladder: Option<Arc<Ladder>>,
    /// What the sound takes with headers, in bits per second, once that is measured.
    pub(crate) audio_bits_per_s: Option<u64>,
    /// The formats that the inlet may send, as far as they are known.
    pub(crate) offered: Arc<[Arc<Format>]>,
    /// The format that it sends of each kind.
    flowing: [Option<Arc<Format>>; 2],
    /// When the newest packet of each kind came, whoever sent it.
    flowed_at: [Option<Instant>; 2],
    loudness: Loudness,
    /// How many layers are wanted here; where a peer of this worker feeds it, on all workers.
    pub(crate) wanted: Wanted,
    /// When the layers of a peer that feeds it have to be looked at again.
    pub(crate) layers_due: Option<Instant>,
    /// What that peer was told about its layers.
    pub(crate) layers_told: Vec<(RidName, bool)>,
}

impl Publication {
    pub(crate) fn new(key: PublicationId) -> Self {
        Self {
            key,
            inlet: Inlet::default(),
            outlets: Outlets::default(),
            pending: Vec::new(),
            waits_until: None,
            numbered: 0,
            history: History::default(),
            heads: Heads::default(),
            target: None,
            ladder: None,
            audio_bits_per_s: None,
            offered: Arc::default(),
            flowing: [None, None],
            flowed_at: [None, None],
            loudness: Loudness::default(),
            wanted: Wanted::default(),
            layers_due: None,
            layers_told: Vec::new(),
        }
    }

    /// Whether packets of this kind have come, and none has for a while, or nothing but silence: it is muted, or its device is off.
    pub(crate) fn is_stopped(&self, kind: MediaKind, now: Instant) -> bool {
        let is_over = self.flowed_at[kind.index()].is_some_and(|at| now >= at + STOPPED_AFTER);
        is_over || kind == MediaKind::Audio && self.loudness.is_muted(now)
    }

    /// How many layers its taps take, from the smallest on; 0 where there are none.
    pub(crate) fn level_of_taps(&self) -> usize {
        let ladder = self.ladder.as_deref().unwrap_or_default();
        let taps = self.outlets.taps.iter();
        let levels = taps.map(|tap| match (tap.layers, self.target) {
            // Layers of one encoding (SVC) have a place each, so this may be one too many.
            (TapLayers::Nearest(_), Some(best)) => {
                let place = tap.layers.place(ladder, best);
                place.map_or(LAYERS_MAX, |place| (place + 1).min(LAYERS_MAX))
            }
            _ => LAYERS_MAX,
        });
        levels.max().unwrap_or(0)
    }

    /// Takes how loud a packet of sound is. Returns what has to be told of it, in −dBov.
    pub(crate) fn hear(&mut self, packet: &Packet) -> Option<i8> {
        if packet.payload.is_empty() {
            return None;
        }
        let Some(level) = packet.extensions.audio_level else {
            self.loudness.on_unknown(packet.arrived);
            return None;
        };
        self.loudness.add(packet.arrived, level)
    }

    /// The formats of a kind that are published: the one that is sent, else all that may be sent.
    pub(crate) fn published(&self, kind: MediaKind) -> Vec<&Format> {
        match &self.flowing[kind.index()] {
            Some(format) => vec![format],
            None => of_kind(&self.offered, kind).collect(),
        }
    }

    /// Numbers a packet. For a large audience it lets the packet wait for the rest of its picture, so that one train takes all of
    /// it; the last packet of the picture or the time limit ends the waiting.
    pub(crate) fn note(&mut self, packet: &mut Packet) {
        if !packet.payload.is_empty() {
            self.flowed_at[packet.kind.index()] = Some(packet.arrived);
        }
        let flowing = &mut self.flowing[packet.kind.index()];
        let is_known = flowing
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &packet.format));
        if !is_known {
            *flowing = Some(Arc::clone(&packet.format));
        }
        if packet.kind != MediaKind::Video {
            let rung = packet.ladder.as_ref().and_then(|ladder| ladder.first());
            self.audio_bits_per_s = rung.map(|rung| rung.peak_bits_per_s);
            return;
        }
        self.target = Some(packet.target);
        let known = self.ladder.as_ref().map(Arc::as_ptr);
        if known != packet.ladder.as_ref().map(Arc::as_ptr) {
            self.ladder.clone_from(&packet.ladder);
        }
        packet.number = self.numbered;
        self.numbered += 1;
        let is_new = self.pending.is_empty();
        // The worker that sent it has waited already.
        let may_wait = !packet.marker && self.outlets.is_large() && self.inlet.is_local();
        self.waits_until = match (may_wait, is_new) {
            (false, _) => None,
            (true, true) => Some(packet.arrived + PICTURE_WAIT_MAX),
            // Earlier packets either wait for the same picture or do not wait at all.
            (true, false) => self.waits_until,
        };
    }

    /// A packet of another worker has come.
    pub(crate) fn on_relayed(&mut self, packet: &Packet) {
        if packet.starts_key_frame
            && let Some(requester) = self.inlet.key_frames(packet.encoding.layer)
        {
            requester.on_key_frame();
        }
    }

    /// A packet has been handed to every outlet.
    pub(crate) fn on_forwarded(&mut self, packet: Packet, now: Instant) {
        if packet.kind == MediaKind::Video {
            self.heads.push(&packet);
            self.history.push(packet, now);
        }
    }

    /// Another inlet takes over.
    pub(crate) fn set_inlet(&mut self, inlet: Inlet) -> Inlet {
        self.heads.clear();
        self.target = None;
        self.ladder = None;
        self.audio_bits_per_s = None;
        self.offered = Arc::default();
        self.flowing = [None, None];
        self.wanted = Wanted::default();
        self.layers_due = None;
        self.layers_told.clear();
        std::mem::replace(&mut self.inlet, inlet)
    }

    /// Whether it can be forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        !self.inlet.is_local() && self.outlets.is_empty()
    }
}
