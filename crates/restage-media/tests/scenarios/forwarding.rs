//! Publishing and receiving.

use std::time::{Duration, SystemTime};

use restage_media::{Control, PeerId, PublicationId};
use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind};

use crate::support::client::{Client, Got};
use crate::support::source::{AUDIO, FRAME, VIDEO_CODECS, identity, is_key_start, picture_id};
use crate::support::{AUDIO_AND_VIDEO, World};

fn assert_unbroken(video: &[&Got]) {
    assert!(
        video.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1),
        "no gap"
    );
    assert!(
        video.windows(2).all(|pair| pair[1].ssrc == pair[0].ssrc),
        "one sender"
    );
    let forward = |pair: &[&Got]| pair[1].time.wrapping_sub(pair[0].time) < 1 << 31;
    assert!(video.windows(2).all(forward), "time goes forward");
}

#[test]
fn every_codec_and_audio_reach_a_subscriber() {
    for codec in VIDEO_CODECS {
        let mut world = World::carrying(codec);
        let publisher = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[publisher].start(now, codec);
        world.run_ms(2_000);

        let client = &world.clients[subscriber];
        let video: Vec<_> = client.video_got().collect();
        assert!(video.len() > 130, "{} video packets", video.len());
        assert!(
            client.audio_got().count() > 90,
            "{} audio packets",
            client.audio_got().count()
        );
        assert!(
            is_key_start(codec, &video[0].payload),
            "the picture starts at a key frame"
        );
        assert!(video.iter().all(|got| got.codec == codec));
        assert_unbroken(&video);
        let frames: Vec<_> = video.iter().map(|got| identity(&got.payload)).collect();
        assert!(frames.is_sorted(), "in order");
        let last_of_frame = |got: &&&Got| identity(&got.payload).1 == 2;
        assert!(
            video.iter().filter(last_of_frame).all(|got| got.marker),
            "frames end with a marker"
        );
        assert!(video.iter().all(|got| got.pt == video[0].pt));
        assert!(video[0].seq < 1 << 15);
    }
}

#[test]
fn every_subscriber_of_a_publication_gets_every_packet() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscribers: Vec<_> = (0..20).map(|i| world.subscriber(100 + i, 1)).collect();
    let stranger = world.subscriber(99, 2);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    world.clients[publisher].stop();
    world.run_ms(100);

    let frames = |index: usize| -> Vec<_> {
        world.clients[index]
            .video_got()
            .map(|got| identity(&got.payload))
            .collect()
    };
    let first = frames(subscribers[0]);
    assert!(first.len() >= 72, "{}", first.len());
    for &subscriber in &subscribers {
        assert_eq!(frames(subscriber), first);
    }
    assert_eq!(world.clients[stranger].got.len(), 0);
    let stats = world.sfu.stats();
    assert_eq!(stats.packets_out, stats.packets_in * 20);
}

#[test]
fn a_subscriber_may_come_before_the_publisher() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.run_ms(3_000);
    let publisher = world.publisher(1, 1);
    let now = world.now;
    world.clients[publisher].start(now, Codec::Vp8);
    world.wait("the first picture", Duration::from_millis(500), |world| {
        world.clients[subscriber].video_got().next().is_some()
    });
}

#[test]
fn who_joins_later_has_a_picture_within_a_fraction_of_a_second() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(5_000);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    world.wait("a picture", Duration::from_millis(150), |world| {
        world.clients[subscriber].video_got().next().is_some()
    });
    let first = world.clients[subscriber].video_got().next().unwrap();
    assert!(is_key_start(Codec::H264, &first.payload));
}

#[test]
fn a_publisher_that_comes_back_continues_its_picture() {
    for codec in VIDEO_CODECS {
        let mut world = World::carrying(codec);
        let first = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[first].start(now, codec);
        world.run_ms(1_000);
        // The page is reloaded: the old connection is dropped, and another one feeds the same publication.
        world.clients[first].is_offline = true;
        world.control(Control::Close { peer: PeerId(1) });
        world.run_ms(500);
        let second = world.publisher(3, 1);
        world.connect();
        let now = world.now;
        world.clients[second].start(now, codec);
        world.run_ms(1_000);

        let video: Vec<_> = world.clients[subscriber].video_got().collect();
        let change = video
            .windows(2)
            .position(|pair| {
                identity(&pair[1].payload)
                    .0
                    .abs_diff(identity(&pair[0].payload).0)
                    > 1_000
            })
            .expect("both publishers were seen");
        let (before, after) = (video[change], video[change + 1]);
        assert!(is_key_start(codec, &after.payload));
        assert_unbroken(&video);
        let apart = u64::from(after.time.wrapping_sub(before.time)) * 1_000 / 90_000;
        let expected = (after.at - before.at).as_millis() as u64;
        assert!(
            apart.abs_diff(expected) < 20,
            "{apart} ms on the media clock, {expected} ms in fact"
        );
        if let Some(id) = picture_id(codec, &before.payload) {
            assert_eq!(picture_id(codec, &after.payload), Some((id + 1) & 0x7fff));
        }
        let audio: Vec<_> = world.clients[subscriber].audio_got().collect();
        assert!(
            audio.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1),
            "no gap in audio either"
        );
    }
}

#[test]
fn a_second_feeder_replaces_the_first() {
    let mut world = World::new();
    let first = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[first].start(now, Codec::Vp8);
    world.run_ms(500);
    let second = world.publisher(3, 1);
    world.connect();
    let now = world.now;
    world.clients[second].start(now, Codec::Vp8);
    // Both keep sending; only the second is forwarded.
    world.run_ms(300);
    world.clients[subscriber].got.clear();
    world.run_ms(1_000);
    let frames: Vec<_> = world.clients[subscriber]
        .video_got()
        .map(|got| identity(&got.payload).0)
        .collect();
    assert!(frames.len() > 60);
    assert!(frames.windows(2).all(|pair| pair[1] - pair[0] <= 1));
}

#[test]
fn a_subscriber_without_the_codec_gets_the_rest() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let now = world.now;
    let rtc = Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .build(now);
    let client = Client::with_rtc(now, rtc, 2, 1, Direction::RecvOnly, &AUDIO_AND_VIDEO, &[]);
    let subscriber = world.open(client, false);
    world.control(Control::Subscribe {
        peer: PeerId(2),
        publication: PublicationId(1),
    });
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    assert_eq!(world.clients[subscriber].video_got().count(), 0);
    assert!(world.clients[subscriber].audio_got().count() > 40);
    assert!(world.sfu.stats().packets_unmappable > 60);
    assert!(
        world.clients[publisher].keyframe_requests.is_empty(),
        "no key frame would help"
    );
}

#[test]
fn a_subscriber_of_one_kind_gets_that_kind() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let now = world.now;
    let only = |kind, key, number| Client::new(now, key, number, Direction::RecvOnly, &[kind], &[]);
    let audio = world.open(only(MediaKind::Audio, 2, 1), false);
    let video = world.open(only(MediaKind::Video, 3, 2), false);
    for key in [2, 3] {
        world.control(Control::Subscribe {
            peer: PeerId(key),
            publication: PublicationId(1),
        });
    }
    world.connect();
    let now = world.now;
    world.clients[publisher].start(now, Codec::H264);
    world.run_ms(1_000);
    let counts = |index: usize| {
        (
            world.clients[index].audio_got().count(),
            world.clients[index].video_got().count(),
        )
    };
    assert!(matches!(counts(audio), (40.., 0)), "{:?}", counts(audio));
    assert!(matches!(counts(video), (0, 60..)), "{:?}", counts(video));
}

#[test]
fn a_frame_leaves_as_one_burst_per_subscriber() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    for key in 0..5 {
        world.subscriber(10 + key, 1);
    }
    world.connect();
    let now = world.now;
    world.clients[publisher].start_video(now, Codec::H264, None, 5);
    world.run_ms(500);
    world.recording = Some(Vec::new());
    world.run_ms(1_000);
    let sent: Vec<_> = world
        .recording
        .take()
        .unwrap()
        .into_iter()
        .filter(|flight| flight.from == world.sfu_address && flight.bytes.len() > 600)
        .collect();
    assert!(sent.len() > 24 * 25, "{}", sent.len());
    for burst in sent.chunks(5) {
        assert!(
            burst.iter().all(|flight| flight.to == burst[0].to),
            "five packets of a frame follow each other"
        );
    }
}

#[test]
fn sender_reports_let_audio_and_video_play_in_step() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let start = world.now;
    world.clients[publisher].start(start, Codec::Vp8);
    let encode_delay = Duration::from_millis(120);
    world.clients[publisher].video_sources[0].encode_delay = encode_delay;
    let first_frame = world.clients[publisher].video_sources[0].frame;
    world.run_ms(12_000);

    let client = &world.clients[subscriber];
    // The capture time that the subscriber derives, in milliseconds of the reports' clock.
    let captured = |got: &Got, rate: i64| -> i64 {
        let report = client
            .reports
            .iter()
            .rev()
            .find(|report| report.kind == got.kind)
            .expect("a report");
        let ntp = report
            .ntp
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_millis() as i64;
        ntp + i64::from(got.time.wrapping_sub(report.time) as i32) * 1_000 / rate
    };
    let video = client.video_got().next_back().unwrap();
    let audio = client.audio_got().next_back().unwrap();
    // The real capture time, in milliseconds since the start.
    let frames = identity(&video.payload).0 - first_frame;
    let video_truth = frames as i64 * FRAME.as_millis() as i64 - encode_delay.as_millis() as i64;
    let audio_truth = identity(&audio.payload).0 as i64 * AUDIO.as_millis() as i64;
    let believed = captured(video, 90_000) - captured(audio, 48_000);
    assert!(
        believed.abs_diff(video_truth - audio_truth) <= 3,
        "{believed} instead of {}",
        video_truth - audio_truth
    );
}

#[test]
fn audio_levels_and_markers_pass_through() {
    let mut world = World::new();
    let publisher = world.publisher(1, 1);
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let now = world.now;
    world.clients[publisher].start_audio(now);
    world.run_ms(500);
    let audio: Vec<_> = world.clients[subscriber].audio_got().collect();
    assert!(audio[0].marker, "the first packet of a talk spurt");
    assert!(audio.iter().all(|got| got.audio_level == Some(-30)));
}

#[test]
fn the_same_seed_starts_the_same_numbers() {
    let first = |seed| {
        let mut world = World::with(restage_media::Config {
            seed,
            ..crate::support::config()
        });
        let publisher = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[publisher].start(now, Codec::Vp8);
        world.run_ms(200);
        let got = world.clients[subscriber].video_got().next().unwrap();
        (got.seq, got.time)
    };
    assert_eq!(first(5), first(5));
    assert_ne!(first(5), first(6));
}
