//! The decoder: an H.264 key frame becomes red, green and blue.

use image::RgbImage;
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use restage_codec::h264::{SequenceParameters, SliceHeader, UnitType, annexb};

use super::PictureError;
use super::colour::{Matrix, Planes};
use crate::limits::{PICTURE_PIXELS_MAX, PICTURE_SIDE_MAX};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

pub(super) fn decode(key_frame: &[u8]) -> Result<RgbImage, PictureError> {
    let (stream, parameters) = first_picture(key_frame)?;
    // One thread: with more, the decoder is not safe.
    let mut decoder = Decoder::new().map_err(|_| PictureError::Damaged)?;
    let decoded = decoder.decode(&stream).map_err(|_| PictureError::Damaged)?;
    let picture = decoded.ok_or(PictureError::Damaged)?;
    let (width, height) = picture.dimensions();
    if width.max(height) > PICTURE_SIDE_MAX as usize {
        return Err(PictureError::Damaged);
    }
    let (luma, blue, _) = picture.strides();
    let planes = Planes {
        width,
        height,
        luma: (picture.y(), luma),
        blue: (picture.u(), blue),
        red: (picture.v(), blue),
    };
    let matrix = Matrix::of(parameters.colour);
    let pixels = planes.to_rgb(&matrix).ok_or(PictureError::Damaged)?;
    let side = |side: usize| u32::try_from(side).map_err(|_| PictureError::Damaged);
    RgbImage::from_raw(side(width)?, side(height)?, pixels).ok_or(PictureError::Damaged)
}

/// What the decoder is given: parameter sets, and the slices of one IDR picture. Extensions (SVC, MVC) and further pictures are left out,
/// because nobody needs them and each is more code that strangers reach.
pub(super) fn first_picture(
    key_frame: &[u8],
) -> Result<(Vec<u8>, SequenceParameters), PictureError> {
    let mut stream = Vec::with_capacity(key_frame.len());
    let mut parameters = None;
    let mut has_picture = false;
    for unit in annexb::units(key_frame) {
        match UnitType::of(unit) {
            UnitType::SPS => {
                let read = SequenceParameters::parse(unit).ok_or(PictureError::NoParameterSets)?;
                check(&read)?;
                parameters = parameters.or(Some(read));
            }
            UnitType::PPS => {}
            UnitType::IDR_SLICE => {
                let is_first = SliceHeader::parse(unit).is_none_or(|slice| slice.is_first);
                if is_first && has_picture {
                    break;
                }
                has_picture = true;
            }
            _ => continue,
        }
        stream.extend_from_slice(&START_CODE);
        stream.extend_from_slice(unit);
    }
    let parameters = parameters.ok_or(PictureError::NoParameterSets)?;
    match has_picture {
        true => Ok((stream, parameters)),
        false => Err(PictureError::Damaged),
    }
}

/// Refuses what takes much memory, or cannot be decoded, before the decoder sees it.
fn check(parameters: &SequenceParameters) -> Result<(), PictureError> {
    let size = parameters.size;
    if size.width.max(size.height) > PICTURE_SIDE_MAX || size.pixels() > PICTURE_PIXELS_MAX {
        return Err(PictureError::TooLarge);
    }
    let formats = (
        parameters.chroma_format,
        parameters.luma_bits,
        parameters.chroma_bits,
    );
    match formats {
        (1, 8, 8) => Ok(()),
        _ => Err(PictureError::Unsupported),
    }
}
