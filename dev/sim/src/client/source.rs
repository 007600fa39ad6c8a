//! Synthetic media. Each payload ends with whose it is, its number and its place, so that a receiver can tell where it belongs.

use std::sync::Arc;
use std::time::Duration;

use str0m::format::Codec;

/// Time between two packets of sound.
pub(crate) const AUDIO: Duration = Duration::from_millis(40);
/// Ticks of the clock of sound in that time.
const AUDIO_TICKS: u32 = 1_920;
/// Time between two pictures.
pub(crate) const PICTURE: Duration = Duration::from_millis(100);
const PICTURE_TICKS: u32 = 9_000;
/// An Opus packet of 40 ms (RFC 6716 §3.1: SILK, wideband).
const OPUS_TOC: u8 = 0x50;
/// Parameter sets of 640 × 360, constrained baseline.
pub(crate) const SPS: [u8; 24] = [
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48,
];
pub(crate) const PPS: [u8; 5] = [0x68, 0xcb, 0x83, 0xcb, 0x20];

/// The origin of a payload, which it carries at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The publishing connection that sent it.
    pub(crate) feed: u64,
    /// The number of the picture or of the packet of sound, from 0.
    pub(crate) number: u32,
    /// Its place in the picture.
    pub(crate) place: u8,
    /// The simulcast layer, 0 is the smallest; sound has 255.
    pub(crate) layer: u8,
}

/// The layer that sound says.
pub(crate) const SOUND: u8 = 255;
const MARK_BYTES: usize = 16;
const MAGIC: u16 = 0x5a17;

impl Mark {
    /// Puts it at the end of a payload.
    pub(crate) fn behind(self, mut payload: Vec<u8>) -> Vec<u8> {
        self.write(&mut payload);
        payload
    }

    fn write(self, payload: &mut Vec<u8>) {
        payload.extend(MAGIC.to_be_bytes());
        payload.extend(self.feed.to_be_bytes());
        payload.extend(self.number.to_be_bytes());
        payload.extend([self.place, self.layer]);
    }

    /// The mark at the end of a payload.
    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let at = payload.len().checked_sub(MARK_BYTES)?;
        let (magic, rest) = payload[at..].split_first_chunk::<2>()?;
        let (feed, rest) = rest.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        (u16::from_be_bytes(*magic) == MAGIC).then(|| Self {
            feed: u64::from_be_bytes(*feed),
            number: u32::from_be_bytes(*number),
            place: rest[0],
            layer: rest[1],
        })
    }
}

/// A packet to be sent.
pub(crate) struct Made {
    pub(crate) codec: Codec,
    pub(crate) layer: u8,
    pub(crate) seq: u64,
    pub(crate) time: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}

/// Sound or one layer of pictures.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) codec: Codec,
    pub(crate) layer: u8,
    pub(crate) next_at: Duration,
    feed: u64,
    number: u32,
    seq: u64,
    time: u32,
    packets: u8,
    wants_key: bool,
    picture_id: u16,
}

impl Source {
    pub(crate) fn audio(feed: u64, now: Duration, start: u64) -> Self {
        Self::new(Codec::Opus, SOUND, feed, now, start, 1)
    }

    pub(crate) fn new(
        codec: Codec,
        layer: u8,
        feed: u64,
        now: Duration,
        start: u64,
        packets: u8,
    ) -> Self {
        Self {
            codec,
            layer,
            next_at: now,
            feed,
            number: 0,
            seq: start & 0xffff,
            time: (start >> 16) as u32,
            packets,
            wants_key: true,
            picture_id: (start >> 48) as u16 & 0x7fff,
        }
    }

    pub(crate) fn want_key(&mut self) {
        self.wants_key = true;
    }

    /// Goes on elsewhere, as an encoder does that was reset.
    pub(crate) fn jump(&mut self, packets: u64, ticks: u32) {
        self.seq += packets;
        self.time = self.time.wrapping_add(ticks);
        self.wants_key = true;
    }

    /// The packets of the next picture, or the next packet of sound.
    pub(crate) fn make(&mut self) -> Vec<Made> {
        let is_key = std::mem::take(&mut self.wants_key);
        let count = self.packets + u8::from(is_key && self.codec == Codec::H264);
        let made = (0..count)
            .map(|place| {
                let mut payload = self.head(is_key, place, count);
                if payload[0] != 0x78 {
                    payload.resize(payload.len() + 60 + usize::from(self.layer % 4) * 90, 0xaa);
                }
                let mark = Mark {
                    feed: self.feed,
                    number: self.number,
                    place,
                    layer: self.layer,
                };
                // A packet of parameter sets is nothing else.
                if payload[0] != 0x78 {
                    mark.write(&mut payload);
                }
                let seq = self.seq;
                self.seq += 1;
                Made {
                    codec: self.codec,
                    layer: self.layer,
                    seq,
                    time: self.time,
                    marker: self.codec != Codec::Opus && place + 1 == count,
                    payload: payload.into(),
                }
            })
            .collect();
        let (ticks, time) = match self.codec {
            Codec::Opus => (AUDIO_TICKS, AUDIO),
            _ => (PICTURE_TICKS, PICTURE),
        };
        self.time = self.time.wrapping_add(ticks);
        self.next_at += time;
        self.number += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        made
    }

    fn head(&self, is_key: bool, place: u8, count: u8) -> Vec<u8> {
        match self.codec {
            Codec::Opus => vec![OPUS_TOC],
            Codec::Vp8 => self.vp8(is_key, place),
            _ => Self::h264(is_key, place, count),
        }
    }

    fn vp8(&self, is_key: bool, place: u8) -> Vec<u8> {
        let [high, low] = self.picture_id.to_be_bytes();
        let start = if place == 0 { 0x10 } else { 0 };
        let mut head = vec![0x80 | start, 0x80, 0x80 | high, low];
        head.push(if is_key { 0 } else { 1 });
        if is_key && place == 0 {
            head.extend([0, 0, 0x9d, 0x01, 0x2a]);
            head.extend((160_u16 << (self.layer % 4)).to_le_bytes());
            head.extend((90_u16 << (self.layer % 4)).to_le_bytes());
        }
        head
    }

    fn h264(is_key: bool, place: u8, count: u8) -> Vec<u8> {
        if is_key && place == 0 {
            let mut sets = vec![0x78];
            for set in [&SPS[..], &PPS[..]] {
                sets.extend((set.len() as u16).to_be_bytes());
                sets.extend(set);
            }
            return sets;
        }
        let start = if place == u8::from(is_key) { 0x80 } else { 0 };
        let end = if place + 1 == count { 0x40 } else { 0 };
        let kind = if is_key { 5 } else { 1 };
        // The first byte of a slice: it begins with the first macroblock.
        vec![0x7c, start | end | kind, 0x88]
    }
}

/// The picture id of a payload of VP8 of these sources.
pub(crate) fn picture_id(payload: &[u8]) -> Option<u16> {
    let bytes = payload.get(2..4)?;
    Some(u16::from_be_bytes([bytes[0] & 0x7f, bytes[1]]))
}
