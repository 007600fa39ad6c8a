//! How a picture lies in a tile: which part of it is seen, and where.

use super::{Fill, Rect, Size};

/// A picture that covers its tile is not scaled if that would change its sides by less than one part in so many: the edges are cut off, or
/// where it is smaller it is scaled after all. Tiles are a little smaller than the pictures that were made for them, because of the gaps.
const ALIKE_PARTS: u32 = 64;

/// A part of a picture, in pixels of the picture as it is shown (after turning). Fractions of pixels count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// Distance from the left.
    pub x: f64,
    /// Distance from the top.
    pub y: f64,
    /// Pixels of a row.
    pub width: f64,
    /// Rows.
    pub height: f64,
}

/// What is seen of a picture, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The part of the picture that is seen.
    pub crop: Crop,
    /// Where: within the tile. Around it are bars.
    pub rect: Rect,
}

/// Fits a picture into a tile. `None` if one of them has no pixels.
pub fn place(source: Size, rect: Rect, fill: Fill) -> Option<Placement> {
    let empty = [source.width, source.height, rect.width, rect.height].contains(&0);
    if empty {
        return None;
    }
    let (width, height) = (f64::from(source.width), f64::from(source.height));
    let (tile_width, tile_height) = (f64::from(rect.width), f64::from(rect.height));
    let (by_width, by_height) = (tile_width / width, tile_height / height);
    let whole = Crop {
        x: 0.0,
        y: 0.0,
        width,
        height,
    };
    Some(match fill {
        Fill::Fill => Placement { crop: whole, rect },
        Fill::Cover if are_alike(source, rect) => Placement {
            crop: Crop {
                x: f64::from(even((source.width - rect.width) / 2)),
                y: f64::from(even((source.height - rect.height) / 2)),
                width: tile_width,
                height: tile_height,
            },
            rect,
        },
        Fill::Cover => {
            let scale = by_width.max(by_height);
            let seen_width = (tile_width / scale).min(width);
            let seen_height = (tile_height / scale).min(height);
            let crop = Crop {
                x: (width - seen_width) / 2.0,
                y: (height - seen_height) / 2.0,
                width: seen_width,
                height: seen_height,
            };
            Placement { crop, rect }
        }
        Fill::Contain => {
            let scale = by_width.min(by_height);
            // The nearest even number that is not zero.
            let side =
                |side: f64, most: u32| ((side * scale / 2.0).round() as u32 * 2).clamp(2, most);
            let (seen_width, seen_height) = (side(width, rect.width), side(height, rect.height));
            let rect = Rect {
                x: rect.x + even((rect.width - seen_width) / 2),
                y: rect.y + even((rect.height - seen_height) / 2),
                width: seen_width,
                height: seen_height,
            };
            Placement { crop: whole, rect }
        }
    })
}

/// Whether the picture is as large as the tile, or very little larger.
fn are_alike(source: Size, rect: Rect) -> bool {
    let is_alike = |source: u32, tile: u32| {
        source >= tile && u64::from(source - tile) * u64::from(ALIKE_PARTS) < u64::from(source)
    };
    is_alike(source.width, rect.width) && is_alike(source.height, rect.height)
}

fn even(number: u32) -> u32 {
    number & !1
}
