//! Test cards: somebody in front of a wall in the colour of their number, with a frame so that one sees what is cut off.

use restage_compose::layout::{Fill, Rect, Size, Tile};
use restage_compose::picture::{Frame, Painter, Placeholders};

/// Colours of walls: blueness and redness.
const WALLS: [[u8; 2]; 12] = [
    [160, 110],
    [110, 150],
    [100, 110],
    [150, 140],
    [120, 100],
    [140, 160],
    [95, 140],
    [165, 128],
    [128, 165],
    [105, 125],
    [150, 105],
    [115, 160],
];
/// Pixels of the frame.
const EDGE: u32 = 6;

/// A card with a name.
pub(crate) fn card(number: u32, name: &str, size: Size) -> Frame {
    let Size { width, height } = size;
    let [blue, red] = WALLS[number as usize % WALLS.len()];
    let mut frame = Frame::new(size);
    let whole = Rect {
        x: 0,
        y: 0,
        width,
        height,
    };
    frame.fill(whole, [235, 128, 128]);
    let inner = Rect {
        x: EDGE,
        y: EDGE,
        width: width - 2 * EDGE,
        height: height - 2 * EDGE,
    };
    frame.fill(inner, [110, blue, red]);
    person(&mut frame, size);
    let sign = Size {
        width: (width / 2) & !1,
        height: (height.min(width) / 6) & !1,
    };
    // The middle of a square, whose letters are large.
    let square = Size {
        height: sign.width,
        ..sign
    };
    let label = Placeholders::default().draw(square, name, None);
    let place = Rect {
        x: (width - sign.width) / 4 * 2,
        y: (height - sign.height - 2 * EDGE) & !1,
        width: sign.width,
        height: sign.height,
    };
    let tile = Tile {
        input: number,
        rect: place,
        z: 0,
        fill: Fill::Cover,
    };
    Painter::default().draw(&mut frame, &label, &tile);
    frame
}

/// Head and shoulders.
fn person(frame: &mut Frame, size: Size) {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let unit = width.min(height);
    let part = |x: f64, y: f64| {
        let (x, y) = ((x - width / 2.0) / unit, (y - height / 2.0) / unit);
        let head = (x / 0.13).powi(2) + ((y + 0.16) / 0.17).powi(2) < 1.0;
        let body = (x / 0.34).powi(2) + ((y - 0.55) / 0.5).powi(2) < 1.0;
        match (head, body) {
            (true, _) => Some([175, 112, 148]),
            (_, true) => Some([60, 135, 122]),
            _ => None,
        }
    };
    for plane in 0..3 {
        let row = frame.plane_size(plane).width as usize;
        let step = if plane == 0 { 1.0 } else { 2.0 };
        let edge = EDGE as usize / step as usize;
        let rows = frame.plane_size(plane).height as usize;
        for (place, sample) in frame.plane_mut(plane).iter_mut().enumerate() {
            let (x, y) = (place % row, place / row);
            let is_inside = (edge..row - edge).contains(&x) && (edge..rows - edge).contains(&y);
            if let Some(colour) = part(x as f64 * step, y as f64 * step).filter(|_| is_inside) {
                *sample = colour[plane];
            }
        }
    }
}

/// Red, green and blue of BT.601 in limited range (ITU-R BT.601-7).
pub(crate) fn rgb(frame: &Frame) -> Vec<u8> {
    let (width, half) = (
        frame.size().width as usize,
        frame.plane_size(1).width as usize,
    );
    let pixel = |(place, light): (usize, &u8)| {
        let (x, y) = (place % width / 2, place / width / 2);
        let colour = |plane: usize| f64::from(frame.plane(plane)[y * half + x]) - 128.0;
        let light = (f64::from(*light) - 16.0) * 255.0 / 219.0;
        let (blue, red) = (colour(1) * 255.0 / 224.0, colour(2) * 255.0 / 224.0);
        [
            light + 1.402 * red,
            light - 0.344 * blue - 0.714 * red,
            light + 1.772 * blue,
        ]
        .map(|value| value as u8)
    };
    frame.plane(0).iter().enumerate().flat_map(pixel).collect()
}
