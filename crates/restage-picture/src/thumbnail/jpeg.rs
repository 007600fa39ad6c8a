//! JPEG (ITU-T T.81): written here, and looked at by the server when a child has written one.

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::PictureError;
use crate::limits::{JPEG_BYTES_MAX, JPEG_QUALITY};

const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
/// Markers that begin a frame, which says the size (table B.1): SOF0 to SOF15 without DHT, JPG and DAC.
const FRAMES: std::ops::RangeInclusive<u8> = 0xc0..=0xcf;
const NOT_FRAMES: [u8; 3] = [0xc4, 0xc8, 0xcc];
/// SOS: what follows is the picture itself.
const START_OF_SCAN: u8 = 0xda;

pub(super) fn encode(picture: &RgbImage) -> Result<Vec<u8>, PictureError> {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
        .encode_image(picture)
        .map_err(|_| PictureError::Encode)?;
    match jpeg.len() <= JPEG_BYTES_MAX {
        true => Ok(jpeg),
        false => Err(PictureError::Encode),
    }
}

/// Width and height of a JPEG. `None` if it has no beginning, no end, or no size between.
pub fn size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let mut rest = jpeg
        .strip_prefix(&START_OF_IMAGE)?
        .strip_suffix(&END_OF_IMAGE)?;
    loop {
        let [0xff, marker, high, low, ..] = rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if FRAMES.contains(marker) && !NOT_FRAMES.contains(marker) {
            let [_, h1, h0, w1, w0, ..] = rest.get(4..)? else {
                return None;
            };
            let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
            return Some((side(*w1, *w0), side(*h1, *h0)));
        }
        if *marker == START_OF_SCAN || length < 2 {
            return None;
        }
        rest = rest.get(2 + length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_has_its_size() {
        let picture = RgbImage::from_pixel(33, 17, image::Rgb([200, 20, 20]));
        let jpeg = encode(&picture).unwrap();
        assert_eq!(size(&jpeg), Some((33, 17)));
        for cut in 0..jpeg.len() {
            assert_eq!(size(&jpeg[..cut]), None, "{cut}");
        }
        assert_eq!(size(b"\xff\xd8\xff\xda\x00\x02\xff\xd9"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            size(&bytes);
            bytes.splice(0..0, [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff]);
            bytes.extend([0xff, 0xd9]);
            size(&bytes);
        }
    }
}
