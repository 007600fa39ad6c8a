//! Where each person is shown: a pure function of the settings, the persons, the size of the picture and the sizes of what they send.
//!
//! The service publishes pictures of its layouts and the meaning of each setting (Amazon IVS Real-Time guide, "Server-Side
//! Composition"), but neither sizes nor positions. What follows are this crate's rules; numbers are those of the default settings.
//!
//! **Who.** Persons are in the order of the order attribute: integers ascending, equal ones by arrival; those without an integer follow by
//! arrival. With `omitStoppedVideo` everybody who sends no picture is left out, also from the featured slot and the overlay. Of
//! several candidates for the overlay, and then of several for the featured slot, the first in this order wins; the others are in the
//! grid. One tile a person. Of more than [`TILES_MAX`] persons the last are left out.
//!
//! **Grid.** All tiles have one size. They stand in rows, and in the number of columns in which they are largest; with equal sizes, the
//! arrangement with fewer empty places and then the one with fewer columns wins. The block is in the middle of the picture, and so is a
//! last row that is not full. The gap is between tiles, not around them. With `AUTO` the tiles fill the picture: the number of columns
//! is the one in which a picture of the persons' mean shape (16:9 while none is known) would be largest.
//!
//! **Featured.** The featured person has the whole width above; the others are a grid below, in at most a quarter of the height for one
//! row's worth of persons (six), three eighths for two, and a half for more. What their tiles do not use of it, the featured slot gets.
//! Without others the featured slot is the whole picture.
//!
//! **Picture in picture.** The overlay is above everything else. Everybody else is arranged as above with `AUTO`, because the service
//! names no shape there. The default overlay has a sixteenth of the picture's area, the shape of that person's picture (16:9 while it
//! is unknown), and no side longer than half the picture's; one side that is set gives the other by the shape. An overlay that would
//! leave the picture is moved and shrunk into it. With `DYNAMIC` it is the whole picture while nobody else is shown.
//!
//! **Numbers.** All positions and sizes are even, because a sample of colour stands for two by two pixels; odd gaps and offsets are one
//! larger, odd sizes one smaller. A gap that leaves no room for tiles is halved until there is some.

mod arrange;
mod person;
mod placement;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use person::{Person, Video, person};
pub use placement::{Crop, Placement, place};
pub use settings::{AspectRatio, FillMode, Grid, Layout, Pip, PipBehavior, PipPosition};

use crate::limits::TILES_MAX;
use arrange::{Area, Shape};

/// A part of a picture, in pixels. All four numbers are even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// Distance from the left.
    pub x: u32,
    /// Distance from the top.
    pub y: u32,
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// Whether the two have a pixel in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// Width and height of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels of a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How a picture is fitted into a tile of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fill {
    /// It is stretched.
    Fill,
    /// It covers the tile; what is beyond is cut off, equally on both sides.
    Cover,
    /// All of it is seen, with bars beside it.
    Contain,
}

/// Where a person is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// The person's input.
    pub input: u32,
    /// The place in the picture.
    pub rect: Rect,
    /// Tiles with higher numbers are above those with lower ones; those with equal numbers do not overlap.
    pub z: u8,
    /// How the person's picture is fitted in.
    pub fill: Fill,
}

/// `z` of the grid and of the featured slot.
const BELOW: u8 = 0;
/// `z` of the overlay of a picture in picture.
const ABOVE: u8 = 1;

/// The tiles of a picture, from the lowest to the highest and in the order of the persons.
///
/// `sources` has the sizes of the pictures that are known, by input and as they are shown (after turning).
pub fn tiles(
    layout: &Layout,
    persons: &[Person],
    size: Size,
    sources: &BTreeMap<u32, Size>,
) -> Vec<Tile> {
    let mut shown: Vec<&Person> = persons
        .iter()
        .filter(|person| !layout.omits_stopped_video() || person.has_video == Video::Publishing)
        .collect();
    shown.sort_by_key(|person| person.place());
    let area = Area::of(size);
    if area.is_empty() {
        return Vec::new();
    }
    let overlay = match layout {
        Layout::Grid(_) => None,
        Layout::Pip(pip) => {
            take_first(&mut shown, |person| person.is_pip).map(|person| (pip, person))
        }
    };
    let featured = take_first(&mut shown, |person| person.is_featured);
    shown.truncate(TILES_MAX - usize::from(overlay.is_some()) - usize::from(featured.is_some()));

    let shape = shape(layout, &shown, sources);
    let mut tiles = Vec::with_capacity(TILES_MAX);
    let places = match featured {
        Some(person) => {
            let (rect, places) = arrange::featured(area, shape, layout.gap(), shown.len());
            tiles.push(Tile {
                input: person.input,
                rect,
                z: BELOW,
                fill: layout.featured_fill(),
            });
            places
        }
        None => arrange::grid(area, shape, layout.gap(), shown.len()),
    };
    tiles.extend(shown.iter().zip(places).map(|(person, rect)| Tile {
        input: person.input,
        rect,
        z: BELOW,
        fill: layout.grid_fill(),
    }));
    if let Some((pip, person)) = overlay {
        let source = sources.get(&person.input).copied();
        let rect = match pip.pip_behavior {
            PipBehavior::Dynamic if tiles.is_empty() => Area::of(size).rect(),
            _ => arrange::overlay(pip, size, source),
        };
        tiles.push(Tile {
            input: person.input,
            rect,
            z: ABOVE,
            fill: layout.grid_fill(),
        });
    }
    tiles
}

/// Takes the first of whom `is_candidate` is true out of the list.
fn take_first<'a>(
    persons: &mut Vec<&'a Person>,
    is_candidate: impl Fn(&Person) -> bool,
) -> Option<&'a Person> {
    let place = persons.iter().position(|person| is_candidate(person))?;
    Some(persons.remove(place))
}

/// The shape of the tiles of a grid.
fn shape(layout: &Layout, persons: &[&Person], sources: &BTreeMap<u32, Size>) -> Shape {
    match layout {
        Layout::Grid(grid) => match grid.video_aspect_ratio {
            AspectRatio::Video => Shape::Fixed(16, 9),
            AspectRatio::Square => Shape::Fixed(1, 1),
            AspectRatio::Portrait => Shape::Fixed(3, 4),
            AspectRatio::Auto => mean_shape(persons, sources),
        },
        Layout::Pip(_) => mean_shape(persons, sources),
    }
}

/// Of the pictures whose sizes are known: the mean of width by height, where a square and its half weigh the same in both directions.
fn mean_shape(persons: &[&Person], sources: &BTreeMap<u32, Size>) -> Shape {
    let logarithms: Vec<f64> = persons
        .iter()
        .filter_map(|person| sources.get(&person.input))
        .filter(|size| size.width > 0 && size.height > 0)
        .map(|size| (f64::from(size.width) / f64::from(size.height)).ln())
        .collect();
    if logarithms.is_empty() {
        return Shape::Filling(16.0 / 9.0);
    }
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    Shape::Filling(mean.exp())
}
