//! Synthetic payloads: H.264 (RFC 6184) and Opus (RFC 7587) for a forwarder, with a stamp for the receiver.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Audio packets carry 20 ms each.
pub(crate) const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
/// RTP timestamp units of one audio packet at 48 kHz.
pub(crate) const AUDIO_TICKS: u32 = 960;
/// Bytes of an audio payload: Opus at about 32 kbit/s.
pub(crate) const AUDIO_BYTES: usize = 80;
/// Pictures per second.
pub(crate) const FRAME_RATE: u32 = 30;
/// RTP timestamp units of one picture at 90 kHz.
pub(crate) const FRAME_TICKS: u32 = 90_000 / FRAME_RATE;
/// Pictures between key frames that nobody requested: ten seconds, because browsers send hardly any.
pub(crate) const KEY_FRAME_EVERY: u64 = 300;

/// What a publisher sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Packets of every picture, all of one size.
    pub packets_per_frame: u8,
    /// Bytes of a video payload.
    pub payload_bytes: usize,
}

impl Rate {
    /// 1.5 Mbit/s on the wire: five packets of 1,200 bytes, 30 times a second.
    pub const FULL: Self = Self {
        packets_per_frame: 5,
        payload_bytes: 1_200,
    };
    /// 2 Mbit/s: seven packets of 1,190 bytes, 30 times a second.
    pub const HIGH: Self = Self {
        packets_per_frame: 7,
        payload_bytes: 1_190,
    };
    /// 300 kbit/s: one packet of 1,200 bytes a picture.
    pub const LOW: Self = Self {
        packets_per_frame: 1,
        payload_bytes: 1_200,
    };
}

/// Identifies a packet and its time of sending. It is the end of every payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the publisher.
    pub source: u32,
    /// Counts the source's packets of this kind.
    pub seq: u32,
    /// Nanoseconds since 1970, read right before the packet was encrypted.
    pub sent_ns: u64,
    /// Counts the source's pictures.
    pub frame: u32,
    /// Which packet of the picture, from 0.
    pub index: u8,
    /// Packets of the picture.
    pub count: u8,
    /// Whether it belongs to a key frame.
    pub is_key: bool,
    /// Whether it is video; otherwise it is audio.
    pub is_video: bool,
}

const MAGIC: [u8; 4] = *b"rst1";

impl Stamp {
    /// Bytes of a stamp.
    pub const LENGTH: usize = 28;

    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.source.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.seq.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.sent_ns.to_be_bytes());
        bytes[20..24].copy_from_slice(&self.frame.to_be_bytes());
        bytes[24] = self.index;
        bytes[25] = self.count;
        bytes[26] = u8::from(self.is_key);
        bytes[27] = u8::from(self.is_video);
        bytes
    }

    /// Reads the stamp at the end of a payload.
    pub fn of(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = payload.last_chunk()?;
        if bytes[0..4] != MAGIC {
            return None;
        }
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Some(Self {
            source: word(4),
            seq: word(8),
            sent_ns: u64::from(word(12)) << 32 | u64::from(word(16)),
            frame: word(20),
            index: bytes[24],
            count: bytes[25],
            is_key: bytes[26] == 1,
            is_video: bytes[27] == 1,
        })
    }
}

/// Parameter sets of constrained baseline at level 3.1, 1280 × 720: a forwarder can read the size from them.
const SPS: [u8; 10] = [0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

/// One packet of a picture. A key frame begins with parameter sets; all other packets are fragments of a slice.
pub(crate) fn video_payload(bytes: usize, stamp: Stamp) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes);
    let body = bytes - Stamp::LENGTH;
    if stamp.is_key && stamp.index == 0 {
        payload.push(0x78);
        for unit in [&SPS[..], &PPS[..]] {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend(unit);
        }
        // Supplemental enhancement information fills the rest of the aggregate, including the stamp.
        let rest = bytes - payload.len() - 2;
        payload.extend((rest as u16).to_be_bytes());
        payload.push(0x06);
    } else {
        let first = if stamp.is_key {
            stamp.index == 1
        } else {
            stamp.index == 0
        };
        let last = stamp.index + 1 == stamp.count;
        let kind = if stamp.is_key { 5 } else { 1 };
        payload.push(0x7c);
        payload.push(u8::from(first) << 7 | u8::from(last) << 6 | kind);
    }
    payload.resize(body.max(payload.len()), 0xa5);
    payload.extend(stamp.to_bytes());
    payload
}

pub(crate) fn audio_payload(stamp: Stamp) -> Vec<u8> {
    let mut payload = vec![0x78; AUDIO_BYTES - Stamp::LENGTH];
    payload.extend(stamp.to_bytes());
    payload
}

/// Nanoseconds since 1970: the clock of stamps, which is the kernel's for arrivals.
#[allow(clippy::disallowed_methods)]
pub fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(index: u8, is_key: bool) -> Stamp {
        Stamp {
            source: 3,
            seq: 70_000,
            sent_ns: u64::MAX - 5,
            frame: 9,
            index,
            count: 5,
            is_key,
            is_video: true,
        }
    }

    #[test]
    fn a_stamp_is_read_back_from_the_end_of_a_payload() {
        for index in 0..5 {
            for is_key in [false, true] {
                let payload = video_payload(1_200, stamp(index, is_key));
                assert_eq!(
                    (payload.len(), Stamp::of(&payload)),
                    (1_200, Some(stamp(index, is_key)))
                );
            }
        }
        assert_eq!(audio_payload(stamp(0, false)).len(), AUDIO_BYTES);
        assert_eq!(Stamp::of(&[0; 100]), None);
        assert_eq!(Stamp::of(&[1; 5]), None);
    }

    #[test]
    fn the_aggregate_of_a_key_frame_ends_where_its_last_unit_does() {
        let payload = video_payload(1_200, stamp(0, true));
        let mut rest = &payload[1..];
        let mut kinds = Vec::new();
        while let [high, low, unit @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            kinds.push(unit[0] & 0x1f);
            rest = &unit[length..];
        }
        assert_eq!(kinds, [7, 8, 6]);
    }
}
