//! What is counted of each connection, and how loud publications are.

use std::time::Duration;

use restage_media::{
    Codec, LayerLabel, MediaKind, PauseReason, PeerId, PeerStats, Protocol, PublicationId, Role,
    TrackStats, Wish,
};

use crate::simulcast::{streaming, streaming_in};
use crate::support::World;

fn stats(world: &World, peer: u64) -> PeerStats {
    world.sfu.peer_stats(PeerId(peer)).expect("the peer exists")
}

fn of(stats: &PeerStats, kind: MediaKind) -> Vec<&TrackStats> {
    let tracks = stats.tracks.iter();
    tracks.filter(|track| track.kind == kind).collect()
}

#[test]
fn each_layer_of_a_publisher_and_each_kind_of_a_subscriber_is_counted() {
    let (mut world, publisher, subscriber) = streaming_in(World::with_feedback());
    let now = world.now;
    world.clients[publisher].start_audio(now);
    world.run_ms(10_000);
    let sending = stats(&world, 1);
    assert_eq!((sending.peer, sending.role), (PeerId(1), Role::Publisher));
    assert_eq!(sending.protocol, Some(Protocol::Udp));
    assert_eq!(
        (sending.estimate, sending.loss, sending.reserved),
        (None, None, 0)
    );
    let video = of(&sending, MediaKind::Video);
    let names: Vec<_> = video
        .iter()
        .map(|track| (track.rid.as_deref(), track.label))
        .collect();
    let low_to_high = [LayerLabel::Low, LayerLabel::Mid, LayerLabel::Hi];
    assert_eq!(names.len(), 3);
    for (rid, label) in ["q", "h", "f"].iter().zip(low_to_high) {
        assert!(names.contains(&(Some(rid), Some(label))), "{names:?}");
    }
    for (track, packets) in video.iter().map(|track| match track.label {
        Some(LayerLabel::Low) => (track, 1),
        Some(LayerLabel::Mid) => (track, 2),
        _ => (track, 4),
    }) {
        assert_eq!(track.codec, Some(Codec::Vp8));
        assert!((240..=251).contains(&track.frames), "{track:?}");
        assert_eq!(track.packets, track.frames * packets);
        // 25 pictures of so many packets of 600 bytes a second, and the codec's descriptor.
        let expected = 25 * packets * 600 * 8;
        assert!(
            track.bits_per_s.abs_diff(expected) < expected / 10,
            "{track:?}"
        );
        assert_eq!((track.lost, track.repaired, track.nacks), (0, 0, 0));
        assert!(
            track
                .jitter
                .is_some_and(|jitter| jitter < Duration::from_millis(5))
        );
    }
    let sound = of(&sending, MediaKind::Audio);
    assert_eq!((sound.len(), sound[0].codec), (1, Some(Codec::Opus)));
    assert!(sound[0].packets > 450 && sound[0].label.is_none() && sound[0].frames == 0);

    let receiving = stats(&world, 2);
    assert_eq!((receiving.role, receiving.pause), (Role::Subscriber, None));
    let estimate = receiving.estimate.expect("there is feedback");
    assert!(
        receiving.reserved > 400_000 && receiving.reserved < estimate,
        "{receiving:?}"
    );
    assert_eq!(receiving.loss, Some(0.0));
    assert!(receiving.round_trip.is_some());
    let [video] = of(&receiving, MediaKind::Video)[..] else {
        panic!("one stream of video: {receiving:?}");
    };
    assert_eq!(
        (video.rid.as_deref(), video.label),
        (Some("f"), Some(LayerLabel::Hi))
    );
    assert_eq!(video.codec, Some(Codec::Vp8));
    let got = world.clients[subscriber].video_got().count() as u64;
    assert!(video.packets.abs_diff(got) < 10, "{got} {video:?}");
    assert!(video.bits_per_s.abs_diff(480_000) < 60_000, "{video:?}");
    let [sound] = of(&receiving, MediaKind::Audio)[..] else {
        panic!("one stream of audio: {receiving:?}");
    };
    assert!(sound.packets > 450 && sound.codec == Some(Codec::Opus));
    assert!(world.sfu.peer_stats(PeerId(99)).is_none());
}

#[test]
fn loss_repair_and_requests_are_counted_at_both_ends() {
    let (mut world, _, _) = streaming_in(World::with_feedback());
    world.run_ms(3_000);
    (world.loss_in, world.loss_out) = (3, 3);
    world.run_ms(8_000);
    world.clients[1].request_keyframe();
    world.run_ms(300);
    let (sending, receiving) = (stats(&world, 1), stats(&world, 2));
    let lost: u64 = sending.tracks.iter().map(|track| track.lost).sum();
    let repaired: u64 = sending.tracks.iter().map(|track| track.repaired).sum();
    assert!(lost > 10 && repaired > 10, "{sending:?}");
    let nacks: u64 = sending.tracks.iter().map(|track| track.nacks).sum();
    assert!(nacks >= repaired && sending.round_trip.is_some());
    assert!(
        sending
            .tracks
            .iter()
            .any(|track| track.key_frame_requests > 0)
    );
    let video = of(&receiving, MediaKind::Video)[0];
    assert!(video.repaired > 5 && video.jitter.is_some(), "{video:?}");
    // Some is repaired because transport-wide feedback says that it is lost, without a request.
    assert!(video.nacks > 5 && video.key_frame_requests > 0);
    assert_eq!(world.sfu.stats().packets_resent, video.repaired);
}

#[test]
fn pictures_that_are_paused_have_no_layer() {
    let (mut world, ..) = streaming();
    world.run_ms(2_000);
    world.control(restage_media::Control::Wish {
        peer: PeerId(2),
        wish: Wish {
            is_paused: true,
            ..Wish::default()
        },
    });
    world.run_ms(1_000);
    let stats = stats(&world, 2);
    assert_eq!(stats.pause, Some(PauseReason::Wish));
    let video = of(&stats, MediaKind::Video)[0];
    assert_eq!(
        (video.label, video.rid.as_deref(), video.size),
        (None, None, None)
    );
}

#[test]
fn loudness_is_told_a_few_times_a_second_and_silence_once() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start_audio(now);
    world.run_ms(2_000);
    assert!(
        (6..=10).contains(&world.loudness.len()),
        "{:?}",
        world.loudness
    );
    assert!(
        world
            .loudness
            .iter()
            .all(|told| *told == (PublicationId(1), -30))
    );
    world.clients[publisher]
        .audio_source
        .as_mut()
        .unwrap()
        .level = -90;
    world.run_ms(1_000);
    assert_eq!(world.loudness.last(), Some(&(PublicationId(1), -127)));
    let count = world.loudness.len();
    world.run_ms(3_000);
    assert_eq!(world.loudness.len(), count, "nothing is sent about silence");
    assert!(
        !world
            .streams
            .last()
            .is_some_and(|(_, state)| state.is_audio_stopped)
    );
    // Digital silence is what a muted microphone sends.
    world.clients[publisher]
        .audio_source
        .as_mut()
        .unwrap()
        .level = -127;
    world.wait("to be told", Duration::from_secs(5), |world| {
        world
            .streams
            .last()
            .is_some_and(|(_, state)| state.is_audio_stopped)
    });
    world.clients[publisher]
        .audio_source
        .as_mut()
        .unwrap()
        .level = -20;
    world.wait("its end", Duration::from_secs(3), |world| {
        world
            .streams
            .last()
            .is_some_and(|(_, state)| !state.is_audio_stopped)
    });
    world.run_ms(500);
    assert_eq!(world.loudness.last(), Some(&(PublicationId(1), -20)));
}
