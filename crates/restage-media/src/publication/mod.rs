//! One publisher's audio and video, whoever feeds them, and who receives them.
//!
//! A replica of a participant in another stage is nothing more than further subscribers of the same publication.

pub(crate) mod head;
pub(crate) mod history;

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::io::{PublicationKey, WorkerId};
use crate::limits::{LAYERS_MAX, PICTURE_WAIT_AUDIENCE_MIN, PICTURE_WAIT_MAX};
use crate::packet::Packet;
use crate::packet::{Encoding, Ladder};
use crate::publication::head::Heads;
use crate::publication::history::History;
use crate::receive::Received;
use crate::receive::clock::FeedClock;
use crate::receive::clock::SenderReport;
use crate::receive::keyframe::KeyframeRequester;
use crate::receive::track::TrackIn;
use crate::rtp::extensions::RidName;
use crate::sdp::format::{Format, of_kind};
use crate::util::slab::Index;

#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) key: PublicationKey,
    pub(crate) feed: Option<Feed>,
    pub(crate) subscribers: Vec<Index>,
    /// Packets that subscribers have not been given yet.
    pub(crate) pending: Vec<Packet>,
    /// Since when, if they may wait for the rest of their picture.
    pub(crate) waits_until: Option<Instant>,
    /// Video packets so far.
    pub(crate) numbered: u64,
    pub(crate) history: History,
    /// Where newcomers begin.
    pub(crate) heads: Heads,
    /// Other workers that have subscribers of it.
    pub(crate) relays: Arc<[WorkerId]>,
    /// Key frame requests to the worker that feeds it, by layer, while that is another one.
    upstream: [KeyframeRequester; LAYERS_MAX],
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
            feed: None,
            subscribers: Vec::new(),
            pending: Vec::new(),
            waits_until: None,
            numbered: 0,
            history: History::default(),
            heads: Heads::default(),
            relays: Arc::default(),
            upstream: Default::default(),
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
        let is_large =
            self.subscribers.len() >= PICTURE_WAIT_AUDIENCE_MIN || !self.relays.is_empty();
        // Packets of another worker have waited there.
        let may_wait = !packet.marker && is_large && self.feed.is_some();
        self.waits_until = match (may_wait, is_new) {
            (false, _) => None,
            (true, true) => Some(packet.arrived + PICTURE_WAIT_MAX),
            // What is pending is a picture that waits, or one that is complete or nobody waits for.
            (true, false) => self.waits_until,
        };
    }

    /// Whether anybody receives it, here or on another worker.
    pub(crate) fn has_audience(&self) -> bool {
        !self.subscribers.is_empty() || !self.relays.is_empty()
    }

    /// Key frame requests for a layer, if there is such a layer.
    pub(crate) fn key_frames(&mut self, layer: u8) -> Option<&mut KeyframeRequester> {
        match &mut self.feed {
            Some(feed) => feed.video().key_frames(layer),
            None => self.upstream.get_mut(usize::from(layer)),
        }
    }

    /// When a key frame request is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.feed {
            Some(feed) => feed.tracks[MediaKind::Video.index()].deadline(),
            None => self
                .upstream
                .iter()
                .filter_map(KeyframeRequester::deadline)
                .min(),
        }
    }

    /// Layers whose key frame request is due now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u8> {
        match &mut self.feed {
            Some(feed) => feed.video().due(now),
            None => (0..)
                .zip(&mut self.upstream)
                .filter_map(|(layer, requester)| requester.on_deadline(now).then_some(layer))
                .collect(),
        }
    }

    /// A packet of another worker has come.
    pub(crate) fn on_relayed(&mut self, packet: &Packet) {
        if packet.starts_key_frame
            && let Some(requester) = self.upstream.get_mut(usize::from(packet.encoding.layer))
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

    /// Another feeder takes over, or none.
    pub(crate) fn set_feed(&mut self, feed: Option<Feed>) {
        self.feed = feed;
        self.upstream = Default::default();
        self.heads.clear();
        self.target = None;
        self.ladder = None;
        self.offered = Arc::default();
        self.flowing = [None, None];
    }

    /// Nobody needs it to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        self.feed.is_none() && !self.has_audience()
    }
}

/// A peer that feeds a publication, from the moment it was told to.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) peer: Index,
    clock: FeedClock,
    tracks: [TrackIn; 2],
}

impl Feed {
    pub(crate) fn new(id: u64, peer: Index, now: Instant) -> Self {
        let tracks = MediaKind::BOTH.map(|kind| TrackIn::new(kind, id));
        Self {
            peer,
            clock: FeedClock::new(now),
            tracks,
        }
    }

    pub(crate) fn on_packet(
        &mut self,
        kind: MediaKind,
        received: Received,
        format: &Arc<Format>,
    ) -> Option<Packet> {
        self.tracks[kind.index()].on_packet(received, format, &mut self.clock)
    }

    pub(crate) fn on_report(
        &mut self,
        kind: MediaKind,
        rid: Option<RidName>,
        report: SenderReport,
        rate: u32,
    ) {
        self.clock
            .on_report(kind, &report.at_rate(rate), report.arrived);
        self.tracks[kind.index()].on_report(rid, report);
    }

    pub(crate) fn video(&mut self) -> &mut TrackIn {
        &mut self.tracks[MediaKind::Video.index()]
    }
}
