//! Sequence parameter sets (ITU-T H.264 §7.3.2.1.1, annex E): size of the pictures and frame rate.

use crate::PictureSize;
use crate::bits::BitReader;

/// Most macroblocks of 16 pixels in a row or a column: √(8 × `MaxFS`) of level 6.2 (table A-1, §A.3.1). More is taken for damage.
const SIDE_MACROBLOCKS_MAX: u32 = 1_055;
/// `num_ref_frames_in_pic_order_cnt_cycle` (§7.4.2.1.1).
const ORDER_CYCLE_MAX: u32 = 255;
/// `aspect_ratio_idc` of a ratio that is written out (table E-1).
const EXTENDED_SAR: u32 = 255;
/// `profile_idc` of the profiles whose parameter sets say more about colour (§7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// `ChromaArrayType` where a sample of colour stands for two by two samples of light, and for two by one (table 6-1).
const CHROMA_420: u32 = 1;
const CHROMA_422: u32 = 2;
/// `chroma_format_idc` of as many samples of colour as of light.
const CHROMA_444: u32 = 3;
/// Bits of a sample (§7.4.2.1.1).
const BITS_MIN: u32 = 8;
const BITS_MAX: u32 = 14;

/// What a sequence parameter set says about the pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequenceParameters {
    /// Size of the pictures after cropping.
    pub size: PictureSize,
    /// Frames per second; few streams say it.
    pub frame_rate: Option<f64>,
    /// How light and colour are to be read.
    pub colour: Colour,
    /// How colour is sampled (`chroma_format_idc`): 0 for none, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub chroma_format: u8,
    /// Bits of a sample of light, 8 to 14.
    pub luma_bits: u8,
    /// Bits of a sample of colour, 8 to 14.
    pub chroma_bits: u8,
}

/// How samples of light and colour become red, green and blue (annex E.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    /// `matrix_coefficients` of table E-5: 1 for BT.709, 5 and 6 for BT.601, 9 for BT.2020, 2 for streams that do not say it.
    pub matrix: u8,
    /// Samples of light go from 0 to 255 instead of 16 to 235.
    pub is_full_range: bool,
}

impl Colour {
    /// What counts where a stream says nothing.
    pub const UNSPECIFIED: Self = Self {
        matrix: 2,
        is_full_range: false,
    };
}

/// How light and colour are sampled.
struct Chroma {
    /// `chroma_format_idc`
    format: u32,
    /// `ChromaArrayType`: 0 for no colour or for planes of their own, else the format.
    array_type: u32,
    luma_bits: u32,
    chroma_bits: u32,
}

impl Chroma {
    /// What profiles without a choice have.
    const PLAIN: Self = Self {
        format: CHROMA_420,
        array_type: CHROMA_420,
        luma_bits: BITS_MIN,
        chroma_bits: BITS_MIN,
    };
}

impl SequenceParameters {
    /// Reads the NAL unit of a sequence parameter set. `None` if it is damaged or cut short before the end of the size.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(unit.get(1..)?);
        let profile = bits.take(8)?;
        // Constraint flags and level.
        bits.take(16)?;
        // seq_parameter_set_id
        bits.unsigned()?;
        let chroma = if HIGH_PROFILES.contains(&profile) {
            Chroma::read(&mut bits)?
        } else {
            Chroma::PLAIN
        };
        // log2_max_frame_num_minus4
        bits.unsigned()?;
        skip_picture_order(&mut bits)?;
        // max_num_ref_frames, gaps_in_frame_num_value_allowed_flag
        bits.unsigned()?;
        bits.flag()?;
        let size = picture_size(&mut bits, chroma.array_type)?;
        // The size matters most. What cannot be read of the rest counts as not said.
        let mut colour = Colour::UNSPECIFIED;
        let frame_rate = match bits.flag() {
            Some(true) => usability(&mut bits, &mut colour),
            _ => None,
        };
        Some(Self {
            size,
            frame_rate,
            colour,
            chroma_format: chroma.format as u8,
            luma_bits: chroma.luma_bits as u8,
            chroma_bits: chroma.chroma_bits as u8,
        })
    }
}

impl Chroma {
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let format = bits.unsigned().filter(|format| *format <= CHROMA_444)?;
        let has_separate_planes = format == CHROMA_444 && bits.flag()?;
        let mut depth = || bits.unsigned().filter(|more| *more <= BITS_MAX - BITS_MIN);
        let (luma, chroma) = (depth()?, depth()?);
        // The lossless transform.
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if format == CHROMA_444 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(Self {
            format,
            array_type: if has_separate_planes { 0 } else { format },
            luma_bits: BITS_MIN + luma,
            chroma_bits: BITS_MIN + chroma,
        })
    }
}

/// §7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut BitReader<'_>, length: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut BitReader<'_>) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            let count = bits.unsigned().filter(|count| *count <= ORDER_CYCLE_MAX)?;
            for _ in 0..count {
                bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn picture_size(bits: &mut BitReader<'_>, chroma: u32) -> Option<PictureSize> {
    let mut side = || {
        let macroblocks = bits.unsigned()?.checked_add(1)?;
        (macroblocks <= SIDE_MACROBLOCKS_MAX).then(|| macroblocks * 16)
    };
    let (width, height) = (side()?, side()?);
    let fields = if bits.flag()? { 1 } else { 2 };
    if fields == 2 {
        // mb_adaptive_frame_field_flag
        bits.flag()?;
    }
    let height = height * fields;
    // direct_8x8_inference_flag
    bits.flag()?;
    if !bits.flag()? {
        return Some(PictureSize { width, height });
    }
    // A picture is coded in whole macroblocks; the rest is cropped, in units of the chroma grid (§7.4.2.1.1).
    let (unit_x, unit_y) = match chroma {
        CHROMA_420 => (2, 2 * fields),
        CHROMA_422 => (2, fields),
        _ => (1, fields),
    };
    let mut crop = |unit: u32| {
        let (before, after) = (bits.unsigned()?, bits.unsigned()?);
        before.checked_add(after)?.checked_mul(unit)
    };
    let (crop_x, crop_y) = (crop(unit_x)?, crop(unit_y)?);
    let (width, height) = (width.checked_sub(crop_x)?, height.checked_sub(crop_y)?);
    (width > 0 && height > 0).then_some(PictureSize { width, height })
}

/// `vui_parameters` as far as its timing (annex E.1.1): the frame rate, and the colour on the way there.
fn usability(bits: &mut BitReader<'_>, colour: &mut Colour) -> Option<f64> {
    if bits.flag()? && bits.take(8)? == EXTENDED_SAR {
        bits.take(32)?;
    }
    // Overscan.
    if bits.flag()? {
        bits.flag()?;
    }
    // Video signal type, with a colour description in it.
    if bits.flag()? {
        // video_format
        bits.take(3)?;
        colour.is_full_range = bits.flag()?;
        if bits.flag()? {
            // colour_primaries, transfer_characteristics
            bits.take(16)?;
            colour.matrix = bits.take(8)? as u8;
        }
    }
    // Chroma location.
    if bits.flag()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    if !bits.flag()? {
        return None;
    }
    let (units, scale) = (bits.take(32)?, bits.take(32)?);
    // A tick is a field, so a frame is two (E.2.1).
    let rate = f64::from(scale) / (2.0 * f64::from(units));
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::tests::BitWriter;
    use crate::h264::{UnitType, annexb};

    const HEADER: u8 = 0x67;

    fn size_of(unit: &[u8]) -> Option<(u32, u32)> {
        let size = SequenceParameters::parse(unit)?.size;
        Some((size.width, size.height))
    }

    #[test]
    fn a_side_without_end_is_refused() {
        for (across, down) in [(u32::MAX - 2, 10), (10, u32::MAX - 2), (1 << 31, 1 << 31)] {
            let writer = BitWriter::default().bits(66, 8).bits(0xe0, 8).bits(31, 8);
            let writer = writer.code(0).code(0).code(0).code(0).code(1).bits(0, 1);
            let writer = writer.code(across).code(down);
            assert_eq!(size_of(&crop(writer, 0, 0).unit(HEADER)), None);
        }
    }

    /// What follows the number of macroblocks: whole pictures, what is cropped at the right and below, and no annex E.
    fn crop(writer: BitWriter, right: u32, below: u32) -> BitWriter {
        let writer = writer.bits(0b11, 2);
        let writer = if (right, below) == (0, 0) {
            writer.bits(0, 1)
        } else {
            writer.bits(1, 1).code(0).code(right).code(0).code(below)
        };
        writer.bits(0, 1)
    }

    fn baseline(width: u32, height: u32) -> Vec<u8> {
        let writer = BitWriter::default().bits(66, 8).bits(0xe0, 8).bits(31, 8);
        let writer = writer.code(0).code(0).code(0).code(0).code(1).bits(0, 1);
        let (across, down) = (width.div_ceil(16), height.div_ceil(16));
        let writer = writer.code(across - 1).code(down - 1);
        let (right, below) = ((across * 16 - width) / 2, (down * 16 - height) / 2);
        crop(writer, right, below).unit(HEADER)
    }

    /// High profile, 1920 by 1080 in 4:2:0, interlaced or not, at a rate.
    fn high(is_frames_only: bool, units: u32, scale: u32) -> Vec<u8> {
        let height = if is_frames_only { 67 } else { 33 };
        let cut = if is_frames_only { 4 } else { 2 };
        let sps = BitWriter::default().bits(100, 8).bits(40, 16);
        let sps = sps.code(0).code(1).code(0).code(0).bits(0, 1);
        // A scaling matrix of one flat list.
        let sps = sps.bits(1, 1).bits(1, 1).code(16).bits(0, 7);
        let sps = sps.code(0).code(0).code(4).code(4).bits(0, 1);
        let sps = sps.code(119).code(height);
        let sps = match is_frames_only {
            true => sps.bits(1, 1),
            false => sps.bits(0, 2),
        };
        let sps = sps.bits(1, 1).bits(1, 1).code(0).code(0).code(0).code(cut);
        // Aspect ratio written out, no overscan, a colour description, no chroma location.
        let sps = sps.bits(1, 1).bits(1, 1).bits(255, 8).bits(1, 32);
        let sps = sps.bits(0, 1).bits(1, 1).bits(0b1011, 4);
        let sps = sps.bits(1, 1).bits(0x01_01_01, 24);
        let sps = sps.bits(0, 1).bits(1, 1).bits(units, 32).bits(scale, 32);
        sps.bits(1, 1).unit(HEADER)
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
            assert_eq!(size_of(&baseline(width, height)), Some((width, height)));
        }
    }

    #[test]
    fn size_and_rate_are_read() {
        let expected = SequenceParameters {
            size: PictureSize {
                width: 1_920,
                height: 1_080,
            },
            frame_rate: Some(25.0),
            colour: Colour {
                matrix: 1,
                is_full_range: true,
            },
            chroma_format: 1,
            luma_bits: 8,
            chroma_bits: 8,
        };
        assert_eq!(expected.size.pixels(), 2_073_600);
        let read = |unit: &[u8]| SequenceParameters::parse(unit).unwrap();
        assert_eq!(read(&high(true, 1, 50)), expected);
        assert_eq!(read(&high(false, 1, 50)), expected);
        let rate = read(&high(true, 1_001, 60_000)).frame_rate.unwrap();
        assert!((rate - 29.97).abs() < 0.001, "{rate}");
        assert_eq!(read(&high(true, 0, 50)).frame_rate, None);
        assert_eq!(read(&baseline(640, 360)).colour, Colour::UNSPECIFIED);
    }

    #[test]
    fn scaling_lists_order_counts_and_fields_are_skipped() {
        let writer = BitWriter::default().bits(100, 8).bits(0, 8).bits(40, 8);
        let writer = writer.code(0).code(1).code(0).code(0).bits(0, 1);
        // The first list ends at once, the others are absent.
        let writer = writer.bits(1, 1).bits(1, 1).code(16).bits(0, 7);
        let writer = writer.code(0).code(1).bits(0, 1).code(0).code(0);
        let writer = writer.code(2).code(5).code(6).code(4).bits(0, 1);
        // Fields, with the bit that only they have; what is cropped counts double in height.
        let writer = writer.code(119).code(33).bits(0b001, 3);
        let writer = writer.bits(1, 1).code(0).code(0).code(0).code(2);
        assert_eq!(size_of(&writer.unit(HEADER)), Some((1_920, 1_080)));
    }

    #[test]
    fn a_crop_is_counted_as_colour_is_sampled() {
        for (chroma, width, height) in [(0, 159, 157), (1, 158, 154), (2, 158, 157), (3, 159, 157)]
        {
            let writer = BitWriter::default().bits(100, 8).bits(0, 8).bits(40, 8);
            let mut writer = writer.code(0).code(chroma);
            if chroma == 3 {
                writer = writer.bits(0, 1);
            }
            let writer = writer.code(0).code(0).bits(0, 1).bits(0, 1);
            let writer = writer.code(0).code(2).code(1).bits(0, 1).code(9).code(9);
            let unit = crop(writer, 1, 3).unit(HEADER);
            assert_eq!(size_of(&unit), Some((width, height)), "{chroma}");
        }
    }

    #[test]
    fn a_crop_of_everything_and_pictures_beyond_every_level_are_damage() {
        let minimal = || {
            let writer = BitWriter::default().bits(66, 8).bits(0, 16);
            writer.code(0).code(0).code(2).code(1).bits(0, 1)
        };
        for (right, below) in [(9, 0), (0, 9), (8, 0), (u32::MAX / 2, 0)] {
            let unit = crop(minimal().code(0).code(0), right, below).unit(HEADER);
            assert_eq!(size_of(&unit), None, "{right} {below}");
        }
        let side = |macroblocks: u32| {
            let writer = minimal().code(macroblocks - 1).code(0);
            size_of(&crop(writer, 0, 0).unit(HEADER))
        };
        assert_eq!(side(SIDE_MACROBLOCKS_MAX), Some((16_880, 16)));
        assert_eq!(side(SIDE_MACROBLOCKS_MAX + 1), None);
    }

    #[test]
    fn what_an_encoder_writes_is_read_and_damage_is_no_panic() {
        let mut encoder = openh264::encoder::Encoder::new().unwrap();
        let picture = openh264::formats::YUVBuffer::new(640, 360);
        let stream = encoder.encode(&picture).unwrap().to_vec();
        let is_sps = |unit: &&[u8]| UnitType::of(unit) == UnitType::SPS;
        let sps = annexb::units(&stream).find(is_sps).unwrap();
        assert_eq!(size_of(sps), Some((640, 360)));
        assert_eq!(
            annexb::picture_size(&stream).map(|size| size.pixels()),
            Some(640 * 360)
        );
        for sps in [sps.to_vec(), high(false, 1, 50)] {
            for at in 0..sps.len() {
                for value in 0..=255 {
                    let mut broken = sps.clone();
                    broken[at] = value;
                    let _ = SequenceParameters::parse(&broken);
                }
                let _ = SequenceParameters::parse(&sps[..at]);
            }
        }
        assert_eq!(SequenceParameters::parse(&[]), None);
        let whole = baseline(1_280, 720);
        for end in 0..whole.len() - 2 {
            assert_eq!(size_of(&whole[..end]), None, "{end}");
        }
    }
}
