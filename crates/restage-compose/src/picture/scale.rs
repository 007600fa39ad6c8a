//! Brings pictures into tiles: scaled, cut, between bars.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::{BLACK, Plane, Yuv};
use crate::layout::{FillMode, Rect};

/// Pixels by which a picture may be larger than its place without being scaled: it is cut at its edges instead. Scaling is most of the
/// work of drawing, and layers of simulcast are often but for the gaps as large as their tiles.
const CUT_MAX: f64 = 4.0;

/// Scales pictures into a canvas. One that is kept saves allocations.
#[derive(Default)]
pub(crate) struct Painter {
    resizer: Resizer,
}

/// The part of a picture that is shown, and the part of the tile where it is; luma pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Fit {
    from: [f64; 4],
    to: Rect,
}

impl Fit {
    fn of(source: (u32, u32), rect: Rect, fill: FillMode) -> Self {
        let (width, height) = (f64::from(source.0), f64::from(source.1));
        let (tile_width, tile_height) = (f64::from(rect.width), f64::from(rect.height));
        let whole = [0.0, 0.0, width, height];
        match fill {
            FillMode::Fill | FillMode::Unset => Self {
                from: whole,
                to: rect,
            },
            FillMode::Cover => {
                let scale = (tile_width / width).max(tile_height / height);
                let (shown_width, shown_height) = (
                    (tile_width / scale).min(width),
                    (tile_height / scale).min(height),
                );
                Self {
                    from: [
                        (width - shown_width) / 2.0,
                        (height - shown_height) / 2.0,
                        shown_width,
                        shown_height,
                    ],
                    to: rect,
                }
            }
            FillMode::Contain => {
                let scale = (tile_width / width).min(tile_height / height);
                let side = |side: f64, most: u32| {
                    let pixels = (side * scale).round() as u32;
                    (pixels & !1).clamp(2.min(most), most)
                };
                let (wide, high) = (side(width, rect.width), side(height, rect.height));
                let middle = |free: u32| (free / 2) & !1;
                Self {
                    from: whole,
                    to: Rect {
                        x: rect.x + middle(rect.width - wide),
                        y: rect.y + middle(rect.height - high),
                        width: wide,
                        height: high,
                    },
                }
            }
        }
    }
}

impl Fit {
    /// Whether the picture is cut and not scaled.
    fn is_cut(&self, source: (u32, u32)) -> bool {
        let is_near = |seen: f64, wanted: u32, whole: u32| {
            (seen - f64::from(wanted)).abs() <= CUT_MAX && whole >= wanted
        };
        let [_, _, wide, high] = self.from;
        is_near(wide, self.to.width, source.0) && is_near(high, self.to.height, source.1)
    }
}

/// Where a row or column of samples begins that is as long as wanted, in the middle of what is to be seen.
fn middle(from: f64, seen: f64, wanted: usize, whole: usize) -> usize {
    let start = (from + (seen - wanted as f64) / 2.0).round().max(0.0) as usize;
    start.min(whole.saturating_sub(wanted))
}

impl Painter {
    /// Draws a picture into a part of the canvas. What does not lie inside is left out.
    pub(crate) fn draw(&mut self, source: &Yuv, canvas: &mut Yuv, rect: Rect, fill: FillMode) {
        if source.width == 0 || source.height == 0 || !is_inside(rect, canvas) {
            return;
        }
        let size = (source.width, source.height);
        let fit = Fit::of(size, rect, fill);
        if fit.to != rect {
            clear(canvas, rect);
        }
        let is_cut = fit.is_cut(size);
        for place in 0..3 {
            let (from, canvas) = (&source.planes[place], &mut canvas.planes[place]);
            let to = part(fit.to, place);
            let divisor = if place == 0 { 1.0 } else { 2.0 };
            let seen = fit.from.map(|at| at / divisor);
            match is_cut {
                true => copy(from, seen, canvas, to),
                false => self.scale(from, seen, canvas, to),
            }
        }
    }

    fn scale(&mut self, source: &Plane, from: [f64; 4], canvas: &mut Plane, to: [usize; 4]) {
        let [left, top, width, height] = to;
        let size = |plane: &Plane| (plane.width as u32, plane.height as u32);
        let (source_width, source_height) = size(source);
        let (canvas_width, canvas_height) = size(canvas);
        let (most_wide, most_high) = (source.width as f64, source.height as f64);
        // Half of an odd side is less than the plane has; what remains of a division must not be more.
        let seen_wide = from[2].min(most_wide - from[0]);
        let seen_high = from[3].min(most_high - from[1]);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false)
            .crop(from[0], from[1], seen_wide, seen_high);
        let source = TypedImageRef::<U8>::from_buffer(source_width, source_height, &source.samples);
        let whole = TypedImage::<U8>::from_buffer(canvas_width, canvas_height, &mut canvas.samples);
        if let (Ok(source), Ok(whole)) = (source, whole)
            && let Ok(mut part) = TypedCroppedImageMut::new(
                whole,
                left as u32,
                top as u32,
                width as u32,
                height as u32,
            )
        {
            // An empty part of a picture leaves the canvas as it is.
            let _ = self.resizer.resize_typed(&source, &mut part, &options);
        }
    }
}

fn is_inside(rect: Rect, canvas: &Yuv) -> bool {
    let fits = |at: u32, length: u32, most: u32| {
        length > 0 && at.checked_add(length).is_some_and(|end| end <= most)
    };
    fits(rect.x, rect.width, canvas.width) && fits(rect.y, rect.height, canvas.height)
}

/// The part of a plane that belongs to a part of the picture.
fn part(rect: Rect, place: usize) -> [usize; 4] {
    let divisor = if place == 0 { 1 } else { 2 };
    [rect.x, rect.y, rect.width, rect.height].map(|at| at as usize / divisor)
}

/// Makes a part of the canvas black.
pub(crate) fn clear(canvas: &mut Yuv, rect: Rect) {
    for (place, plane) in canvas.planes.iter_mut().enumerate() {
        let [left, top, width, height] = part(rect, place);
        let rows = plane.samples.chunks_exact_mut(plane.width.max(1));
        for row in rows.skip(top).take(height) {
            row[left..left + width].fill(BLACK[place]);
        }
    }
}

/// Copies the middle of what is to be seen of a plane to a part of the canvas.
fn copy(
    source: &Plane,
    [from_left, from_top, wide, high]: [f64; 4],
    canvas: &mut Plane,
    [left, top, width, height]: [usize; 4],
) {
    let from_left = middle(from_left, wide, width, source.width);
    let from_top = middle(from_top, high, height, source.height);
    let rows = canvas.samples.chunks_exact_mut(canvas.width.max(1));
    let lines = source.samples.chunks_exact(source.width.max(1));
    for (row, line) in rows.skip(top).take(height).zip(lines.skip(from_top)) {
        let line = line.get(from_left..from_left + width);
        if let (Some(row), Some(line)) = (row.get_mut(left..left + width), line) {
            row.copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn what_is_shown_of_a_picture_and_where() {
        let tile = rect(10, 20, 200, 100);
        let fit = |fill| Fit::of((400, 400), tile, fill);
        assert_eq!(
            fit(FillMode::Fill),
            Fit {
                from: [0.0, 0.0, 400.0, 400.0],
                to: tile
            }
        );
        assert_eq!(
            fit(FillMode::Cover),
            Fit {
                from: [0.0, 100.0, 400.0, 200.0],
                to: tile
            }
        );
        let contained = fit(FillMode::Contain);
        assert_eq!(contained.from, [0.0, 0.0, 400.0, 400.0]);
        assert_eq!(contained.to, rect(60, 20, 100, 100));
    }

    #[test]
    fn pictures_that_nearly_fit_are_cut_and_not_scaled() {
        let tile = rect(0, 0, 638, 358);
        let is_cut = |source: (u32, u32), fill| Fit::of(source, tile, fill).is_cut(source);
        for (source, fill) in [
            ((640, 360), FillMode::Cover),
            ((640, 360), FillMode::Contain),
            ((642, 362), FillMode::Fill),
            ((638, 358), FillMode::Cover),
        ] {
            assert!(is_cut(source, fill), "{source:?} {fill:?}");
        }
        // Too large, too small, and of another shape.
        for source in [(656, 368), (636, 358), (640, 480), (320, 180)] {
            assert!(!is_cut(source, FillMode::Fill), "{source:?}");
        }
        // Each sample keeps its value, and colour its place.
        let mut source = Yuv::black(44, 24);
        for plane in &mut source.planes {
            for (at, sample) in plane.samples.iter_mut().enumerate() {
                *sample = (at % 251) as u8;
            }
        }
        let mut canvas = Yuv::black(60, 40);
        Painter::default().draw(&source, &mut canvas, rect(10, 4, 40, 20), FillMode::Fill);
        let [light, blue, _] = &canvas.planes;
        assert_eq!(light.samples[4 * 60 + 10], (2 * 44 + 2) as u8);
        assert_eq!(light.samples[23 * 60 + 49], ((21 * 44 + 41) % 251) as u8);
        assert_eq!(blue.samples[2 * 30 + 5], 22 + 1);
        assert_eq!(blue.samples[11 * 30 + 24], 10 * 22 + 20);
        assert_eq!(
            (light.samples[4 * 60 + 9], blue.samples[2 * 30 + 4]),
            (16, 128)
        );
    }

    #[test]
    fn pictures_are_drawn_where_they_should_be_and_nowhere_else() {
        let mut painter = Painter::default();
        for (width, height) in [(64, 36), (63, 35), (1, 1), (320, 180), (7, 500)] {
            let source = Yuv::filled(width, height, [200, 90, 30]);
            let mut canvas = Yuv::filled(100, 80, [50, 60, 70]);
            painter.draw(&source, &mut canvas, rect(20, 10, 60, 40), FillMode::Cover);
            let brightness = |x: usize, y: usize| canvas.planes[0].samples[y * 100 + x];
            assert_eq!(
                [brightness(20, 10), brightness(79, 49)],
                [200, 200],
                "{width}x{height}"
            );
            assert_eq!(
                [brightness(19, 10), brightness(80, 49), brightness(20, 50)],
                [50; 3]
            );
            assert_eq!(canvas.planes[1].samples[5 * 50 + 10], 90);
            assert_eq!(canvas.planes[2].samples[4 * 50 + 10], 70);
        }
    }

    #[test]
    fn bars_are_black_and_what_is_outside_is_not_drawn() {
        let mut painter = Painter::default();
        let source = Yuv::filled(40, 40, [200, 90, 30]);
        let mut canvas = Yuv::filled(100, 80, [50, 60, 70]);
        painter.draw(&source, &mut canvas, rect(0, 0, 100, 40), FillMode::Contain);
        let row = &canvas.planes[0].samples[..100];
        assert_eq!((row[29], row[30], row[69], row[70]), (16, 200, 200, 16));
        let before = canvas.clone();
        painter.draw(&source, &mut canvas, rect(90, 70, 20, 20), FillMode::Fill);
        painter.draw(
            &Yuv::default(),
            &mut canvas,
            rect(0, 0, 20, 20),
            FillMode::Fill,
        );
        assert_eq!(canvas, before);
    }
}
