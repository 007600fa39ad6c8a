//! The picture against one that is made slowly, in 64-bit floats, by other code.

use restage_compose::decode::VideoDecoder;
use restage_compose::layout::{FillMode, Grid, Layout, Pip};
use restage_compose::picture::Frame;
use restage_compose::protocol::{Codec, ToChild};

use crate::rig::*;

/// A picture of three planes, in samples from 0 to 255.
struct Reference {
    size: (usize, usize),
    planes: [Vec<f64>; 3],
}

/// x, y, width, height
type Part = (f64, f64, f64, f64);

fn sides((width, height): (usize, usize), plane: usize) -> (usize, usize) {
    match plane {
        0 => (width, height),
        _ => (width.div_ceil(2), height.div_ceil(2)),
    }
}

impl Reference {
    fn new(size: (usize, usize)) -> Self {
        let planes = [0, 1, 2].map(|plane| {
            let (width, height) = sides(size, plane);
            vec![if plane == 0 { 16.0 } else { 128.0 }; width * height]
        });
        Self { size, planes }
    }

    fn of(frame: &Frame) -> Self {
        let size = (frame.size().width as usize, frame.size().height as usize);
        let planes = [0, 1, 2].map(|plane| {
            frame
                .plane(plane)
                .iter()
                .map(|sample| f64::from(*sample))
                .collect()
        });
        Self { size, planes }
    }

    /// Draws a part of a picture to a place: each sample is the mean of its surroundings, weighted by a triangle.
    fn draw(
        &mut self,
        from: &Self,
        crop: Part,
        (x, y, width, height): (usize, usize, usize, usize),
    ) {
        for plane in 0..3 {
            let part = if plane == 0 { 1 } else { 2 };
            let (from_width, from_height) = sides(from.size, plane);
            let own_width = sides(self.size, plane).0;
            let scale = 1.0 / part as f64;
            let step_x = crop.2 * scale / (width / part) as f64;
            let step_y = crop.3 * scale / (height / part) as f64;
            for row in 0..height / part {
                for column in 0..width / part {
                    let middle_x = crop.0 * scale + (column as f64 + 0.5) * step_x;
                    let middle_y = crop.1 * scale + (row as f64 + 0.5) * step_y;
                    let (mut sum, mut weights) = (0.0, 0.0);
                    let (reach_x, reach_y) = (step_x.max(1.0), step_y.max(1.0));
                    for sy in (middle_y - reach_y).floor().max(0.0) as usize
                        ..((middle_y + reach_y).ceil() as usize).min(from_height)
                    {
                        for sx in (middle_x - reach_x).floor().max(0.0) as usize
                            ..((middle_x + reach_x).ceil() as usize).min(from_width)
                        {
                            let weight_x = 1.0 - ((sx as f64 + 0.5 - middle_x) / reach_x).abs();
                            let weight_y = 1.0 - ((sy as f64 + 0.5 - middle_y) / reach_y).abs();
                            let weight = weight_x.max(0.0) * weight_y.max(0.0);
                            sum += from.planes[plane][sy * from_width + sx] * weight;
                            weights += weight;
                        }
                    }
                    self.planes[plane][(y / part + row) * own_width + x / part + column] =
                        sum / weights;
                }
            }
        }
    }

    /// In decibels, over all planes.
    fn psnr(&self, frame: &Frame) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for (plane, samples) in self.planes.iter().enumerate() {
            for (expected, found) in samples.iter().zip(frame.plane(plane)) {
                sum += (expected - f64::from(*found)).powi(2);
                count += 1;
            }
        }
        10.0 * (255.0 * 255.0 * f64::from(count) / sum).log10()
    }
}

/// Soft shapes in all colours, different for each person.
fn card(input: u32, width: u32, height: u32) -> Frame {
    let mut frame = Frame::new(size(width, height));
    for plane in 0..3 {
        let row = frame.plane_size(plane).width as usize;
        let part = if plane == 0 { 1.0 } else { 2.0 };
        for (place, sample) in frame.plane_mut(plane).iter_mut().enumerate() {
            let (x, y) = ((place % row) as f64 * part, (place / row) as f64 * part);
            let phase = f64::from(input) + plane as f64;
            let wave = (x * 0.05 + phase).sin() * (y * 0.07 - phase).cos();
            *sample = (128.0 + wave * if plane == 0 { 90.0 } else { 60.0 }) as u8;
        }
    }
    frame
}

struct Expected {
    input: u32,
    source: (u32, u32),
    /// What is seen of it; worked out by hand.
    crop: Part,
    place: (usize, usize, usize, usize),
    /// With its bars.
    tile: (u32, u32, u32, u32),
}

/// Runs a second of stills, and compares what was made with what the reference makes of what was sent.
fn compare(
    layout: Layout,
    change: impl Fn(&mut Vec<restage_compose::layout::Person>),
    expected: &[Expected],
) {
    let mut made = rendition(1_280, 720);
    made.bitrate = 6_000_000;
    let mut rig = Rig::new(layout, vec![made]);
    let mut persons: Vec<_> = expected
        .iter()
        .map(|expected| person(expected.input))
        .collect();
    persons.sort_by_key(|person| person.input);
    change(&mut persons);
    rig.scene(&persons);
    let mut reference = Reference::new((1_280, 720));
    let mut senders: Vec<(Sender, Frame, VideoDecoder)> = expected
        .iter()
        .map(|expected| {
            let (width, height) = expected.source;
            let sender = Sender::new(expected.input, size(width, height));
            (
                sender,
                card(expected.input, width, height),
                VideoDecoder::default(),
            )
        })
        .collect();
    for _ in 0..30 {
        for (sender, picture, decoder) in &mut senders {
            let message = sender.picture(rig.now_us, picture);
            let ToChild::Picture { is_key, bytes, .. } = &message else {
                panic!("not a picture");
            };
            decoder.decode(Codec::H264, *is_key, 0, bytes).unwrap();
            rig.engine.take(message);
        }
        rig.run_to(rig.now_us + FRAME_US);
    }
    rig.run_to(rig.now_us + 300_000);
    for (expected, (_, _, decoder)) in expected.iter().zip(&senders) {
        let sent = Reference::of(decoder.picture().unwrap());
        reference.draw(&sent, expected.crop, expected.place);
    }
    let (_, frame) = rig.decoded(0).pop().unwrap();
    let found = reference.psnr(&frame);
    eprintln!("{found:.1} dB");
    assert!(found >= 35.0, "{found:.1} dB");
    // Edges are where they are said to be, to the pixel.
    let shown = rig.last_shown().iter();
    let shown: Vec<_> = shown
        .map(|tile| (tile.input, (tile.x, tile.y, tile.width, tile.height)))
        .collect();
    let tiles: Vec<_> = expected
        .iter()
        .map(|expected| (expected.input, expected.tile))
        .collect();
    assert_eq!(shown, tiles);
}

#[test]
fn a_grid_of_four() {
    let at = |input, x, y| Expected {
        input,
        source: (640, 360),
        crop: (2.0, 0.0, 636.0, 358.0),
        place: (x, y, 636, 358),
        tile: (x as u32, y as u32, 636, 358),
    };
    let tiles = [at(0, 2, 0), at(1, 640, 0), at(2, 2, 360), at(3, 640, 360)];
    compare(Layout::Grid(Grid::default()), |_| (), &tiles);
}

#[test]
fn different_shapes_cover_their_tiles() {
    let tiles = [
        // 4:3 in 636 by 358.
        Expected {
            input: 0,
            source: (320, 240),
            crop: (
                0.0,
                (240.0 - 320.0 * 358.0 / 636.0) / 2.0,
                320.0,
                320.0 * 358.0 / 636.0,
            ),
            place: (2, 0, 636, 358),
            tile: (2, 0, 636, 358),
        },
        Expected {
            input: 1,
            source: (360, 640),
            crop: (
                0.0,
                (640.0 - 360.0 * 358.0 / 636.0) / 2.0,
                360.0,
                360.0 * 358.0 / 636.0,
            ),
            place: (640, 0, 636, 358),
            tile: (640, 0, 636, 358),
        },
        Expected {
            input: 2,
            source: (1_280, 720),
            crop: (
                (1_280.0 - 720.0 * 636.0 / 358.0) / 2.0,
                0.0,
                720.0 * 636.0 / 358.0,
                720.0,
            ),
            place: (322, 360, 636, 358),
            tile: (322, 360, 636, 358),
        },
    ];
    compare(Layout::Grid(Grid::default()), |_| (), &tiles);
}

#[test]
fn the_featured_person_is_contained() {
    let tiles = [
        // 4:3 in 1280 by 538: 717⅓ by 538.
        Expected {
            input: 0,
            source: (640, 480),
            crop: (0.0, 0.0, 640.0, 480.0),
            place: (280, 0, 718, 538),
            tile: (0, 0, 1_280, 538),
        },
        Expected {
            input: 1,
            source: (320, 180),
            crop: (0.0, 0.0, 320.0, 180.0),
            place: (480, 540, 320, 180),
            tile: (480, 540, 320, 180),
        },
    ];
    let feature =
        |persons: &mut Vec<restage_compose::layout::Person>| persons[0].is_featured = true;
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
        Expected {
            input: 0,
            source: (640, 480),
            crop: (0.0, 0.0, 640.0, 480.0),
            place: (0, 0, 1_280, 720),
            tile: (0, 0, 1_280, 720),
        },
        Expected {
            input: 1,
            source: (320, 180),
            crop: (0.0, 0.0, 320.0, 180.0),
            place: (960, 400, 300, 300),
            tile: (960, 400, 300, 300),
        },
    ];
    let choose = |persons: &mut Vec<restage_compose::layout::Person>| persons[1].is_pip = true;
    compare(Layout::Pip(pip), choose, &tiles);
}
