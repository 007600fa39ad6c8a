//! New subscribers see the present picture before a key frame could be requested from the publisher.

use std::time::Duration;

use str0m::format::Codec;

use crate::support::World;
use crate::support::source::{VIDEO_CODECS, is_key_start};

/// A publisher that ignores requests for key frames, after this many milliseconds of media.
fn stubborn(codec: Codec, ms: u64) -> (World, usize) {
    let mut world = World::carrying(codec);
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, codec);
    world.clients[publisher].video_sources[0].ignores_requests = true;
    world.run_ms(ms);
    (world, publisher)
}

#[test]
fn a_newcomer_needs_no_new_key_frame() {
    for codec in VIDEO_CODECS {
        let (mut world, publisher) = stubborn(codec, 1_000);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        world.run_ms(1_000);
        assert!(world.clients[publisher].keyframe_requests.is_empty());
        let got: Vec<_> = world.clients[subscriber].video_got().collect();
        assert!(is_key_start(codec, &got[0].payload));
        let numbers = got.windows(2).map(|pair| pair[1].seq - pair[0].seq);
        assert!(numbers.clone().all(|step| step == 1), "no gap, none twice");
        let head = got.iter().filter(|other| other.at == got[0].at).count();
        assert!(head > 70, "a second of media at once, not {head} packets");
        let ticks = got[head - 1].time.wrapping_sub(got[0].time);
        assert!(ticks < 100, "of pictures that lead up to now, not {ticks}");
        let live = got[got.len() - 1].time.wrapping_sub(got[head].time);
        assert!(live > 80_000, "and then at its own pace, not {live}");
    }
}

#[test]
fn a_second_subscriber_is_not_disturbed() {
    let (mut world, _) = stubborn(Codec::Vp8, 300);
    let first = world.subscriber(2, 1);
    world.connect();
    world.run_ms(300);
    world.subscriber(3, 1);
    world.connect();
    world.run_ms(500);
    let seqs: Vec<u64> = world.clients[first]
        .video_got()
        .map(|got| got.seq)
        .collect();
    assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[test]
fn after_a_long_group_the_key_frame_stands_until_the_next() {
    let (mut world, publisher) = stubborn(Codec::H264, 5_000);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.run_ms(800);
    let still: Vec<_> = world.clients[subscriber].video_got().cloned().collect();
    assert_eq!(still.len(), 3, "the packets of one picture");
    assert!(is_key_start(Codec::H264, &still[0].payload) && still[2].marker);
    assert!(!world.clients[publisher].keyframe_requests.is_empty());
    world.clients[publisher].video_sources[0].ignores_requests = false;
    world.wait("live pictures", Duration::from_secs(2), |world| {
        world.clients[subscriber].video_got().count() > 10
    });
    let next = world.clients[subscriber].video_got().nth(3).unwrap();
    assert!(is_key_start(Codec::H264, &next.payload));
    assert_eq!(next.seq, still[2].seq + 1);
    let apart = next.time.wrapping_sub(still[2].time);
    assert!(apart > 4 * 90_000, "the pause is one in time too, {apart}");
}

#[test]
fn another_feeders_picture_is_not_shown() {
    let (mut world, _) = stubborn(Codec::H264, 500);
    let next = world.publisher(9, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.run_ms(300);
    assert_eq!(world.clients[subscriber].video_got().count(), 0);
    let now = world.now;
    world.clients[next].start(now, Codec::H264);
    world.run_ms(300);
    assert!(world.clients[subscriber].video_got().count() > 10);
}
