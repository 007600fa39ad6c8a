//! Packet loss on either side is repaired by retransmission.

use std::collections::BTreeSet;
use std::time::Duration;

use str0m::format::Codec;

use crate::support::World;
use crate::support::source::identity;

fn frames(world: &World, subscriber: usize) -> BTreeSet<(u64, u8)> {
    world.clients[subscriber]
        .video_got()
        .map(|got| identity(&got.payload))
        .collect()
}

/// Runs for a while with loss, and returns the packets of that time that are missing in the end.
fn missing_after(loss_in: usize, loss_out: usize) -> (usize, usize) {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    (world.loss_in, world.loss_out) = (loss_in, loss_out);
    let first = world.clients[publisher].video_sources[0].frame;
    world.run_ms(6_000);
    let last = world.clients[publisher].video_sources[0].frame;
    (world.loss_in, world.loss_out) = (0, 0);
    world.run(Duration::from_millis(1_000));
    let got = frames(&world, subscriber);
    let expected: BTreeSet<_> = (first..last)
        .flat_map(|frame| (0..3).map(move |index| (frame, index)))
        .collect();
    (expected.difference(&got).count(), expected.len())
}

#[test]
fn loss_from_the_publisher_is_repaired_before_it_is_forwarded() {
    let (missing, of) = missing_after(8, 0);
    assert_eq!(missing, 0, "of {of}");
}

#[test]
fn loss_to_the_subscriber_is_repaired() {
    let (missing, of) = missing_after(0, 8);
    assert_eq!(missing, 0, "of {of}");
}

#[test]
fn loss_on_both_sides_is_repaired() {
    let (missing, of) = missing_after(5, 5);
    assert_eq!(missing, 0, "of {of}");
}
