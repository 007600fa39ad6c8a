//! The tile of a person without a picture: a dark area with the name, and below it why.
//!
//! Letters come from DejaVu Sans: Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew, Arabic and more. Signs that it does not have, as those
//! of Chinese, Japanese and Korean, and control characters are left out. Letters are put one after the other from left to right; those that
//! a script joins or orders differently (Arabic, Hebrew) are shown unjoined, in the order in which they are written in the text.

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::Frame;
use crate::layout::{Rect, Size};

/// Letters of a line; what does not fit is cut with an ellipsis.
const LETTERS_MAX: usize = 64;
/// What stands for the rest of a line.
const ELLIPSIS: char = '…';
/// Light of letters, and of what is written smaller.
const BRIGHT: u8 = 220;
const DIM: u8 = 150;
/// The tile: dark, a little blue.
const GROUND: [u8; 3] = [42, 134, 124];
/// Height of the name, in parts of the tile's shorter side; and its bounds in pixels.
const NAME_PARTS: f32 = 8.0;
const NAME_PIXELS: std::ops::RangeInclusive<f32> = 8.0..=56.0;
/// Height of the reason, in parts of the name's.
const REASON_PART: f32 = 0.6;
/// Tiles that are lower or narrower have no text.
const TEXT_SIDE_MIN: u32 = 24;
/// How much of the width a line may take.
const LINE_PART: f32 = 0.9;

/// Makes tiles for persons without a picture.
pub struct Placeholders {
    font: Option<FontRef<'static>>,
}

impl std::fmt::Debug for Placeholders {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Placeholders")
            .finish_non_exhaustive()
    }
}

impl Default for Placeholders {
    fn default() -> Self {
        let font = FontRef::try_from_slice(dejavu::sans::regular()).ok();
        Self { font }
    }
}

impl Placeholders {
    /// A tile with a name, and below it in smaller letters what else there is to say. Both may hold anything.
    pub fn draw(&self, size: Size, name: &str, reason: Option<&str>) -> Frame {
        let mut frame = Frame::new(size);
        let whole = Rect {
            x: 0,
            y: 0,
            width: size.width,
            height: size.height,
        };
        frame.fill(whole, GROUND);
        let Some(font) = &self.font else {
            return frame;
        };
        if size.width < TEXT_SIDE_MIN || size.height < TEXT_SIDE_MIN {
            return frame;
        }
        let shorter = size.width.min(size.height) as f32;
        let pixels = (shorter / NAME_PARTS).clamp(*NAME_PIXELS.start(), *NAME_PIXELS.end());
        let middle = size.height as f32 / 2.0;
        let small = (pixels * REASON_PART).max(*NAME_PIXELS.start());
        let name_line = Line::new(font, name, pixels, size.width as f32 * LINE_PART);
        let reason = reason.unwrap_or_default();
        let reason_line = Line::new(font, reason, small, size.width as f32 * LINE_PART);
        let name_middle = match reason_line.is_empty() {
            true => middle,
            false => middle - small * 0.7,
        };
        name_line.draw(font, &mut frame, name_middle, BRIGHT);
        reason_line.draw(font, &mut frame, middle + pixels * 0.7, DIM);
        frame
    }
}

/// Letters of one line, with their places from its beginning.
struct Line {
    scale: PxScale,
    letters: Vec<(char, f32)>,
    width: f32,
}

impl Line {
    fn new(font: &FontRef<'static>, text: &str, pixels: f32, most: f32) -> Self {
        let scale = PxScale::from(pixels);
        let scaled = font.as_scaled(scale);
        let has = |letter: char| scaled.glyph_id(letter).0 != 0;
        let wanted = text
            .chars()
            .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
            .filter(|letter| !letter.is_control() && has(*letter));
        let mut line = Self {
            scale,
            letters: Vec::new(),
            width: 0.0,
        };
        let advance = |letter: char| scaled.h_advance(scaled.glyph_id(letter));
        for letter in wanted {
            let is_blank =
                letter == ' ' && line.letters.last().is_none_or(|(last, _)| *last == ' ');
            if is_blank {
                continue;
            }
            let is_full = line.letters.len() == LETTERS_MAX;
            if is_full || line.width + advance(letter) > most {
                line.cut(advance(ELLIPSIS), most);
                break;
            }
            line.letters.push((letter, line.width));
            line.width += advance(letter);
        }
        line
    }

    /// Replaces as many letters at the end by an ellipsis as it takes.
    fn cut(&mut self, ellipsis: f32, most: f32) {
        while let Some((_, place)) = self.letters.pop() {
            self.width = place;
            if place + ellipsis <= most {
                self.letters.push((ELLIPSIS, place));
                self.width = place + ellipsis;
                return;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Draws the line with its middle at this height, in the middle of the width.
    fn draw(&self, font: &FontRef<'static>, frame: &mut Frame, middle: f32, light: u8) {
        let Size { width, height } = frame.size();
        let scaled = font.as_scaled(self.scale);
        let left = ((width as f32 - self.width) / 2.0).max(0.0);
        let baseline = middle + (scaled.ascent() + scaled.descent()) / 2.0;
        for (letter, place) in &self.letters {
            let glyph = scaled.glyph_id(*letter);
            let glyph = glyph.with_scale_and_position(self.scale, point(left + place, baseline));
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let bounds = outline.px_bounds();
            let (x0, y0) = (bounds.min.x as i64, bounds.min.y as i64);
            let luma = frame.plane_mut(0);
            outline.draw(|x, y, coverage| {
                let (x, y) = (x0 + i64::from(x), y0 + i64::from(y));
                if (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y) {
                    let sample = &mut luma[y as usize * width as usize + x as usize];
                    let below = f32::from(*sample);
                    *sample = (below + (f32::from(light) - below) * coverage.clamp(0.0, 1.0)) as u8;
                }
            });
        }
    }
}
