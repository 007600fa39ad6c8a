//! Test cards: somebody in front of a wall in the colour of their number, with a frame, so that one sees what is cut off.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use openh264::formats::YUVSource;

/// Colours of walls: light, blueness and redness.
const WALLS: [[u8; 3]; 12] = [
    [96, 158, 112],
    [112, 112, 156],
    [104, 104, 112],
    [120, 148, 142],
    [128, 118, 96],
    [92, 142, 160],
    [112, 96, 140],
    [84, 164, 128],
    [100, 128, 166],
    [124, 106, 124],
    [108, 152, 100],
    [88, 116, 158],
];
const HEAD: [u8; 3] = [178, 112, 148];
const BODY: [u8; 3] = [56, 136, 122];
const FRAME: [u8; 3] = [215, 128, 128];
const SIGN: [u8; 3] = [28, 128, 128];
const LETTERS: u8 = 230;
/// Pixels of the frame at 180 lines.
const EDGE: usize = 4;
/// Lines from which letters are large.
const LARGE_FROM: usize = 150;

/// Three planes without padding: light, blueness and redness. Sides are even.
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) planes: [Vec<u8>; 3],
}

impl YUVSource for Frame {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.planes[0]
    }

    fn u(&self) -> &[u8] {
        &self.planes[1]
    }

    fn v(&self) -> &[u8] {
        &self.planes[2]
    }
}

/// A card with a name.
pub(crate) fn card(number: u32, name: &str, (width, height): (usize, usize)) -> Frame {
    let wall = WALLS[number as usize % WALLS.len()];
    let letters = match height.min(width) >= LARGE_FROM {
        true => RasterHeight::Size32,
        false => RasterHeight::Size16,
    };
    let edge = (EDGE * height.min(width) / 180).max(2) & !1;
    let sign = sign(name, letters, (width, height));
    let mut frame = Frame {
        width,
        height,
        planes: [0, 1, 2].map(|plane| {
            let step = if plane == 0 { 1 } else { 2 };
            let (wide, high) = (width / step, height / step);
            (0..wide * high)
                .map(|at| {
                    let place = (at % wide * step, at / wide * step);
                    colour(place, (width, height), edge, wall, sign)[plane]
                })
                .collect()
        }),
    };
    write(&mut frame, name, letters, sign);
    frame
}

/// Left, top, width and height of the part below a name.
type Sign = (usize, usize, usize, usize);

/// Below the head, where it is seen whatever is cut off.
fn sign(name: &str, letters: RasterHeight, (width, height): (usize, usize)) -> Sign {
    let letter = get_raster_width(FontWeight::Regular, letters);
    let wide = (name.chars().count() * letter + letter).min(width) & !1;
    let left = ((width - wide) / 2) & !1;
    let top = (height * 54 / 100) & !1;
    (left, top, wide, letters.val())
}

fn colour(
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    edge: usize,
    wall: [u8; 3],
    (left, top, wide, high): Sign,
) -> [u8; 3] {
    let is_within = |at: usize, side: usize| (edge..side - edge).contains(&at);
    if !is_within(x, width) || !is_within(y, height) {
        return FRAME;
    }
    if (left..left + wide).contains(&x) && (top..top + high).contains(&y) {
        return SIGN;
    }
    let unit = width.min(height) as f64;
    let (x, y) = (
        (x as f64 - width as f64 / 2.0) / unit,
        (y as f64 - height as f64 / 2.0) / unit,
    );
    let head = (x / 0.13).powi(2) + ((y + 0.17) / 0.17).powi(2);
    let body = (x / 0.34).powi(2) + ((y - 0.55) / 0.5).powi(2);
    match (head < 1.0, body < 1.0) {
        (true, _) => HEAD,
        (_, true) => BODY,
        _ => wall,
    }
}

fn write(frame: &mut Frame, name: &str, letters: RasterHeight, (left, top, wide, _): Sign) {
    let letter = get_raster_width(FontWeight::Regular, letters);
    let left = left + wide.saturating_sub(name.chars().count() * letter) / 2;
    for (place, character) in name.chars().enumerate() {
        let Some(raster) = get_raster(character, FontWeight::Regular, letters) else {
            continue;
        };
        for (y, row) in raster.rows().enumerate() {
            for (x, strength) in row.iter().enumerate() {
                let at = (top + y) * frame.width + left + place * letter + x;
                let Some(sample) = frame.planes[0].get_mut(at) else {
                    continue;
                };
                let mixed = u16::from(*sample) * (255 - u16::from(*strength))
                    + u16::from(LETTERS) * u16::from(*strength);
                *sample = (mixed / 255) as u8;
            }
        }
    }
}
