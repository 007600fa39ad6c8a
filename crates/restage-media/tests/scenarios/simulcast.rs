//! One layer of a simulcast track for each subscriber.

use std::time::Duration;

use restage_media::{Control, PeerId, PublicationId};
use str0m::format::Codec;

use crate::support::World;
use crate::support::client::{Client, Got};
use crate::support::source::{identity, is_key_start, picture_id};

const RIDS: [&str; 3] = ["q", "h", "f"];

pub fn streaming() -> (World, usize, usize) {
    streaming_in(World::new())
}

pub fn streaming_in(mut world: World) -> (World, usize, usize) {
    let client = Client::simulcast(world.now, 1, 0, &RIDS);
    let publisher = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PublicationId(1),
    });
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    for (rid, packets) in RIDS.iter().zip([1, 2, 4]) {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    (world, publisher, subscriber)
}

/// Which of the three sources sent a packet: their frame numbers differ by a million.
pub fn layer(world: &World, publisher: usize, got: &Got) -> usize {
    let frame = identity(&got.payload).0;
    let sources = &world.clients[publisher].video_sources;
    (0..sources.len())
        .min_by_key(|index| sources[*index].frame.abs_diff(frame))
        .unwrap()
}

pub fn assert_continuous(video: &[&Got]) {
    for pair in video.windows(2) {
        assert_eq!(pair[1].seq, pair[0].seq + 1);
        let step = pair[1].time.wrapping_sub(pair[0].time);
        assert!(
            step < 90_000,
            "time goes forward by less than a second: {step}"
        );
        let id = |payload: &[u8]| picture_id(Codec::Vp8, payload).unwrap();
        let id_step = id(&pair[1].payload).wrapping_sub(id(&pair[0].payload)) & 0x7fff;
        assert!(id_step <= 1, "picture ids go on by one: {id_step}");
    }
}

#[test]
fn the_highest_layer_is_shown_and_changes_only_at_key_frames() {
    let (mut world, publisher, subscriber) = streaming();
    world.wait("the full picture", Duration::from_secs(3), |world| {
        world.clients[subscriber]
            .video_got()
            .next_back()
            .is_some_and(|got| layer(world, publisher, got) == 2)
    });
    world.run_ms(1_000);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    assert_continuous(&video);
    for pair in video.windows(2) {
        if layer(&world, publisher, pair[0]) != layer(&world, publisher, pair[1]) {
            assert!(is_key_start(Codec::Vp8, &pair[1].payload));
        }
    }
    assert!(layer(&world, publisher, video[video.len() - 1]) == 2);
}

#[test]
fn a_layer_the_publisher_drops_is_replaced_by_the_next() {
    let (mut world, publisher, subscriber) = streaming();
    world.run_ms(3_000);
    assert_eq!(
        layer(
            &world,
            publisher,
            world.clients[subscriber].video_got().next_back().unwrap()
        ),
        2
    );
    // The encoder stops its largest layer, as browsers do when the uplink is too slow.
    let now = world.now;
    world.clients[publisher].video_sources[2].next_at = now + Duration::from_secs(3_600);
    world.wait("the half picture", Duration::from_secs(2), |world| {
        world.clients[subscriber]
            .video_got()
            .next_back()
            .is_some_and(|got| layer(world, publisher, got) == 1)
    });
    world.run_ms(500);
    assert_continuous(&world.clients[subscriber].video_got().collect::<Vec<_>>());
    // And it continues.
    let now = world.now;
    world.clients[publisher].video_sources[2].next_at = now;
    world.wait("the full picture again", Duration::from_secs(3), |world| {
        world.clients[subscriber]
            .video_got()
            .next_back()
            .is_some_and(|got| layer(world, publisher, got) == 2)
    });
}

#[test]
fn key_frames_are_asked_of_the_layer_that_is_shown() {
    let (mut world, publisher, subscriber) = streaming();
    world.run_ms(4_000);
    world.clients[publisher].keyframe_requests.clear();
    world.clients[subscriber].request_keyframe();
    world.run_ms(300);
    let rids: Vec<_> = world.clients[publisher]
        .keyframe_requests
        .iter()
        .map(|(_, rid)| rid.as_deref())
        .collect();
    assert_eq!(rids, [Some("f")]);
}
