//! An RTP packet between a publisher's peer and its subscribers.

use std::sync::Arc;
use std::time::Instant;

use restage_codec::MediaKind;
use restage_codec::h264::Lead;
use restage_codec::vp8::DescriptorNumbers;

use crate::sdp::format::Format;
use crate::send::select::{Ladder, Source};

/// A packet as a publisher's ingress hands it over: decrypted, deduplicated, numbers extended.
#[derive(Debug)]
pub(crate) struct Received {
    /// Its synchronization source; a change starts numbers anew.
    pub(crate) ssrc: u32,
    /// The simulcast encoding, if the publisher names one.
    pub(crate) rid: Option<RidName>,
    pub(crate) pt: u8,
    /// Sequence number without wrap-around.
    pub(crate) seq: u64,
    /// RTP timestamp without wrap-around, in the codec's clock rate.
    pub(crate) time: u64,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) arrived: Instant,
    pub(crate) extensions: Extensions,
}

/// A simulcast encoding's name (RFC 8852); longer ones are not negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RidName {
    bytes: [u8; Self::LENGTH_MAX],
    length: u8,
}

impl RidName {
    /// What a one-byte header extension holds (RFC 8285 §4.2).
    pub(crate) const LENGTH_MAX: usize = 16;

    pub(crate) fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; Self::LENGTH_MAX];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self {
            bytes,
            length: name.len() as u8,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

/// Header extensions that mean the same to every receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// RFC 6464, in −dBov.
    pub(crate) audio_level: Option<i8>,
    pub(crate) voice_activity: Option<bool>,
    /// Clockwise quarter turns to apply (3GPP TS 26.114).
    pub(crate) rotation: Option<Rotation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

/// A packet with everything subscribers need to decide about it. One copy serves them all; copies of it share the
/// payload.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    /// The layer that subscribers should see by now.
    pub(crate) target: Source,
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

/// What one subscriber is to be sent: the shared payload under the subscriber's own header.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The packet's number in the publication's history.
    pub(crate) number: u64,
    /// 0 for the packet itself, else which of its lead this is, counted from 1.
    pub(crate) part: u8,
    pub(crate) pt: u8,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    /// May be asked for again (RFC 4585 generic NACK).
    pub(crate) nackable: bool,
    pub(crate) wallclock: Instant,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) extensions: Extensions,
    pub(crate) vp8: Option<DescriptorNumbers>,
}
