//! Good streams, streams that change, and streams that harm.

use openh264::encoder::Encoder;
use openh264::formats::YUVBuffer;
use proptest::prelude::*;

use super::*;

const MOVING: &[u8] = include_bytes!("../../tests/data/moving-160x90.vp8.ivf");

/// The frames of an IVF file: 32 bytes of head, then frames behind 12 bytes each.
fn frames(ivf: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut frames) = (&ivf[32..], Vec::new());
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        frames.push(&rest[12..12 + length]);
        rest = &rest[12 + length..];
    }
    frames
}

/// Grey pictures of this size, each a little brighter.
fn h264(width: usize, height: usize, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new().unwrap();
    let encode = |number: usize| {
        let mut planes = vec![(60 + number * 4) as u8; width * height];
        planes.resize(width * height * 3 / 2, 128);
        let picture = YUVBuffer::from_vec(planes, width, height);
        encoder.encode(&picture).unwrap().to_vec()
    };
    (0..count).map(encode).collect()
}

fn light(decoder: &VideoDecoder) -> u8 {
    decoder.picture().unwrap().plane(0)[0]
}

#[test]
fn vp8_of_a_foreign_encoder() {
    let mut decoder = VideoDecoder::default();
    for (number, frame) in frames(MOVING).iter().enumerate() {
        let is_key = restage_codec::vp8::is_key_frame(frame);
        assert_eq!(
            decoder.decode(Codec::Vp8, is_key, 0, frame),
            Ok(true),
            "{number}"
        );
        assert_eq!(
            decoder.picture().unwrap().size(),
            Size {
                width: 160,
                height: 90
            }
        );
    }
    // A test card has many colours.
    let picture = decoder.picture().unwrap();
    let range = |plane: usize| {
        let samples = picture.plane(plane).iter();
        samples.clone().max().unwrap() - samples.min().unwrap()
    };
    assert!(range(0) > 150 && range(1) > 150 && range(2) > 150);
}

#[test]
fn vp8_frames_that_are_not_shown() {
    let mut decoder = VideoDecoder::default();
    let stream = frames(MOVING);
    assert_eq!(decoder.decode(Codec::Vp8, true, 0, stream[0]), Ok(true));
    let shown = decoder.picture().cloned();
    // `show_frame` (RFC 6386 §9.1).
    let mut hidden = stream[1].to_vec();
    hidden[0] &= !0x10;
    assert_eq!(decoder.decode(Codec::Vp8, false, 0, &hidden), Ok(false));
    assert_eq!(decoder.picture().cloned(), shown);
    assert_eq!(decoder.decode(Codec::Vp8, false, 0, stream[2]), Ok(true));
    assert_ne!(decoder.picture().cloned(), shown);
}

#[test]
fn nothing_is_decoded_before_a_key_frame_and_after_a_loss() {
    let stream = h264(64, 48, 6);
    let mut decoder = VideoDecoder::default();
    assert_eq!(
        decoder.decode(Codec::H264, false, 0, &stream[1]),
        Err(DecodeError::NeedKeyFrame)
    );
    assert_eq!(decoder.decode(Codec::H264, true, 0, &stream[0]), Ok(true));
    assert_eq!(decoder.decode(Codec::H264, false, 0, &stream[1]), Ok(true));
    let kept = light(&decoder);
    // One is missing.
    assert_eq!(
        decoder.decode(Codec::H264, false, 0, &stream[3]),
        Err(DecodeError::NeedKeyFrame)
    );
    assert_eq!(light(&decoder), kept);
    assert_eq!(
        decoder.decode(Codec::H264, false, 0, &stream[4]),
        Err(DecodeError::NeedKeyFrame)
    );
    assert_eq!(decoder.decode(Codec::H264, true, 0, &stream[0]), Ok(true));
}

#[test]
fn sizes_codecs_and_turns_change_mid_stream() {
    let mut decoder = VideoDecoder::default();
    for (width, height) in [(64, 48), (320, 180), (48, 64), (640, 360), (64, 48)] {
        for (number, unit) in h264(width, height, 3).iter().enumerate() {
            assert_eq!(decoder.decode(Codec::H264, number == 0, 0, unit), Ok(true));
            let size = Size {
                width: width as u32,
                height: height as u32,
            };
            assert_eq!(decoder.picture().unwrap().size(), size);
        }
    }
    for (number, unit) in h264(64, 48, 4).iter().enumerate() {
        let turns = number as u8;
        assert_eq!(
            decoder.decode(Codec::H264, number == 0, turns, unit),
            Ok(true)
        );
        let size = decoder.picture().unwrap().size();
        assert_eq!(size.width, if number % 2 == 0 { 64 } else { 48 });
    }
    let vp8 = frames(MOVING);
    assert_eq!(
        decoder.decode(Codec::Vp8, false, 0, vp8[1]),
        Err(DecodeError::NeedKeyFrame)
    );
    assert_eq!(decoder.decode(Codec::Vp8, true, 0, vp8[0]), Ok(true));
    assert_eq!(decoder.decode(Codec::Vp8, false, 0, vp8[1]), Ok(true));
}

#[test]
fn what_is_above_1080p_is_not_shown() {
    let mut decoder = VideoDecoder::default();
    assert_eq!(
        decoder.decode(Codec::H264, true, 0, &h264(1_920, 1_080, 1)[0]),
        Ok(true)
    );
    for (width, height) in [(1_936, 1_088), (2_560, 1_440)] {
        let outcome = decoder.decode(Codec::H264, true, 0, &h264(width, height, 1)[0]);
        let Err(DecodeError::CannotShow(reason)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(reason, format!("{width}x{height} is above 1080p"));
    }
    assert_eq!(
        decoder.decode(Codec::H264, true, 0, &h264(64, 48, 1)[0]),
        Ok(true)
    );
    let mut huge = frames(MOVING)[0].to_vec();
    huge[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    let outcome = decoder.decode(Codec::Vp8, true, 0, &huge);
    assert!(
        matches!(outcome, Err(DecodeError::CannotShow(_))),
        "{outcome:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// One decoder takes damaged units one after the other, as it would from a publisher, and works afterwards.
    #[test]
    fn damaged_streams(
        is_vp8: bool,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..12),
    ) {
        let good: Vec<Vec<u8>> = match is_vp8 {
            true => frames(MOVING).iter().map(|frame| frame.to_vec()).collect(),
            false => h264(64, 48, 8),
        };
        let codec = if is_vp8 { Codec::Vp8 } else { Codec::H264 };
        let mut stream = good.clone();
        for (unit, at, value, cuts) in damage {
            let unit = unit.index(stream.len());
            let at = at.index(stream[unit].len().max(1));
            match cuts {
                true => stream[unit].truncate(at),
                false => stream[unit].iter_mut().skip(at).take(1).for_each(|byte| *byte = value),
            }
        }
        let mut decoder = VideoDecoder::default();
        for (number, unit) in stream.iter().enumerate() {
            let _ = decoder.decode(codec, number == 0, 0, unit);
        }
        prop_assert_eq!(decoder.decode(codec, true, 0, &good[0]), Ok(true));
    }

    #[test]
    fn any_bytes(is_vp8: bool, is_key: bool, mut bytes in proptest::collection::vec(any::<u8>(), 0..300), head in 0..4usize) {
        let heads: [&[u8]; 4] = [&[], &[0, 0, 0, 1, 0x67], &[0, 0, 1, 0x65], &[0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0]];
        bytes.splice(0..0, heads[head].iter().copied());
        let codec = if is_vp8 { Codec::Vp8 } else { Codec::H264 };
        let _ = VideoDecoder::default().decode(codec, is_key, 0, &bytes);
    }
}
