//! Draws pictures into tiles.

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::Frame;
use super::frame::in_plane;
use crate::layout::{Tile, place};

/// Scales. It keeps the memory that scaling takes.
#[derive(Debug, Default)]
pub struct Painter {
    resizer: Resizer,
}

impl Painter {
    /// Draws a picture into a tile, with black bars where it does not reach. False if one of them has no pixels, or the tile is not inside.
    ///
    /// A pixel of the tile is the mean of what it covers of the picture, weighted linearly (a triangle as wide as two pixels of whichever
    /// is coarser), first along rows and then along columns.
    pub fn draw(&mut self, canvas: &mut Frame, picture: &Frame, tile: &Tile) -> bool {
        let Some(placement) = place(picture.size(), tile.rect, tile.fill) else {
            return false;
        };
        if placement.rect != tile.rect {
            canvas.blacken(tile.rect);
        }
        let crop = placement.crop;
        (0..3).all(|plane| {
            let part = if plane == 0 { 1.0 } else { 0.5 };
            let (source_size, canvas_size) = (picture.plane_size(plane), canvas.plane_size(plane));
            let (x, y, width, height) = in_plane(placement.rect, plane);
            let (left, top) = (crop.x * part, crop.y * part);
            // Half of an odd side is less than the plane has; the remainder of a division must not be more.
            let seen_width = (crop.width * part).min(f64::from(source_size.width) - left);
            let seen_height = (crop.height * part).min(f64::from(source_size.height) - top);
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .use_alpha(false)
                .crop(left, top, seen_width, seen_height);
            let source = TypedImageRef::<U8>::from_buffer(
                source_size.width,
                source_size.height,
                picture.plane(plane),
            );
            let whole = TypedImage::<U8>::from_buffer(
                canvas_size.width,
                canvas_size.height,
                canvas.plane_mut(plane),
            );
            let (Ok(source), Ok(whole)) = (source, whole) else {
                return false;
            };
            let part =
                TypedCroppedImageMut::new(whole, x as u32, y as u32, width as u32, height as u32);
            let Ok(mut part) = part else {
                return false;
            };
            self.resizer
                .resize_typed(&source, &mut part, &options)
                .is_ok()
        })
    }
}
