//! A thumbnail of one key frame.

mod colour;
mod decode;
mod jpeg;
#[cfg(test)]
mod tests;

pub use jpeg::size as jpeg_size;

use image::RgbImage;
use image::imageops::{rotate90, rotate180, rotate270, thumbnail as scaled};

use crate::limits::THUMBNAIL_SIDE_MAX;

/// Why no thumbnail can be made of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// There is no sequence parameter set, or none that can be read.
    #[error("the key frame has no sequence parameter set that can be read")]
    NoParameterSets,
    /// More pixels than are decoded.
    #[error(
        "the picture is larger than {} pixels",
        crate::limits::PICTURE_PIXELS_MAX
    )]
    TooLarge,
    /// A format that the decoder does not have.
    #[error("the picture is not 4:2:0 with 8 bits")]
    Unsupported,
    /// The decoder gave no picture.
    #[error("the key frame is damaged or cut short")]
    Damaged,
    /// The JPEG would be too long.
    #[error("the thumbnail is larger than {} bytes", crate::limits::JPEG_BYTES_MAX)]
    Encode,
}

impl PictureError {
    /// All of them; the place in the list is the code on the wire.
    pub const ALL: [Self; 5] = [
        Self::NoParameterSets,
        Self::TooLarge,
        Self::Unsupported,
        Self::Damaged,
        Self::Encode,
    ];

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Makes a JPEG of an H.264 key frame, which has start codes and its parameter sets (Annex B). It is turned clockwise by quarters of a
/// circle and, if it is larger than [`THUMBNAIL_SIDE_MAX`], scaled down.
///
/// Only for a process that may be lost: the decoder is not trusted.
///
/// # Errors
///
/// The key frame is damaged, too large, or of a format that cannot be decoded.
pub fn thumbnail(key_frame: &[u8], quarter_turns: u8) -> Result<Vec<u8>, PictureError> {
    let picture = fitted(decode::decode(key_frame)?);
    let picture = match quarter_turns % 4 {
        0 => picture,
        1 => rotate90(&picture),
        2 => rotate180(&picture),
        _ => rotate270(&picture),
    };
    jpeg::encode(&picture)
}

/// Scaled down to [`THUMBNAIL_SIDE_MAX`] if a side is longer; the ratio of the sides stays.
fn fitted(picture: RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= THUMBNAIL_SIDE_MAX {
        return picture;
    }
    // At most `THUMBNAIL_SIDE_MAX`, so they fit.
    let part = |side: u32| {
        let scaled = u64::from(side) * u64::from(THUMBNAIL_SIDE_MAX) / u64::from(longest);
        (scaled as u32).max(1)
    };
    scaled(&picture, part(width), part(height))
}
