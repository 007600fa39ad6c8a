//! Where participants are in the picture: a pure function of the settings, of who is there, and of the sizes.
//!
//! Where the service does not say how (IVS user guide, "Server-Side Composition"), it is as people would expect: tiles of a grid are equal, as large as can
//! be, and centred, those of the last row too; a featured participant has the upper part, and the others are in rows below it; whoever is over
//! the others has a quarter of the width. All coordinates are even, because colour has half the resolution.

mod grid;
mod person;
mod pip;
mod settings;

pub use self::person::{Person, Video};
pub use self::settings::{
    AspectRatio, FillMode, Grid, Layout, Pip, PipBehavior, PipPosition, person,
};

/// Part of a picture, in pixels. All numbers are even.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// The place of a participant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tile {
    /// Which participant.
    pub input: u32,
    /// Where.
    pub rect: Rect,
    /// What is drawn later: tiles with a higher number are over others.
    pub z: u8,
    /// How its pictures fill it; never [`FillMode::Unset`].
    pub fill: FillMode,
}

/// Tiles for these participants in a picture of this size, in the order in which they are drawn. `sizes` knows the size of a participant's pictures, turned as they
/// are shown.
pub fn lay_out(
    layout: &Layout,
    persons: &[Person],
    size: (u32, u32),
    sizes: impl Fn(u32) -> Option<(u32, u32)>,
) -> Vec<Tile> {
    let has_picture =
        |person: &&Person| person.video == Video::Publishing && person.why_no_picture.is_none();
    let mut shown: Vec<&Person> = persons.iter().collect();
    if layout.omits_stopped_video() {
        shown.retain(has_picture);
    }
    // Those without a place come after the others.
    shown.sort_by_key(|person| {
        (
            person.order.is_none(),
            person.order,
            person.arrived,
            person.input,
        )
    });
    let whole = Rect {
        x: 0,
        y: 0,
        width: even(size.0),
        height: even(size.1),
    };
    let mut tiles = match layout {
        Layout::Grid(settings) => grid::lay_out(&grid::Style::of(settings), &shown, whole),
        Layout::Pip(settings) => pip::lay_out(settings, &shown, whole, sizes),
    };
    tiles.retain(|tile| tile.rect.width > 0 && tile.rect.height > 0);
    tiles
}

fn even(side: u32) -> u32 {
    side & !1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn people(count: u32) -> Vec<Person> {
        (0..count)
            .map(|input| Person {
                input,
                arrived: u64::from(input),
                ..Person::default()
            })
            .collect()
    }

    fn rects(layout: &Layout, persons: &[Person]) -> Vec<(u32, u32, u32, u32, u32)> {
        let tiles = lay_out(layout, persons, (1280, 720), |_| None);
        let rect = |tile: Tile| {
            let Rect {
                x,
                y,
                width,
                height,
            } = tile.rect;
            (tile.input, x, y, width, height)
        };
        tiles.into_iter().map(rect).collect()
    }

    #[test]
    fn grids_by_number() {
        let layout = Layout::default();
        for (count, expected) in [
            (0, vec![]),
            (1, vec![(0, 0, 0, 1280, 720)]),
            (2, vec![(0, 0, 180, 638, 358), (1, 640, 180, 638, 358)]),
            (
                3,
                vec![
                    (0, 0, 0, 638, 358),
                    (1, 640, 0, 638, 358),
                    (2, 320, 360, 638, 358),
                ],
            ),
            (
                4,
                vec![
                    (0, 0, 0, 638, 358),
                    (1, 640, 0, 638, 358),
                    (2, 0, 360, 638, 358),
                    (3, 640, 360, 638, 358),
                ],
            ),
        ] {
            assert_eq!(rects(&layout, &people(count)), expected, "{count}");
        }
    }

    #[test]
    fn whoever_is_featured_is_above_the_others() {
        let layout = Layout::Grid(Grid {
            featured_participant_attribute: "host".into(),
            ..Grid::default()
        });
        let mut persons = people(4);
        persons[2].is_featured = true;
        let tiles = lay_out(&layout, &persons, (1280, 720), |_| None);
        assert_eq!(tiles[0].input, 2);
        assert_eq!(tiles[0].fill, FillMode::Contain);
        assert_eq!(
            tiles[0].rect,
            Rect {
                x: 0,
                y: 0,
                width: 1280,
                height: 538
            }
        );
        assert!(
            tiles[1..]
                .iter()
                .all(|tile| tile.rect.y >= 540 && tile.fill == FillMode::Cover)
        );
        let others: Vec<u32> = tiles[1..].iter().map(|tile| tile.input).collect();
        assert_eq!(others, [0, 1, 3]);
        // The first of several candidates.
        persons[3].is_featured = true;
        persons[3].order = Some(1);
        assert_eq!(
            lay_out(&layout, &persons, (1280, 720), |_| None)[0].input,
            3
        );
        // Alone.
        let alone = rects(&layout, &persons[3..]);
        assert_eq!(alone, [(3, 0, 0, 1280, 720)]);
    }

    #[test]
    fn order_is_of_integers_and_arrival_decides_between_equals() {
        let mut persons = people(6);
        for (place, order) in [Some(10), Some(9), None, Some(-1), Some(9), None]
            .into_iter()
            .enumerate()
        {
            persons[place].order = order;
        }
        persons[4].arrived = 0;
        persons[1].arrived = 1;
        let order: Vec<u32> = rects(&Layout::default(), &persons)
            .iter()
            .map(|tile| tile.0)
            .collect();
        assert_eq!(order, [3, 4, 1, 0, 2, 5]);
    }

    #[test]
    fn those_without_pictures_are_left_out_if_that_is_wanted() {
        let mut persons = people(3);
        persons[0].video = Video::Stopped;
        persons[1].why_no_picture = Some("AV1 cannot be shown".into());
        assert_eq!(rects(&Layout::default(), &persons).len(), 3);
        let layout = Layout::Grid(Grid {
            omit_stopped_video: true,
            ..Grid::default()
        });
        assert_eq!(rects(&layout, &persons), [(2, 0, 0, 1280, 720)]);
    }

    fn layouts() -> impl Strategy<Value = Layout> {
        let aspect = prop_oneof![
            Just(AspectRatio::Auto),
            Just(AspectRatio::Video),
            Just(AspectRatio::Square),
            Just(AspectRatio::Portrait)
        ];
        let grid = (aspect, 0..400_u32, any::<bool>()).prop_map(
            |(video_aspect_ratio, grid_gap, omit_stopped_video)| {
                Layout::Grid(Grid {
                    video_aspect_ratio,
                    grid_gap,
                    omit_stopped_video,
                    ..Grid::default()
                })
            },
        );
        let side = proptest::option::of(0..3_000_u32);
        let pip = (0..3_000_u32, side.clone(), side, any::<bool>()).prop_map(
            |(pip_offset, pip_width, pip_height, is_dynamic)| {
                Layout::Pip(Pip {
                    pip_offset,
                    pip_width,
                    pip_height,
                    pip_behavior: match is_dynamic {
                        true => PipBehavior::Dynamic,
                        false => PipBehavior::Static,
                    },
                    ..Pip::default()
                })
            },
        );
        prop_oneof![grid, pip]
    }

    proptest! {
        #[test]
        fn tiles_are_inside_even_and_apart(
            layout in layouts(),
            count in 0..=24_u32,
            featured in 0..30_u32,
            pip in 0..30_u32,
            (width, height) in (2..1_000_u32, 2..1_000_u32),
        ) {
            let mut persons = people(count);
            for person in &mut persons {
                person.is_featured = person.input == featured;
                person.is_pip = person.input == pip;
            }
            let tiles = lay_out(&layout, &persons, (width * 2, height * 2), |input| Some((input * 100 + 1, 77)));
            for (place, tile) in tiles.iter().enumerate() {
                let Rect { x, y, width: w, height: h } = tile.rect;
                prop_assert!(x % 2 == 0 && y % 2 == 0 && w % 2 == 0 && h % 2 == 0 && w > 0 && h > 0);
                prop_assert!(x + w <= width * 2 && y + h <= height * 2, "{tile:?}");
                for other in &tiles[place + 1..] {
                    let is_apart = |at: u32, length: u32, than: u32| at + length <= than;
                    let o = other.rect;
                    prop_assert!(
                        tile.z != other.z
                            || is_apart(x, w, o.x)
                            || is_apart(o.x, o.width, x)
                            || is_apart(y, h, o.y)
                            || is_apart(o.y, o.height, y),
                        "{tile:?} {other:?}"
                    );
                }
            }
        }
    }
}
