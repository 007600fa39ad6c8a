//! The picture against one that is made slowly, in 64-bit floats, by other code.

use restage_compose::layout::{FillMode, Grid, Layout, Person, Pip};

use crate::rig::Rig;
use crate::support::*;

/// What is composed, at a rate at which the encoder loses little of stills.
const SIZE: (usize, usize) = (1_280, 720);
const BITRATE: u32 = 8_000_000;
/// In decibels.
const PSNR_MIN: f64 = 35.0;

/// A picture of three planes, in samples from 0 to 255.
struct Reference {
    size: (usize, usize),
    planes: [Vec<f64>; 3],
}

/// Left, top, width, height in pixels of light.
type Part = (f64, f64, f64, f64);
type Place = (usize, usize, usize, usize);

impl Reference {
    fn black(size: (usize, usize)) -> Self {
        let planes = [0, 1, 2].map(|plane| {
            let (width, height) = sides(size, plane);
            vec![if plane == 0 { 16.0 } else { 128.0 }; width * height]
        });
        Self { size, planes }
    }

    fn of(picture: &Picture) -> Self {
        let float = |samples: &Vec<u8>| samples.iter().map(|sample| f64::from(*sample)).collect();
        Self {
            size: (picture.width, picture.height),
            planes: picture.planes.each_ref().map(float),
        }
    }

    /// Where a tile has bars, it covers what is below it.
    fn blacken(&mut self, (left, top, width, height): (u32, u32, u32, u32)) {
        for plane in 0..3 {
            let part = if plane == 0 { 1 } else { 2 };
            let own_width = sides(self.size, plane).0;
            let [left, top, width, height] =
                [left, top, width, height].map(|at| at as usize / part);
            for row in top..top + height {
                let start = row * own_width + left;
                let black = if plane == 0 { 16.0 } else { 128.0 };
                self.planes[plane][start..start + width].fill(black);
            }
        }
    }

    /// Draws a part of a picture to a place: each sample is the mean of its surroundings, weighted by a triangle that is as wide as two
    /// pixels of whichever is coarser.
    fn draw(&mut self, from: &Self, crop: Part, place: Place) {
        for plane in 0..3 {
            self.draw_plane(plane, from, crop, place);
        }
    }

    fn draw_plane(&mut self, plane: usize, from: &Self, crop: Part, (x, y, width, height): Place) {
        let part = if plane == 0 { 1 } else { 2 };
        let (from_width, from_height) = sides(from.size, plane);
        let own_width = sides(self.size, plane).0;
        let scale = 1.0 / part as f64;
        let step_x = crop.2 * scale / (width / part) as f64;
        let step_y = crop.3 * scale / (height / part) as f64;
        let (reach_x, reach_y) = (step_x.max(1.0), step_y.max(1.0));
        for row in 0..height / part {
            for column in 0..width / part {
                let middle_x = crop.0 * scale + (column as f64 + 0.5) * step_x;
                let middle_y = crop.1 * scale + (row as f64 + 0.5) * step_y;
                let (mut sum, mut weights) = (0.0, 0.0);
                for sy in within(middle_y, reach_y, from_height) {
                    for sx in within(middle_x, reach_x, from_width) {
                        let weight_x = 1.0 - ((sx as f64 + 0.5 - middle_x) / reach_x).abs();
                        let weight_y = 1.0 - ((sy as f64 + 0.5 - middle_y) / reach_y).abs();
                        let weight = weight_x.max(0.0) * weight_y.max(0.0);
                        sum += from.planes[plane][sy * from_width + sx] * weight;
                        weights += weight;
                    }
                }
                let at = (y / part + row) * own_width + x / part + column;
                self.planes[plane][at] = sum / weights;
            }
        }
    }

    /// In decibels, over all planes.
    fn psnr(&self, picture: &Picture) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (expected, found) in self.planes.iter().zip(&picture.planes) {
            assert_eq!(expected.len(), found.len());
            for (expected, found) in expected.iter().zip(found) {
                sum += (expected - f64::from(*found)).powi(2);
                count += 1;
            }
        }
        10.0 * (255.0 * 255.0 * f64::from(count) / sum).log10()
    }
}

/// Places of samples that are no further away than `reach`.
fn within(middle: f64, reach: f64, count: usize) -> std::ops::Range<usize> {
    let first = (middle - reach).floor().max(0.0) as usize;
    first..((middle + reach).ceil() as usize).min(count)
}

/// Soft shapes in all colours, different for each participant.
fn card(input: u32, (width, height): (usize, usize)) -> Picture {
    Picture::drawn(width, height, |plane, x, y| {
        let phase = f64::from(input) + plane as f64;
        let wave = (x as f64 * 0.05 + phase).sin() * (y as f64 * 0.07 - phase).cos();
        (128.0 + wave * if plane == 0 { 90.0 } else { 60.0 }) as u8
    })
}

struct Expected {
    input: u32,
    source: (usize, usize),
    /// What is seen of it; worked out by hand.
    crop: Part,
    place: Place,
    /// With its bars.
    tile: (u32, u32, u32, u32),
}

impl Expected {
    /// All of a picture fills its tile.
    fn whole(input: u32, source: (usize, usize), tile: (u32, u32, u32, u32)) -> Self {
        Self {
            input,
            source,
            crop: (0.0, 0.0, source.0 as f64, source.1 as f64),
            place: (
                tile.0 as usize,
                tile.1 as usize,
                tile.2 as usize,
                tile.3 as usize,
            ),
            tile,
        }
    }

    /// What is seen of a picture that covers its tile: the part in the middle that has the tile's shape.
    fn covering(input: u32, source: (usize, usize), tile: (u32, u32, u32, u32)) -> Self {
        let (width, height) = (source.0 as f64, source.1 as f64);
        let shape = f64::from(tile.2) / f64::from(tile.3);
        let crop = match width / height > shape {
            true => ((width - height * shape) / 2.0, 0.0, height * shape, height),
            false => (0.0, (height - width / shape) / 2.0, width, width / shape),
        };
        Self {
            crop,
            ..Self::whole(input, source, tile)
        }
    }

    /// The picture is seen whole, in this part of the tile.
    fn within(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// A second of stills of these participants.
fn composed(
    layout: Layout,
    change: impl Fn(&mut [Person]),
    expected: &[Expected],
    draw: impl Fn(&Expected) -> Picture,
) -> (Rig, Vec<Picture>) {
    let mut rig = Rig::new(layout, rendition(SIZE.0 as u32, SIZE.1 as u32, BITRATE));
    let persons = expected.iter().map(|expected| person(expected.input));
    let mut persons: Vec<_> = persons.collect();
    change(&mut persons);
    rig.scene(&persons);
    let mut senders: Vec<_> = expected
        .iter()
        .map(|expected| (Camera::new(expected.input), draw(expected), Eye::new()))
        .collect();
    let mut sent = Vec::new();
    for _ in 0..15 {
        sent.clear();
        for ((camera, picture, eye), expected) in senders.iter_mut().zip(expected) {
            let (bytes, is_key) = camera.encode(picture);
            sent.push(eye.see(&bytes));
            let message = h264(expected.input, rig.now_us(), is_key, bytes);
            rig.take(message);
        }
        rig.run(FRAME_US);
    }
    rig.run(400_000);
    (rig, sent)
}

/// Compares what was made with what the reference makes of what was sent.
fn compare(layout: Layout, change: impl Fn(&mut [Person]), expected: &[Expected]) {
    let draw = |expected: &Expected| card(expected.input, expected.source);
    let (rig, sent) = composed(layout.clone(), &change, expected, draw);
    let mut reference = Reference::black(SIZE);
    for (expected, sent) in expected.iter().zip(&sent) {
        reference.blacken(expected.tile);
        reference.draw(&Reference::of(sent), expected.crop, expected.place);
    }
    let found = reference.psnr(rig.newest());
    eprintln!("{found:.1} dB");
    assert!(found >= PSNR_MIN, "{found:.1} dB");
    let shown = rig.shown.iter();
    let shown: Vec<_> = shown
        .map(|tile| (tile.input, (tile.x, tile.y, tile.width, tile.height)))
        .collect();
    let tiles = expected
        .iter()
        .map(|expected| (expected.input, expected.tile));
    assert_eq!(shown, tiles.collect::<Vec<_>>());
    edges(layout, change, expected);
}

/// Participants are white, all else is black: edges are where they are said to be, to the pixel.
fn edges(layout: Layout, change: impl Fn(&mut [Person]), expected: &[Expected]) {
    let white = |expected: &Expected| {
        let light = if expected.input == 0 { 220 } else { 130 };
        Picture::plain(expected.source.0, expected.source.1, [light, 128, 128])
    };
    let (rig, _) = composed(layout, change, expected, white);
    let light = |x: usize, y: usize| {
        let is_in = |(left, top, width, height): Place| {
            (left..left + width).contains(&x) && (top..top + height).contains(&y)
        };
        let of_tile = |(left, top, width, height): (u32, u32, u32, u32)| {
            let [left, top, width, height] = [left, top, width, height].map(|at| at as usize);
            (left, top, width, height)
        };
        let mut tiles = expected.iter().rev();
        let owner = tiles.find(|expected| is_in(of_tile(expected.tile)));
        match owner.filter(|expected| is_in(expected.place)) {
            None => 16,
            Some(Expected { input: 0, .. }) => 220_u8,
            Some(_) => 130,
        }
    };
    for expected in expected {
        let (left, top, width, height) = expected.place;
        let (middle_x, middle_y) = (left + width / 2, top + height / 4);
        let across = [left, left + width].map(|x| (x, middle_y, 1, 0));
        let down = [top, top + height].map(|y| (middle_x, y, 0, 1));
        for (x, y, dx, dy) in across.into_iter().chain(down) {
            for (x, y) in [(x.wrapping_sub(dx), y.wrapping_sub(dy)), (x, y)] {
                if x >= SIZE.0 || y >= SIZE.1 {
                    continue;
                }
                let wanted = light(x, y);
                let found = rig.newest().light(x as u32, y as u32);
                assert!(found.abs_diff(wanted) <= 24, "{x} {y}: {found} {wanted}");
            }
        }
    }
}

#[test]
fn a_grid_of_four() {
    let at = |input, x, y| Expected::covering(input, (640, 360), (x, y, 638, 358));
    let tiles = [at(0, 0, 0), at(1, 640, 0), at(2, 0, 360), at(3, 640, 360)];
    compare(Layout::Grid(Grid::default()), |_| (), &tiles);
}

#[test]
fn different_shapes_cover_their_tiles() {
    let tiles = [
        Expected::covering(0, (320, 240), (0, 0, 638, 358)),
        Expected::covering(1, (360, 640), (640, 0, 638, 358)),
        Expected::covering(2, (1_280, 720), (320, 360, 638, 358)),
    ];
    compare(Layout::Grid(Grid::default()), |_| (), &tiles);
}

#[test]
fn different_shapes_are_contained_in_their_tiles() {
    let contain = Grid {
        video_fill_mode: FillMode::Contain,
        ..Grid::default()
    };
    let tiles = [
        // 4:3 in 638 by 358: 477 by 358.
        Expected::whole(0, (640, 480), (0, 0, 638, 358)).within((80, 0, 476, 358)),
        // 9:16: 201 by 358.
        Expected::whole(1, (360, 640), (640, 0, 638, 358)).within((858, 0, 200, 358)),
    ];
    // Two side by side are 638 by 358 as well, in the middle of the height: (720 - 358) / 2.
    let lower = |expected: Expected| {
        let ((x, y, width, height), tile) = (expected.place, expected.tile);
        Expected {
            place: (x, y + 180, width, height),
            tile: (tile.0, tile.1 + 180, tile.2, tile.3),
            ..expected
        }
    };
    compare(Layout::Grid(contain), |_| (), &tiles.map(lower));
}

#[test]
fn different_shapes_fill_their_tiles() {
    let fill = Grid {
        video_fill_mode: FillMode::Fill,
        grid_gap: 20,
        ..Grid::default()
    };
    // Two rows of (720 - 20) / 2: 622 by 350. The first begins at (1280 - 2 * 622 - 20) / 2, the last at (1280 - 622) / 2.
    let tiles = [
        Expected::whole(0, (640, 480), (8, 0, 622, 350)),
        Expected::whole(1, (360, 640), (650, 0, 622, 350)),
        Expected::whole(2, (320, 180), (328, 370, 622, 350)),
    ];
    compare(Layout::Grid(fill), |_| (), &tiles);
}

#[test]
fn the_featured_person_is_contained() {
    let tiles = [
        // 4:3 in 1280 by 538: 717 by 538.
        Expected::whole(0, (640, 480), (0, 0, 1_280, 538)).within((282, 0, 716, 538)),
        Expected::whole(1, (320, 180), (480, 540, 320, 180)),
    ];
    let feature = |persons: &mut [Person]| persons[0].is_featured = true;
    compare(Layout::Grid(Grid::default()), feature, &tiles);
}

#[test]
fn an_overlay_in_its_corner_and_stretched() {
    let pip = Pip {
        pip_offset: 20,
        video_fill_mode: FillMode::Fill,
        pip_width: Some(300),
        pip_height: Some(300),
        ..Pip::default()
    };
    let tiles = [
        Expected::whole(0, (640, 480), (0, 0, 1_280, 720)),
        Expected::whole(1, (320, 180), (960, 400, 300, 300)),
    ];
    let choose = |persons: &mut [Person]| persons[1].is_pip = true;
    compare(Layout::Pip(pip), choose, &tiles);
}

#[test]
fn an_overlay_that_covers_its_corner() {
    let pip = Pip {
        pip_width: Some(400),
        pip_height: Some(200),
        pip_position: restage_compose::layout::PipPosition::TopLeft,
        ..Pip::default()
    };
    let tiles = [
        Expected::covering(0, (640, 480), (0, 0, 1_280, 720)),
        Expected::covering(1, (360, 640), (0, 0, 400, 200)),
    ];
    let choose = |persons: &mut [Person]| persons[1].is_pip = true;
    compare(Layout::Pip(pip), choose, &tiles);
}

#[test]
fn an_overlay_with_bars() {
    let pip = Pip {
        pip_width: Some(400),
        pip_height: Some(200),
        pip_position: restage_compose::layout::PipPosition::BottomLeft,
        pip_offset: 40,
        video_fill_mode: FillMode::Contain,
        ..Pip::default()
    };
    let tiles = [
        // 4:3 in 1280 by 720: 960 by 720.
        Expected::whole(0, (640, 480), (0, 0, 1_280, 720)).within((160, 0, 960, 720)),
        // 9:16 in 400 by 200: 112 by 200.
        Expected::whole(1, (360, 640), (40, 480, 400, 200)).within((184, 480, 112, 200)),
    ];
    let choose = |persons: &mut [Person]| persons[1].is_pip = true;
    compare(Layout::Pip(pip), choose, &tiles);
}
