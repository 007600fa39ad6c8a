//! One participant over the others.

use super::grid::{self, Style};
use super::{FillMode, Person, Pip, PipBehavior, PipPosition, Rect, Tile, even};

/// The part of the width that it has where nothing else is said.
const WIDTH_DIVISOR: u32 = 4;
/// The shape of pictures that is assumed until there is one.
const SHAPE: (u32, u32) = (16, 9);

/// Persons are in their order. The first who is to be over the others is.
pub(super) fn lay_out(
    settings: &Pip,
    persons: &[&Person],
    whole: Rect,
    sizes: impl Fn(u32) -> Option<(u32, u32)>,
) -> Vec<Tile> {
    let style = Style::of_pip(settings);
    let Some(place) = persons.iter().position(|person| person.is_pip) else {
        return grid::lay_out(&style, persons, whole);
    };
    let mut others = persons.to_vec();
    let person = others.remove(place);
    let fills = settings.pip_behavior == PipBehavior::Dynamic && others.is_empty();
    let mut tiles = grid::lay_out(&style, &others, whole);
    tiles.push(Tile {
        input: person.input,
        rect: match fills {
            true => whole,
            false => corner(settings, whole, sizes(person.input).unwrap_or(SHAPE)),
        },
        z: 1,
        fill: grid::or(settings.video_fill_mode, FillMode::Cover),
    });
    tiles
}

/// Its place, never outside the picture.
fn corner(settings: &Pip, whole: Rect, shape: (u32, u32)) -> Rect {
    let shape = match shape {
        (0, _) | (_, 0) => SHAPE,
        shape => shape,
    };
    let scaled = |side: u32, by: u32, of: u32| {
        u32::try_from(u64::from(side) * u64::from(by) / u64::from(of)).unwrap_or(u32::MAX)
    };
    let (width, height) = match (settings.pip_width, settings.pip_height) {
        (Some(width), Some(height)) => (width, height),
        (Some(width), None) => (width, scaled(width, shape.1, shape.0)),
        (None, Some(height)) => (scaled(height, shape.0, shape.1), height),
        (None, None) => {
            let width = whole.width / WIDTH_DIVISOR;
            (width, scaled(width, shape.1, shape.0))
        }
    };
    let (width, height) = (even(width.min(whole.width)), even(height.min(whole.height)));
    let near = |free: u32| even(settings.pip_offset.min(free));
    let (free_x, free_y) = (whole.width - width, whole.height - height);
    let (left, top) = (near(free_x), near(free_y));
    let (right, bottom) = (even(free_x - left), even(free_y - top));
    let (x, y) = match settings.pip_position {
        PipPosition::TopLeft => (left, top),
        PipPosition::TopRight => (right, top),
        PipPosition::BottomLeft => (left, bottom),
        PipPosition::BottomRight => (right, bottom),
    };
    Rect {
        x,
        y,
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::people;
    use super::super::{Layout, lay_out};
    use super::*;

    fn tiles(settings: &Pip, others: u32, size: Option<(u32, u32)>) -> Vec<Tile> {
        let mut persons = people(others + 1);
        persons[0].is_pip = true;
        lay_out(
            &Layout::Pip(settings.clone()),
            &persons,
            (1280, 720),
            |_| size,
        )
    }

    #[test]
    fn its_place_and_size() {
        let rect = |settings: &Pip, size| tiles(settings, 1, size).last().unwrap().rect;
        let of = |x, y, width, height| Rect {
            x,
            y,
            width,
            height,
        };
        let plain = Pip::default();
        assert_eq!(rect(&plain, None), of(960, 540, 320, 180));
        assert_eq!(rect(&plain, Some((600, 800))), of(960, 294, 320, 426));
        let moved = Pip {
            pip_position: PipPosition::TopLeft,
            pip_offset: 20,
            pip_width: Some(200),
            ..Pip::default()
        };
        assert_eq!(rect(&moved, None), of(20, 20, 200, 112));
        let large = Pip {
            pip_width: Some(5_000),
            pip_height: Some(100),
            pip_offset: 40,
            ..Pip::default()
        };
        assert_eq!(rect(&large, None), of(0, 580, 1280, 100));
    }

    #[test]
    fn alone_it_stays_or_fills_the_picture() {
        let dynamic = Pip {
            pip_behavior: PipBehavior::Dynamic,
            ..Pip::default()
        };
        assert_eq!(tiles(&Pip::default(), 0, None)[0].rect.width, 320);
        assert_eq!(tiles(&dynamic, 0, None)[0].rect.width, 1280);
        let two = tiles(&dynamic, 1, None);
        assert_eq!((two[0].rect.width, two[1].rect.width), (1280, 320));
        assert_eq!((two[0].z, two[1].z), (0, 1));
    }

    #[test]
    fn without_anybody_over_them_it_is_a_grid_that_fills_the_picture() {
        let layout = Layout::Pip(Pip::default());
        let tiles = lay_out(&layout, &people(2), (1280, 720), |_| None);
        let area: u32 = tiles
            .iter()
            .map(|tile| tile.rect.width * tile.rect.height)
            .sum();
        assert_eq!(area, 1280 * 720);
    }
}
