//! Brings pictures into tiles: scaled, cut, between bars.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::{BLACK, Plane, Yuv};
use crate::layout::{FillMode, Rect};

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

impl Painter {
    /// Draws a picture into a part of the canvas. What does not lie inside is left out.
    pub(crate) fn draw(&mut self, source: &Yuv, canvas: &mut Yuv, rect: Rect, fill: FillMode) {
        if source.width == 0 || source.height == 0 || !is_inside(rect, canvas) {
            return;
        }
        let fit = Fit::of((source.width, source.height), rect, fill);
        if fit.to != rect {
            clear(canvas, rect);
        }
        for place in 0..3 {
            let divisor = if place == 0 { 1.0 } else { 2.0 };
            let from = fit.from.map(|at| at / divisor);
            let to = part(fit.to, place);
            self.plane(&source.planes[place], from, &mut canvas.planes[place], to);
        }
    }

    fn plane(&mut self, source: &Plane, from: [f64; 4], canvas: &mut Plane, to: [usize; 4]) {
        let [left, top, width, height] = to;
        let is_whole = from[0] == 0.0 && from[1] == 0.0;
        if is_whole && (width, height) == (source.width, source.height) {
            copy(&source.samples, canvas, to);
            return;
        }
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

fn copy(samples: &[u8], canvas: &mut Plane, [left, top, width, height]: [usize; 4]) {
    let rows = canvas.samples.chunks_exact_mut(canvas.width.max(1));
    let lines = samples.chunks_exact(width.max(1));
    for (row, line) in rows.skip(top).take(height).zip(lines) {
        row[left..left + width].copy_from_slice(line);
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
