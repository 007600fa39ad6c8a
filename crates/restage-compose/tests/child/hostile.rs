//! Pictures and sound that harm: whatever a participant sends, the others are shown, and memory is bounded.

use bytes::Bytes;
use restage_compose::protocol::{ToChild, VideoCodec};

use crate::life::MEMORY_MAX;
use crate::peer::Peer;
use crate::support::*;

/// The participant who harms, and one who does not.
const BAD: u32 = 1;
const GOOD: u32 = 2;
/// Most pictures that wait to be read by the child while nobody reads what it says.
const AT_A_TIME: usize = 20;

/// Numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }
}

/// Changes, removes and repeats a few bytes.
fn mutated(whole: &[u8], numbers: &mut Numbers) -> Bytes {
    let mut bytes = whole.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len());
        match numbers.below(5) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.next() as u8,
            2 => drop(bytes.drain(at..bytes.len().min(at + 1 + numbers.below(16)))),
            // Heads are where most of the meaning is.
            3 => {
                let at = numbers.below(bytes.len().min(40));
                bytes[at] ^= 1 << numbers.below(8);
            }
            _ => {
                let end = bytes.len().min(at + 1 + numbers.below(64));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
        if bytes.is_empty() {
            return Bytes::copy_from_slice(whole);
        }
    }
    bytes.into()
}

/// Sends all of it, after which the participant who does not harm is shown, and so is the other one again.
fn survives(pictures: impl IntoIterator<Item = (VideoCodec, bool, Bytes)>) {
    let mut peer = Peer::composing(&[BAD, GOOD]);
    peer.is_shown(BAD, 70);
    peer.is_shown(GOOD, 130);
    let mut sent = 0;
    for (number, (codec, is_key, bytes)) in pictures.into_iter().enumerate() {
        peer.send(&ToChild::Picture {
            input: BAD,
            at_us: peer.now_us(),
            codec,
            is_key,
            quarter_turns: number as u8 % 4,
            bytes,
        });
        sent += 1;
        if sent % AT_A_TIME == 0 {
            // What it says has to be read, or it would be gone.
            let count = peer.pictures;
            peer.until(|_, peer| peer.pictures > count);
        }
    }
    peer.is_shown(GOOD, 90);
    // Its own next good picture is shown.
    peer.is_shown(BAD, 170);
    assert!(peer.memory() < MEMORY_MAX, "{} kB", peer.memory());
    peer.stop();
}

/// Pictures in which there is something to damage: two sizes, textures, motion.
fn stream(profile: openh264::encoder::Profile) -> Vec<(bool, Bytes)> {
    let mut camera = Camera::with(BAD, profile, 400_000);
    (0..24)
        .map(|number| {
            if number == 12 {
                camera.want_key_frame();
            }
            let (width, height) = if number < 18 { (160, 90) } else { (96, 128) };
            let picture = Picture::drawn(width, height, |plane, x, y| {
                let wave =
                    ((x + number * 3) as f64 * 0.2).sin() * ((y + number) as f64 * 0.15).cos();
                (120.0 + wave * 90.0) as u8 ^ (plane as u8) << 3
            });
            let (bytes, is_key) = camera.encode(&picture);
            (is_key, bytes)
        })
        .collect()
}

pub(crate) fn random_bytes() {
    let heads: [&[u8]; 6] = [
        &[],
        &[0, 0, 0, 1, 0x67],
        &[0, 0, 1, 0x65],
        &[0, 0, 1, 0x41],
        &[0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0],
        &[0x11, 0, 0],
    ];
    survives((0..600).map(|seed| {
        let mut numbers = Numbers::of(seed);
        let mut bytes = heads[numbers.below(heads.len())].to_vec();
        bytes.extend((0..numbers.below(3_000)).map(|_| numbers.next() as u8));
        let codec = [VideoCodec::H264, VideoCodec::Vp8][numbers.below(2)];
        (codec, numbers.below(3) > 0, bytes.into())
    }));
}

pub(crate) fn damaged_h264() {
    use openh264::encoder::Profile;
    let streams = [Profile::Baseline, Profile::High].map(stream);
    survives((0..1_200_u64).map(|seed| {
        let mut numbers = Numbers::of(seed);
        let stream = &streams[seed as usize / 24 % 2];
        let (is_key, bytes) = &stream[seed as usize % stream.len()];
        // Every third is whole, so that the decoder has something that damaged ones refer to.
        let bytes = match seed % 3 {
            0 => bytes.clone(),
            _ => mutated(bytes, &mut numbers),
        };
        (VideoCodec::H264, *is_key, bytes)
    }));
}

pub(crate) fn damaged_vp8() {
    let frames = ivf_frames(VP8);
    survives((0..1_200_u64).map(|seed| {
        let mut numbers = Numbers::of(seed);
        let frame = frames[seed as usize % frames.len()];
        let is_key = restage_codec::vp8::is_key_frame(frame);
        let bytes = match seed % 3 {
            0 => Bytes::from_static(frame),
            _ => mutated(frame, &mut numbers),
        };
        (VideoCodec::Vp8, is_key, bytes)
    }));
}

pub(crate) fn pictures_that_are_cut_short() {
    let h264 = stream(openh264::encoder::Profile::Baseline);
    let h264 = h264.into_iter().flat_map(|(is_key, bytes)| {
        let step = bytes.len() / 12 + 1;
        let cut = (0..bytes.len()).step_by(step);
        cut.map(move |end| (VideoCodec::H264, is_key, bytes.slice(..end)))
            .collect::<Vec<_>>()
    });
    let vp8 = ivf_frames(VP8).into_iter().flat_map(|frame| {
        let is_key = restage_codec::vp8::is_key_frame(frame);
        let cut = (0..frame.len()).step_by(frame.len() / 8 + 1);
        cut.map(move |end| (VideoCodec::Vp8, is_key, Bytes::from_static(&frame[..end])))
    });
    survives(h264.chain(vp8));
}

pub(crate) fn sizes_that_lie() {
    let huge_vp8 = [
        (0x3fff, 0x3fff),
        (16_383, 1),
        (1, 16_383),
        (0, 0),
        (1_921, 1_081),
    ];
    let vp8 = huge_vp8.map(|(width, height): (u16, u16)| {
        let mut frame = ivf_frames(VP8)[0].to_vec();
        frame[6..8].copy_from_slice(&width.to_le_bytes());
        frame[8..10].copy_from_slice(&height.to_le_bytes());
        (VideoCodec::Vp8, true, Bytes::from(frame))
    });
    let h264 = (0..50).map(|_| (VideoCodec::H264, true, huge_sps()));
    // One that is allowed, and whose slices are those of a small picture.
    let (large, _) = Camera::new(BAD).encode(&Picture::plain(1_920, 1_080, [90, 128, 128]));
    let (small, _) = Camera::new(BAD).encode(&Picture::plain(160, 90, [90, 128, 128]));
    let slice = |bytes: &Bytes| {
        let at = bytes.windows(5).position(|at| at == [0, 0, 0, 1, 0x65]);
        at.unwrap()
    };
    let mixed = [
        [&large[..slice(&large)], &small[slice(&small)..]].concat(),
        [&small[..slice(&small)], &large[slice(&large)..]].concat(),
    ];
    let mixed = mixed.map(|bytes| (VideoCodec::H264, true, Bytes::from(bytes)));
    survives(h264.chain(vp8).chain(mixed));
}

/// Whole pictures, each of another size than the one before.
pub(crate) fn sizes_that_change() {
    let mut numbers = Numbers::of(99);
    let pictures: Vec<_> = (0..120)
        .map(|_| {
            let side = |numbers: &mut Numbers| 16 + numbers.below(150) * 2;
            let (width, height) = (side(&mut numbers), side(&mut numbers));
            let picture = Picture::plain(width, height, [numbers.next() as u8 | 16, 120, 130]);
            let (bytes, _) = Camera::new(BAD).encode(&picture);
            (VideoCodec::H264, true, bytes)
        })
        .collect();
    survives(pictures);
}

pub(crate) fn damaged_sound() {
    let mut peer = Peer::composing(&[BAD, GOOD]);
    peer.is_shown(GOOD, 130);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    let samples: Vec<f32> = (0..1_920).map(|at| (at as f32 * 0.1).sin() * 0.5).collect();
    for seed in 0..3_000_u64 {
        let mut numbers = Numbers::of(seed);
        let packet = encoder.encode_vec_float(&samples, 1_275).unwrap();
        let bytes = match seed % 3 {
            0 => Bytes::from(
                (0..numbers.below(200))
                    .map(|_| numbers.next() as u8)
                    .collect::<Vec<_>>(),
            ),
            _ => mutated(&packet, &mut numbers),
        };
        peer.send(&ToChild::Sound {
            input: BAD,
            at_us: peer.now_us() + numbers.below(300_000) as u64,
            timestamp: seed * 960 + numbers.below(3) as u64,
            bytes,
        });
        if seed % 100 == 0 {
            let count = peer.pictures;
            peer.until(|_, peer| peer.pictures > count);
        }
    }
    peer.is_shown(GOOD, 90);
    assert!(peer.memory() < MEMORY_MAX, "{} kB", peer.memory());
    peer.stop();
}
