//! Who is seen, where, and when.

use restage_compose::layout::{Layout, Pip, Video};
use restage_compose::protocol::{Codec, Showing, ToChild};

use crate::rig::*;

const VP8: &[u8] = include_bytes!("../data/moving-160x90.vp8.ivf");

#[test]
fn everybody_is_where_the_layout_says() {
    let mut rig = Rig::new(grid(), vec![rendition(640, 360)]);
    let mut senders: Vec<Sender> = (0..4)
        .map(|input| Sender::new(input, size(320, 180)))
        .collect();
    let persons: Vec<_> = (0..4).map(person).collect();
    rig.scene(&persons);
    rig.send(&mut senders, 1_000_000);
    assert_eq!(rig.last_shown().len(), 4);
    assert!(
        rig.last_shown()
            .iter()
            .all(|tile| tile.picture == Showing::Picture)
    );
    assert!(
        rig.last_shown()
            .iter()
            .all(|tile| (tile.source_width, tile.source_height) == (320, 180))
    );
    let (_, frame) = rig.decoded(0).pop().unwrap();
    for tile in rig.last_shown() {
        let light = light_in(&frame, rect_of(tile));
        assert!(
            light.abs_diff(light_of(tile.input)) <= 4,
            "{tile:?} {light}"
        );
    }
}

#[test]
fn twelve_who_come_and_go_within_a_second_delay_nobody() {
    let mut rig = Rig::new(grid(), vec![rendition(640, 360)]);
    let mut staying = vec![Sender::new(0, size(160, 90))];
    rig.scene(&[person(0)]);
    rig.send(&mut staying, 500_000);
    let mut senders = staying;
    let mut persons = vec![person(0)];
    for step in 0..24_u32 {
        if step < 12 {
            persons.push(person(step + 1));
            senders.push(Sender::new(step + 1, size(160, 90)));
        } else {
            persons.remove(1);
            senders.remove(1);
        }
        rig.scene(&persons);
        let before = rig.made.len();
        rig.send(&mut senders, FRAME_US + FRAME_US / 4);
        assert!(rig.made.len() > before);
        // The layout of the next tick is that of the new scene.
        let inputs: Vec<u32> = rig.last_shown().iter().map(|tile| tile.input).collect();
        let expected: Vec<u32> = persons.iter().map(|person| person.input).collect();
        assert_eq!(inputs, expected);
    }
    rig.send(&mut senders, 600_000);
    let gaps = rig.made.windows(2).map(|two| two[1].at_us - two[0].at_us);
    assert!(gaps.clone().max() <= Some(FRAME_US + 1) && gaps.min() >= Some(FRAME_US));
    assert!(
        rig.health
            .iter()
            .all(|health| health.late_ticks == 0 && health.skipped_pictures == 0)
    );
    let frames = rig.decoded(0);
    let (_, last) = frames.last().unwrap();
    assert!(light_in(last, rect_of(&rig.last_shown()[0])).abs_diff(light_of(0)) <= 4);
}

#[test]
fn who_sends_nothing_is_shown_by_name_after_five_seconds() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    let mut senders = [Sender::new(0, size(160, 90))];
    rig.scene(&[person(0)]);
    rig.run_to(START_US + 100_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Placeholder);
    rig.send(&mut senders, 1_000_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Picture);
    let last_us = rig.now_us;
    rig.run_to(last_us + 4_900_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Picture);
    rig.run_to(last_us + 5_300_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Placeholder);
    let (changed_us, _) = rig.shown.last().unwrap();
    assert!((last_us + 5_000_000..last_us + 5_200_000).contains(changed_us));
    rig.send(&mut senders, 300_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Picture);
}

#[test]
fn who_stops_the_camera_is_shown_by_name_at_once_and_later_without_an_old_picture() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    let mut senders = [Sender::new(0, size(160, 90))];
    rig.scene(&[person(0)]);
    rig.send(&mut senders, 500_000);
    let mut stopped = person(0);
    stopped.has_video = Video::Stopped;
    rig.scene(&[stopped]);
    rig.run_to(rig.now_us + FRAME_US);
    assert_eq!(rig.last_shown()[0].picture, Showing::Placeholder);
    rig.scene(&[person(0)]);
    rig.run_to(rig.now_us + 500_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Placeholder);
    // What comes without a key frame is of no use, and one is asked for.
    rig.send(&mut senders, 300_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Placeholder);
    assert_eq!(rig.asked, [0]);
    senders[0].wants_key = true;
    rig.send(&mut senders, 300_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Picture);
}

#[test]
fn a_loss_costs_a_request_and_the_tile_keeps_its_picture() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    let mut senders = [Sender::new(0, size(160, 90)), Sender::new(1, size(160, 90))];
    rig.scene(&[person(0), person(1)]);
    rig.send(&mut senders, 500_000);
    let _lost = senders[0].plain(rig.now_us);
    rig.send(&mut senders, 2_500_000);
    assert!((2..=4).contains(&rig.asked.len()), "{:?}", rig.asked);
    assert!(rig.asked.iter().all(|input| *input == 0));
    assert!(
        rig.last_shown()
            .iter()
            .all(|tile| tile.picture == Showing::Picture)
    );
    senders[0].wants_key = true;
    let before = rig.asked.len();
    rig.send(&mut senders, 1_500_000);
    assert_eq!(rig.asked.len(), before);
    assert!(rig.refused.is_empty());
}

#[test]
fn who_cannot_be_shown_is_heard_and_has_a_reason() {
    let mut rig = Rig::new(grid(), vec![rendition(320, 180)]);
    let mut av1 = person(1);
    av1.why_no_picture = Some("AV1 cannot be shown".to_owned());
    rig.scene(&[person(0), av1]);
    let mut large = Sender::new(0, size(1_922, 1_080));
    let message = large.plain(rig.now_us);
    rig.engine.take(message);
    rig.run_to(START_US + 500_000);
    assert!(
        rig.last_shown()
            .iter()
            .all(|tile| tile.picture == Showing::Placeholder)
    );
    assert_eq!(rig.refused, [(0, "1922x1080 is above 1080p".to_owned())]);
    let later = large.plain(rig.now_us);
    rig.engine.take(later);
    rig.run_to(START_US + 1_000_000);
    assert_eq!((rig.refused.len(), rig.asked.len()), (1, 0));
    let mut smaller = [Sender::new(0, size(160, 90))];
    rig.send(&mut smaller, 300_000);
    assert_eq!(rig.last_shown()[0].picture, Showing::Picture);
}

#[test]
fn vp8_is_shown_and_its_size_counts() {
    let pip = Pip {
        pip_participant_attribute: "pip".to_owned(),
        ..Pip::default()
    };
    let mut rig = Rig::new(Layout::Pip(pip), vec![rendition(640, 360)]);
    let mut small = person(1);
    small.is_pip = true;
    rig.scene(&[person(0), small]);
    let mut rest = &VP8[32..];
    let mut at_us = START_US;
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let bytes = bytes::Bytes::copy_from_slice(&rest[12..12 + length]);
        rig.engine.take(ToChild::Picture {
            input: 1,
            at_us,
            codec: Codec::Vp8,
            is_key: bytes[0] & 1 == 0,
            // It lies on its side.
            quarter_turns: 1,
            bytes,
        });
        rest = &rest[12 + length..];
        at_us += 66_667;
    }
    rig.run_to(at_us + 100_000);
    let tile = rig.last_shown()[1];
    assert_eq!(
        (tile.picture, tile.source_width, tile.source_height),
        (Showing::Picture, 90, 160)
    );
    assert!(tile.height > tile.width && tile.z == 1, "{tile:?}");
    assert!(rig.health.iter().all(|health| health.damaged_pictures == 0));
}

#[test]
fn who_is_not_seen_is_not_decoded() {
    let pip = Pip {
        omit_stopped_video: true,
        ..Pip::default()
    };
    let mut rig = Rig::new(Layout::Pip(pip), vec![rendition(320, 180)]);
    let mut absent = person(0);
    absent.has_video = Video::None;
    rig.scene(&[absent]);
    let mut senders = [Sender::new(0, size(160, 90))];
    rig.send(&mut senders, 1_200_000);
    assert!(rig.shown.iter().all(|(_, tiles)| tiles.is_empty()));
    assert!(rig.health.iter().all(|health| health.decoded_pictures == 0));
    assert!(rig.made.len() >= 35);
}

#[test]
fn two_renditions_are_made_of_one_scene() {
    let mut slow = rendition(320, 180);
    slow.framerate_milli = 15_000;
    let mut rig = Rig::new(grid(), vec![rendition(640, 360), slow]);
    let mut senders = [Sender::new(0, size(320, 180))];
    rig.scene(&[person(0)]);
    rig.send(&mut senders, 2_000_000);
    let count = |rendition| {
        rig.made
            .iter()
            .filter(|made| made.rendition == rendition)
            .count()
    };
    assert!(count(0).abs_diff(60) <= 1 && count(1).abs_diff(30) <= 1);
    for (rendition, width) in [(0, 640), (1, 320)] {
        let (_, frame) = rig.decoded(rendition).pop().unwrap();
        assert_eq!(frame.size().width, width);
        assert!(frame.plane(0)[5_000].abs_diff(light_of(0)) <= 4);
    }
}
