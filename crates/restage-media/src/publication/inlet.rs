//! Where a publication's packets come from.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;

use crate::bitrate::Upload;
use crate::io::InletId;
use crate::limits::{LAYERS_MAX, REPLAY_WINDOW};
use crate::packet::Packet;
use crate::packet::SenderReport;
use crate::receive::Received;
use crate::receive::clock::FeedClock;
use crate::receive::keyframe::KeyframeRequester;
use crate::receive::source::Seen;
use crate::receive::track::{Described, TrackIn};
use crate::rtp::extensions::RidName;
use crate::sdp::format::Format;
use crate::util::slab::Index;

/// The one place that a publication's packets come from at a time. Another inlet takes over at a key frame of its own.
#[derive(Debug)]
pub(crate) enum Inlet {
    /// Another worker, or none yet.
    Relay {
        /// Key frame requests to that worker, by layer.
        key_frames: [KeyframeRequester; LAYERS_MAX],
    },
    /// A peer of this worker.
    Peer { peer: Index, feed: Feed },
    /// The caller of this crate: [`Input::Push`](crate::Input::Push).
    External(Box<External>),
}

impl Default for Inlet {
    fn default() -> Self {
        Self::Relay {
            key_frames: Default::default(),
        }
    }
}

impl Inlet {
    /// Whether packets come from this worker's own peer or caller, and not from another worker.
    pub(crate) fn is_local(&self) -> bool {
        !matches!(self, Self::Relay { .. })
    }

    /// The peer that feeds the publication.
    pub(crate) fn peer(&self) -> Option<Index> {
        match self {
            Self::Peer { peer, .. } => Some(*peer),
            Self::Relay { .. } | Self::External(_) => None,
        }
    }

    /// The feed of this peer, if it is the one that feeds the publication.
    pub(crate) fn feed_of(&mut self, index: Index) -> Option<&mut Feed> {
        match self {
            Self::Peer { peer, feed } if *peer == index => Some(feed),
            _ => None,
        }
    }

    /// Key frame requests for a layer, if there is such a layer.
    pub(crate) fn key_frames(&mut self, layer: u8) -> Option<&mut KeyframeRequester> {
        match self {
            Self::Relay { key_frames } => key_frames.get_mut(usize::from(layer)),
            Self::Peer { feed, .. } => feed.video().key_frames(layer),
            Self::External(external) => external.feed.video().key_frames(layer),
        }
    }

    /// When a key frame request is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let feed = match self {
            Self::Relay { key_frames } => {
                let deadlines = key_frames.iter().filter_map(KeyframeRequester::deadline);
                return deadlines.min();
            }
            Self::Peer { feed, .. } => feed,
            Self::External(external) => &external.feed,
        };
        feed.tracks[MediaKind::Video.index()].deadline()
    }

    /// Layers whose key frame request is due now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<u8> {
        match self {
            Self::Relay { key_frames } => (0..)
                .zip(key_frames)
                .filter_map(|(layer, requester)| requester.on_deadline(now).then_some(layer))
                .collect(),
            Self::Peer { feed, .. } => feed.video().due(now),
            Self::External(external) => external.feed.video().due(now),
        }
    }
}

/// The layers of each kind that feed a publication from this worker, on one clock.
#[derive(Debug)]
pub(crate) struct Feed {
    clock: FeedClock,
    tracks: [TrackIn; 2],
}

impl Feed {
    /// No two feeds of a publication may have the same `id`.
    pub(crate) fn new(id: u64, now: Instant) -> Self {
        let tracks = MediaKind::BOTH.map(|kind| TrackIn::new(kind, id));
        Self {
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

    /// What is known of a layer of a kind.
    pub(crate) fn describe(&self, kind: MediaKind, rid: Option<RidName>) -> Option<Described> {
        self.tracks[kind.index()].describe(rid)
    }

    pub(crate) fn video(&mut self) -> &mut TrackIn {
        &mut self.tracks[MediaKind::Video.index()]
    }
}

/// An inlet that the caller feeds.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) key: InletId,
    /// What it may send. A packet names its format by the index.
    pub(crate) formats: Arc<[Arc<Format>]>,
    pub(crate) feed: Feed,
    /// What it sends, if that is limited.
    pub(crate) upload: Option<Upload>,
    /// Whether the size of its pictures is limited.
    pub(crate) is_limited: bool,
    /// The sequence numbers of each kind and layer.
    runs: [[Run; LAYERS_MAX]; 2],
}

/// The packets of one kind and layer without a jump in their numbers: see [`JUMP`].
#[derive(Debug, Default)]
struct Run {
    seen: Seen,
    /// Jumps so far. Counts as an SSRC does: a new one is another encoding.
    number: u32,
}

/// A number that is this far ahead of the highest one begins another run, because SRTP receivers would guess the wrong rollover
/// counter (RFC 3711 §3.3.1). So does one that is [`REPLAY_WINDOW`] or more behind, because it is not known any more whether it
/// has come before.
const JUMP: u64 = 1 << 15;

impl External {
    pub(crate) fn new(
        key: InletId,
        formats: Arc<[Arc<Format>]>,
        feed: Feed,
        upload: Option<Upload>,
    ) -> Self {
        Self {
            key,
            formats,
            feed,
            upload,
            is_limited: true,
            runs: Default::default(),
        }
    }

    /// The number of the run that a packet belongs to. `None`: the packet has come before, or it is not known any more whether it
    /// has. No number is sent twice under one key.
    pub(crate) fn run_of(&mut self, kind: MediaKind, layer: u8, sequence: u64) -> Option<u32> {
        let run = self.runs[kind.index()].get_mut(usize::from(layer))?;
        let is_near =
            |highest: u64| sequence < highest + JUMP && highest < sequence + REPLAY_WINDOW;
        if !run.seen.highest().is_none_or(is_near) {
            *run = Run {
                seen: Seen::default(),
                number: run.number.wrapping_add(1),
            };
        }
        if run.seen.has(sequence) {
            return None;
        }
        run.seen.add(sequence);
        Some(run.number)
    }
}

/// The name of a layer of an external inlet, as simulcast encodings have one.
pub(crate) fn rid_of_layer(layer: u8) -> Option<RidName> {
    match layer {
        0 => None,
        other => RidName::new(&other.to_string()),
    }
}

/// The layer that [`rid_of_layer`] has named.
pub(crate) fn layer_of_rid(rid: Option<RidName>) -> u8 {
    rid.and_then(|name| name.as_str().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    #[test]
    fn a_number_is_taken_once_and_a_jump_begins_another_run() {
        let feed = Feed::new(1, epoch());
        let mut external = External::new(InletId(1), Arc::default(), feed, None);
        let mut run = |sequence| external.run_of(MediaKind::Video, 1, sequence);
        assert_eq!([run(70_000), run(70_002), run(70_001)], [Some(0); 3]);
        assert_eq!([run(70_001), run(70_000)], [None; 2], "twice");
        assert_eq!(run(5), Some(1));
        assert_eq!([run(5), run(6)], [None, Some(1)]);
        assert_eq!(run(5 + JUMP), Some(1), "not far enough from 6");
        assert_eq!(run(5 + 2 * JUMP), Some(2));
        assert_eq!(run(6 + 2 * JUMP - REPLAY_WINDOW), Some(2), "late");
        assert_eq!(run(5 + 2 * JUMP - REPLAY_WINDOW), Some(3));
        assert_eq!(external.run_of(MediaKind::Video, LAYERS_MAX as u8, 1), None);
        assert_eq!(external.run_of(MediaKind::Audio, 1, 5), Some(0));
    }

    #[test]
    fn layers_have_names() {
        for layer in 0..LAYERS_MAX as u8 {
            assert_eq!(layer_of_rid(rid_of_layer(layer)), layer);
        }
    }
}
