//! Send-side bandwidth estimation with a foreign receiver's feedback.

use std::time::Duration;

use restage_media::PeerId;

use crate::ice::restart;
use crate::simulcast::{layer, streaming_in};
use crate::support::World;

#[test]
fn the_estimate_rises_to_what_is_desired_and_probes_do_no_harm() {
    let (mut world, publisher, subscriber) = streaming_in(World::with_feedback());
    assert_eq!(world.sfu.estimate(PeerId(1)), None, "a publisher");
    assert_eq!(world.sfu.estimate(PeerId(2)), Some(300_000));
    // The largest layer has 0.7 Mbit/s.
    world.wait("the estimate", Duration::from_secs(4), |world| {
        world.sfu.estimate(PeerId(2)) > Some(800_000)
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
