//! Publishers that exceed the limit of the bitrate or of the picture size.

use std::time::Duration;

use restage_media::{Config, Control, Excess, GoneReason, PeerId, PublicationId};
use str0m::format::Codec;

use crate::support::client::Client;
use crate::support::{World, config};

/// Payload of a packet of the source, and pictures per second: one packet per picture is this rate.
pub const PACKET_BITS_PER_S: u64 = 609 * 8 * 25;
/// Video with three packets per picture.
pub const VIDEO: u64 = 3 * PACKET_BITS_PER_S;
const AUDIO: u64 = 89 * 8 * 50;

/// A publisher with this limit, and a subscriber.
fn limited(bits_per_s: u64) -> World {
    limited_to(Config {
        publish_bits_per_s_max: Some(bits_per_s),
        ..config()
    })
}

fn limited_to(config: Config) -> World {
    let mut world = World::with(config);
    world.publisher(1, 1);
    world.subscriber(2, 1);
    world.connect();
    world
}

pub fn excess(world: &World, key: u64) -> Option<Excess> {
    match world.gone(key)? {
        GoneReason::Exceeded(excess) => Some(*excess),
        other => panic!("gone for another reason: {other}"),
    }
}

pub fn start_video(world: &mut World, client: usize, packets: usize) {
    let now = world.now;
    world.clients[client].start_video(now, Codec::Vp8, None, packets);
}

#[test]
fn a_publisher_at_its_limit_stays() {
    let mut world = limited(VIDEO + AUDIO);
    start_video(&mut world, 0, 3);
    let now = world.now;
    world.clients[0].start_audio(now);
    world.run(Duration::from_secs(30));
    assert_eq!(excess(&world, 1), None);
    assert_eq!(world.sfu.stats().peers_exceeding, 0);
}

#[test]
fn a_publisher_over_its_limit_is_told_and_gone() {
    let mut world = limited(2 * PACKET_BITS_PER_S);
    start_video(&mut world, 0, 2);
    world.run(Duration::from_secs(10));
    assert_eq!(excess(&world, 1), None);
    world.clients[0].video_sources[0].packets_per_frame = 3;
    world.wait("it goes", Duration::from_secs(6), |world| {
        world.gone(1).is_some()
    });
    let Some(Excess::PublishBitrate { bits_per_s }) = excess(&world, 1) else {
        panic!("for its bitrate")
    };
    let limit = 2 * PACKET_BITS_PER_S;
    assert!(
        (limit..=VIDEO + VIDEO / 10).contains(&bits_per_s),
        "{bits_per_s}"
    );
    world.wait("it hears of it", Duration::from_secs(1), |world| {
        world.clients[0].is_closed
    });
    // Its subscriber stays, because a publisher may come again.
    assert_eq!((world.gone(2), world.sfu.stats().peers), (None, 1));
    let again = world.publisher(3, 1);
    world.connect();
    start_video(&mut world, again, 2);
    let before = world.clients[1].got.len();
    world.run_ms(3_000);
    assert!(world.clients[1].got.len() > before + 100);
}

#[test]
fn sound_counts_with_the_picture() {
    for (with_audio, goes) in [(false, false), (true, true)] {
        // Video alone is as much as is tolerated.
        let mut world = limited(VIDEO * 10 / 11);
        start_video(&mut world, 0, 3);
        if with_audio {
            let now = world.now;
            world.clients[0].start_audio(now);
        }
        world.run(Duration::from_secs(30));
        assert_eq!(excess(&world, 1).is_some(), goes);
    }
}

#[test]
fn the_burst_of_a_key_frame_passes() {
    // Fifty packets for a key frame every two seconds, two for every other picture: three on average.
    let mut world = limited(3 * PACKET_BITS_PER_S);
    start_video(&mut world, 0, 2);
    let source = &mut world.clients[0].video_sources[0];
    source.keyframe_interval = 50;
    source.packets_per_keyframe = Some(50);
    world.run(Duration::from_secs(30));
    assert_eq!(excess(&world, 1), None);
}

#[test]
fn simulcast_layers_are_added_up() {
    for (layers, goes) in [(2, false), (3, true)] {
        let mut world = World::with(Config {
            publish_bits_per_s_max: Some(4 * PACKET_BITS_PER_S),
            ..config()
        });
        let client = Client::simulcast(world.now, 1, 0, &["q", "h", "f"]);
        let publisher = world.open(client, true);
        world.control(Control::Publish {
            peer: PeerId(1),
            publication: PublicationId(1),
        });
        world.connect();
        let now = world.now;
        for (rid, packets) in ["q", "h", "f"].iter().zip([1, 2, 3]).take(layers) {
            world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
        }
        world.run(Duration::from_secs(10));
        assert_eq!(excess(&world, 1).is_some(), goes, "{layers} layers");
    }
}

#[test]
fn pictures_of_720p_stay_either_way_up_and_larger_ones_go() {
    for (width, height, goes) in [
        (1_280, 720, false),
        (720, 1_280, false),
        (960, 960, false),
        (1_920, 480, false),
        (1_280, 736, true),
        (1_920, 1_080, true),
        (1_080, 1_920, true),
    ] {
        let mut world = limited_to(Config {
            publish_pixels_max: Some(1_280 * 720),
            ..config()
        });
        start_video(&mut world, 0, 3);
        world.clients[0].video_sources[0].size = Some((width, height));
        world.run_ms(1_000);
        let expected = goes.then_some(Excess::PublishResolution {
            width: width.into(),
            height: height.into(),
        });
        assert_eq!(excess(&world, 1), expected);
        // No subscriber gets a picture that is not allowed.
        let shown = world.clients[1].video_got().count();
        assert_eq!(shown == 0, goes, "{width}x{height}: {shown} packets");
    }
}

#[test]
fn a_picture_that_becomes_too_large_goes_at_its_key_frame() {
    let mut world = limited_to(Config {
        publish_pixels_max: Some(1_280 * 720),
        ..config()
    });
    start_video(&mut world, 0, 3);
    world.clients[0].video_sources[0].size = Some((1_280, 720));
    world.run_ms(2_000);
    world.clients[0].video_sources[0].size = Some((1_920, 1_080));
    world.run_ms(1_000);
    assert_eq!(excess(&world, 1), None);
    world.clients[0].video_sources[0].on_keyframe_request();
    world.run_ms(200);
    assert!(matches!(
        excess(&world, 1),
        Some(Excess::PublishResolution { .. })
    ));
}

#[test]
fn nobody_is_gone_where_nothing_is_limited() {
    let mut world = limited_to(config());
    start_video(&mut world, 0, 20);
    world.clients[0].video_sources[0].size = Some((3_840, 2_160));
    world.run(Duration::from_secs(10));
    assert_eq!((world.gone(1), world.gone(2)), (None, None));
}
