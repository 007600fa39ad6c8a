//! Sequence parameter sets (ITU-T H.265 §7.3.2.2.1): the size of the pictures.

use crate::PictureSize;
use crate::bits::BitReader;

/// Longest side in pixels: √(8 × `MaxLumaPs`) of level 6.2 (table A.8, §A.4.1). More is taken for damage.
const SIDE_MAX: u32 = 16_888;
/// Bits of `profile_tier_level` before the level (§7.3.3), and of the level.
const PROFILE_BITS: u32 = 88;
const LEVEL_BITS: u32 = 8;
/// `sps_max_sub_layers_minus1` (§7.4.3.2.1).
const SUB_LAYERS_MAX: u32 = 6;

/// Bits of a sample (§7.4.3.2.1).
const BITS_MIN: u32 = 8;
const BITS_MAX: u32 = 16;

/// What a sequence parameter set says that a container repeats (ISO/IEC 14496-15 §8.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceParameters {
    /// Size of the pictures after cropping.
    pub size: PictureSize,
    /// `general_profile_space`, 0 to 3.
    pub profile_space: u8,
    /// `general_tier_flag`: the high tier.
    pub is_high_tier: bool,
    /// `general_profile_idc`, 0 to 31.
    pub profile: u8,
    /// `general_profile_compatibility_flag`, the first as the highest bit.
    pub compatibility: u32,
    /// The six bytes of constraints that follow.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
    /// Temporal layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`
    pub is_temporally_nested: bool,
    /// `chroma_format_idc`, 0 to 3.
    pub chroma_format: u8,
    /// Bits of a sample of light, 8 to 16.
    pub luma_bits: u8,
    /// Bits of a sample of colour, 8 to 16.
    pub chroma_bits: u8,
}

/// Size of the pictures after cropping. `None` if the NAL unit is no sequence parameter set, damaged, or cut short before the size.
pub fn picture_size(unit: &[u8]) -> Option<PictureSize> {
    let mut bits = BitReader::new(unit.get(2..)?);
    Some(Head::read(&mut bits)?.size)
}

impl SequenceParameters {
    /// Reads the NAL unit of a sequence parameter set. `None` if it is damaged, or cut short before the depth of samples.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(unit.get(2..)?);
        let head = Head::read(&mut bits)?;
        let mut depth = || bits.unsigned().filter(|more| *more <= BITS_MAX - BITS_MIN);
        let (luma, chroma) = (depth()?, depth()?);
        // The layers before the profile, and the profile itself, stand at fixed places.
        let mut bits = BitReader::new(unit.get(2..)?);
        bits.skip(4)?;
        let temporal_layers = bits.take(3)? + 1;
        let is_temporally_nested = bits.flag()?;
        let (profile_space, is_high_tier) = (bits.take(2)?, bits.flag()?);
        let (profile, compatibility) = (bits.take(5)?, bits.take(32)?);
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = bits.take(8)? as u8;
        }
        Some(Self {
            size: head.size,
            profile_space: profile_space as u8,
            is_high_tier,
            profile: profile as u8,
            compatibility,
            constraints,
            level: bits.take(8)? as u8,
            temporal_layers: temporal_layers as u8,
            is_temporally_nested,
            chroma_format: head.chroma as u8,
            luma_bits: (BITS_MIN + luma) as u8,
            chroma_bits: (BITS_MIN + chroma) as u8,
        })
    }
}

/// The beginning of a sequence parameter set, up to the size.
struct Head {
    size: PictureSize,
    /// `chroma_format_idc`
    chroma: u32,
}

impl Head {
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        // sps_video_parameter_set_id
        bits.skip(4)?;
        let sub_layers = bits.take(3).filter(|count| *count <= SUB_LAYERS_MAX)?;
        // sps_temporal_id_nesting_flag
        bits.skip(1)?;
        skip_profile(bits, sub_layers)?;
        // sps_seq_parameter_set_id
        bits.unsigned()?;
        let chroma = bits.unsigned().filter(|chroma| *chroma <= 3)?;
        if chroma == 3 {
            // separate_colour_plane_flag
            bits.skip(1)?;
        }
        let size = size(bits, chroma)?;
        Some(Self { size, chroma })
    }
}

fn size(bits: &mut BitReader<'_>, chroma: u32) -> Option<PictureSize> {
    let mut side = || bits.unsigned().filter(|side| (1..=SIDE_MAX).contains(side));
    let (width, height) = (side()?, side()?);
    if !bits.flag()? {
        return Some(PictureSize { width, height });
    }
    // The conformance window, in units of the chroma grid (table 6-1).
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let mut crop = |unit: u32| {
        let (before, after) = (bits.unsigned()?, bits.unsigned()?);
        before.checked_add(after)?.checked_mul(unit)
    };
    let (crop_x, crop_y) = (crop(unit_x)?, crop(unit_y)?);
    let (width, height) = (width.checked_sub(crop_x)?, height.checked_sub(crop_y)?);
    (width > 0 && height > 0).then_some(PictureSize { width, height })
}

/// `profile_tier_level` (§7.3.3).
fn skip_profile(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        // Two bits for each of the other layers that there could be.
        bits.skip(2 * (8 - sub_layers))?;
    }
    for (has_profile, has_level) in present {
        bits.skip(if has_profile { PROFILE_BITS } else { 0 })?;
        bits.skip(if has_level { LEVEL_BITS } else { 0 })?;
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bits::tests::BitWriter;

    /// The header's second byte, and the beginning up to the profile.
    fn begin(sub_layers: u32) -> BitWriter {
        BitWriter::default()
            .bits(1, 8)
            .bits(0, 4)
            .bits(sub_layers, 3)
            .bits(1, 1)
    }

    fn profile(writer: BitWriter) -> BitWriter {
        // Main, level 3.1, with zeros that need emulation prevention.
        writer
            .bits(1, 8)
            .bits(0x6000_0000, 32)
            .bits(0, 32)
            .bits(0, 16)
            .bits(93, 8)
    }

    /// A sequence parameter set of Main for pictures of this size.
    pub(in crate::h265) fn sps(width: u32, height: u32) -> Vec<u8> {
        let body = profile(begin(0)).code(0).code(1).code(width).code(height);
        body.bits(0, 1).code(0).unit(0x42)
    }

    #[test]
    fn sizes_are_read_through_emulation_prevention() {
        assert_eq!(
            picture_size(&sps(1_280, 720)),
            Some(PictureSize {
                width: 1_280,
                height: 720
            })
        );
        // A sub-layer with a profile and one with a level.
        let layered = profile(begin(2))
            .bits(0b1001, 4)
            .bits(0, 12)
            .bits(0, 32)
            .bits(0, 32)
            .bits(0, 24)
            .bits(7, 8);
        let layered = layered.code(0).code(1).code(640).code(368);
        let cropped = layered
            .bits(1, 1)
            .code(0)
            .code(0)
            .code(0)
            .code(4)
            .unit(0x42);
        let size = picture_size(&cropped).unwrap();
        assert_eq!((size.width, size.height), (640, 360));
    }

    #[test]
    fn an_encoders_set_is_read() {
        // x265: 642 by 362, cropped from 648 by 368.
        let unit = [
            0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
            0x00, 0x03, 0x00, 0x3f, 0xa0, 0x05, 0x12, 0x01, 0x71, 0xc9, 0x26, 0x59, 0x59, 0xa4,
        ];
        let size = picture_size(&unit).unwrap();
        assert_eq!((size.width, size.height), (642, 362));
        let set = SequenceParameters::parse(&unit).unwrap();
        assert_eq!(set.size, size);
        assert_eq!((set.profile, set.profile_space, set.level), (1, 0, 63));
        assert_eq!((set.compatibility, set.is_high_tier), (0x6000_0000, false));
        assert_eq!(set.constraints, [0x90, 0, 0, 0, 0, 0]);
        assert_eq!((set.temporal_layers, set.is_temporally_nested), (1, true));
        assert_eq!(
            (set.chroma_format, set.luma_bits, set.chroma_bits),
            (1, 8, 8)
        );
    }

    #[test]
    fn damage_has_no_size() {
        let whole = sps(640, 360);
        for end in 0..whole.len() - 2 {
            assert_eq!(picture_size(&whole[..end]), None, "{end} bytes");
        }
        assert_eq!(picture_size(&sps(0, 360)), None);
        assert_eq!(picture_size(&sps(20_000, 360)), None);
        let body = profile(begin(0)).code(0).code(1).code(640).code(360);
        let all_cropped = body
            .bits(1, 1)
            .code(160)
            .code(160)
            .code(0)
            .code(0)
            .unit(0x42);
        assert_eq!(picture_size(&all_cropped), None);
        assert_eq!(picture_size(&begin(7).bits(0, 32).unit(0x42)), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = (picture_size(&bytes), SequenceParameters::parse(&bytes));
        }
    }
}
