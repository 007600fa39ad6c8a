//! The readable part of a datagram: its stream, number and time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use restage_core::id::ConnectionId;

/// Numbers of a stream that are remembered.
const WINDOW: u64 = 4_096;

/// The header of an RTP packet (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) ssrc: u32,
    pub(super) seq: u16,
    pub(super) time: u32,
    pub(super) marker: bool,
    pub(super) pt: u8,
}

/// A protected packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Packet {
    Rtp(Header),
    /// The sender's SSRC, and the index with the bit that says whether it is encrypted (RFC 3711 §3.4, RFC 7714 §9).
    Rtcp(u32, u32),
}

impl Packet {
    /// `None`: it is not RTP or RTCP (RFC 5761 §4).
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if !matches!(bytes.first(), Some(128..=191)) {
            return None;
        }
        let word = |at: usize| -> Option<u32> {
            let four = bytes.get(at..at + 4)?;
            Some(u32::from_be_bytes(four.try_into().ok()?))
        };
        if (192..=223).contains(&bytes[1]) {
            // With AES-GCM, which all clients here negotiate, the index is at the end.
            return Some(Self::Rtcp(word(4)?, word(bytes.len().checked_sub(4)?)?));
        }
        Some(Self::Rtp(Header {
            ssrc: word(8)?,
            seq: (word(0)? & 0xffff) as u16,
            time: word(4)?,
            marker: bytes[1] & 0x80 != 0,
            pt: bytes[1] & 0x7f,
        }))
    }
}

/// One SSRC of a connection.
#[derive(Debug, Default)]
struct Stream {
    /// The highest number without wrap-around; the first is far enough from 0 that later ones may be lower.
    highest: Option<u64>,
    /// Packets under the newest numbers.
    sent: BTreeMap<u64, (u64, Times)>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    time: u32,
    marker: bool,
}

/// Payload types by what they carry.
#[derive(Debug, Default)]
pub(super) struct Types {
    audio: BTreeSet<u8>,
    repairs: BTreeSet<u8>,
}

impl Types {
    /// Those of an offer.
    pub(super) fn of(offer: &str) -> Self {
        let mut types = Self::default();
        for line in offer
            .lines()
            .filter_map(|line| line.strip_prefix("a=rtpmap:"))
        {
            let Some((number, name)) = line.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse() else { continue };
            if name.starts_with("opus/") {
                types.audio.insert(number);
            } else if name.starts_with("rtx/") {
                types.repairs.insert(number);
            }
        }
        types
    }

    /// True if a packet is sound.
    pub(super) fn is_audio(&self, header: &Header) -> bool {
        self.audio.contains(&header.pt)
    }

    /// True if a packet is a retransmission in a stream of its own (RFC 4588).
    pub(super) fn is_repair(&self, header: &Header) -> bool {
        self.repairs.contains(&header.pt)
    }
}

/// All streams of a connection, in the direction from the server.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) types: Types,
    rtp: BTreeMap<u32, Stream>,
    /// Indices of RTCP that were used.
    rtcp: BTreeMap<u32, BTreeSet<u32>>,
}

impl Streams {
    /// Checks a packet that is being sent.
    pub(super) fn take(&mut self, connection: &ConnectionId, packet: Packet, bytes: &[u8]) {
        match packet {
            Packet::Rtcp(ssrc, index) => {
                assert!(
                    self.rtcp.entry(ssrc).or_default().insert(index),
                    "{connection:?}: index {index:#x} of SRTCP is used twice under one key"
                );
            }
            Packet::Rtp(header) => {
                let stream = self.rtp.entry(header.ssrc).or_default();
                stream.take(connection, &self.types, header, bytes);
            }
        }
    }
}

impl Stream {
    fn take(&mut self, connection: &ConnectionId, types: &Types, header: Header, bytes: &[u8]) {
        let number = self.number(header.seq);
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let print = hasher.finish();
        let own = Times {
            time: header.time,
            marker: header.marker,
        };
        if let Some((before, _)) = self.sent.get(&number) {
            assert_eq!(
                *before, print,
                "{connection:?}: number {number} of SSRC {:#x} is used twice under one key",
                header.ssrc
            );
            return;
        }
        // A stream of retransmissions has the times of others.
        if !types.is_repair(&header) {
            self.check_neighbours(connection, types, number, header, own);
        }
        self.sent.insert(number, (print, own));
        while self.sent.len() as u64 > WINDOW {
            self.sent.pop_first();
        }
    }

    /// The number without wrap-around (RFC 3711 §3.3.1: the nearest to the highest).
    fn number(&mut self, seq: u16) -> u64 {
        let highest = *self.highest.get_or_insert_with(|| 1 << 32 | u64::from(seq));
        let step = seq.wrapping_sub(highest as u16) as i16;
        let number = highest.saturating_add_signed(i64::from(step));
        self.highest = Some(highest.max(number));
        number
    }

    /// Times of pictures follow the marker; those of sound always go on.
    fn check_neighbours(
        &self,
        connection: &ConnectionId,
        types: &Types,
        number: u64,
        header: Header,
        own: Times,
    ) {
        let before = self
            .sent
            .get(&(number - 1))
            .map(|(_, header)| (*header, own));
        let after = self
            .sent
            .get(&(number + 1))
            .map(|(_, header)| (own, *header));
        for (first, second) in [before, after].into_iter().flatten() {
            let step = second.time.wrapping_sub(first.time) as i32;
            let goes_on = match types.is_audio(&header) {
                true => step > 0,
                false if first.marker => step > 0,
                false => step >= 0,
            };
            assert!(
                goes_on,
                "{connection:?}: the time of number {number} of SSRC {:#x} goes by {step} from {first:?} to {second:?}",
                header.ssrc
            );
        }
    }
}
