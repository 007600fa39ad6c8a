//! Sequence parameter sets (ITU-T H.264 §7.3.2.1.1, annex E), as far as size and frame rate go.

use crate::media::bits::Bits;
use crate::media::h264::payload;

/// Largest picture width or height, in macroblocks of 16 pixels: far beyond level 6.2.
const SIDE_MACROBLOCKS_MAX: u32 = 4_096;
/// `num_ref_frames_in_pic_order_cnt_cycle` (§7.4.2.1.1).
const ORDER_CYCLE_MAX: u32 = 255;
/// `aspect_ratio_idc` of a ratio written out (table E-1).
const EXTENDED_SAR: u32 = 255;
/// `profile_idc` of the profiles with a chroma format of their own.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// What a sequence parameter set says about the pictures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Sequence {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// Frames a second, which few streams tell.
    pub(crate) frame_rate: Option<f64>,
}

/// Reads the NAL unit of a sequence parameter set.
pub(crate) fn read(nal: &[u8]) -> Option<Sequence> {
    let bytes = payload(nal);
    let mut bits = Bits::new(&bytes);
    let profile = bits.number(8)?;
    // Constraint flags and level.
    bits.number(16)?;
    bits.exp_golomb()?;
    let chroma = match HIGH_PROFILES.contains(&profile) {
        true => chroma(&mut bits)?,
        // 4:2:0
        false => 1,
    };
    // log2_max_frame_num_minus4
    bits.exp_golomb()?;
    skip_picture_order(&mut bits)?;
    // max_num_ref_frames, gaps_in_frame_num_value_allowed_flag
    bits.exp_golomb()?;
    bits.flag()?;
    let size = size(&mut bits, chroma)?;
    // Everything that matters most is read; a rate that cannot be read is one that is not told.
    let frame_rate = match bits.flag() {
        Some(true) => frame_rate(&mut bits),
        _ => None,
    };
    Some(Sequence { size, frame_rate })
}

/// `ChromaArrayType`: 0 for no colour or planes apart, else `chroma_format_idc`.
fn chroma(bits: &mut Bits<'_>) -> Option<u32> {
    let format = bits.exp_golomb()?;
    let is_apart = format == 3 && bits.flag()?;
    // Bit depths, lossless transform.
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.flag()?;
    if bits.flag()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if is_apart { 0 } else { format })
}

/// §7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits<'_>, length: usize) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..length {
        if next != 0 {
            let delta = i64::from(bits.signed_exp_golomb()?);
            next = (last + delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.flag()?;
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
            let count = bits
                .exp_golomb()
                .filter(|count| *count <= ORDER_CYCLE_MAX)?;
            for _ in 0..count {
                bits.signed_exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn size(bits: &mut Bits<'_>, chroma: u32) -> Option<(u32, u32)> {
    let mut side = || {
        bits.exp_golomb()
            .filter(|side| *side < SIDE_MACROBLOCKS_MAX)
    };
    let (width, height) = (side()? + 1, side()? + 1);
    let is_frames_only = bits.flag()?;
    if !is_frames_only {
        bits.flag()?;
    }
    // direct_8x8_inference_flag
    bits.flag()?;
    let fields = if is_frames_only { 1 } else { 2 };
    let (width, height) = (width * 16, height * 16 * fields);
    if !bits.flag()? {
        return Some((width, height));
    }
    // Cropping is counted in units of the chroma grid (§7.4.2.1.1).
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let mut cut = |unit: u32| {
        let (before, after) = (bits.exp_golomb()?, bits.exp_golomb()?);
        before.checked_add(after)?.checked_mul(unit)
    };
    let (cut_x, cut_y) = (cut(unit_x)?, cut(unit_y)?);
    let (width, height) = (width.checked_sub(cut_x)?, height.checked_sub(cut_y)?);
    (width > 0 && height > 0).then_some((width, height))
}

/// `vui_parameters` as far as `timing_info` (annex E.1.1).
fn frame_rate(bits: &mut Bits<'_>) -> Option<f64> {
    if bits.flag()? && bits.number(8)? == EXTENDED_SAR {
        bits.number(32)?;
    }
    // Overscan.
    if bits.flag()? {
        bits.flag()?;
    }
    // Video signal type, and within it a colour description.
    if bits.flag()? {
        bits.number(4)?;
        if bits.flag()? {
            bits.number(24)?;
        }
    }
    // Chroma location.
    if bits.flag()? {
        bits.exp_golomb()?;
        bits.exp_golomb()?;
    }
    if !bits.flag()? {
        return None;
    }
    let (units, scale) = (bits.number(32)?, bits.number(32)?);
    // A tick is a field, so a frame is two (E.2.1).
    let rate = f64::from(scale) / (2.0 * f64::from(units));
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::h264::{kind, nal_kind, nals};

    /// Writes bits the other way round.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn u(mut self, bits: u32, value: u32) -> Self {
            self.0
                .extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn ue(self, value: u32) -> Self {
            let length = (value + 1).ilog2();
            self.u(length, 0).u(length + 1, value + 1)
        }

        /// With a NAL header, and emulation prevention where it is needed.
        fn nal(self) -> Vec<u8> {
            let mut nal = vec![0x67];
            for byte in self.u(1, 1).0.chunks(8) {
                let value = byte
                    .iter()
                    .enumerate()
                    .map(|(at, bit)| u8::from(*bit) << (7 - at))
                    .sum();
                if nal.ends_with(&[0, 0]) && value <= 3 {
                    nal.push(3);
                }
                nal.push(value);
            }
            nal
        }
    }

    /// High profile, 1920 by 1080 in 4:2:0, interlaced or not, at a rate.
    fn high(is_frames_only: bool, units: u32, scale: u32) -> Vec<u8> {
        let height = if is_frames_only { 67 } else { 33 };
        let cut = if is_frames_only { 4 } else { 2 };
        let sps = Writer::default()
            .u(8, 100)
            .u(16, 40)
            .ue(0)
            .ue(1)
            .ue(0)
            .ue(0)
            .u(1, 0);
        // A scaling matrix of one flat list.
        let sps = sps.u(1, 1).u(1, 1).ue(16).u(7, 0);
        let sps = sps.ue(0).ue(0).ue(4).ue(4).u(1, 0).ue(119).ue(height);
        let sps = match is_frames_only {
            true => sps.u(1, 1),
            false => sps.u(2, 0),
        };
        let sps = sps.u(1, 1).u(1, 1).ue(0).ue(0).ue(0).ue(cut);
        // Aspect ratio written out, no overscan, a colour description, no chroma location.
        let sps = sps
            .u(1, 1)
            .u(1, 1)
            .u(8, 255)
            .u(32, 1)
            .u(1, 0)
            .u(1, 1)
            .u(4, 0)
            .u(1, 1)
            .u(24, 1)
            .u(1, 0);
        sps.u(1, 1).u(32, units).u(32, scale).u(1, 1).nal()
    }

    #[test]
    fn size_and_rate_are_read() {
        let expected = Sequence {
            size: (1920, 1080),
            frame_rate: Some(25.0),
        };
        assert_eq!(read(&high(true, 1, 50)), Some(expected));
        assert_eq!(read(&high(false, 1, 50)), Some(expected));
        let rate = read(&high(true, 1_001, 60_000))
            .unwrap()
            .frame_rate
            .unwrap();
        assert!((rate - 29.97).abs() < 0.001, "{rate}");
        assert_eq!(read(&high(true, 0, 50)).unwrap().frame_rate, None);
    }

    #[test]
    fn what_an_encoder_writes_is_read_and_damage_is_no_panic() {
        let mut encoder = openh264::encoder::Encoder::new().unwrap();
        let picture = openh264::formats::YUVBuffer::new(640, 360);
        let stream = encoder.encode(&picture).unwrap().to_vec();
        let sps = nals(&stream)
            .find(|nal| nal_kind(nal) == kind::SPS)
            .unwrap();
        assert_eq!(read(sps).map(|sequence| sequence.size), Some((640, 360)));
        for sps in [sps.to_vec(), high(false, 1, 50)] {
            for at in 0..sps.len() {
                for value in 0..=255 {
                    let mut broken = sps.clone();
                    broken[at] = value;
                    let _ = read(&broken);
                }
                let _ = read(&sps[..at]);
            }
        }
        assert_eq!(read(&[]), None);
    }
}
