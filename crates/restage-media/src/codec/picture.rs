//! How large a picture is, from the start of a key frame: what tells simulcast layers apart, and what may be published.

use super::bits::Bits;
use super::vp8;

/// Size of a picture as it is shown, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Size {
    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Size of the picture that a VP8 key frame's first packet announces; `None` where it does not say. RFC 6386 §9.1: three
/// bytes of frame tag, a start code, then width and height in 14 bits each.
pub(crate) fn vp8_size(payload: &[u8]) -> Option<Size> {
    let length = vp8::Descriptor::parse(payload)?.length;
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = payload.get(length..)? else {
        return None;
    };
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
    Some(Size {
        width: side(w0, w1),
        height: side(h0, h1),
    })
}

/// chroma_format_idc where each sample of colour stands for two by two, and for two by one, of light.
const CHROMA_420: u32 = 1;
const CHROMA_422: u32 = 2;
/// More is taken for damage: 16,384 pixels.
const MACROBLOCKS_PER_SIDE_MAX: u32 = 1_024;

/// Profiles whose parameter sets say more about colour (ITU-T H.264 §7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Size of the pictures that a sequence parameter set describes: ITU-T H.264 §7.3.2.1.1, as far as the size.
pub(crate) fn h264_size(unit: &[u8]) -> Option<Size> {
    let mut bits = Bits::new(unit.get(1..)?);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.unsigned()?;
    let chroma = if HIGH_PROFILES.contains(&profile) {
        colour(&mut bits)?
    } else {
        CHROMA_420
    };
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.take(1)?;
            bits.unsigned()?;
            bits.unsigned()?;
            let cycle = bits.unsigned()?;
            // The standard allows 255; the loop ends with the bits anyway.
            for _ in 0..cycle {
                bits.unsigned()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.take(1)?;
    let width = bits.unsigned()?.checked_add(1)?;
    let height = bits.unsigned()?.checked_add(1)?;
    if width > MACROBLOCKS_PER_SIDE_MAX || height > MACROBLOCKS_PER_SIDE_MAX {
        return None;
    }
    let fields = 2 - bits.take(1)?;
    if fields == 2 {
        bits.take(1)?;
    }
    let coded = Size {
        width: width * 16,
        height: height * fields * 16,
    };
    bits.take(1)?;
    // A picture is coded in whole macroblocks; what is more than is shown is cut off.
    match bits.take(1)? {
        0 => Some(coded),
        _ => crop(&mut bits, coded, chroma, fields),
    }
}

/// ITU-T H.264 §7.4.2.1.1: what is cut off at each side, in units that follow from how colour is sampled.
fn crop(bits: &mut Bits<'_>, coded: Size, chroma: u32, fields: u32) -> Option<Size> {
    let unit_x = if matches!(chroma, CHROMA_420 | CHROMA_422) {
        2
    } else {
        1
    };
    let unit_y = if chroma == CHROMA_420 { 2 } else { 1 } * fields;
    let mut cut = |unit: u32| {
        let (one, other) = (bits.unsigned()?, bits.unsigned()?);
        one.checked_add(other)?.checked_mul(unit)
    };
    let (across, down) = (cut(unit_x)?, cut(unit_y)?);
    Some(Size {
        width: coded.width.checked_sub(across)?,
        height: coded.height.checked_sub(down)?,
    })
}

/// How colour is sampled: 0 is not at all, 3 as finely as light.
fn colour(bits: &mut Bits<'_>) -> Option<u32> {
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.take(1)?;
    }
    bits.unsigned()?;
    bits.unsigned()?;
    bits.take(1)?;
    if bits.take(1)? == 1 {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.take(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..size {
        if next != 0 {
            let code = i64::from(bits.unsigned()?);
            // Signed codes alternate: 1, −1, 2, −2, …
            let delta = if code % 2 == 1 {
                code / 2 + 1
            } else {
                -(code / 2)
            };
            next = (last + delta + 256).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn bits(&mut self, value: u32, count: u32) -> &mut Self {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn code(&mut self, value: u32) -> &mut Self {
            let length = 32 - (value + 1).leading_zeros();
            self.bits(0, length - 1).bits(value + 1, length)
        }

        /// The unit with its header and emulation prevention.
        fn unit(&self) -> Vec<u8> {
            let mut unit = vec![0x67];
            let mut zeros = 0;
            for chunk in self.0.chunks(8) {
                let byte = chunk
                    .iter()
                    .enumerate()
                    .fold(0, |byte, (i, bit)| byte | u8::from(*bit) << (7 - i));
                if zeros >= 2 && byte <= 3 {
                    unit.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                unit.push(byte);
            }
            unit.push(0x80);
            unit
        }
    }

    fn of(width: u32, height: u32) -> Option<Size> {
        Some(Size { width, height })
    }

    /// What follows the number of macroblocks: whole pictures, and what is cut off at the right and below.
    fn cut(writer: &mut Writer, right: u32, below: u32) {
        writer.bits(0b11, 2);
        if (right, below) == (0, 0) {
            writer.bits(0, 1);
            return;
        }
        writer.bits(1, 1).code(0).code(right).code(0).code(below);
    }

    fn baseline(width: u32, height: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .bits(66, 8)
            .bits(0xe0, 8)
            .bits(31, 8)
            .code(0)
            .code(0)
            .code(0)
            .code(0)
            .code(1)
            .bits(0, 1);
        let (across, down) = (width.div_ceil(16), height.div_ceil(16));
        writer.code(across - 1).code(down - 1);
        cut(
            &mut writer,
            (across * 16 - width) / 2,
            (down * 16 - height) / 2,
        );
        writer.unit()
    }

    #[test]
    fn baseline_sizes() {
        for (width, height) in [
            (320, 192),
            (640, 360),
            (1_280, 720),
            (720, 1_280),
            (1_920, 1_080),
            (1_108, 830),
        ] {
            assert_eq!(h264_size(&baseline(width, height)), of(width, height));
        }
        assert_eq!(
            Size {
                width: 1_920,
                height: 1_080
            }
            .pixels(),
            2_073_600
        );
    }

    #[test]
    fn high_profile_with_scaling_lists_order_counts_and_fields() {
        let mut writer = Writer::default();
        writer
            .bits(100, 8)
            .bits(0, 8)
            .bits(40, 8)
            .code(0)
            .code(1)
            .code(0)
            .code(0)
            .bits(0, 1)
            .bits(1, 1);
        // The first list ends at once, the others are absent.
        writer.bits(1, 1).code(16).bits(0, 7);
        writer
            .code(0)
            .code(1)
            .bits(0, 1)
            .code(0)
            .code(0)
            .code(2)
            .code(5)
            .code(6)
            .code(4)
            .bits(0, 1);
        // Fields, with the bit that only they have; what is cut counts double in height.
        writer.code(119).code(33).bits(0b001, 3);
        writer.bits(1, 1).code(0).code(0).code(0).code(2);
        assert_eq!(h264_size(&writer.unit()), of(1_920, 1_080));
    }

    #[test]
    fn a_cut_is_counted_as_colour_is_sampled() {
        for (chroma, width, height) in [(0, 159, 157), (1, 158, 154), (2, 158, 157), (3, 159, 157)]
        {
            let mut writer = Writer::default();
            writer
                .bits(100, 8)
                .bits(0, 8)
                .bits(40, 8)
                .code(0)
                .code(chroma);
            if chroma == 3 {
                writer.bits(0, 1);
            }
            writer.code(0).code(0).bits(0, 1).bits(0, 1);
            writer.code(0).code(2).code(1).bits(0, 1);
            writer.code(9).code(9);
            cut(&mut writer, 1, 3);
            assert_eq!(h264_size(&writer.unit()), of(width, height), "{chroma}");
        }
    }

    #[test]
    fn a_cut_of_more_than_there_is_is_damage() {
        for (right, below) in [(9, 0), (0, 9), (u32::MAX / 2, 0)] {
            let mut writer = Writer::default();
            writer
                .bits(66, 8)
                .bits(0, 16)
                .code(0)
                .code(0)
                .code(2)
                .code(1);
            writer.bits(0, 1).code(0).code(0);
            cut(&mut writer, right, below);
            assert_eq!(h264_size(&writer.unit()), None);
        }
    }

    #[test]
    fn vp8_sizes_without_scaling_bits() {
        let payload = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x81];
        assert_eq!(vp8_size(&payload), of(640, 480));
        assert_eq!(vp8_size(&payload[..9]), None);
    }

    #[test]
    fn garbage_has_no_size_and_does_no_harm() {
        let mut rng = Rng::new(4);
        for length in 0..300 {
            let mut unit: Vec<u8> = (0..length)
                .map(|_| rng.next_u64() as u8 & rng.next_u64() as u8)
                .collect();
            if let Some(first) = unit.first_mut() {
                *first = 0x67;
            }
            h264_size(&unit);
            vp8_size(&unit);
        }
        let whole = baseline(1_280, 720);
        for end in 0..whole.len() - 2 {
            assert_eq!(h264_size(&whole[..end]), None);
        }
    }
}
