//! What stands for a participant without pictures.

use super::Yuv;
use super::draw::{Size, line};

/// Dark grey with a little blue.
const GROUND: [u8; 3] = [40, 132, 126];
const NAME: u8 = 225;
const REASON: u8 = 160;
/// Tiles that are lower have small letters.
const LARGE_LETTERS_FROM: u32 = 120;

/// A tile of this size with a name, and below it the reason why there are no pictures, if there is one to say.
pub(crate) fn placeholder(width: u32, height: u32, name: &str, reason: Option<&str>) -> Yuv {
    let mut picture = Yuv::filled(width, height, GROUND);
    let size = match height >= LARGE_LETTERS_FROM {
        true => Size::Large,
        false => Size::Small,
    };
    let lines = size.line() + reason.map_or(0, |_| Size::Small.line());
    let top = height.saturating_sub(lines) / 2;
    line(&mut picture, name, size, top, NAME);
    if let Some(reason) = reason {
        line(&mut picture, reason, Size::Small, top + size.line(), REASON);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_to_be_seen_in_the_middle() {
        let picture = placeholder(320, 180, "Ann", Some("AV1 cannot be shown"));
        let rows: Vec<u8> = picture.planes[0]
            .samples
            .chunks(320)
            .map(|row| *row.iter().max().unwrap())
            .collect();
        assert_eq!((rows[0], rows[60]), (GROUND[0], GROUND[0]));
        assert!(rows[66..98].iter().any(|row| *row > 200));
        assert!(rows[98..114].iter().any(|row| *row > 130));
        placeholder(2, 2, "Ann", None);
    }
}
