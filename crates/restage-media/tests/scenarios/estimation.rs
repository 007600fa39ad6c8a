//! Send-side bandwidth estimation with a foreign receiver's feedback.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use restage_media::PeerId;
use str0m::format::Codec;

use crate::ice::restart;
use crate::simulcast::{layer, streaming_in};
use crate::support::source::identity;
use crate::support::{Rng, World};

#[test]
fn the_estimate_rises_to_what_is_desired_and_probes_do_no_harm() {
    let (mut world, publisher, subscriber) = streaming_in(World::with_feedback());
    assert_eq!(world.sfu.estimate(PeerId(1)), None, "a publisher");
    assert_eq!(world.sfu.estimate(PeerId(2)), Some(300_000));
    // The largest layer has a little more than 0.5 Mbit/s.
    world.wait("the estimate", Duration::from_secs(4), |world| {
        world.sfu.estimate(PeerId(2)) > Some(650_000)
    });
    world.wait("the largest layer", Duration::from_secs(5), |world| {
        let newest = world.clients[subscriber].video_got().next_back();
        newest.is_some_and(|got| layer(world, publisher, got) == 2)
    });
    world.run_ms(1_000);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    // What probes repeat is not shown twice.
    let mut seqs: Vec<_> = video.iter().map(|got| got.seq).collect();
    let all = seqs.len();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), all);
}

#[test]
fn an_ice_restart_keeps_the_estimate_and_the_numbers() {
    let (mut world, _, subscriber) = streaming_in(World::with_feedback());
    world.run_ms(4_000);
    let before = world.sfu.estimate(PeerId(2)).unwrap();
    restart(&mut world, subscriber);
    world.run_ms(3_000);
    // With numbers from the beginning, feedback would mean nothing and silence would lower it step by step.
    assert!(world.sfu.estimate(PeerId(2)).unwrap() >= before * 3 / 4);
    assert!(world.gone(2).is_none());
}

/// Packets in a picture of the source.
const PACKETS: usize = 3;

/// A minute with loss between the `Sfu` and the subscriber, each way, and a round trip of 50 ms. Returns pictures sent, pictures that are
/// not whole, and freezes: times at which no further picture could be shown for 150 ms longer than usual (as browsers count them).
fn minute_with_loss(percent: usize, seed: u64) -> (usize, usize, usize) {
    let mut world = World::with_feedback();
    world.rng = Rng(seed);
    world.delay = Duration::from_millis(25);
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(5_000);
    world.loss_out = percent;
    let address = world.clients[subscriber].public_address();
    let mut rng = Rng(seed ^ 99);
    world.loses = Some(Box::new(move |flight| {
        let is_rtcp = flight.from == address && matches!(flight.bytes[0], 128..=191);
        is_rtcp && rng.below(100) < percent
    }));
    let first = world.clients[publisher].video_sources[0].frame;
    world.run_ms(60_000);
    let last = world.clients[publisher].video_sources[0].frame;
    world.loss_out = 0;
    world.loses = None;
    world.run_ms(1_000);
    assert!(
        world.sfu.estimate(PeerId(2)) > Some(250_000),
        "it collapsed"
    );
    let mut pictures: BTreeMap<u64, (usize, Instant)> = BTreeMap::new();
    for got in world.clients[subscriber].video_got() {
        let frame = identity(&got.payload).0;
        let picture = pictures.entry(frame).or_insert((0, got.at));
        *picture = (picture.0 + 1, picture.1.max(got.at));
    }
    let (mut broken, mut freezes) = (0, 0);
    let mut shown = None;
    for frame in first..last {
        let whole = pictures.get(&frame).filter(|(count, _)| *count == PACKETS);
        let Some((_, at)) = whole else {
            broken += 1;
            continue;
        };
        let before = shown.unwrap_or(*at);
        freezes += usize::from(*at > before + Duration::from_millis(40 + 150));
        shown = Some(before.max(*at));
    }
    ((last - first) as usize, broken, freezes)
}

#[test]
fn loss_freezes_little_because_retransmissions_are_sent_twice() {
    // What is left is mostly for requests that were lost: this client's feedback says so only after up to 100 ms.
    for (percent, freezes_max) in [(2, 6), (5, 35)] {
        let minutes = (0..8).map(|seed| minute_with_loss(percent, seed));
        let (mut pictures, mut broken, mut freezes) = (0, 0, 0);
        for minute in minutes {
            pictures += minute.0;
            broken += minute.1;
            freezes += minute.2;
        }
        assert!(pictures > 8 * 1_400);
        assert!(
            broken * 1_000 <= pictures,
            "{percent} %: {broken} of {pictures}"
        );
        // With one retransmission of each there are 57 at 5 %.
        assert!(freezes <= freezes_max, "{percent} %: {freezes} freezes");
    }
}

#[test]
fn media_that_begins_late_leaves_no_deadline_in_the_past() {
    let mut world = World::with_feedback();
    let publisher = world.publisher(1, 1);
    world.subscriber(2, 1);
    world.connect();
    world.run_ms(2_000);
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    // `World` looks at the deadline after each step.
    world.run_ms(2_000);
    assert!(world.sfu.estimate(PeerId(2)).is_some());
}
