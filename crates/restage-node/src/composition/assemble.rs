//! Whole pictures, and packets of Opus, out of the packets of a tap.
//!
//! A composition shows what is there: a lost packet is waited for as long as a repair takes, and no longer; then the next key frame counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use restage_codec::h264::{self, annexb};
use restage_codec::{red, vp8};
use restage_media::{Codec, Encoding, MediaKind, MediaPacket};

use super::pace::{Pace, Stamp};

/// How long packets behind a lost one wait for it: a request for it and its repair take a round trip or two.
const REPAIR_WAIT_US: u64 = 100_000;
/// Packets behind a lost one: a large key frame.
const WAITING_MAX: usize = 1_024;
/// Bytes of one picture, and of what waits behind a lost packet.
const PICTURE_BYTES_MAX: usize = 2 << 20;
/// The byte sequence before a NAL unit (ITU-T H.264, annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Bytes of a NAL unit's length where units are not divided by start codes.
const LENGTH_BYTES: usize = 4;

/// A whole picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Picture {
    /// H.264 or VP8.
    pub(super) codec: Codec,
    /// When it was captured, by the media plane's clock.
    pub(super) at_us: u64,
    pub(super) is_key: bool,
    /// How far to turn it clockwise, in quarters of a circle.
    pub(super) quarter_turns: u8,
    /// H.264 as a byte stream with start codes, of a key frame with its parameter sets; VP8 as a frame.
    pub(super) bytes: Bytes,
}

/// A packet of Opus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sound {
    /// When it was captured, by the media plane's clock.
    pub(super) at_us: u64,
    /// In samples at 48 kHz, without wrap-around.
    pub(super) timestamp: u64,
    pub(super) bytes: Bytes,
}

/// What has come of a participant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Media {
    Picture(Picture),
    Sound(Sound),
    /// The pictures are encoded in a way that no composition shows.
    Undecodable(Codec),
}

/// Whether pictures encoded like this can be shown.
pub(super) const fn is_decodable(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::Vp8)
}

/// Puts the media of one publication together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    encoding: Option<Encoding>,
    /// Sequence number of the next packet.
    next: u64,
    /// What came behind a lost packet, and when the first of it came.
    waiting: BTreeMap<u64, MediaPacket>,
    waiting_bytes: usize,
    waiting_since_us: u64,
    /// The packets of the newest picture that have come.
    packets: Vec<MediaPacket>,
    bytes: usize,
    /// What was lost makes everything up to the next key frame useless.
    awaits_key_frame: bool,
    pace: Pace,
    media: Vec<Media>,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self {
            awaits_key_frame: true,
            ..Self::default()
        }
    }

    /// Takes a packet.
    pub(super) fn take(&mut self, now_us: u64, packet: MediaPacket) {
        match packet.kind {
            MediaKind::Audio => self.sound(&packet),
            MediaKind::Video if is_decodable(packet.codec()) => self.video(now_us, packet),
            MediaKind::Video => {
                let codec = packet.codec();
                if !self.media.contains(&Media::Undecodable(codec)) {
                    self.media.push(Media::Undecodable(codec));
                }
            }
        }
    }

    /// Gives up packets that have not come in time.
    pub(super) fn tick(&mut self, now_us: u64) {
        let is_over = now_us.saturating_sub(self.waiting_since_us) >= REPAIR_WAIT_US;
        while is_over && let Some((&first, _)) = self.waiting.first_key_value() {
            self.lose();
            self.next = first;
            self.drain();
        }
    }

    /// Whether a key frame is needed before anything can be shown.
    pub(super) const fn awaits_key_frame(&self) -> bool {
        self.awaits_key_frame
    }

    /// What the decoder has got cannot be decoded.
    pub(super) fn start_over(&mut self) {
        self.awaits_key_frame = true;
    }

    /// What has come since the last call.
    pub(super) fn media(&mut self) -> Vec<Media> {
        std::mem::take(&mut self.media)
    }

    fn sound(&mut self, packet: &MediaPacket) {
        let bytes = match packet.codec() {
            Codec::Opus => Some(&*packet.payload),
            Codec::Red => newest_block(&packet.payload),
            _ => None,
        };
        if let Some(bytes) = bytes {
            self.media.push(Media::Sound(Sound {
                at_us: self.pace.captured_us(stamp(packet)),
                timestamp: packet.timestamp,
                bytes: Bytes::copy_from_slice(bytes),
            }));
        }
    }

    fn video(&mut self, now_us: u64, packet: MediaPacket) {
        if self.encoding != Some(packet.encoding) {
            // A packet of the layer before, which comes late.
            if !packet.starts_key_frame {
                return;
            }
            self.encoding = Some(packet.encoding);
            self.pace.forget_pictures();
            self.waiting.clear();
            self.waiting_bytes = 0;
            self.lose();
            self.next = packet.sequence;
        }
        if packet.sequence < self.next {
            return;
        }
        if self.waiting.is_empty() {
            self.waiting_since_us = now_us;
        }
        self.waiting_bytes += packet.payload.len();
        if let Some(twice) = self.waiting.insert(packet.sequence, packet) {
            self.waiting_bytes -= twice.payload.len();
        }
        self.drain();
        let is_full = self.waiting.len() > WAITING_MAX || self.waiting_bytes > PICTURE_BYTES_MAX;
        if is_full && let Some((&first, _)) = self.waiting.first_key_value() {
            self.lose();
            self.next = first;
            self.drain();
        }
    }

    /// Takes what waits, as far as nothing is missing.
    fn drain(&mut self) {
        while let Some(packet) = self.waiting.remove(&self.next) {
            self.waiting_bytes -= packet.payload.len();
            self.next += 1;
            self.in_order(packet);
        }
    }

    fn in_order(&mut self, packet: MediaPacket) {
        let begins = self
            .packets
            .first()
            .is_some_and(|first| first.timestamp != packet.timestamp);
        if begins {
            self.finish();
        }
        self.bytes += packet.payload.len();
        if self.bytes > PICTURE_BYTES_MAX {
            return self.lose();
        }
        let is_last = packet.marker;
        self.packets.push(packet);
        if is_last {
            self.finish();
        }
    }

    fn lose(&mut self) {
        self.packets.clear();
        self.bytes = 0;
        self.awaits_key_frame = true;
    }

    /// All packets of the picture have come.
    fn finish(&mut self) {
        let packets = std::mem::take(&mut self.packets);
        self.bytes = 0;
        let Some(first) = packets.first() else { return };
        let is_key = packets.iter().any(|packet| packet.starts_key_frame);
        if self.awaits_key_frame && !is_key {
            return;
        }
        let bytes = match first.codec() {
            Codec::H264 => h264_picture(&packets),
            _ => vp8_frame(&packets),
        };
        match bytes {
            // It has only brought parameter sets, or nothing.
            Some(bytes) if bytes.is_empty() => {}
            Some(bytes) => {
                let turned = packets.iter().filter_map(|packet| packet.rotation_degrees);
                self.awaits_key_frame = false;
                let at_us = self.pace.captured_us(stamp(first));
                self.media.push(Media::Picture(Picture {
                    codec: first.codec(),
                    at_us,
                    is_key,
                    quarter_turns: (turned.max().unwrap_or_default() / 90 % 4) as u8,
                    bytes: bytes.into(),
                }));
            }
            None => self.lose(),
        }
    }
}

fn stamp(packet: &MediaPacket) -> Stamp {
    Stamp {
        kind: packet.kind,
        timestamp: packet.timestamp,
        told_us: packet.captured_us,
        arrived_us: packet.arrived_us,
        report: packet.report,
    }
}

/// The newest block of redundant audio.
fn newest_block(payload: &[u8]) -> Option<&[u8]> {
    let block_type = payload.first()? & 0x7f;
    payload.get(red::primary_start(payload, block_type)?..)
}

/// A picture as a byte stream; `None` if it is damaged.
fn h264_picture(packets: &[MediaPacket]) -> Option<Vec<u8>> {
    let picture = h264::depacketise(packets.iter().map(|packet| &*packet.payload))?;
    let leads = packets
        .iter()
        .filter_map(|packet| packet.parameter_sets.as_deref());
    let leads = leads.flat_map(|lead| lead.0.iter().map(|set| &**set));
    let own = picture.parameter_sets.iter().map(Vec::as_slice);
    let mut stream = Vec::with_capacity(picture.units.len() + 64);
    let mut put = |unit: &[u8]| {
        stream.extend_from_slice(&START_CODE);
        stream.extend_from_slice(annexb::without_trailing_zeros(unit));
    };
    leads.chain(own).for_each(&mut put);
    let mut rest = picture.units.as_slice();
    while let Some((length, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (unit, behind) = behind.split_at_checked(length)?;
        put(unit);
        rest = behind;
    }
    Some(if picture.has_slice {
        stream
    } else {
        Vec::new()
    })
}

/// A frame out of its packets; `None` if it is damaged.
fn vp8_frame(packets: &[MediaPacket]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    for (place, packet) in packets.iter().enumerate() {
        let descriptor = vp8::Descriptor::parse(&packet.payload)?;
        let begins = descriptor.starts_partition && descriptor.partition == 0;
        if begins != (place == 0) {
            return None;
        }
        frame.extend_from_slice(packet.payload.get(descriptor.length..)?);
    }
    Some(frame)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use restage_media::Format;

    use super::*;

    const KEY: [u8; 12] = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, 7];

    fn packet(codec: Codec, layer: u8, number: u64, payload: &[u8]) -> MediaPacket {
        MediaPacket {
            kind: codec.kind(),
            encoding: Encoding {
                feed: 1,
                layer,
                epoch: 0,
            },
            format: Arc::new(Format::new(codec, "").unwrap()),
            sequence: number,
            timestamp: number / 2 * 3_000,
            captured_us: number / 2 * 33_333,
            arrived_us: number / 2 * 33_333,
            report: None,
            marker: number % 2 == 1,
            starts_key_frame: false,
            parameter_sets: None,
            payload: payload.into(),
            audio_level: None,
            rotation_degrees: None,
        }
    }

    /// Pictures of two packets each; the first is a key frame, and so is each of `keys`.
    fn vp8(number: u64, keys: &[u64]) -> MediaPacket {
        let is_key = keys.contains(&(number / 2)) && number.is_multiple_of(2);
        let payload: &[u8] = match (number.is_multiple_of(2), is_key) {
            (true, true) => &KEY,
            (true, false) => &[0x10, 0x11, 0, 0],
            (false, _) => &[0x00, 9, 9],
        };
        MediaPacket {
            starts_key_frame: is_key,
            ..packet(Codec::Vp8, 0, number, payload)
        }
    }

    fn pictures(assembler: &mut Assembler) -> Vec<(u64, bool)> {
        let media = assembler.media().into_iter();
        let pictures = media.filter_map(|media| match media {
            Media::Picture(picture) => Some((picture.at_us / 33_333, picture.is_key)),
            _ => None,
        });
        pictures.collect()
    }

    #[test]
    fn packets_out_of_order_become_pictures_in_order() {
        let mut assembler = Assembler::new();
        for number in [0, 1, 3, 2, 5, 4, 4] {
            assembler.take(0, vp8(number, &[0]));
        }
        assert_eq!(
            pictures(&mut assembler),
            [(0, true), (1, false), (2, false)]
        );
    }

    #[test]
    fn what_is_lost_is_waited_for_and_then_the_next_key_frame_counts() {
        let mut assembler = Assembler::new();
        assembler.take(0, vp8(0, &[0]));
        assembler.take(0, vp8(1, &[0]));
        // Number 2 is lost.
        for number in 3..10 {
            assembler.take(1_000, vp8(number, &[0, 4]));
        }
        assembler.tick(REPAIR_WAIT_US);
        assert_eq!(pictures(&mut assembler), [(0, true)]);
        assert!(!assembler.awaits_key_frame(), "it may still come");
        assembler.tick(1_000 + REPAIR_WAIT_US);
        assert_eq!(pictures(&mut assembler), [(4, true)]);
        assert!(!assembler.awaits_key_frame());
        assembler.take(200_000, vp8(2, &[]));
        assert_eq!(pictures(&mut assembler), [], "too late");
    }

    #[test]
    fn another_layer_begins_with_its_key_frame() {
        let mut assembler = Assembler::new();
        let of_layer = |number: u64, layer| {
            let packet = vp8(number, &[0, 50]);
            MediaPacket {
                encoding: Encoding {
                    layer,
                    ..packet.encoding
                },
                ..packet
            }
        };
        for number in 0..4 {
            assembler.take(0, of_layer(number, 0));
        }
        assembler.take(0, of_layer(100, 1));
        assembler.take(0, of_layer(4, 0));
        assembler.take(0, of_layer(101, 1));
        assert_eq!(
            pictures(&mut assembler),
            [(0, true), (1, false), (50, true)]
        );
    }

    #[test]
    fn pictures_of_h264_are_byte_streams_with_their_parameter_sets() {
        let mut assembler = Assembler::new();
        let sets = h264::Lead(vec![Arc::from(&[0x67, 1][..]), Arc::from(&[0x68, 2][..])]);
        let first = MediaPacket {
            starts_key_frame: true,
            parameter_sets: Some(Arc::new(sets)),
            rotation_degrees: Some(90),
            ..packet(Codec::H264, 0, 0, &[0x65, 3])
        };
        assembler.take(0, first);
        assembler.take(0, packet(Codec::H264, 0, 1, &[0x65, 4]));
        let [Media::Picture(picture)] = &assembler.media()[..] else {
            panic!("one picture");
        };
        let units: Vec<&[u8]> = annexb::units(&picture.bytes).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3], &[0x65, 4]]);
        assert_eq!((picture.is_key, picture.quarter_turns), (true, 1));
    }

    #[test]
    fn what_cannot_be_shown_is_said_and_sound_is_taken_at_once() {
        let mut assembler = Assembler::new();
        assembler.take(0, packet(Codec::Av1, 0, 0, &[1]));
        assembler.take(0, packet(Codec::Av1, 0, 1, &[1]));
        assembler.take(0, packet(Codec::Opus, 0, 8, &[0xfc, 1, 2]));
        let media = assembler.media();
        assert_eq!(media[0], Media::Undecodable(Codec::Av1));
        let [_, Media::Sound(sound)] = &media[..] else {
            panic!("{media:?}");
        };
        assert_eq!(
            (sound.timestamp, &*sound.bytes),
            (12_000, &[0xfc, 1, 2][..])
        );
    }

    #[test]
    fn damage_and_floods_have_bounds() {
        let mut assembler = Assembler::new();
        let mut first = vp8(0, &[0]);
        first.payload = Arc::from(&[0x10][..]);
        first.starts_key_frame = true;
        assembler.take(0, first);
        assembler.take(0, packet(Codec::Vp8, 0, 1, &[0x90]));
        assert_eq!(pictures(&mut assembler), []);
        for number in 3..20_000 {
            assembler.take(0, vp8(number, &[]));
            assert!(assembler.waiting.len() <= WAITING_MAX + 1);
        }
        assert!(assembler.awaits_key_frame());
    }
}
