//! Equal tiles, or one large and the others below it.

use super::{AspectRatio, FillMode, Grid, Person, Pip, Rect, Tile, even};

/// Most tiles in one row, and in two rows, below whoever is featured.
const ONE_ROW_MAX: usize = 6;
const TWO_ROWS_MAX: usize = 16;

/// How tiles look.
pub(super) struct Style {
    /// Width by height; `None`: that of the space.
    shape: Option<(u32, u32)>,
    gap: u32,
    fill: FillMode,
    featured_fill: FillMode,
}

impl Style {
    pub(super) fn of(settings: &Grid) -> Self {
        Self {
            shape: match settings.video_aspect_ratio {
                AspectRatio::Auto => None,
                AspectRatio::Video => Some((16, 9)),
                AspectRatio::Square => Some((1, 1)),
                AspectRatio::Portrait => Some((3, 4)),
            },
            gap: settings.grid_gap,
            fill: or(settings.video_fill_mode, FillMode::Cover),
            featured_fill: or(settings.video_fill_mode, FillMode::Contain),
        }
    }

    /// Below whoever is over the others, tiles fill the picture.
    pub(super) fn of_pip(settings: &Pip) -> Self {
        let fill = or(settings.video_fill_mode, FillMode::Cover);
        Self {
            shape: None,
            gap: settings.grid_gap,
            fill,
            featured_fill: fill,
        }
    }
}

/// The fill mode that is meant.
pub(super) fn or(mode: FillMode, unset: FillMode) -> FillMode {
    match mode {
        FillMode::Unset => unset,
        mode => mode,
    }
}

/// Persons are in their order. The first who is to be featured is.
pub(super) fn lay_out(style: &Style, persons: &[&Person], whole: Rect) -> Vec<Tile> {
    let featured = persons.iter().position(|person| person.is_featured);
    let Some(featured) = featured else {
        return rows(style, persons, whole);
    };
    let mut others = persons.to_vec();
    let person = others.remove(featured);
    let (above, below) = split(style, others.len(), whole);
    let mut tiles = vec![Tile {
        input: person.input,
        rect: above,
        z: 0,
        fill: style.featured_fill,
    }];
    tiles.extend(rows(style, &others, below));
    tiles
}

/// The place of whoever is featured, and that of so many others below it.
fn split(style: &Style, others: usize, whole: Rect) -> (Rect, Rect) {
    let percent = match others {
        0 => return (whole, Rect::default()),
        1..=ONE_ROW_MAX => 25,
        _ if others <= TWO_ROWS_MAX => 34,
        _ => 40,
    };
    let below = even(whole.height * percent / 100);
    let gap = style.gap.min(whole.height - below);
    let above = Rect {
        height: even(whole.height - below - gap),
        ..whole
    };
    let below = Rect {
        y: whole.y + whole.height - below,
        height: below,
        ..whole
    };
    (above, below)
}

/// Equal tiles in rows, as large as can be, in the middle.
fn rows(style: &Style, persons: &[&Person], space: Rect) -> Vec<Tile> {
    let count = persons.len() as u32;
    let best = (1..=count).map(|columns| (columns, tile_size(style, count, columns, space)));
    let best = best.max_by_key(|(columns, (width, height))| {
        // Of equals, that with the most columns.
        (u64::from(*width) * u64::from(*height), *columns)
    });
    let Some((columns, (width, height))) = best else {
        return Vec::new();
    };
    let row_count = count.div_ceil(columns);
    // The gaps are as wide as they fit.
    let gap = |tiles: u32, side: u32, whole: u32| match tiles - 1 {
        0 => 0,
        gaps => even(style.gap.min((whole - tiles * side) / gaps)),
    };
    let down = gap(row_count, height, space.height);
    let high = row_count * height + (row_count - 1) * down;
    let top = space.y + even((space.height - high) / 2);
    let mut tiles = Vec::new();
    for (row, in_row) in persons.chunks(columns as usize).enumerate() {
        let tiles_in_row = in_row.len() as u32;
        let across = gap(columns, width, space.width);
        let wide = tiles_in_row * width + (tiles_in_row - 1) * across;
        let left = space.x + even((space.width - wide) / 2);
        for (column, person) in in_row.iter().enumerate() {
            tiles.push(Tile {
                input: person.input,
                rect: Rect {
                    x: left + column as u32 * (width + across),
                    y: top + row as u32 * (height + down),
                    width,
                    height,
                },
                z: 0,
                fill: style.fill,
            });
        }
    }
    tiles
}

/// Size of tiles in so many columns; 0 if the gaps leave no room.
fn tile_size(style: &Style, count: u32, columns: u32, space: Rect) -> (u32, u32) {
    let side = |tiles: u32, whole: u32| {
        let gaps = u64::from(tiles - 1) * u64::from(style.gap);
        let left = u64::from(whole).saturating_sub(gaps) / u64::from(tiles);
        u32::try_from(left).unwrap_or(0)
    };
    let width = side(columns, space.width);
    let height = side(count.div_ceil(columns), space.height);
    let (width, height) = match style.shape {
        None => (width, height),
        Some((wide, high)) => (
            width.min(height * wide / high),
            height.min(width * high / wide),
        ),
    };
    (even(width), even(height))
}
