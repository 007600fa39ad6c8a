//! The uncompressed header of key frames (VP9 Bitstream & Decoding Process Specification §6.2).

use crate::PictureSize;
use crate::bits::BitReader;

/// `frame_marker`, the first two bits of a frame.
const FRAME_MARKER: u32 = 2;
/// `frame_sync_code` of a key frame.
const SYNC_CODE: u32 = 0x49_8342;
/// `color_space` of red, green and blue planes (§7.2.2).
const RGB: u32 = 7;

/// What a key frame says of the pictures that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFrameHeader {
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Colour is sampled half as densely across.
    pub is_subsampled_x: bool,
    /// Colour is sampled half as densely down.
    pub is_subsampled_y: bool,
    /// `color_space` (§7.2.2), 0 for unknown to 7.
    pub color_space: u8,
    /// Samples use all of their values.
    pub is_full_range: bool,
    /// Size of the pictures.
    pub size: PictureSize,
}

impl KeyFrameHeader {
    /// Reads the header of a frame, or of the first frame of a superframe. `None` if it is no key frame, cut short or damaged.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut bits = BitReader::plain(frame);
        let profile = key_frame_profile(&mut bits)?;
        // show_frame, error_resilient_mode
        bits.skip(2)?;
        if bits.take(24)? != SYNC_CODE {
            return None;
        }
        // ten_or_twelve_bit
        let bit_depth = match profile >= 2 {
            true if bits.flag()? => 12,
            true => 10,
            false => 8,
        };
        let has_subsampling = profile == 1 || profile == 3;
        let color_space = bits.take(3)?;
        let mut is_full_range = true;
        let (mut is_subsampled_x, mut is_subsampled_y) = (!has_subsampling, !has_subsampling);
        match (color_space, has_subsampling) {
            // The reserved bit.
            (RGB, true) => bits.skip(1)?,
            (RGB, false) => {}
            (_, true) => {
                is_full_range = bits.flag()?;
                (is_subsampled_x, is_subsampled_y) = (bits.flag()?, bits.flag()?);
                bits.skip(1)?;
            }
            (_, false) => is_full_range = bits.flag()?,
        }
        Some(Self {
            profile: profile as u8,
            bit_depth,
            is_subsampled_x,
            is_subsampled_y,
            color_space: color_space as u8,
            is_full_range,
            size: PictureSize {
                width: bits.take(16)? + 1,
                height: bits.take(16)? + 1,
            },
        })
    }
}

/// Whether a decoder can start with this frame, or with the first frame of this superframe.
pub fn is_key_frame(frame: &[u8]) -> bool {
    key_frame_profile(&mut BitReader::plain(frame)).is_some()
}

/// Size of the picture, which only key frames carry.
pub fn picture_size(frame: &[u8]) -> Option<PictureSize> {
    Some(KeyFrameHeader::parse(frame)?.size)
}

/// Reads up to the type of the frame. `None`: it is no key frame.
fn key_frame_profile(bits: &mut BitReader<'_>) -> Option<u32> {
    if bits.take(2)? != FRAME_MARKER {
        return None;
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    // show_existing_frame, frame_type
    if bits.flag()? || bits.flag()? {
        return None;
    }
    Some(profile)
}
