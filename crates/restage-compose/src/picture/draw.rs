//! Text.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::Yuv;

/// What stands for a character that the font does not have.
const UNKNOWN: char = '?';

/// A size of letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Size {
    Small,
    Large,
}

impl Size {
    fn height(self) -> RasterHeight {
        match self {
            Self::Small => RasterHeight::Size16,
            Self::Large => RasterHeight::Size32,
        }
    }

    /// Pixels from one line to the next.
    pub(super) fn line(self) -> u32 {
        self.height().val() as u32
    }

    fn letter(self) -> u32 {
        get_raster_width(FontWeight::Regular, self.height()) as u32
    }
}

/// Draws one line in the middle of a picture, `top` pixels from above; what is too long ends with dots.
pub(super) fn line(picture: &mut Yuv, text: &str, size: Size, top: u32, brightness: u8) {
    let most = (picture.width / size.letter()) as usize;
    let letters = shortened(text, most);
    let left = picture
        .width
        .saturating_sub(letters.len() as u32 * size.letter())
        / 2;
    for (place, letter) in letters.into_iter().enumerate() {
        let x = left + place as u32 * size.letter();
        put(picture, letter, size, (x, top), brightness);
    }
}

/// The characters that are drawn.
fn shortened(text: &str, most: usize) -> Vec<char> {
    let is_drawn = |letter: &char| !letter.is_control();
    let letters: Vec<char> = text.chars().filter(is_drawn).take(most + 1).collect();
    if letters.len() <= most {
        return letters;
    }
    let kept = most.saturating_sub(2);
    let dots = std::iter::repeat_n('.', most.min(2));
    letters.into_iter().take(kept).chain(dots).collect()
}

fn put(picture: &mut Yuv, letter: char, size: Size, (left, top): (u32, u32), brightness: u8) {
    let raster = |letter| get_raster(letter, FontWeight::Regular, size.height());
    let Some(raster) = raster(letter).or_else(|| raster(UNKNOWN)) else {
        return;
    };
    let plane = &mut picture.planes[0];
    for (y, row) in raster.rows().enumerate() {
        for (x, strength) in row.iter().enumerate() {
            let (x, y) = (left as usize + x, top as usize + y);
            let at = (x < plane.width && y < plane.height).then_some(y * plane.width + x);
            if let Some(sample) = at.and_then(|at| plane.samples.get_mut(at)) {
                let strength = u16::from(*strength);
                let mixed =
                    u16::from(*sample) * (255 - strength) + u16::from(brightness) * strength;
                *sample = (mixed / 255) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers() {
        let text = |text: &str, most| shortened(text, most).into_iter().collect::<String>();
        assert_eq!(text("Ann\n\u{7}", 10), "Ann");
        assert_eq!(text("Annemarie", 5), "Ann..");
        assert_eq!(text("Annemarie", 1), ".");
        assert_eq!(text("Annemarie", 0), "");
        for (width, height) in [(2, 2), (30, 8), (640, 360)] {
            let mut picture = Yuv::black(width, height);
            line(
                &mut picture,
                "\u{5d0}\u{1f600}\u{202e}Zo\u{eb}",
                Size::Large,
                1,
                235,
            );
        }
        let mut picture = Yuv::black(64, 32);
        line(&mut picture, "A", Size::Large, 0, 235);
        let brightest = picture.planes[0].samples.iter().max();
        assert!(*brightest.unwrap() > 200);
    }
}
