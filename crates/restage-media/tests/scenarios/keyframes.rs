//! Requests for key frames to the publisher.

use std::time::Duration;

use restage_media::limits;
use str0m::format::Codec;

use crate::support::World;
use crate::support::source::is_key_start;

/// After more than ten seconds without a key frame, so that new subscribers must wait for one.
fn streaming() -> (World, usize) {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(11_000);
    world.clients[publisher].keyframe_requests.clear();
    (world, publisher)
}

#[test]
fn a_crowd_that_joins_at_once_costs_one_key_frame() {
    let (mut world, publisher) = streaming();
    let subscribers: Vec<_> = (0..30).map(|i| world.subscriber(100 + i, 1)).collect();
    world.connect();
    world.run_ms(400);
    assert_eq!(world.clients[publisher].keyframe_requests.len(), 1);
    for subscriber in subscribers {
        let first = world.clients[subscriber]
            .video_got()
            .next()
            .expect("a picture");
        assert!(is_key_start(Codec::H264, &first.payload));
    }
}

#[test]
fn requests_of_all_subscribers_reach_the_publisher_at_most_twice_a_second() {
    let (mut world, publisher) = streaming();
    let subscribers: Vec<_> = (2..10).map(|key| world.subscriber(key, 1)).collect();
    world.connect();
    world.run_ms(1_000);
    world.clients[publisher].keyframe_requests.clear();
    for turn in 0..150 {
        world.clients[subscribers[turn % 8]].request_keyframe();
        world.run_ms(20);
    }
    let times: Vec<_> = world.clients[publisher]
        .keyframe_requests
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert!((5..=7).contains(&times.len()), "{} in 3 s", times.len());
    let apart = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(apart.min().unwrap() >= Duration::from_millis(499));
}

/// A key frame is sent to all subscribers, so one that requests them all the time must not make the others pay for it.
#[test]
fn a_flood_of_one_subscriber_is_held_to_its_budget_and_others_get_theirs() {
    let (mut world, publisher) = streaming();
    let flooding = world.subscriber(2, 1);
    let other = world.subscriber(3, 1);
    world.connect();
    world.run_ms(1_000);
    world.clients[publisher].keyframe_requests.clear();
    let seconds = 30;
    for _ in 0..seconds * 50 {
        world.clients[flooding].request_keyframe();
        world.run_ms(20);
    }
    let asked = world.clients[publisher].keyframe_requests.len() as u64;
    let earned = seconds / limits::KEYFRAME_EARNED_EVERY.as_secs();
    let at_most = u64::from(limits::KEYFRAMES_AT_ONCE_MAX) + earned;
    assert!(
        (earned..=at_most).contains(&asked),
        "{asked} in {seconds} s"
    );
    assert!(world.sfu.stats().keyframes_refused > 100);
    // A subscriber that has lost its picture does not wait because another one has used its budget.
    world.run(limits::KEYFRAME_INTERVAL_MIN);
    world.clients[publisher].keyframe_requests.clear();
    world.clients[other].request_keyframe();
    world.run_ms(50);
    assert_eq!(world.clients[publisher].keyframe_requests.len(), 1);
}

#[test]
fn a_lost_request_is_repeated() {
    let (mut world, publisher) = streaming();
    world.clients[publisher].video_sources[0].ignores_requests = true;
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.wait(
        "the second request",
        Duration::from_millis(1_200),
        |world| world.clients[publisher].keyframe_requests.len() == 2,
    );
    assert_eq!(world.clients[subscriber].video_got().count(), 0);
    world.clients[publisher].video_sources[0].ignores_requests = false;
    world.wait("a picture at last", Duration::from_millis(2_500), |world| {
        world.clients[subscriber].video_got().next().is_some()
    });
}

#[test]
fn nobody_waiting_means_nobody_asking() {
    let (mut world, publisher) = streaming();
    world.subscriber(2, 1);
    world.connect();
    world.run_ms(500);
    world.clients[publisher].keyframe_requests.clear();
    world.run_ms(10_000);
    assert!(world.clients[publisher].keyframe_requests.is_empty());
}
