//! Sequence headers (AV1 Bitstream & Decoding Process Specification §5.5).

use super::TIER_LEVELS_ABOVE;
use crate::PictureSize;
use crate::bits::BitReader;

/// Colour that is red, green and blue: `CP_BT_709`, `TC_SRGB`, `MC_IDENTITY` (§6.4.2).
const RGB: [u32; 3] = [1, 13, 0];
/// `SELECT_SCREEN_CONTENT_TOOLS`: each frame says it.
const SELECT: u32 = 2;

/// Values of a sequence header that a container repeats (AV1 Codec ISO Media File Format Binding §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceParameters {
    /// `seq_profile`, 0 to 7.
    pub profile: u8,
    /// `seq_level_idx[0]`, 0 to 31.
    pub level: u8,
    /// `seq_tier[0]`: the high tier.
    pub is_high_tier: bool,
    /// Largest size of the pictures.
    pub size: PictureSize,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// There is no colour.
    pub is_monochrome: bool,
    /// Colour is sampled half as densely across.
    pub is_subsampled_x: bool,
    /// Colour is sampled half as densely down.
    pub is_subsampled_y: bool,
    /// `chroma_sample_position`, 0 to 3.
    pub chroma_position: u8,
}

impl SequenceParameters {
    /// Reads an OBU with its header and, if it has one, its size. `None` if it is no sequence header, damaged or cut short.
    pub fn parse(unit: &[u8]) -> Option<Self> {
        let (unit, _) = super::split_unit(unit)?;
        if unit.kind != super::SEQUENCE_HEADER {
            return None;
        }
        let mut bits = BitReader::plain(unit.body);
        let head = Head::read(&mut bits)?;
        let (level, is_high_tier) = head.point?;
        let size = head.size?;
        skip_tools(&mut bits, head.is_reduced)?;
        let color = Color::read(&mut bits, head.profile)?;
        Some(Self {
            profile: head.profile as u8,
            level: level as u8,
            is_high_tier,
            size,
            bit_depth: color.bit_depth,
            is_monochrome: color.is_monochrome,
            is_subsampled_x: color.is_subsampled_x,
            is_subsampled_y: color.is_subsampled_y,
            chroma_position: color.position as u8,
        })
    }
}

/// The beginning of a sequence header, up to the size of the pictures.
pub(super) struct Head {
    profile: u32,
    pub(super) is_reduced: bool,
    /// Level and tier of the first operating point. `None`: the header is cut short.
    point: Option<(u32, bool)>,
    /// `None`: the header is cut short.
    pub(super) size: Option<PictureSize>,
}

impl Head {
    pub(super) fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let profile = bits.take(3)?;
        // still_picture
        bits.skip(1)?;
        let is_reduced = bits.flag()?;
        let point = if is_reduced {
            bits.take(5).map(|level| (level, false))
        } else {
            operating_points(bits)
        };
        Some(Self {
            profile,
            is_reduced,
            point,
            size: point.and_then(|_| frame_size(bits)),
        })
    }
}

/// Level and tier of the first operating point.
fn operating_points(bits: &mut BitReader<'_>) -> Option<(u32, bool)> {
    let mut delay_bits = None;
    if bits.flag()? {
        // num_units_in_display_tick, time_scale
        bits.skip(64)?;
        if bits.flag()? {
            // num_ticks_per_picture_minus_1
            bits.unsigned()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            // num_units_in_decoding_tick, and the lengths of two fields elsewhere
            bits.skip(42)?;
        }
    }
    let has_display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        // operating_point_idc
        bits.skip(12)?;
        let level = bits.take(5)?;
        let is_high_tier = level > TIER_LEVELS_ABOVE && bits.flag()?;
        first = first.or(Some((level, is_high_tier)));
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    first
}

/// `max_frame_width_minus_1` and `max_frame_height_minus_1`, each in as many bits as is said before.
fn frame_size(bits: &mut BitReader<'_>) -> Option<PictureSize> {
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Some(PictureSize {
        width: bits.take(width_bits)? + 1,
        height: bits.take(height_bits)? + 1,
    })
}

/// Skips the members between the size and the colour.
fn skip_tools(bits: &mut BitReader<'_>, is_reduced: bool) -> Option<()> {
    // frame_id_numbers_present_flag, and two lengths
    if !is_reduced && bits.flag()? {
        bits.skip(7)?;
    }
    // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    bits.skip(3)?;
    if !is_reduced {
        // enable_interintra_compound, enable_masked_compound, enable_warped_motion, enable_dual_filter
        bits.skip(4)?;
        let has_order_hint = bits.flag()?;
        if has_order_hint {
            // enable_jnt_comp, enable_ref_frame_mvs
            bits.skip(2)?;
        }
        let screen_content = if bits.flag()? { SELECT } else { bits.take(1)? };
        // seq_choose_integer_mv, else seq_force_integer_mv
        if screen_content > 0 && !bits.flag()? {
            bits.skip(1)?;
        }
        if has_order_hint {
            // order_hint_bits_minus_1
            bits.skip(3)?;
        }
    }
    // enable_superres, enable_cdef, enable_restoration
    bits.skip(3)
}

/// `color_config` (§5.5.2).
struct Color {
    bit_depth: u8,
    is_monochrome: bool,
    is_subsampled_x: bool,
    is_subsampled_y: bool,
    position: u32,
}

impl Color {
    fn read(bits: &mut BitReader<'_>, profile: u32) -> Option<Self> {
        let is_high = bits.flag()?;
        let bit_depth = match is_high {
            true if profile == 2 && bits.flag()? => 12,
            true => 10,
            false => 8,
        };
        let mut color = Self {
            bit_depth,
            is_monochrome: profile != 1 && bits.flag()?,
            is_subsampled_x: true,
            is_subsampled_y: true,
            position: 0,
        };
        let description = match bits.flag()? {
            true => Some([bits.take(8)?, bits.take(8)?, bits.take(8)?]),
            false => None,
        };
        if color.is_monochrome {
            return Some(color);
        }
        if description == Some(RGB) {
            (color.is_subsampled_x, color.is_subsampled_y) = (false, false);
            return Some(color);
        }
        // color_range
        bits.skip(1)?;
        (color.is_subsampled_x, color.is_subsampled_y) = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if bit_depth == 12 => {
                let across = bits.flag()?;
                (across, across && bits.flag()?)
            }
            _ => (true, false),
        };
        if color.is_subsampled_x && color.is_subsampled_y {
            color.position = bits.take(2)?;
        }
        Some(color)
    }
}
