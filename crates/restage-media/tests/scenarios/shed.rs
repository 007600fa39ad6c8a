//! An overloaded worker withholds video, fairly and without breaking pictures. Audio is always forwarded.

use std::time::Duration;

use restage_media::limits::{SHED_PARTS, SHED_STEPS_MAX};
use restage_media::{Control, Protocol};
use str0m::format::Codec;

use crate::simulcast;
use crate::support::World;
use crate::support::source::is_key_start;

const AUDIENCE: u64 = 16;

fn streaming() -> (World, usize, Vec<usize>) {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let keys = 2..2 + AUDIENCE;
    let subscribers = keys.map(|key| world.subscriber(key, 1)).collect();
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(2_000);
    (world, publisher, subscribers)
}

fn shed(world: &mut World, step: u8, turn: u8) {
    world.control(Control::Shed { step, turn });
}

fn forget(world: &mut World) {
    for client in &mut world.clients {
        client.got.clear();
        client.keyframe_requests.clear();
    }
}

#[test]
fn sound_goes_on_while_pictures_stop_whole_and_come_back_with_one_key_frame_for_all() {
    let (mut world, publisher, subscribers) = streaming();
    shed(&mut world, SHED_STEPS_MAX, 0);
    assert_eq!(world.sfu.stats().peers_withheld, AUDIENCE);
    world.run_ms(500);
    let last: Vec<_> = subscribers
        .iter()
        .map(|subscriber| world.clients[*subscriber].video_got().next_back().cloned())
        .collect();
    assert!(
        last.iter().flatten().all(|last| last.marker),
        "pictures end where they end"
    );
    forget(&mut world);
    // A subscriber that requests a key frame now gets it when its video continues.
    world.clients[subscribers[3]].request_keyframe();
    world.run_ms(5_000);
    for subscriber in &subscribers {
        let client = &world.clients[*subscriber];
        assert_eq!(client.video_got().count(), 0);
        assert!(client.audio_got().count() > 240, "all of the sound");
    }
    assert!(world.clients[publisher].keyframe_requests.is_empty());
    shed(&mut world, 0, 0);
    assert_eq!(world.sfu.stats().peers_withheld, 0);
    world.run_ms(1_000);
    assert_eq!(world.clients[publisher].keyframe_requests.len(), 1);
    for (subscriber, last) in subscribers.iter().zip(last) {
        let first = world.clients[*subscriber]
            .video_got()
            .next()
            .expect("pictures");
        assert!(is_key_start(Codec::Vp8, &first.payload));
        let last = last.expect("pictures before");
        assert_eq!(first.seq, last.seq + 1, "as if nothing were missing");
    }
}

#[test]
fn everybody_does_without_for_as_long() {
    let (mut world, _, subscribers) = streaming();
    let mut seen = vec![0; subscribers.len()];
    for turn in 0..SHED_PARTS as u8 {
        shed(&mut world, 3, turn);
        // The key frame for the subscribers whose turn without video is over.
        world.run_ms(800);
        forget(&mut world);
        world.run_ms(1_200);
        for (seen, subscriber) in seen.iter_mut().zip(&subscribers) {
            *seen += usize::from(world.clients[*subscriber].video_got().count() > 0);
        }
    }
    assert_eq!(seen, vec![SHED_PARTS - 2; subscribers.len()]);
}

#[test]
fn where_there_are_layers_the_smallest_is_shown_first() {
    let (mut world, publisher, subscriber) = simulcast::streaming();
    let shows = |layer: usize| {
        move |world: &World| {
            let last = world.clients[subscriber].video_got().next_back();
            last.is_some_and(|got| simulcast::layer(world, publisher, got) == layer)
        }
    };
    let limit = Duration::from_secs(4);
    world.wait("the full picture", limit, shows(2));
    shed(&mut world, 1, 0);
    world.wait("the smallest", limit, shows(0));
    world.run_ms(2_000);
    assert!(shows(0)(&world), "it stays there");
    shed(&mut world, 0, 0);
    world.wait("the full picture again", limit, shows(2));
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    simulcast::assert_continuous(&video);
}

#[test]
fn a_newcomer_is_treated_like_everybody_else() {
    let (mut world, _, _) = streaming();
    shed(&mut world, SHED_STEPS_MAX, 0);
    let newcomer = world.subscriber(100, 1);
    world.connect();
    world.run_ms(1_000);
    assert_eq!(world.clients[newcomer].video_got().count(), 0);
    assert!(world.clients[newcomer].audio_got().count() > 40);
    shed(&mut world, 0, 0);
    world.run_ms(1_000);
    assert!(world.clients[newcomer].video_got().count() > 0);
}

#[test]
fn nothing_but_what_subscribers_report_may_be_dropped() {
    let (mut world, publisher, subscribers) = streaming();
    world.recording = Some(Vec::new());
    world.run_ms(3_000);
    let recorded = world.recording.take().unwrap_or_default();
    let incoming = recorded
        .iter()
        .filter(|flight| flight.to == world.sfu_address);
    let (mut feedback, mut other) = (0, 0);
    for flight in incoming {
        let is_media = matches!(flight.bytes[0], 128..=191);
        let is_subscribers = flight.from != world.clients[publisher].address;
        let may_go = world
            .sfu
            .is_feedback(Protocol::Udp, flight.from, &flight.bytes);
        assert_eq!(may_go, is_media && is_subscribers);
        feedback += usize::from(may_go);
        other += usize::from(!may_go);
    }
    assert!(
        feedback >= subscribers.len() && other > 300,
        "{feedback}, {other}"
    );
    let stranger = "203.0.113.250:1".parse().unwrap();
    assert!(
        !world
            .sfu
            .is_feedback(Protocol::Udp, stranger, &[0x80, 201, 0, 1])
    );
}
