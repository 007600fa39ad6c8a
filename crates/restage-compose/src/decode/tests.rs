//! Streams of other encoders, and what is refused.

use crc::{CRC_32_ISO_HDLC, Crc};

use super::*;

/// VP8 of libvpx: a test card of 160x90 that moves.
const MOVING: &[u8] = include_bytes!("../../tests/data/moving-160x90.vp8.ivf");
/// CRC-32 of its pictures, planes one after the other, as FFmpeg's own decoder has them:
/// `ffmpeg -c:v vp8 -i moving-160x90.vp8.ivf -f framehash -hash crc32 -`.
const CHECKSUMS: [u32; 30] = [
    0x8e6f_b4bb,
    0x66fe_183a,
    0x71c4_4bb5,
    0x7d45_750c,
    0xbe4a_8bec,
    0xa24a_da81,
    0xe3e4_6e63,
    0x6b5d_6abb,
    0x739d_3280,
    0xcbe6_000e,
    0x4fe4_74f0,
    0x3b07_885d,
    0x4067_ea52,
    0xabb0_9d0f,
    0x508f_e066,
    0x5175_df4a,
    0x4241_9b3e,
    0x5475_b2fe,
    0xb88a_c110,
    0x0aa3_c8c4,
    0xf2bd_c58c,
    0xbd21_799b,
    0x1660_5717,
    0x96bf_18be,
    0x1f4e_9e40,
    0x3f50_b0a0,
    0x57ff_d6d6,
    0xf92a_905c,
    0x00ba_0bd8,
    0x838f_3561,
];

/// The frames of an IVF file: 32 bytes of head, then frames behind 12 bytes each, of which the first four are the length.
fn frames() -> Vec<&'static [u8]> {
    let (mut rest, mut frames) = (&MOVING[32..], Vec::new());
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        frames.push(&rest[12..12 + length]);
        rest = &rest[12 + length..];
    }
    frames
}

fn checksum(picture: &Yuv) -> u32 {
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    for plane in &picture.planes {
        digest.update(&plane.samples);
    }
    digest.finalize()
}

#[test]
fn vp8_is_decoded_as_by_another_decoder_byte_for_byte() {
    let mut decoder = Decoder::new(VideoCodec::Vp8).unwrap();
    let mut found = Vec::new();
    for frame in frames() {
        let is_key = vp8::is_key_frame(frame);
        let picture = decoder.decode(is_key, frame).unwrap().unwrap();
        assert_eq!((picture.width, picture.height), (160, 90));
        found.push(checksum(&picture));
    }
    assert_eq!(found, CHECKSUMS);
}

#[test]
fn frames_of_vp8_that_are_not_shown() {
    let mut decoder = Decoder::new(VideoCodec::Vp8).unwrap();
    let frames = frames();
    assert!(decoder.decode(true, frames[0]).unwrap().is_some());
    // `show_frame` (RFC 6386 §9.1).
    let mut hidden = frames[1].to_vec();
    hidden[0] &= !0x10;
    assert_eq!(decoder.decode(false, &hidden), Ok(None));
    let next = decoder.decode(false, frames[2]).unwrap().unwrap();
    assert_eq!(checksum(&next), CHECKSUMS[2]);
}

#[test]
fn vp8_that_is_too_large_is_refused() {
    let mut decoder = Decoder::new(VideoCodec::Vp8).unwrap();
    let mut huge = frames()[0].to_vec();
    huge[6..10].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
    assert_eq!(
        decoder.decode(true, &huge),
        Err(DecodeError::CannotShow(
            "16383x16383 is more than 1080p".to_owned()
        ))
    );
    assert!(decoder.decode(true, frames()[0]).unwrap().is_some());
}

#[test]
fn colours_that_a_stream_names_are_converted() {
    use openh264::OpenH264API;
    use openh264::encoder::{Encoder, EncoderConfig, VuiConfig};

    // Red, as BT.709, BT.709 with full range and BT.601 have it.
    for (vui, colour) in [
        (VuiConfig::bt709(), [63, 102, 240]),
        (VuiConfig::bt709_full(), [54, 99, 255]),
        (VuiConfig::bt601(), [81, 90, 240]),
    ] {
        let config = EncoderConfig::new().vui(vui);
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
        let encoded = encoder.encode(&Yuv::filled(64, 48, colour)).unwrap();
        let mut decoder = Decoder::new(VideoCodec::H264).unwrap();
        let picture = decoder.decode(true, &encoded.to_vec()).unwrap().unwrap();
        for (plane, wanted) in picture.planes.iter().zip([81, 90, 240]) {
            let found = plane.samples[0];
            assert!(found.abs_diff(wanted) <= 3, "{colour:?}: {found} {wanted}");
        }
    }
}
