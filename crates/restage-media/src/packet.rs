//! A packet of a publication, on its way from the inlet to every outlet.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;
use restage_codec::h264::Lead;

use crate::rtp::extensions::Extensions;
use crate::sdp::format::Format;

/// A packet with everything subscribers need to decide about it. One copy serves them all; copies of it share the
/// payload.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) kind: MediaKind,
    pub(crate) encoding: Encoding,
    /// The layer that subscribers should see by now.
    pub(crate) target: Encoding,
    /// What else there is, if the track has several layers.
    pub(crate) ladder: Option<Arc<Ladder>>,
    pub(crate) format: Arc<Format>,
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) marker: bool,
    pub(crate) starts_key_frame: bool,
    /// What a decoder that starts with this packet has to be given before it.
    pub(crate) lead: Option<Arc<Lead>>,
    /// Counts the publication's packets of this kind: what the packet is called in the history.
    pub(crate) number: u64,
    pub(crate) arrived: Instant,
    /// When it was captured, on a clock shared by audio, video and all feeders.
    pub(crate) wallclock: Instant,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) extensions: Extensions,
}

impl Packet {
    /// The payload of this packet, or of one that is sent before it: see [`Outgoing::part`].
    pub(crate) fn part(&self, part: u8) -> Option<&Arc<[u8]>> {
        match part.checked_sub(1) {
            None => Some(&self.payload),
            Some(place) => self.lead.as_ref()?.0.get(usize::from(place)),
        }
    }
}

/// One encoder's unbroken run of packets. Two feeders' layers are never the same, nor are those before and after
/// an encoder changed its SSRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// Which feeder of the publication; grows with every change.
    pub(crate) feed: u64,
    /// Index of the simulcast layer among the feeder's.
    pub(crate) layer: u8,
    /// How often the layer has changed its SSRC.
    pub(crate) epoch: u32,
}

/// A layer that is alive, among others of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rung {
    pub(crate) encoding: Encoding,
    pub(crate) bits_per_s: u64,
}

/// The living layers of a track, smallest first.
pub(crate) type Ladder = [Rung];
