//! Streams whose parameter sets change: the new picture is there at once, in the right shape, and nothing of the old one is left.

use openh264::encoder::Profile;
use restage_compose::layout::{FillMode, Grid, Layout};
use restage_compose::protocol::Showing;

use crate::rig::{DELAY_US, Rig};
use crate::support::*;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

/// A rig that shows one participant with all of the picture, between bars.
fn rig() -> Rig {
    let contain = Grid {
        video_fill_mode: FillMode::Contain,
        ..Grid::default()
    };
    let mut rig = Rig::new(Layout::Grid(contain), rendition(WIDTH, HEIGHT, 4_000_000));
    rig.scene(&[person(0)]);
    rig
}

/// Where a picture of this size is, between its bars: left, top, width, height.
fn place((width, height): (usize, usize)) -> (u32, u32, u32, u32) {
    let scale = (f64::from(WIDTH) / width as f64).min(f64::from(HEIGHT) / height as f64);
    let (wide, high) = (width as f64 * scale, height as f64 * scale);
    let left = (f64::from(WIDTH) - wide) / 2.0;
    let top = (f64::from(HEIGHT) - high) / 2.0;
    (left as u32, top as u32, wide as u32, high as u32)
}

/// Each sample of light is that of the picture, or of its bars.
fn assert_shows(found: &Picture, size: (usize, usize), light: u8) {
    let (left, top, width, height) = place(size);
    for y in (0..HEIGHT).step_by(3) {
        for x in (0..WIDTH).step_by(3) {
            let is_inside = |at: u32, start: u32, length: u32| {
                // Within three pixels of an edge it may be either.
                match (
                    at + 3 < start || at > start + length + 3,
                    at >= start + 3 && at + 3 < start + length,
                ) {
                    (true, _) => Some(false),
                    (_, true) => Some(true),
                    _ => None,
                }
            };
            let wanted = match (is_inside(x, left, width), is_inside(y, top, height)) {
                (Some(true), Some(true)) => light,
                (Some(false), _) | (_, Some(false)) => 16,
                _ => continue,
            };
            let seen = found.light(x, y);
            assert!(
                seen.abs_diff(wanted) <= 8,
                "{size:?}: {seen} instead of {wanted} at {x} {y}"
            );
        }
    }
}

#[test]
fn another_size_shows_with_its_first_picture_and_nothing_of_the_old_one_stays() {
    let mut rig = rig();
    let sizes = [
        (320, 180),
        (180, 320),
        (640, 360),
        (240, 240),
        (64, 48),
        (1_280, 720),
        (320, 180),
    ];
    let mut camera = Camera::new(0);
    for (number, size) in sizes.into_iter().cycle().take(14).enumerate() {
        let light = 60 + number as u8 * 12;
        // One encoder goes on with new parameter sets, or another one begins, as after a change of a browser's camera.
        if number % 3 == 0 {
            camera = Camera::new(0);
        }
        let changed_us = rig.now_us();
        for _ in 0..6 {
            let picture = Picture::plain(size.0, size.1, [light, 128, 128]);
            let message = camera.take(rig.now_us(), &picture);
            rig.take(message);
            rig.run(FRAME_US);
        }
        // What is made between the changes is all of one size, from the first picture on.
        rig.run(DELAY_US);
        let of_it = rig.made.iter().filter(|(at_us, _)| *at_us > changed_us);
        let mut of_it = of_it.peekable();
        assert!(of_it.peek().is_some());
        for (_, found) in of_it {
            assert_shows(found, size, light);
        }
        let tile = rig.shown[0];
        assert_eq!(tile.showing, Showing::Picture);
        assert_eq!(
            (tile.source_width, tile.source_height),
            (size.0 as u32, size.1 as u32)
        );
    }
    assert_eq!((rig.asked, rig.refused.len()), (0, 0));
}

#[test]
fn another_profile_shows_with_its_first_picture() {
    let mut rig = rig();
    let size = (320, 180);
    for (number, profile) in [
        Profile::Baseline,
        Profile::High,
        Profile::Main,
        Profile::Baseline,
        Profile::High,
    ]
    .into_iter()
    .enumerate()
    {
        let light = 70 + number as u8 * 30;
        let mut camera = Camera::with(0, profile, 1_000_000);
        let changed_us = rig.now_us();
        for _ in 0..6 {
            let picture = Picture::plain(size.0, size.1, [light, 128, 128]);
            let message = camera.take(rig.now_us(), &picture);
            rig.take(message);
            rig.run(FRAME_US);
        }
        rig.run(DELAY_US);
        let of_it = rig.made.iter().filter(|(at_us, _)| *at_us > changed_us);
        assert!(of_it.clone().count() > 5);
        for (_, found) in of_it {
            assert_shows(found, size, light);
        }
    }
    assert_eq!((rig.asked, rig.refused.len()), (0, 0));
}

#[test]
fn parameter_sets_without_a_picture_that_follows_them_leave_the_old_picture() {
    let mut rig = rig();
    let mut camera = Camera::new(0);
    let old = Picture::plain(320, 180, [150, 128, 128]);
    let message = camera.take(rig.now_us(), &old);
    rig.take(message);
    rig.run(2 * DELAY_US);
    // The head of a key frame of another size, whose slices are lost.
    let (bytes, _) = Camera::new(0).encode(&Picture::plain(180, 320, [60, 128, 128]));
    let slice = bytes.windows(5).position(|at| at == [0, 0, 0, 1, 0x65]);
    let head = bytes.slice(..slice.unwrap());
    rig.take(h264(0, rig.now_us(), true, head));
    rig.run(2 * DELAY_US);
    assert_shows(rig.newest(), (320, 180), 150);
    let next = Picture::plain(180, 320, [90, 128, 128]);
    camera = Camera::new(0);
    let message = camera.take(rig.now_us(), &next);
    rig.take(message);
    rig.run(2 * DELAY_US);
    assert_shows(rig.newest(), (180, 320), 90);
}

#[test]
fn sizes_above_1080p_are_refused_wherever_they_are_said() {
    let mut rig = rig();
    let mut camera = Camera::new(0);
    let small = Picture::plain(320, 180, [150, 128, 128]);
    let message = camera.take(rig.now_us(), &small);
    rig.take(message);
    rig.run(2 * DELAY_US);
    let (small, _) = Camera::new(0).encode(&Picture::plain(320, 180, [150, 128, 128]));
    let (large, _) = Camera::new(0).encode(&Picture::plain(1_920, 1_200, [150, 128, 128]));
    // A second set behind one that can be shown.
    let both = [&small[..], &large[..]].concat();
    for bytes in [both.into(), large, huge_sps()] {
        rig.take(h264(0, rig.now_us(), true, bytes));
        rig.run(2 * DELAY_US);
    }
    let refused = rig.refused.iter();
    let refused: Vec<_> = refused.filter(|reason| reason.contains("1080p")).collect();
    assert_eq!(refused.len(), 2, "{:?}", rig.refused);
    assert_eq!(rig.shown[0].showing, Showing::Placeholder);
    let small = Picture::plain(320, 180, [110, 128, 128]);
    camera.want_key_frame();
    let message = camera.take(rig.now_us(), &small);
    rig.take(message);
    rig.run(2 * DELAY_US);
    assert_shows(rig.newest(), (320, 180), 110);
}
