//! Tiles of one size in rows, and the overlay.

use super::{Pip, PipPosition, Rect, Size};

/// Persons below the featured one who are in one row's worth of height.
const BELOW_ROW: usize = 6;
/// The shape of a picture that is not known yet.
const SHAPE_DEFAULT: f64 = 16.0 / 9.0;
/// Sides of the default overlay: its area is that of a picture with this part of both sides.
const OVERLAY_PART: u32 = 4;

/// A part of the picture that is to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    y: u32,
    width: u32,
    height: u32,
}

impl Area {
    /// The whole picture, without an odd column or row.
    pub(super) fn of(size: Size) -> Self {
        Self {
            y: 0,
            width: even(size.width),
            height: even(size.height),
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub(super) fn rect(self) -> Rect {
        Rect {
            x: 0,
            y: self.y,
            width: self.width,
            height: self.height,
        }
    }
}

/// The shape of tiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// Width to height.
    Fixed(u32, u32),
    /// Tiles fill their part of the picture; pictures of this width by height are to be large in them.
    Filling(f64),
}

impl Shape {
    /// Width by height.
    fn ratio(self) -> f64 {
        match self {
            Self::Fixed(width, height) => f64::from(width) / f64::from(height),
            Self::Filling(ratio) => ratio,
        }
    }

    /// The tile in a cell.
    fn tile(self, cell: Size) -> Size {
        match self {
            Self::Filling(_) => cell,
            Self::Fixed(width, height) => {
                // Both sides of a cell are below 2³², so the products are below 2⁶⁴.
                let (cell_width, cell_height) = (u64::from(cell.width), u64::from(cell.height));
                let (width, height) = (u64::from(width), u64::from(height));
                let by_height = cell_height * width / height;
                let by_width = cell_width * height / width;
                Size {
                    width: even(cell.width.min(by_height as u32)),
                    height: even(cell.height.min(by_width as u32)),
                }
            }
        }
    }
}

/// Rows and columns, and the size of a tile in them.
#[derive(Debug, Clone, Copy)]
struct Arrangement {
    columns: u32,
    rows: u32,
    tile: Size,
    gap: u32,
    /// Area of a picture with the wanted shape in a tile.
    used: f64,
}

impl Arrangement {
    /// `None` if tiles would have no pixels.
    fn new(area: Area, shape: Shape, gap: u32, columns: u32, count: u32) -> Option<Self> {
        let rows = count.div_ceil(columns);
        let cell = Size {
            width: part(area.width, gap, columns)?,
            height: part(area.height, gap, rows)?,
        };
        let tile = shape.tile(cell);
        if tile.width == 0 || tile.height == 0 {
            return None;
        }
        let (width, height) = (f64::from(tile.width), f64::from(tile.height));
        let ratio = shape.ratio();
        let used = match shape {
            Shape::Fixed(..) => width * height,
            Shape::Filling(_) => width.min(height * ratio) * height.min(width / ratio),
        };
        Some(Self {
            columns,
            rows,
            tile,
            gap,
            used,
        })
    }

    /// Empty places in the last row.
    fn empty(&self, count: u32) -> u32 {
        self.columns * self.rows - count
    }

    fn height(&self) -> u32 {
        self.rows * (self.tile.height + self.gap) - self.gap
    }
}

/// A part of a side that is divided into `parts` with gaps between them.
fn part(side: u32, gap: u32, parts: u32) -> Option<u32> {
    let gaps = gap.checked_mul(parts.checked_sub(1)?)?;
    Some(even(side.checked_sub(gaps)? / parts)).filter(|part| *part > 0)
}

/// The best arrangement of `count` tiles. `None` if there are none, or no room for them even without gaps.
fn best(area: Area, shape: Shape, gap: u32, count: usize) -> Option<Arrangement> {
    let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
    // A larger gap than a side leaves room for one row or column at most, as one of a side does.
    let mut gap = even_up(gap.min(area.width.max(area.height)));
    loop {
        let arrangements =
            (1..=count).filter_map(|columns| Arrangement::new(area, shape, gap, columns, count));
        let best = arrangements.reduce(|best, next| match next.used.total_cmp(&best.used) {
            std::cmp::Ordering::Greater => next,
            std::cmp::Ordering::Equal if next.empty(count) < best.empty(count) => next,
            _ => best,
        });
        if best.is_some() || gap == 0 {
            return best;
        }
        gap = even(gap / 2);
    }
}

impl Arrangement {
    /// The places of `count` tiles in the middle of the area, row by row.
    fn places(self, area: Area, count: u32) -> impl Iterator<Item = Rect> {
        let (step_x, step_y) = (self.tile.width + self.gap, self.tile.height + self.gap);
        let top = area.y + even((area.height - self.height()) / 2);
        (0..count).map(move |index| {
            let (row, column) = (index / self.columns, index % self.columns);
            let in_row = self.columns.min(count - row * self.columns);
            let width = in_row * step_x - self.gap;
            Rect {
                x: even((area.width - width) / 2) + column * step_x,
                y: top + row * step_y,
                width: self.tile.width,
                height: self.tile.height,
            }
        })
    }
}

/// The places of `count` tiles. None of them if there is no room.
pub(super) fn grid(area: Area, shape: Shape, gap: u32, count: usize) -> Vec<Rect> {
    let best = best(area, shape, gap, count);
    best.map_or_else(Vec::new, |best| best.places(area, count as u32).collect())
}

/// The featured slot, and below it the places of `count` others: none of them if there is no room.
pub(super) fn featured(area: Area, shape: Shape, gap: u32, count: usize) -> (Rect, Vec<Rect>) {
    let height = match count.div_ceil(BELOW_ROW) {
        0 => 0,
        1 => area.height / 4,
        2 => area.height * 3 / 8,
        _ => area.height / 2,
    };
    let most = Area {
        height: even(height),
        ..area
    };
    let Some(best) = best(most, shape, gap, count) else {
        return (area.rect(), Vec::new());
    };
    let height = best.height();
    // A gap as large as the picture would leave nothing of the featured slot.
    let gap = even_up(gap).min(even((area.height - height) / 2));
    let below = Area {
        y: area.y + area.height - height,
        height,
        ..area
    };
    let above = Area {
        height: area.height - height - gap,
        ..area
    };
    (above.rect(), best.places(below, count as u32).collect())
}

/// The place of the overlay.
pub(super) fn overlay(pip: &Pip, size: Size, source: Option<Size>) -> Rect {
    let (most_width, most_height) = (even(size.width), even(size.height));
    let ratio = source
        .filter(|size| size.width > 0 && size.height > 0)
        .map_or(SHAPE_DEFAULT, |size| {
            f64::from(size.width) / f64::from(size.height)
        });
    let (width, height) = match (pip.pip_width, pip.pip_height) {
        (Some(width), Some(height)) => (f64::from(width), f64::from(height)),
        (Some(width), None) => (f64::from(width), f64::from(width) / ratio),
        (None, Some(height)) => (f64::from(height) * ratio, f64::from(height)),
        (None, None) => {
            let part = f64::from(OVERLAY_PART);
            let area = f64::from(size.width) / part * f64::from(size.height) / part;
            let width = (area * ratio)
                .sqrt()
                .min(f64::from(size.width) / 2.0)
                .min(f64::from(size.height) / 2.0 * ratio);
            (width, width / ratio)
        }
    };
    // A conversion of floats saturates; a side is at least one sample of colour. The small addend takes back what division loses.
    let side = |side: f64, most: u32| even((side + 1e-6) as u32).clamp(2, most);
    let (width, height) = (side(width, most_width), side(height, most_height));
    let (free_x, free_y) = (most_width - width, most_height - height);
    let offset = even_up(pip.pip_offset);
    let (near_x, near_y) = (offset.min(free_x), offset.min(free_y));
    let (is_right, is_bottom) = match pip.pip_position {
        PipPosition::TopLeft => (false, false),
        PipPosition::TopRight => (true, false),
        PipPosition::BottomLeft => (false, true),
        PipPosition::BottomRight => (true, true),
    };
    Rect {
        x: if is_right { free_x - near_x } else { near_x },
        y: if is_bottom { free_y - near_y } else { near_y },
        width,
        height,
    }
}

fn even(number: u32) -> u32 {
    number & !1
}

fn even_up(number: u32) -> u32 {
    even(number.saturating_add(1))
}
