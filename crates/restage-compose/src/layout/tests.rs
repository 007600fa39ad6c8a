//! Golden layouts, and what holds for all of them.

use proptest::prelude::*;

use super::*;

const HD: Size = Size {
    width: 1_280,
    height: 720,
};

fn someone(input: u32) -> Person {
    Person {
        input,
        name: format!("person {input}"),
        is_featured: false,
        is_pip: false,
        order: None,
        arrived: u64::from(input),
        has_video: Video::Publishing,
        why_no_picture: None,
        is_muted: false,
    }
}

fn people(count: u32) -> Vec<Person> {
    (0..count).map(someone).collect()
}

fn grid_with(change: impl FnOnce(&mut Grid)) -> Layout {
    let mut grid = Grid::default();
    change(&mut grid);
    Layout::Grid(grid)
}

fn pip_with(change: impl FnOnce(&mut Pip)) -> Layout {
    let mut pip = Pip::default();
    change(&mut pip);
    Layout::Pip(pip)
}

/// `input x,y widthxheight`, with `^` for the overlay.
fn drawn(layout: &Layout, persons: &[Person], sources: &[(u32, (u32, u32))]) -> Vec<String> {
    let sources = sources
        .iter()
        .map(|(input, (width, height))| {
            (
                *input,
                Size {
                    width: *width,
                    height: *height,
                },
            )
        })
        .collect();
    tiles(layout, persons, HD, &sources)
        .iter()
        .map(|tile| {
            let Rect {
                x,
                y,
                width,
                height,
            } = tile.rect;
            let above = if tile.z == ABOVE { "^" } else { "" };
            format!("{}{above} {x},{y} {width}x{height}", tile.input)
        })
        .collect()
}

fn inputs(layout: &Layout, persons: &[Person]) -> Vec<u32> {
    let tiles = tiles(layout, persons, HD, &BTreeMap::new());
    tiles.iter().map(|tile| tile.input).collect()
}

#[test]
fn a_grid_of_few() {
    let grid = Layout::Grid(Grid::default());
    assert_eq!(drawn(&grid, &people(0), &[]), [] as [&str; 0]);
    assert_eq!(drawn(&grid, &people(1), &[]), ["0 0,0 1280x720"]);
    assert_eq!(
        drawn(&grid, &people(2), &[]),
        ["0 0,180 638x358", "1 640,180 638x358"]
    );
    assert_eq!(
        drawn(&grid, &people(3), &[]),
        ["0 2,0 636x358", "1 640,0 636x358", "2 322,360 636x358"]
    );
    assert_eq!(
        drawn(&grid, &people(4), &[]),
        [
            "0 2,0 636x358",
            "1 640,0 636x358",
            "2 2,360 636x358",
            "3 640,360 636x358"
        ]
    );
}

#[test]
fn a_grid_of_twelve_has_four_columns() {
    let found = drawn(&Layout::Grid(Grid::default()), &people(12), &[]);
    assert_eq!(found[0], "0 0,90 318x178");
    assert_eq!(found[3], "3 960,90 318x178");
    assert_eq!(found[11], "11 960,450 318x178");
}

#[test]
fn the_shape_of_tiles() {
    let square = grid_with(|grid| grid.video_aspect_ratio = AspectRatio::Square);
    assert_eq!(
        drawn(&square, &people(2), &[]),
        ["0 0,40 638x638", "1 640,40 638x638"]
    );
    let portrait = grid_with(|grid| grid.video_aspect_ratio = AspectRatio::Portrait);
    assert_eq!(
        drawn(&portrait, &people(2), &[]),
        ["0 98,0 540x720", "1 640,0 540x720"]
    );
    let auto = grid_with(|grid| grid.video_aspect_ratio = AspectRatio::Auto);
    assert_eq!(
        drawn(&auto, &people(2), &[(0, (360, 640)), (1, (360, 640))]),
        ["0 0,0 638x720", "1 640,0 638x720"]
    );
    assert_eq!(
        drawn(&auto, &people(2), &[(0, (1_280, 320)), (1, (1_280, 320))]),
        ["0 0,0 1280x358", "1 0,360 1280x358"]
    );
}

#[test]
fn the_featured_person_is_above_the_others() {
    let grid = grid_with(|_| ());
    let mut persons = people(5);
    persons[2].is_featured = true;
    assert_eq!(
        drawn(&grid, &persons, &[]),
        [
            "2 0,0 1280x540",
            "0 0,542 318x178",
            "1 320,542 318x178",
            "3 640,542 318x178",
            "4 960,542 318x178"
        ]
    );
    let tiles = tiles(&grid, &persons, HD, &BTreeMap::new());
    assert_eq!((tiles[0].fill, tiles[1].fill), (Fill::Contain, Fill::Cover));
    assert_eq!(drawn(&grid, &persons[2..3], &[]), ["2 0,0 1280x720"]);
}

#[test]
fn fill_modes() {
    let fills = |layout: &Layout| {
        let mut persons = people(2);
        persons[0].is_featured = true;
        let tiles = tiles(layout, &persons, HD, &BTreeMap::new());
        (tiles[0].fill, tiles[1].fill)
    };
    let unset = grid_with(|_| ());
    let stretched = grid_with(|grid| grid.video_fill_mode = FillMode::Fill);
    assert_eq!(fills(&unset), (Fill::Contain, Fill::Cover));
    assert_eq!(fills(&stretched), (Fill::Fill, Fill::Fill));
    assert_eq!(fills(&pip_with(|_| ())), (Fill::Cover, Fill::Cover));
    let contained = pip_with(|pip| pip.video_fill_mode = FillMode::Contain);
    assert_eq!(fills(&contained), (Fill::Contain, Fill::Contain));
}

#[test]
fn integers_order_persons_and_choose_among_candidates() {
    let grid = grid_with(|_| ());
    let mut persons = people(6);
    let orders = [None, Some(10), Some(9), Some(-1), None, Some(9)];
    for (person, order) in persons.iter_mut().zip(orders) {
        person.order = order;
    }
    // The later input came earlier.
    persons[5].arrived = 0;
    persons[4].arrived = 1;
    persons[0].arrived = 9;
    assert_eq!(inputs(&grid, &persons), [3, 5, 2, 1, 4, 0]);
    persons[1].is_featured = true;
    persons[2].is_featured = true;
    assert_eq!(inputs(&grid, &persons), [2, 3, 5, 1, 4, 0]);
    persons[2].has_video = Video::Stopped;
    assert_eq!(inputs(&grid, &persons), [2, 3, 5, 1, 4, 0]);
    let omitting = grid_with(|grid| grid.omit_stopped_video = true);
    assert_eq!(inputs(&omitting, &persons), [1, 3, 5, 4, 0]);
    persons[1].has_video = Video::None;
    assert_eq!(inputs(&omitting, &persons), [3, 5, 4, 0]);
}

#[test]
fn attributes_say_who_is_what() {
    let layout = pip_with(|pip| {
        pip.featured_participant_attribute = "host".to_owned();
        pip.pip_participant_attribute = "camera".to_owned();
        pip.participant_order_attribute = "place".to_owned();
    });
    let read = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        person(&pairs.collect(), &layout)
    };
    assert_eq!(read(&[]), (false, false, None));
    assert_eq!(
        read(&[("host", "true"), ("place", "-3")]),
        (true, false, Some(-3))
    );
    assert_eq!(
        read(&[("host", "TRUE"), ("camera", "true"), ("place", "1.5")]),
        (false, true, None)
    );
    assert_eq!(
        read(&[("", "true"), ("place", "abc")]),
        (false, false, None)
    );
    let plain = Layout::Grid(Grid::default());
    let attributes = BTreeMap::from([(String::new(), "true".to_owned())]);
    assert_eq!(person(&attributes, &plain), (false, false, None));
}

#[test]
fn the_overlay_stands_in_its_corner() {
    let mut persons = people(2);
    persons[1].is_pip = true;
    for (position, expected) in [
        (PipPosition::TopLeft, "1^ 20,20 320x180"),
        (PipPosition::TopRight, "1^ 940,20 320x180"),
        (PipPosition::BottomLeft, "1^ 20,520 320x180"),
        (PipPosition::BottomRight, "1^ 940,520 320x180"),
    ] {
        let layout = pip_with(|pip| {
            pip.pip_position = position;
            pip.pip_offset = 20;
        });
        assert_eq!(drawn(&layout, &persons, &[]), ["0 0,0 1280x720", expected]);
    }
}

#[test]
fn the_size_of_the_overlay() {
    let mut persons = people(2);
    persons[1].is_pip = true;
    let place = |change: fn(&mut Pip), source: (u32, u32)| {
        drawn(&pip_with(change), &persons, &[(1, source)]).remove(1)
    };
    assert_eq!(place(|_| (), (1_280, 720)), "1^ 960,540 320x180");
    assert_eq!(place(|_| (), (720, 1_280)), "1^ 1100,400 180x320");
    assert_eq!(place(|_| (), (100, 1_000)), "1^ 1244,360 36x360");
    assert_eq!(
        place(|pip| pip.pip_width = Some(400), (640, 480)),
        "1^ 880,420 400x300"
    );
    assert_eq!(
        place(|pip| pip.pip_height = Some(301), (640, 480)),
        "1^ 880,420 400x300"
    );
    let both = |pip: &mut Pip| (pip.pip_width, pip.pip_height) = (Some(100), Some(100));
    assert_eq!(place(both, (640, 480)), "1^ 1180,620 100x100");
    let huge = |pip: &mut Pip| {
        (pip.pip_width, pip.pip_height) = (Some(u32::MAX), Some(i32::MAX as u32));
        pip.pip_offset = u32::MAX;
    };
    assert_eq!(place(huge, (640, 480)), "1^ 0,0 1280x720");
}

#[test]
fn the_overlay_when_nobody_else_is_shown() {
    let mut persons = people(3);
    persons[1].is_pip = true;
    let fixed = pip_with(|_| ());
    let dynamic = pip_with(|pip| pip.pip_behavior = PipBehavior::Dynamic);
    assert_eq!(drawn(&fixed, &persons[1..2], &[]), ["1^ 960,540 320x180"]);
    assert_eq!(drawn(&dynamic, &persons[1..2], &[]), ["1^ 0,0 1280x720"]);
    assert_eq!(drawn(&dynamic, &persons, &[])[2], "1^ 960,540 320x180");
    // A second candidate is one of the others.
    persons[2].is_pip = true;
    persons[0].is_pip = true;
    assert_eq!(inputs(&dynamic, &persons), [1, 2, 0]);
}

#[test]
fn the_settings_are_read_as_the_service_writes_them() {
    let text = r#"{"grid":{"featuredParticipantAttribute":"","gridGap":2,"omitStoppedVideo":false,
        "participantOrderAttribute":"","videoAspectRatio":"VIDEO","videoFillMode":""}}"#;
    let read: Layout = serde_json::from_str(text).unwrap();
    assert_eq!(read, Layout::Grid(Grid::default()));
    assert_eq!(
        serde_json::from_str::<Layout>(r#"{"pip":{}}"#).unwrap(),
        Layout::Pip(Pip::default())
    );
    let text = r#"{"pip":{"pipPosition":"TOP_LEFT","pipBehavior":"DYNAMIC","pipWidth":90,"videoFillMode":"FILL"}}"#;
    let Layout::Pip(pip) = serde_json::from_str(text).unwrap() else {
        panic!("not a pip");
    };
    assert_eq!(
        (pip.pip_position, pip.pip_width),
        (PipPosition::TopLeft, Some(90))
    );
    let written = serde_json::to_string(&Layout::Pip(pip.clone())).unwrap();
    assert_eq!(
        serde_json::from_str::<Layout>(&written).unwrap(),
        Layout::Pip(pip)
    );
    assert!(serde_json::from_str::<Layout>(r#"{"grid":{},"pip":{}}"#).is_err());
}

#[test]
fn how_a_picture_lies_in_a_tile() {
    let tile = Rect {
        x: 10,
        y: 20,
        width: 320,
        height: 180,
    };
    let size = |width, height| Size { width, height };
    let crop = |x, y, width, height| Crop {
        x,
        y,
        width,
        height,
    };
    let stretched = place(size(100, 100), tile, Fill::Fill).unwrap();
    assert_eq!(
        (stretched.crop, stretched.rect),
        (crop(0.0, 0.0, 100.0, 100.0), tile)
    );
    let covering = place(size(640, 480), tile, Fill::Cover).unwrap();
    assert_eq!(
        (covering.crop, covering.rect),
        (crop(0.0, 60.0, 640.0, 360.0), tile)
    );
    // As large as the tile but for the gap: the edges are cut off and nothing is scaled.
    let alike = place(size(322, 182), tile, Fill::Cover).unwrap();
    assert_eq!(alike.crop, crop(0.0, 0.0, 320.0, 180.0));
    let contained = place(size(480, 480), tile, Fill::Contain).unwrap();
    assert_eq!(
        contained.rect,
        Rect {
            x: 80,
            y: 20,
            width: 180,
            height: 180
        }
    );
    assert_eq!(place(size(0, 480), tile, Fill::Contain), None);
    assert_eq!(place(size(480, 480), Rect::default(), Fill::Cover), None);
}

fn any_person() -> impl Strategy<Value = Person> {
    let flags = (any::<bool>(), any::<bool>(), 0..3u8);
    (flags, proptest::option::of(-9..9i64), 0..6u64).prop_map(
        |((is_featured, is_pip, video), order, arrived)| Person {
            is_featured,
            is_pip,
            order,
            arrived,
            has_video: match video {
                0 => Video::Publishing,
                1 => Video::Stopped,
                _ => Video::None,
            },
            ..someone(0)
        },
    )
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let gap = prop_oneof![0..20u32, Just(u32::MAX), 0..3_000u32];
    let side = || proptest::option::of(prop_oneof![1..2_000u32, Just(u32::MAX)]);
    let pip = (side(), side(), 0..4u8, any::<bool>());
    (any::<bool>(), any::<bool>(), gap, 0..4u8, pip).prop_map(
        |(is_grid, omit_stopped_video, gap, number, (pip_width, pip_height, corner, dynamic))| {
            if is_grid {
                let shapes = [
                    AspectRatio::Auto,
                    AspectRatio::Video,
                    AspectRatio::Square,
                    AspectRatio::Portrait,
                ];
                return grid_with(|grid| {
                    grid.omit_stopped_video = omit_stopped_video;
                    grid.grid_gap = gap;
                    grid.video_aspect_ratio = shapes[usize::from(number)];
                });
            }
            let corners = [
                PipPosition::TopLeft,
                PipPosition::TopRight,
                PipPosition::BottomLeft,
                PipPosition::BottomRight,
            ];
            pip_with(|pip| {
                pip.omit_stopped_video = omit_stopped_video;
                pip.grid_gap = gap;
                pip.pip_offset = gap;
                (pip.pip_width, pip.pip_height) = (pip_width, pip_height);
                pip.pip_position = corners[usize::from(corner)];
                if dynamic {
                    pip.pip_behavior = PipBehavior::Dynamic;
                }
            })
        },
    )
}

proptest! {
    #[test]
    fn tiles_are_even_inside_and_apart(
        layout in any_layout(),
        mut persons in proptest::collection::vec(any_person(), 0..30),
        (width, height) in (0..2_000u32, 0..2_000u32),
        sources in proptest::collection::btree_map(0..30u32, (0..3_000u32, 0..3_000u32), 0..30),
    ) {
        for (input, person) in persons.iter_mut().enumerate() {
            person.input = input as u32;
        }
        let size = Size { width, height };
        let sources = sources.into_iter().map(|(input, (width, height))| (input, Size { width, height })).collect();
        let tiles = tiles(&layout, &persons, size, &sources);
        prop_assert!(tiles.len() <= TILES_MAX);
        let shown = persons.iter().filter(|person| !layout.omits_stopped_video() || person.has_video == Video::Publishing);
        let shown = shown.count().min(TILES_MAX);
        if width >= 256 && height >= 256 {
            prop_assert_eq!(tiles.len(), shown);
        }
        for (place, tile) in tiles.iter().enumerate() {
            let Rect { x, y, width, height } = tile.rect;
            prop_assert!([x, y, width, height].iter().all(|number| number % 2 == 0), "{:?}", tile);
            prop_assert!(width > 0 && height > 0, "{:?}", tile);
            prop_assert!(x + width <= size.width && y + height <= size.height, "{:?}", tile);
            for other in &tiles[..place] {
                prop_assert!(tile.input != other.input);
                prop_assert!(tile.z != other.z || !tile.rect.overlaps(&other.rect), "{:?} {:?}", tile, other);
            }
            let source = sources.get(&tile.input).copied().unwrap_or(size);
            if let Some(placement) = place_of(source, tile) {
                prop_assert!(placement.crop.x >= 0.0 && placement.crop.y >= 0.0);
                prop_assert!(placement.crop.x + placement.crop.width <= f64::from(source.width) + 1e-6);
                prop_assert!(placement.crop.y + placement.crop.height <= f64::from(source.height) + 1e-6);
            }
        }
    }

    #[test]
    fn the_first_are_shown(count in 1..60u32, is_reversed: bool) {
        let mut persons = people(count);
        for person in &mut persons {
            person.order = is_reversed.then_some(-i64::from(person.input));
        }
        let mut expected: Vec<u32> = (0..count).collect();
        if is_reversed {
            expected.reverse();
        }
        expected.truncate(TILES_MAX);
        prop_assert_eq!(inputs(&grid_with(|_| ()), &persons), expected);
    }
}

fn place_of(source: Size, tile: &Tile) -> Option<Placement> {
    place(source, tile.rect, tile.fill)
}
