//! The test card: pictures with a number, and a beep on every second. Bitstreams are as real as a recorder looks at them.

use std::sync::{Arc, OnceLock};

use restage_codec::{Codec, h264};
use restage_record::{EncodingId, Packet, SenderReport};

/// Pictures per second.
pub(crate) const FRAMES_PER_S: u64 = 30;
/// Bytes of payload of a packet.
const PACKET_BYTES: usize = 1_000;
/// Bytes of a key frame and of another picture.
const KEY_BYTES: usize = 9_000;
const DELTA_BYTES: usize = 2_500;
/// First byte of a packet of Opus of 20 ms.
const TOC: u8 = 0xf8;
const BEEP: &[u8; 4] = b"beep";

/// Parameter sets as openh264 writes them, of this size.
pub(crate) fn parameter_sets(width: usize, height: usize) -> Vec<Vec<u8>> {
    let mut encoder = openh264::encoder::Encoder::new().unwrap();
    let picture = openh264::formats::YUVBuffer::new(width, height);
    let stream = encoder.encode(&picture).unwrap().to_vec();
    h264::annexb::units(&stream)
        .filter(|unit| h264::UnitType::of(unit).is_parameter_set())
        .map(<[u8]>::to_vec)
        .collect()
}

pub(crate) fn sets() -> &'static [Vec<u8>] {
    static SETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SETS.get_or_init(|| parameter_sets(320, 192))
}

/// Those of larger pictures.
pub(crate) fn larger_sets() -> &'static [Vec<u8>] {
    static SETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SETS.get_or_init(|| parameter_sets(640, 384))
}

/// A packet of parameter sets (STAP-A, RFC 6184 §5.7.1).
pub(crate) fn aggregate(sets: &[Vec<u8>]) -> Arc<[u8]> {
    let mut aggregate = vec![0x78];
    for set in sets {
        aggregate.extend_from_slice(&(set.len() as u16).to_be_bytes());
        aggregate.extend_from_slice(set);
    }
    aggregate.into()
}

/// How a publisher sends.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    /// By how much the clocks of sound and pictures are fast, in parts per million.
    pub(crate) audio_ppm: i64,
    pub(crate) video_ppm: i64,
    /// A key frame every so many pictures; 0 for only when one is asked for.
    pub(crate) key_every: u64,
    pub(crate) has_audio: bool,
    pub(crate) has_video: bool,
}

impl Default for Card {
    fn default() -> Self {
        Self {
            audio_ppm: 0,
            video_ppm: 0,
            key_every: 0,
            has_audio: true,
            has_video: true,
        }
    }
}

/// RTP timestamps begin here, shortly before they wrap around.
const AUDIO_ZERO: u64 = (1 << 32) - 40_000;
const VIDEO_ZERO: u64 = (7 << 32) - 90_000;

impl Card {
    fn ticks(us: u64, rate: u64, ppm: i64) -> u64 {
        let ticks = i128::from(us) * i128::from(rate) * i128::from(1_000_000 + ppm);
        (ticks / 1_000_000_000_000) as u64
    }

    pub(crate) fn audio_timestamp(&self, us: u64) -> u64 {
        AUDIO_ZERO + Self::ticks(us, 48_000, self.audio_ppm)
    }

    pub(crate) fn video_timestamp(&self, us: u64) -> u64 {
        VIDEO_ZERO + Self::ticks(us, 90_000, self.video_ppm)
    }

    /// When the packet of sound of this number begins, in microseconds of the publisher's time.
    pub(crate) fn audio_us(&self, number: u64) -> u64 {
        let us = i128::from(number) * 20_000 * 1_000_000 / i128::from(1_000_000 + self.audio_ppm);
        us as u64
    }

    pub(crate) fn video_us(number: u64) -> u64 {
        number * 1_000_000 / FRAMES_PER_S
    }

    /// A packet of sound; the one in which a second begins says so, and at which sample.
    pub(crate) fn audio(&self, number: u64, sequence: u64) -> Packet {
        let (from, to) = (self.audio_us(number), self.audio_us(number + 1));
        let second = from.div_ceil(1_000_000);
        let mut payload = vec![TOC];
        if second * 1_000_000 < to {
            let sample = (second * 1_000_000 - from) * 48 / 1_000;
            payload.extend_from_slice(BEEP);
            payload.extend_from_slice(&(second as u32).to_be_bytes());
            payload.extend_from_slice(&(sample as u16).to_be_bytes());
        } else {
            payload.extend_from_slice(&(number as u32).to_be_bytes());
        }
        Packet {
            encoding: EncodingId(1),
            codec: Codec::Opus,
            sequence,
            timestamp: AUDIO_ZERO + number * 960,
            arrived_us: 0,
            report: None,
            marker: false,
            starts_key_frame: false,
            parameter_sets: None,
            rotation_degrees: 0,
            payload: payload.into(),
        }
    }

    /// The packets of a picture.
    pub(crate) fn video(&self, number: u64, is_key: bool, sequence: &mut u64) -> Vec<Packet> {
        let mut slice = vec![if is_key { 0x65 } else { 0x41 }, 0x88];
        slice.extend_from_slice(&(number as u32).to_be_bytes());
        slice.resize(if is_key { KEY_BYTES } else { DELTA_BYTES }, 0x55);
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        if is_key {
            payloads.push(aggregate(sets()).to_vec());
        }
        let count = slice[1..].chunks(PACKET_BYTES).count();
        for (place, chunk) in slice[1..].chunks(PACKET_BYTES).enumerate() {
            let first = if place == 0 { 0x80 } else { 0 };
            let last = if place + 1 == count { 0x40 } else { 0 };
            let mut fragment = vec![slice[0] & 0xe0 | 28, first | last | slice[0] & 0x1f];
            fragment.extend_from_slice(chunk);
            payloads.push(fragment);
        }
        let timestamp = self.video_timestamp(Self::video_us(number));
        let last = payloads.len() - 1;
        let packet = |(place, payload): (usize, Vec<u8>)| {
            *sequence += 1;
            Packet {
                encoding: EncodingId(1),
                codec: Codec::H264,
                sequence: *sequence,
                timestamp,
                arrived_us: 0,
                report: None,
                marker: place == last,
                starts_key_frame: is_key && place == 0,
                parameter_sets: None,
                rotation_degrees: 0,
                payload: Arc::from(payload),
            }
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }

    /// A sender report of sound or pictures, `ntp_us` being the publisher's time.
    pub(crate) fn report(&self, is_audio: bool, us: u64, lie_us: i64) -> SenderReport {
        const NTP_ZERO_US: i64 = 4_000_000_000_000_000;
        let timestamp = if is_audio {
            self.audio_timestamp(us)
        } else {
            self.video_timestamp(us)
        };
        SenderReport {
            ntp_us: NTP_ZERO_US + us as i64 + lie_us,
            rtp_time: timestamp as u32,
            is_of_ingest: false,
        }
    }
}

/// The second of a beep and its sample in the packet.
pub(crate) fn beep_of(sample: &[u8]) -> Option<(u64, u64)> {
    let body = sample.get(1..)?.strip_prefix(BEEP)?;
    let second = u32::from_be_bytes(body.get(..4)?.try_into().ok()?);
    let offset = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    Some((second.into(), offset.into()))
}

/// The number of a picture: it stands in its slice, which is the last unit.
pub(crate) fn number_of(sample: &[u8]) -> Option<u64> {
    let mut rest = sample;
    let mut slice: &[u8] = &[];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        (slice, rest) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    }
    Some(u32::from_be_bytes(slice.get(2..6)?.try_into().ok()?).into())
}
