//! Good pictures, and pictures that cannot be decoded. Those that harm the process are tested with a child.

use image::{ImageFormat, Rgb, RgbImage, load_from_memory_with_format};
use openh264::encoder::Encoder;
use openh264::formats::{RgbSliceU8, YUVBuffer};

use super::*;

const RED: Rgb<u8> = Rgb([220, 30, 30]);
const GREEN: Rgb<u8> = Rgb([30, 200, 40]);
const BLUE: Rgb<u8> = Rgb([40, 40, 210]);
const GREY: Rgb<u8> = Rgb([150, 150, 150]);

/// A key frame whose quarters are red, green, blue and grey: as read, line by line.
fn key_frame(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        match (x < width / 2, y < height / 2) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => GREY,
        }
    });
    let size = (width as usize, height as usize);
    let planes = YUVBuffer::from_rgb8_source(RgbSliceU8::new(picture.as_raw(), size));
    Encoder::new().unwrap().encode(&planes).unwrap().to_vec()
}

fn made(key_frame: &[u8], quarter_turns: u8) -> RgbImage {
    let jpeg = thumbnail(key_frame, quarter_turns).unwrap();
    let picture = load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
    assert_eq!(jpeg_size(&jpeg), Some((picture.width(), picture.height())));
    picture.to_rgb8()
}

/// The colours in the middle of the quarters.
fn quarters(picture: &RgbImage) -> [Rgb<u8>; 4] {
    let (width, height) = picture.dimensions();
    let at = |x: u32, y: u32| *picture.get_pixel(width * x / 4, height * y / 4);
    [at(1, 1), at(3, 1), at(1, 3), at(3, 3)]
}

fn assert_colours(found: [Rgb<u8>; 4], expected: [Rgb<u8>; 4]) {
    let differences = found.iter().zip(&expected).flat_map(|(found, expected)| {
        let pairs = found.0.into_iter().zip(expected.0);
        pairs.map(|(found, expected)| found.abs_diff(expected))
    });
    assert!(differences.max() <= Some(12), "{found:?} {expected:?}");
}

#[test]
fn a_picture_keeps_its_size_and_its_colours() {
    for (width, height) in [(640, 360), (360, 640), (322, 242), (16, 16)] {
        let picture = made(&key_frame(width, height), 0);
        assert_eq!(picture.dimensions(), (width, height));
        assert_colours(quarters(&picture), [RED, GREEN, BLUE, GREY]);
    }
}

#[test]
fn a_picture_is_turned_as_it_is_to_be_shown() {
    let key_frame = key_frame(320, 180);
    for (turns, size, expected) in [
        (1, (180, 320), [BLUE, RED, GREY, GREEN]),
        (2, (320, 180), [GREY, BLUE, GREEN, RED]),
        (3, (180, 320), [GREEN, GREY, RED, BLUE]),
        (4, (320, 180), [RED, GREEN, BLUE, GREY]),
    ] {
        let picture = made(&key_frame, turns);
        assert_eq!(picture.dimensions(), size);
        assert_colours(quarters(&picture), expected);
    }
}

#[test]
fn a_large_picture_is_scaled_down() {
    for (size, scaled) in [
        ((1_920, 1_080), (1_280, 720)),
        ((1_080, 1_920), (720, 1_280)),
        ((2_000, 16), (1_280, 10)),
    ] {
        let picture = made(&key_frame(size.0, size.1), 0);
        assert_eq!(picture.dimensions(), scaled);
        assert_colours(quarters(&picture), [RED, GREEN, BLUE, GREY]);
    }
}

#[test]
fn what_stands_around_the_picture_is_left_out() {
    let mut stream = vec![0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x06, 5, 1, 0, 0x80];
    stream.extend(key_frame(64, 64));
    // The next picture, of which nothing can be decoded.
    stream.extend([0, 0, 0, 1, 0x65, 0x88, 0xff, 0xff]);
    assert_eq!(made(&stream, 0).dimensions(), (64, 64));
}

#[test]
fn what_is_no_picture_is_refused() {
    let refused = |key_frame: &[u8]| thumbnail(key_frame, 0).unwrap_err();
    assert_eq!(refused(b""), PictureError::NoParameterSets);
    assert_eq!(refused(&[0xff; 10_000]), PictureError::NoParameterSets);
    assert_eq!(refused(&[0, 0, 1, 0x67]), PictureError::NoParameterSets);
    let whole = key_frame(640, 360);
    let slice = whole.len() - 1;
    for end in [40, slice / 4, slice / 2] {
        assert_eq!(refused(&whole[..end]), PictureError::Damaged, "{end}");
    }
    let sets_alone: Vec<u8> = restage_codec::h264::annexb::units(&whole)
        .filter(|unit| unit[0] & 0x1f != 5)
        .flat_map(|unit| [&[0, 0, 0, 1], unit].concat())
        .collect();
    assert_eq!(refused(&sets_alone), PictureError::Damaged);
}

/// Bits of a parameter set, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn fixed(mut self, value: u32, bits: u32) -> Self {
        self.0
            .extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    /// An Exp-Golomb code (§9.1).
    fn code(self, value: u32) -> Self {
        let bits = 32 - (value + 1).leading_zeros();
        self.fixed(0, bits - 1).fixed(value + 1, bits)
    }

    fn unit(self, header: u8) -> Vec<u8> {
        let mut bits = self.0;
        bits.push(true);
        let bytes = bits.chunks(8).map(|byte| {
            let set = byte.iter().enumerate().filter(|(_, bit)| **bit);
            set.fold(0, |byte, (place, _)| byte | 0x80 >> place)
        });
        [0, 0, 0, 1, header].into_iter().chain(bytes).collect()
    }
}

/// A sequence parameter set of pictures of so many macroblocks.
fn parameter_set(profile: u32, chroma: Option<u32>, across: u32, down: u32) -> Vec<u8> {
    let bits = Bits::default()
        .fixed(profile, 8)
        .fixed(0, 8)
        .fixed(51, 8)
        .code(0);
    let bits = match chroma {
        // Bit depths of 8, no lossless transform, no scaling matrix.
        Some(format) => bits.code(format).code(0).code(0).fixed(0, 2),
        None => bits,
    };
    let bits = bits.code(0).code(2).code(1).fixed(0, 1);
    bits.code(across - 1)
        .code(down - 1)
        .fixed(0b1100, 4)
        .unit(0x67)
}

#[test]
fn what_is_too_large_or_cannot_be_decoded_never_reaches_the_decoder() {
    let whole = key_frame(64, 64);
    let refused = |set: Vec<u8>| {
        // A picture that could be decoded follows, and does not help.
        let stream = [set.as_slice(), &whole].concat();
        thumbnail(&stream, 0).unwrap_err()
    };
    assert_eq!(
        refused(parameter_set(66, None, 1_024, 1_024)),
        PictureError::TooLarge
    );
    assert_eq!(
        refused(parameter_set(66, None, 257, 1)),
        PictureError::TooLarge
    );
    assert_eq!(
        refused(parameter_set(66, None, 256, 145)),
        PictureError::TooLarge
    );
    assert_eq!(
        refused(parameter_set(244, Some(2), 4, 4)),
        PictureError::Unsupported
    );
    let largest = [parameter_set(66, None, 256, 144).as_slice(), &whole].concat();
    assert_eq!(first_size(&largest), Some((4_096, 2_304)));
}

fn first_size(stream: &[u8]) -> Option<(u32, u32)> {
    let (_, parameters) = decode::first_picture(stream).ok()?;
    Some((parameters.size.width, parameters.size.height))
}
