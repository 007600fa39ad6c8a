//! Taps: outlets that give the packets of a publication to the caller.

use std::sync::Arc;
use std::time::Duration;

use restage_media::{
    Control, MediaKind, MediaPacket, PeerId, PublicationId, TapError, TapId, TapLayers, WorkerId,
    limits,
};
use str0m::format::Codec;
use str0m::media::MediaKind as ClientKind;

use crate::support::client::Client;
use crate::support::source::{VIDEO_CODECS, identity, is_key_start};
use crate::support::{News, World};
use crate::workers::{AWAY, HOME, Pair};

const PUBLICATION: PublicationId = PublicationId(1);

pub fn open_tap(world: &mut World, tap: u64, layers: TapLayers) {
    world.control(Control::OpenTap {
        tap: TapId(tap),
        publication: PUBLICATION,
        layers,
    });
}

/// The payloads of a kind that a client has sent, without the padding by which it probes its path.
fn sent(client: &Client, kind: ClientKind) -> Vec<Arc<[u8]>> {
    let sent = client.sent.iter().filter(|(sent, _)| *sent == kind);
    sent.map(|(_, payload)| Arc::clone(payload)).collect()
}

fn payloads(packets: &[&MediaPacket]) -> Vec<Arc<[u8]>> {
    packets
        .iter()
        .map(|packet| Arc::clone(&packet.payload))
        .collect()
}

fn assert_in_order(packets: &[&MediaPacket]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[0].sequence + 1, pair[1].sequence, "no gap");
        assert!(pair[0].timestamp <= pair[1].timestamp);
        assert!(pair[0].captured_us <= pair[1].captured_us);
    }
}

#[test]
fn a_tap_is_given_every_picture_and_sound_as_it_was_published() {
    for codec in VIDEO_CODECS {
        let mut world = World::carrying(codec);
        open_tap(&mut world, 7, TapLayers::Best);
        let publisher = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[publisher].start(now, codec);
        world.run_ms(2_000);
        world.clients[publisher].stop();
        world.run_ms(200);

        for (kind, theirs) in [
            (MediaKind::Video, ClientKind::Video),
            (MediaKind::Audio, ClientKind::Audio),
        ] {
            let tapped = world.tapped(7, kind);
            let published = sent(&world.clients[publisher], theirs);
            assert!(published.len() > 90, "{}", published.len());
            assert_eq!(payloads(&tapped), published, "{codec:?} {kind}");
            assert_in_order(&tapped);
        }
        let video = world.tapped(7, MediaKind::Video);
        assert!(video[0].starts_key_frame && is_key_start(codec, &video[0].payload));
        let ends_picture = |packet: &&&MediaPacket| identity(&packet.payload).1 == 2;
        assert!(
            video
                .iter()
                .filter(ends_picture)
                .all(|packet| packet.marker)
        );
        let audio = world.tapped(7, MediaKind::Audio);
        assert!(audio.iter().all(|packet| packet.audio_level == Some(-30)));
        assert_eq!(audio[0].codec(), restage_media::Codec::Opus);
        // A subscriber gets the same.
        let got = world.clients[subscriber].video_got().count();
        assert_eq!(got, video.len());
        let stats = world.sfu.stats();
        assert_eq!(stats.packets_tapped as usize, world.tapped.len());
        assert_eq!(stats.taps, 1);
    }
}

#[test]
fn a_tap_is_told_when_packets_and_sender_reports_came() {
    let mut world = World::new();
    open_tap(&mut world, 7, TapLayers::Best);
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(12_000);
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let tapped = world.tapped(7, kind);
        assert!(tapped[0].report.is_none(), "{kind}: it precedes them");
        let last = tapped.last().unwrap();
        let report = last.report.expect("a sender report");
        assert!(report.arrived_us < last.arrived_us);
        assert!(report.arrived_us + 7_000_000 > last.arrived_us);
        assert!(report.ntp_us > 0 && !report.is_of_inlet);
        for pair in tapped.windows(2) {
            assert!(pair[0].arrived_us <= pair[1].arrived_us);
        }
        assert!(tapped.iter().all(|one| one.captured_us <= one.arrived_us));
        // Where it was captured by the publisher's clock follows from the report.
        let ticks = (last.timestamp as u32).wrapping_sub(report.timestamp) as i32;
        let rate = i64::from(last.codec().clock_rate());
        let since_us = i64::from(ticks) * 1_000_000 / rate;
        let waited_us = (last.arrived_us - report.arrived_us) as i64;
        assert!(
            (since_us - waited_us).abs() < 100_000,
            "{since_us} {waited_us}"
        );
    }
}

#[test]
fn a_tap_that_comes_later_begins_with_the_picture_as_it_stands() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    open_tap(&mut world, 7, TapLayers::Best);
    let video = world.tapped(7, MediaKind::Video);
    assert!(video.len() > 50, "at once: {}", video.len());
    assert!(is_key_start(Codec::H264, &video[0].payload));
    world.run_ms(1_000);
    let video = world.tapped(7, MediaKind::Video);
    assert_in_order(&video);
    let published = sent(&world.clients[publisher], ClientKind::Video);
    let tapped = payloads(&video);
    let first = published
        .iter()
        .position(|payload| *payload == tapped[0])
        .unwrap();
    assert_eq!(tapped, published[first..first + tapped.len()]);
    assert!(world.clients[publisher].keyframe_requests.is_empty());
}

#[test]
fn where_there_is_no_picture_to_begin_with_a_tap_asks_for_a_key_frame() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run(limits::HEAD_AGE_MAX + Duration::from_secs(1));
    world.clients[publisher].keyframe_requests.clear();
    open_tap(&mut world, 7, TapLayers::Best);
    world.wait("a picture", Duration::from_millis(200), |world| {
        !world.tapped(7, MediaKind::Video).is_empty()
    });
    assert_eq!(world.clients[publisher].keyframe_requests.len(), 1);
    assert!(world.tapped(7, MediaKind::Video)[0].starts_key_frame);
    // A recorder begins its next file.
    world.run(limits::KEYFRAME_INTERVAL_MIN);
    world.tapped.clear();
    world.control(Control::RequestKeyframe { tap: TapId(7) });
    world.run_ms(200);
    assert_eq!(world.clients[publisher].keyframe_requests.len(), 2);
    let video = world.tapped(7, MediaKind::Video);
    assert_in_order(&video);
    assert!(video.iter().any(|packet| packet.starts_key_frame));
}

#[test]
fn a_tap_on_another_worker_is_given_what_is_relayed() {
    let mut pair = Pair::new();
    let publisher = pair.0[HOME].publisher(1, 1);
    open_tap(&mut pair.0[AWAY], 7, TapLayers::Best);
    pair.relay(HOME, &[WorkerId(1)]);
    pair.run_ms(200);
    let now = pair.0[HOME].now;
    pair.0[HOME].clients[publisher].start(now, Codec::H264);
    pair.run_ms(1_000);
    pair.0[HOME].clients[publisher].stop();
    pair.run_ms(100);
    for (kind, theirs) in [
        (MediaKind::Video, ClientKind::Video),
        (MediaKind::Audio, ClientKind::Audio),
    ] {
        let tapped = pair.0[AWAY].tapped(7, kind);
        let published = sent(&pair.0[HOME].clients[publisher], theirs);
        assert!(published.len() > 40);
        assert_eq!(payloads(&tapped), published, "{kind}");
    }
    // Its request for a key frame goes to the worker that feeds the publication.
    let now = pair.0[HOME].now;
    pair.0[HOME].clients[publisher].start_video(now, Codec::H264, None, 3);
    pair.run_ms(600);
    pair.0[HOME].clients[publisher].keyframe_requests.clear();
    pair.0[AWAY].control(Control::RequestKeyframe { tap: TapId(7) });
    pair.run_ms(100);
    let asked = &pair.0[HOME].clients[publisher].keyframe_requests;
    assert_eq!(asked.len(), 1);
}

#[test]
fn of_a_simulcast_publication_a_tap_is_given_the_best_layer_or_all() {
    let mut world = World::new();
    let client = Client::simulcast(world.now, 1, world.clients.len(), &["q", "f"]);
    let publisher = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: PUBLICATION,
    });
    world.connect();
    let now = world.now;
    for (rid, packets, size) in [("q", 1, (320, 180)), ("f", 4, (1_280, 720))] {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
        let sources = &mut world.clients[publisher].video_sources;
        sources.last_mut().unwrap().size = Some(size);
    }
    world.run_ms(1_000);
    open_tap(&mut world, 1, TapLayers::Best);
    open_tap(&mut world, 2, TapLayers::All);
    world.run_ms(1_000);
    let layers = |tap: u64| {
        let mut layers: Vec<_> = world
            .tapped(tap, MediaKind::Video)
            .iter()
            .map(|packet| packet.encoding.layer)
            .collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    };
    assert_eq!((layers(1).len(), layers(2).len()), (1, 2));
    let best = world.tapped(1, MediaKind::Video);
    assert_in_order(&best);
    assert!(
        best.iter().any(|packet| identity(&packet.payload).1 == 3),
        "four packets a picture"
    );
    for layer in layers(2) {
        let all = world.tapped(2, MediaKind::Video);
        let of_layer: Vec<_> = all
            .into_iter()
            .filter(|packet| packet.encoding.layer == layer)
            .collect();
        assert!(of_layer[0].starts_key_frame, "layer {layer}");
        assert_in_order(&of_layer);
    }
}

#[test]
fn after_a_change_of_publishers_a_tap_goes_on_with_a_key_frame_of_the_new_one() {
    let mut world = World::new();
    open_tap(&mut world, 7, TapLayers::Best);
    let first = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[first].start(now, Codec::H264);
    world.run_ms(500);
    let second = world.publisher(3, 1);
    world.connect();
    let now = world.now;
    world.clients[second].start(now, Codec::H264);
    world.run_ms(500);
    let video = world.tapped(7, MediaKind::Video);
    let change = video
        .windows(2)
        .position(|pair| pair[0].encoding != pair[1].encoding)
        .expect("another encoding");
    assert_ne!(video[change].encoding.feed, video[change + 1].encoding.feed);
    assert!(video[change + 1].starts_key_frame);
    assert!(video[change].captured_us < video[change + 1].captured_us);
    assert_in_order(&video[..=change]);
    assert_in_order(&video[change + 1..]);
}

#[test]
fn parameter_sets_that_came_before_go_with_the_key_frame() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.clients[publisher].video_sources[0].parameter_sets =
        crate::support::source::ParameterSets::Once { level: 0x28 };
    world.run_ms(500);
    open_tap(&mut world, 7, TapLayers::Best);
    world.run(limits::KEYFRAME_INTERVAL_MIN);
    world.control(Control::RequestKeyframe { tap: TapId(7) });
    world.run_ms(300);
    let video = world.tapped(7, MediaKind::Video);
    let starts: Vec<_> = video.iter().filter(|one| one.starts_key_frame).collect();
    assert!(starts.len() > 1);
    assert!(starts[0].parameter_sets.is_none(), "the stream has them");
    let lead = starts[1].parameter_sets.as_ref().expect("both");
    assert_eq!(
        lead.0.iter().map(|unit| unit[0]).collect::<Vec<_>>(),
        [0x67, 0x68]
    );
}

#[test]
fn keys_may_be_unknown_or_in_use_and_nothing_is_left_of_a_closed_tap() {
    let mut world = World::new();
    world.control(Control::CloseTap { tap: TapId(9) });
    world.control(Control::RequestKeyframe { tap: TapId(9) });
    open_tap(&mut world, 7, TapLayers::Best);
    open_tap(&mut world, 7, TapLayers::All);
    assert!(matches!(
        world.news[..],
        [News::TapRefused(TapId(7), TapError::KeyInUse)]
    ));
    world.control(Control::RequestKeyframe { tap: TapId(7) });
    for tap in 8..30 {
        open_tap(&mut world, tap, TapLayers::Best);
    }
    let taps = world.sfu.stats().taps as usize;
    assert_eq!(taps, limits::TAPS_PER_PUBLICATION_MAX);
    assert!(matches!(
        world.news.last(),
        Some(News::TapRefused(_, TapError::Full))
    ));
    for tap in 7..30 {
        world.control(Control::CloseTap { tap: TapId(tap) });
    }
    let stats = world.sfu.stats();
    assert_eq!((stats.taps, stats.publications), (0, 0));
    // It gets no more packets.
    let publisher = world.publisher(1, 1);
    open_tap(&mut world, 7, TapLayers::Best);
    world.control(Control::CloseTap { tap: TapId(7) });
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.run_ms(300);
    assert!(world.tapped.is_empty());
}
