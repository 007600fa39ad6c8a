//! What a subscriber is sent, as another WebRTC implementation receives it: retransmissions, long runs of numbers, BYE, padding.

use std::time::Duration;

use str0m::format::Codec;

use crate::support::World;
use crate::support::source::identity;

#[test]
fn retransmissions_come_from_the_publications_history() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.loss_out = 10;
    world.run_ms(3_000);
    let stats = world.sfu.stats();
    assert!(
        stats.packets_resent > 0 && stats.packets_resent < stats.packets_out / 2,
        "{stats:?}"
    );
}

#[test]
fn numbers_go_on_when_sixteen_bits_are_used_up() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    let client = &mut world.clients[publisher];
    client.start_video(now, Codec::Vp8, None, 100);
    client.video_sources[0].payload_bytes = 60;
    // Sequence numbers start below 2^15, so this many packets cross the rollover at least once.
    let enough = 0x1_0000 + 1_000;
    world.wait(
        "packets beyond the rollover",
        Duration::from_secs(60),
        |world| world.clients[subscriber].got.len() > enough,
    );
    let seqs: Vec<u64> = world.clients[subscriber]
        .video_got()
        .map(|got| got.seq)
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "no gap, none twice"
    );
    assert!(seqs.last().is_some_and(|last| *last > 0x1_0000));
}

#[test]
fn the_end_of_a_stream_reaches_the_subscriber() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(500);
    let peer = world.clients[subscriber].key;
    world.control(restage_media::Control::Close { peer });
    world.wait(
        "the end of the connection",
        Duration::from_secs(2),
        |world| world.clients[subscriber].is_closed,
    );
}

#[test]
fn packets_of_uneven_length_arrive_as_they_were() {
    for loss in [0, 10] {
        let mut world = World::new();
        let publisher = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        let client = &mut world.clients[publisher];
        client.start_video(now, Codec::H264, None, 4);
        client.video_sources[0].is_uneven = true;
        client.video_sources[0].payload_bytes = 700;
        world.loss_out = loss;
        world.run_ms(2_000);
        let got: Vec<_> = world.clients[subscriber].video_got().collect();
        assert!(got.len() > 150);
        for packet in got {
            let (_, index) = identity(&packet.payload);
            // The frame number and the position come after the padding.
            assert_eq!(packet.payload.len(), 700 + usize::from(index > 0) + 9);
        }
    }
}
