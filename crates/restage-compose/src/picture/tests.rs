//! Geometry and values of what is drawn.

use proptest::prelude::*;
use restage_codec::h264::Colour;

use super::*;
use crate::layout::{Fill, Rect, Size, Tile};

fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

/// A picture whose samples say where they are.
fn numbered(size: Size) -> Frame {
    let mut frame = Frame::new(size);
    for plane in 0..3 {
        let width = frame.plane_size(plane).width as usize;
        let samples = frame.plane_mut(plane).iter_mut().enumerate();
        samples.for_each(|(place, sample)| *sample = (place % width * 3 + place / width * 7) as u8);
    }
    frame
}

fn tile(rect: Rect, fill: Fill) -> Tile {
    Tile {
        input: 0,
        rect,
        z: 0,
        fill,
    }
}

#[test]
fn a_picture_of_the_same_size_is_copied() {
    let picture = numbered(size(64, 36));
    let rect = Rect {
        x: 10,
        y: 20,
        width: 64,
        height: 36,
    };
    let mut canvas = Frame::new(size(128, 72));
    assert!(Painter::default().draw(&mut canvas, &picture, &tile(rect, Fill::Cover)));
    let mut expected = Frame::new(size(128, 72));
    expected.blit(&picture, rect);
    assert_eq!(canvas, expected);
    assert_eq!(canvas.plane(0)[20 * 128 + 10], picture.plane(0)[0]);
    assert_eq!(canvas.plane(1)[10 * 64 + 5], picture.plane(1)[0]);
    assert_eq!(canvas.plane(0)[20 * 128 + 9], 16);
}

#[test]
fn bars_are_black_and_nothing_outside_is_touched() {
    let mut picture = Frame::new(size(50, 50));
    picture.fill(
        Rect {
            x: 0,
            y: 0,
            width: 50,
            height: 50,
        },
        [200, 100, 50],
    );
    let mut canvas = Frame::new(size(128, 72));
    canvas.fill(
        Rect {
            x: 0,
            y: 0,
            width: 128,
            height: 72,
        },
        [90, 90, 90],
    );
    let rect = Rect {
        x: 20,
        y: 10,
        width: 80,
        height: 40,
    };
    assert!(Painter::default().draw(&mut canvas, &picture, &tile(rect, Fill::Contain)));
    for (x, y, light) in [
        (20, 10, 16),
        (39, 49, 16),
        (40, 10, 200),
        (79, 49, 200),
        (80, 10, 16),
        (99, 49, 16),
        (19, 10, 90),
        (100, 49, 90),
        (50, 9, 90),
        (50, 50, 90),
    ] {
        assert_eq!(canvas.plane(0)[y * 128 + x], light, "{x} {y}");
    }
    assert_eq!(canvas.plane(2)[10 * 64 + 30], 50);
    let outside = Rect {
        x: 100,
        y: 0,
        width: 80,
        height: 40,
    };
    assert!(!Painter::default().draw(&mut canvas, &picture, &tile(outside, Fill::Fill)));
}

#[test]
fn turning() {
    let picture = numbered(size(6, 4));
    let once = picture.turned(1);
    assert_eq!(once.size(), size(4, 6));
    // The first row is the first column, read from below.
    assert_eq!(once.plane(0)[..4], [21, 14, 7, 0]);
    assert_eq!(once.turned(1), picture.turned(2));
    assert_eq!(once.turned(2), picture.turned(3));
    assert_eq!(once.turned(3), picture);
    assert_eq!(picture.turned(4), picture);
}

#[test]
fn names_of_strangers_are_drawn_or_left_out() {
    let placeholders = Placeholders::default();
    let lit = |frame: &Frame| frame.plane(0).iter().filter(|light| **light > 120).count();
    let plain = placeholders.draw(size(320, 180), "", None);
    assert_eq!(lit(&plain), 0);
    let name = placeholders.draw(size(320, 180), "Ann Lee", None);
    assert!(lit(&name) > 100);
    assert!(
        lit(&placeholders.draw(size(320, 180), "Ann Lee", Some("AV1 cannot be shown")))
            > lit(&name)
    );
    for name in ["Zoë", "Ольга", "Ελένη", "שרה", "محمد", "გიორგი"] {
        assert!(
            lit(&placeholders.draw(size(320, 180), name, None)) > 50,
            "{name}"
        );
    }
    let control = placeholders.draw(
        size(320, 180),
        "\u{0}\u{1b}[31mAnn\u{202e}\u{7f}\n\u{fffd}Lee",
        None,
    );
    assert!(lit(&control) > 100);
    // Nothing of them is in the font.
    assert_eq!(lit(&placeholders.draw(size(320, 180), "李小龍", None)), 0);
    let long = placeholders.draw(size(320, 180), &"W".repeat(10_000), None);
    let margin = |frame: &Frame| (0..180).all(|y| frame.plane(0)[y * 320 + 8] == frame.plane(0)[0]);
    assert!(margin(&long) && lit(&long) > 100);
    assert_eq!(lit(&placeholders.draw(size(20, 20), "Ann", None)), 0);
}

#[test]
fn colours_of_other_matrices() {
    let of = |matrix, is_full_range| {
        Conversion::of(Colour {
            matrix,
            is_full_range,
        })
    };
    assert_eq!(of(2, false), None);
    assert_eq!(of(6, false), None);
    let converted = |conversion: Option<Conversion>, colour: [u8; 3]| {
        let mut frame = Frame::new(size(4, 4));
        frame.fill(
            Rect {
                x: 0,
                y: 0,
                width: 4,
                height: 4,
            },
            colour,
        );
        conversion.unwrap().apply(&mut frame);
        [0, 1, 2].map(|plane| i32::from(frame.plane(plane)[0]))
    };
    let close = |found: [i32; 3], expected: [i32; 3]| {
        found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1)
    };
    // Pure red, green and blue of BT.709, and what they are in BT.601 (8 bits, limited).
    for (from, to) in [
        ([63, 102, 240], [81, 90, 240]),
        ([173, 42, 26], [145, 54, 34]),
        ([32, 240, 118], [41, 240, 110]),
    ] {
        let found = converted(of(1, false), from);
        assert!(close(found, to), "{from:?} {found:?} {to:?}");
    }
    assert_eq!(converted(of(1, false), [235, 128, 128]), [235, 128, 128]);
    assert_eq!(converted(of(2, true), [255, 128, 128]), [235, 128, 128]);
    assert_eq!(converted(of(2, true), [0, 128, 128]), [16, 128, 128]);
    assert!(close(converted(of(2, true), [76, 85, 255]), [81, 90, 240]));
}

/// What bilinear scaling is by its definition, in 64-bit floats.
fn scaled(
    from: &[f64],
    from_width: usize,
    crop: (f64, f64, f64, f64),
    to: (usize, usize),
) -> Vec<f64> {
    let weights = |start: f64, length: f64, from: usize, to: usize| -> Vec<Vec<(usize, f64)>> {
        let step = length / to as f64;
        let reach = step.max(1.0);
        (0..to)
            .map(|place| {
                let middle = start + (place as f64 + 0.5) * step;
                let first = (middle - reach).floor().max(0.0) as usize;
                let last = ((middle + reach).ceil() as usize).min(from);
                let weights: Vec<(usize, f64)> = (first..last)
                    .map(|at| {
                        (
                            at,
                            (1.0 - ((at as f64 + 0.5 - middle) / reach).abs()).max(0.0),
                        )
                    })
                    .collect();
                let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
                weights
                    .into_iter()
                    .map(|(at, weight)| (at, weight / sum))
                    .collect()
            })
            .collect()
    };
    let across = weights(crop.0, crop.2, from_width, to.0);
    let down = weights(crop.1, crop.3, from.len() / from_width, to.1);
    let mut scaled = Vec::new();
    for rows in &down {
        for columns in &across {
            let row = |y: usize| {
                columns
                    .iter()
                    .map(|(x, weight)| from[y * from_width + x] * weight)
                    .sum::<f64>()
            };
            scaled.push(rows.iter().map(|(y, weight)| row(*y) * weight).sum());
        }
    }
    scaled
}

/// In decibels.
fn psnr(found: &[u8], expected: &[f64]) -> f64 {
    let errors = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (f64::from(*found) - expected).powi(2));
    let mean = errors.sum::<f64>() / found.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn scaling_is_bilinear(source in (8..200u32, 8..200u32), half in (4..100u32, 4..100u32), fill in 0..2u8, seed: u8) {
        let mut picture = Frame::new(size(source.0, source.1));
        let width = source.0 as usize;
        for (place, sample) in picture.plane_mut(0).iter_mut().enumerate() {
            let (x, y) = ((place % width) as f64, (place / width) as f64);
            *sample = (128.0 + 100.0 * (x * 0.3 + f64::from(seed)).sin() * (y * 0.2).cos()) as u8;
        }
        let rect = Rect { x: 0, y: 0, width: half.0 * 2, height: half.1 * 2 };
        let fill = [Fill::Fill, Fill::Cover][usize::from(fill)];
        let mut canvas = Frame::new(size(rect.width, rect.height));
        prop_assert!(Painter::default().draw(&mut canvas, &picture, &tile(rect, fill)));
        let crop = crate::layout::place(picture.size(), rect, fill).unwrap().crop;
        let samples: Vec<f64> = picture.plane(0).iter().map(|sample| f64::from(*sample)).collect();
        let expected = scaled(&samples, width, (crop.x, crop.y, crop.width, crop.height), (rect.width as usize, rect.height as usize));
        let found = psnr(canvas.plane(0), &expected);
        prop_assert!(found >= 45.0, "{found}");
    }
}
