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
pub(crate) mod outlets;
pub(crate) mod select;

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::io::PublicationKey;
use crate::limits::PICTURE_WAIT_MAX;
use crate::packet::{Encoding, Ladder, Packet};
use crate::sdp::format::{Format, of_kind};
use head::Heads;
use history::History;
use inlet::Inlet;
use outlets::Outlets;

#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) key: PublicationKey,
    pub(crate) inlet: Inlet,
    pub(crate) outlets: Outlets,
    /// Packets that subscribers have not been given yet.
    pub(crate) pending: Vec<Packet>,
    /// Since when, if they may wait for the rest of their picture.
    pub(crate) waits_until: Option<Instant>,
    /// Video packets so far.
    pub(crate) numbered: u64,
    pub(crate) history: History,
    /// Where newcomers begin.
    pub(crate) heads: Heads,
    /// The layer of video that subscribers should see; `None` before the present feeder's first packet.
    pub(crate) target: Option<Encoding>,
    /// What else they could see.
    pub(crate) ladder: Option<Arc<Ladder>>,
    /// What its publisher may send, as far as that is known.
    pub(crate) offered: Arc<[Arc<Format>]>,
    /// What it does send.
    flowing: [Option<Arc<Format>>; 2],
}

impl Publication {
    pub(crate) fn new(key: PublicationKey) -> Self {
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
            offered: Arc::default(),
            flowing: [None, None],
        }
    }

    /// The formats of a kind that are published: what is sent, else what may be.
    pub(crate) fn published(&self, kind: MediaKind) -> Vec<&Format> {
        match &self.flowing[kind.index()] {
            Some(format) => vec![format],
            None => of_kind(&self.offered, kind).collect(),
        }
    }

    /// Numbers a packet, and lets a large audience wait for the rest of its picture: then one train takes all of
    /// it. A packet that ends its picture, and the limit, end the waiting.
    pub(crate) fn note(&mut self, packet: &mut Packet) {
        let flowing = &mut self.flowing[packet.kind.index()];
        let is_known = flowing
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &packet.format));
        if !is_known {
            *flowing = Some(Arc::clone(&packet.format));
        }
        if packet.kind != MediaKind::Video {
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
        // Packets of another worker have waited there.
        let may_wait = !packet.marker && self.outlets.is_large() && self.inlet.is_local();
        self.waits_until = match (may_wait, is_new) {
            (false, _) => None,
            (true, true) => Some(packet.arrived + PICTURE_WAIT_MAX),
            // What is pending is a picture that waits, or one that is complete or nobody waits for.
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

    /// A packet has been given to everybody there is.
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
        self.offered = Arc::default();
        self.flowing = [None, None];
        std::mem::replace(&mut self.inlet, inlet)
    }

    /// Nobody needs it to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        !self.inlet.is_local() && self.outlets.is_empty()
    }
}
