//! Inlets that the caller feeds: subscribers get their packets like those of a publisher.

use std::time::{Duration, Instant};

use restage_media::{
    Codec, Config, Control, Excess, Format, InletEnd, InletError, InletId, InletPacket, Input,
    MediaKind, PublicationId, TapLayers, limits,
};
use str0m::format::Codec as ClientCodec;

use crate::support::client::Got;
use crate::support::source::{
    AudioSource, SourcePacket, VIDEO_CODECS, VideoSource, identity, is_key_start,
};
use crate::support::{News, World, config};
use crate::taps::open_tap;

const PUBLICATION: PublicationId = PublicationId(1);
const AUDIO_FORMAT: usize = 0;
const VIDEO_FORMAT: usize = 1;
/// How loud its sound is, in −dBov.
const LEVEL: i8 = -23;

fn formats(video: Codec) -> Vec<Format> {
    let parameters = match video {
        Codec::H264 => "packetization-mode=1;profile-level-id=42e01f",
        Codec::H265 => "profile-id=1",
        _ => "",
    };
    vec![
        Format::new(Codec::Opus, "minptime=10;useinbandfec=1").unwrap(),
        Format::new(video, parameters).unwrap(),
    ]
}

/// Feeds an inlet from the same sources as publishing clients.
struct Ingest {
    key: InletId,
    audio: AudioSource,
    video: VideoSource,
    began: Instant,
    /// The pushed video packets.
    pushed: Vec<std::sync::Arc<[u8]>>,
}

impl Ingest {
    fn open(world: &mut World, key: u64, codec: ClientCodec) -> Self {
        Self::open_limited(world, key, codec, true)
    }

    fn open_limited(world: &mut World, key: u64, codec: ClientCodec, is_limited: bool) -> Self {
        let ours = match codec {
            ClientCodec::Vp8 => Codec::Vp8,
            ClientCodec::Vp9 => Codec::Vp9,
            ClientCodec::Av1 => Codec::Av1,
            ClientCodec::H265 => Codec::H265,
            _ => Codec::H264,
        };
        world.control(Control::OpenInlet {
            inlet: InletId(key),
            publication: PUBLICATION,
            formats: formats(ours),
            is_limited,
        });
        Self {
            key: InletId(key),
            audio: AudioSource::new(world.now, key),
            video: VideoSource::new(world.now, codec, None, 3, key),
            began: world.now,
            pushed: Vec::new(),
        }
    }

    fn packet(&self, at: Instant, format: usize, packet: SourcePacket) -> InletPacket {
        let elapsed = at.saturating_duration_since(self.began);
        InletPacket {
            format,
            layer: 0,
            sequence: packet.seq,
            timestamp: u64::from(packet.time),
            captured_us: Some(1_000_000 + elapsed.as_micros() as u64),
            marker: packet.marker,
            payload: packet.payload,
            audio_level: (format == AUDIO_FORMAT).then_some(LEVEL),
        }
    }

    /// Pushes what is due for this long, and answers requests for key frames.
    fn run_ms(&mut self, world: &mut World, ms: u64) {
        for _ in 0..ms / 5 {
            world.run(Duration::from_millis(5));
            let wanted = std::mem::take(&mut world.inlet_key_frames);
            if wanted.contains(&(self.key, 0)) {
                self.video.on_keyframe_request();
            }
            let mut due = Vec::new();
            while self.audio.next_at <= world.now {
                let at = self.audio.next_at;
                let packet = self.audio.next();
                due.push(self.packet(at, AUDIO_FORMAT, packet));
            }
            while self.video.next_at <= world.now {
                let at = self.video.next_at;
                for packet in self.video.next() {
                    self.pushed.push(packet.payload.clone());
                    due.push(self.packet(at, VIDEO_FORMAT, packet));
                }
            }
            world.input(Input::Push {
                inlet: self.key,
                packets: &due,
            });
        }
    }
}

fn assert_unbroken(video: &[&Got]) {
    for pair in video.windows(2) {
        assert_eq!(pair[0].seq + 1, pair[1].seq, "no gap");
        assert_eq!(pair[0].ssrc, pair[1].ssrc, "one sender");
        assert!(
            pair[1].time.wrapping_sub(pair[0].time) < 1 << 31,
            "time goes forward"
        );
    }
}

#[test]
fn pictures_and_sound_of_an_inlet_reach_a_subscriber() {
    for codec in VIDEO_CODECS {
        let mut world = World::carrying(codec);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let mut ingest = Ingest::open(&mut world, 5, codec);
        ingest.run_ms(&mut world, 2_000);
        world.run_ms(50);
        let client = &world.clients[subscriber];
        let video: Vec<_> = client.video_got().collect();
        assert_unbroken(&video);
        assert!(is_key_start(codec, &video[0].payload));
        assert!(video.iter().all(|got| got.codec == codec));
        let frames = |payload: &[u8]| identity(payload);
        let got: Vec<_> = video.iter().map(|got| frames(&got.payload)).collect();
        let pushed: Vec<_> = ingest.pushed.iter().map(|one| frames(one)).collect();
        assert_eq!(got, pushed);
        assert!(client.audio_got().count() > 95);
        assert!(client.audio_got().all(|got| got.codec == ClientCodec::Opus));
        assert!(client.audio_got().all(|got| got.audio_level == Some(LEVEL)));
        let told = world.loudness.iter();
        let levels: Vec<i8> = told
            .filter(|(of, _)| *of == PUBLICATION)
            .map(|(_, level)| *level)
            .collect();
        assert!(
            levels.len() > 3 && levels.iter().all(|level| *level == LEVEL),
            "{levels:?}"
        );
        assert_eq!(world.sfu.stats().inlets, 1);
        assert!(world.inlet_errors(5).is_empty());
    }
}

#[test]
fn the_size_of_newer_codecs_is_limited_too() {
    let mut world = World::with(Config {
        publish_pixels_max: Some(640 * 360),
        ..config()
    });
    for (key, size, is_over) in [(5, (640, 360), false), (6, (642, 360), true)] {
        let mut ingest = Ingest::open(&mut world, key, ClientCodec::Vp9);
        ingest.video.size = Some(size);
        ingest.run_ms(&mut world, 200);
        let ended = world
            .news
            .iter()
            .any(|news| matches!(news, News::InletEnded(_, InletEnd::Exceeded(_))));
        assert_eq!(ended, is_over);
    }
}

#[test]
fn an_inlet_whose_caller_keeps_the_limits_is_not_ended_for_them() {
    for (is_limited, is_over) in [(true, true), (false, false)] {
        let mut world = World::with(Config {
            publish_pixels_max: Some(320 * 180),
            publish_bits_per_s_max: Some(50_000),
            ..config()
        });
        let mut ingest = Ingest::open_limited(&mut world, 5, ClientCodec::Vp9, is_limited);
        ingest.video.size = Some((640, 360));
        ingest.run_ms(&mut world, 4_000);
        let ended = world
            .news
            .iter()
            .any(|news| matches!(news, News::InletEnded(_, InletEnd::Exceeded(_))));
        assert_eq!(ended, is_over);
    }
}

#[test]
fn sound_and_pictures_stay_in_step() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let mut ingest = Ingest::open(&mut world, 5, ClientCodec::H264);
    ingest.run_ms(&mut world, 6_000);
    let client = &world.clients[subscriber];
    // The capture time that the subscriber derives, in milliseconds of the reports' clock.
    let captured = |got: &Got, rate: i64| {
        let mut reports = client.reports.iter().rev();
        let report = reports.find(|report| report.kind == got.kind).unwrap();
        let ntp = report.ntp.duration_since(std::time::UNIX_EPOCH).unwrap();
        let ticks = i64::from(got.time.wrapping_sub(report.time) as i32);
        ntp.as_millis() as i64 + ticks * 1_000 / rate
    };
    let video = client.video_got().next_back().unwrap();
    let audio = client.audio_got().next_back().unwrap();
    let pictures = identity(&video.payload).0 - identity(&ingest.pushed[0]).0;
    let truth = pictures as i64 * 40 - identity(&audio.payload).0 as i64 * 20;
    let believed = captured(video, 90_000) - captured(audio, 48_000);
    assert!(believed.abs_diff(truth) <= 3, "{believed}, not {truth}");
}

#[test]
fn a_subscriber_that_has_lost_its_picture_has_the_inlet_asked_for_a_key_frame() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let mut ingest = Ingest::open(&mut world, 5, ClientCodec::Vp8);
    ingest.run_ms(&mut world, 2_000);
    assert!(world.inlet_key_frames.is_empty());
    let before = world.sfu.stats().keyframe_requests;
    world.clients[subscriber].request_keyframe();
    world.wait("the request", Duration::from_millis(100), |world| {
        world.inlet_key_frames == [(InletId(5), 0)]
    });
    assert_eq!(world.sfu.stats().keyframe_requests, before + 1);
    world.clients[subscriber].got.clear();
    ingest.run_ms(&mut world, 200);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    let is_start = |got: &&&Got| is_key_start(ClientCodec::Vp8, &got.payload);
    assert_eq!(video.iter().filter(is_start).count(), 1);
    assert_unbroken(&video);
}

#[test]
fn a_subscriber_that_comes_later_begins_with_the_picture_as_it_stands() {
    let mut world = World::new();
    let mut ingest = Ingest::open(&mut world, 5, ClientCodec::H264);
    ingest.run_ms(&mut world, 1_000);
    let subscriber = world.subscriber(2, 1);
    ingest.run_ms(&mut world, 500);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    assert!(video.len() > 30 && is_key_start(ClientCodec::H264, &video[0].payload));
    assert_unbroken(&video);
    assert!(world.inlet_key_frames.is_empty());
}

#[test]
fn inlets_take_over_from_publishers_and_back_without_a_break() {
    for codec in [ClientCodec::H264, ClientCodec::Vp8] {
        let mut world = World::new();
        let first = world.publisher(1, 1);
        let subscriber = world.subscriber(2, 1);
        world.connect();
        let now = world.now;
        world.clients[first].start(now, codec);
        world.run_ms(1_000);
        let mut ingest = Ingest::open(&mut world, 5, codec);
        // The former publisher continues to send; no subscriber gets its packets.
        ingest.run_ms(&mut world, 1_000);
        let second = world.publisher(3, 1);
        assert!(matches!(
            world.news.last(),
            Some(News::InletEnded(InletId(5), InletEnd::Superseded))
        ));
        world.wait("the other publisher", Duration::from_secs(5), |world| {
            world.is_connected(3)
        });
        let now = world.now;
        world.clients[second].start(now, codec);
        world.run_ms(1_000);

        let video: Vec<_> = world.clients[subscriber].video_got().collect();
        assert_unbroken(&video);
        let source_of = |got: &Got| identity(&got.payload).0 / 1_000_000 / 31;
        let mut order: Vec<_> = video.iter().map(|got| source_of(got)).collect();
        order.dedup();
        assert_eq!(order, [1, 0, 3], "{codec:?}: each once, in turn");
        for pair in video.windows(2) {
            if source_of(pair[0]) != source_of(pair[1]) {
                assert!(is_key_start(codec, &pair[1].payload));
            }
        }
        let audio: Vec<_> = world.clients[subscriber].audio_got().collect();
        assert_unbroken(&audio);
        // The inlet was closed when the publisher took over.
        world.input(Input::Push {
            inlet: InletId(5),
            packets: &[],
        });
        assert_eq!(world.inlet_errors(5), [InletError::Unknown]);
    }
}

#[test]
fn what_a_tap_is_given_can_be_pushed_into_another_process() {
    let mut home = World::new();
    let mut away = World::with(Config {
        seed: 9,
        ..config()
    });
    away.now = home.now;
    let publisher = home.publisher(1, 1);
    let subscriber = away.subscriber(2, 1);
    home.connect();
    away.connect();
    let mut relayed = Vec::new();
    let inlet = InletId(5);
    open_tap(&mut home, 7, TapLayers::Best);
    away.control(Control::OpenInlet {
        inlet,
        publication: PUBLICATION,
        formats: formats(Codec::H264),
        is_limited: true,
    });
    let now = home.now;
    home.clients[publisher].start(now, ClientCodec::H264);
    for _ in 0..400 {
        home.run(Duration::from_millis(5));
        away.run(Duration::from_millis(5));
        let packets: Vec<_> = std::mem::take(&mut home.tapped)
            .into_iter()
            .map(|(_, packet)| InletPacket {
                format: match packet.kind {
                    MediaKind::Audio => AUDIO_FORMAT,
                    MediaKind::Video => VIDEO_FORMAT,
                },
                layer: packet.encoding.layer,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                captured_us: Some(packet.captured_us),
                marker: packet.marker,
                payload: packet.payload,
                audio_level: packet.audio_level,
            })
            .collect();
        away.input(Input::Push {
            inlet,
            packets: &packets,
        });
        let video = packets
            .iter()
            .filter(|packet| packet.format == VIDEO_FORMAT);
        relayed.extend(video.map(|packet| identity(&packet.payload)));
    }
    assert!(away.inlet_errors(5).is_empty());
    away.run_ms(50);
    let video: Vec<_> = away.clients[subscriber].video_got().collect();
    assert_unbroken(&video);
    assert!(relayed.len() > 100);
    let got: Vec<_> = video.iter().map(|got| identity(&got.payload)).collect();
    assert_eq!(got, relayed);
}

#[test]
fn what_cannot_be_taken_is_refused_with_the_packet_and_the_rule() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let open = |world: &mut World, key: u64, formats: Vec<Format>| {
        world.control(Control::OpenInlet {
            inlet: InletId(key),
            publication: PUBLICATION,
            formats,
            is_limited: true,
        });
    };
    let push = |world: &mut World, packets: &[InletPacket]| {
        let inlet = InletId(5);
        world.input(Input::Push { inlet, packets });
    };
    push(&mut world, &[]);
    open(&mut world, 5, Vec::new());
    let many = vec![Format::new(Codec::Opus, "").unwrap(); limits::INLET_FORMATS_MAX + 1];
    open(&mut world, 5, many);
    open(&mut world, 5, formats(Codec::H264));
    open(&mut world, 5, formats(Codec::Vp8));
    let good = InletPacket {
        format: VIDEO_FORMAT,
        layer: 0,
        sequence: 1,
        timestamp: 0,
        captured_us: None,
        marker: true,
        payload: vec![0x65; 20].into(),
        audio_level: None,
    };
    let with = |change: fn(&mut InletPacket)| {
        let mut changed = good.clone();
        change(&mut changed);
        [good.clone(), changed]
    };
    push(&mut world, &with(|packet| packet.format = 2));
    push(
        &mut world,
        &with(|packet| packet.layer = limits::LAYERS_MAX as u8),
    );
    push(
        &mut world,
        &with(|packet| (packet.format, packet.layer) = (AUDIO_FORMAT, 1)),
    );
    push(&mut world, &with(|packet| packet.sequence = 1 << 48));
    push(&mut world, &with(|packet| packet.payload = [].into()));
    let too_long = limits::PAYLOAD_BYTES_MAX + 1;
    push(
        &mut world,
        &with(|packet| packet.payload = vec![1; limits::PAYLOAD_BYTES_MAX + 1].into()),
    );
    let count = limits::PUSH_PACKETS_MAX + 1;
    push(&mut world, &vec![good.clone(); count]);
    let packet = 1;
    assert_eq!(
        world.inlet_errors(5),
        [
            InletError::Unknown,
            InletError::NoFormats,
            InletError::TooManyFormats {
                count: limits::INLET_FORMATS_MAX + 1
            },
            InletError::KeyInUse,
            InletError::UnknownFormat { packet, format: 2 },
            InletError::UnknownLayer {
                packet,
                layer: limits::LAYERS_MAX as u8
            },
            InletError::UnknownLayer { packet, layer: 1 },
            InletError::SequenceTooLarge { packet },
            InletError::EmptyPayload { packet },
            InletError::PayloadTooLarge {
                packet,
                bytes: too_long
            },
            InletError::TooManyPackets { count },
        ]
    );
    let message = InletError::PayloadTooLarge {
        packet,
        bytes: 1_601,
    }
    .to_string();
    assert_eq!(
        message,
        "packet 1: the payload has 1601 bytes; the most is 1600"
    );
    // If a push is refused, none of its packets is forwarded, not even the valid ones.
    world.run_ms(100);
    assert_eq!(world.clients[subscriber].got.len(), 0);
    push(&mut world, &[good.clone(), good]);
    world.run_ms(100);
    assert_eq!(
        world.clients[subscriber].got.len(),
        1,
        "a number is sent once"
    );
    assert_eq!(world.sfu.stats().packets_unusable, 1);
}

#[test]
fn an_inlet_that_is_closed_leaves_nothing_and_its_key_is_free() {
    let mut world = World::new();
    let close = Control::CloseInlet { inlet: InletId(5) };
    world.control(close.clone());
    Ingest::open(&mut world, 5, ClientCodec::H264).run_ms(&mut world, 100);
    world.control(close.clone());
    world.control(close);
    let stats = world.sfu.stats();
    assert_eq!((stats.inlets, stats.publications), (0, 0));
    let subscriber = world.subscriber(2, 1);
    world.connect();
    Ingest::open(&mut world, 5, ClientCodec::H264).run_ms(&mut world, 500);
    assert!(world.inlet_errors(5).is_empty());
    assert!(world.clients[subscriber].video_got().count() > 30);
    // A worker whose publication is fed by another worker notifies its inlet.
    world.control(Control::Yield {
        publication: PUBLICATION,
    });
    assert!(matches!(
        world.news.last(),
        Some(News::InletEnded(InletId(5), InletEnd::Superseded))
    ));
}

#[test]
fn a_jump_of_numbers_begins_anew_with_a_key_frame() {
    let mut world = World::new();
    let subscriber = world.subscriber(2, 1);
    world.connect();
    let mut ingest = Ingest::open(&mut world, 5, ClientCodec::Vp8);
    ingest.run_ms(&mut world, 500);
    // The encoder was restarted: other sequence numbers, and no key frame until one is requested.
    let mut restarted = VideoSource::new(world.now, ClientCodec::Vp8, None, 3, 77);
    restarted.next();
    ingest.video = restarted;
    ingest.run_ms(&mut world, 1_000);
    let video: Vec<_> = world.clients[subscriber].video_got().collect();
    assert_unbroken(&video);
    let first = |got: &&&Got| identity(&got.payload).0 >= 77_000_000;
    let after: Vec<_> = video.iter().filter(first).collect();
    assert!(after.len() > 30, "{}", after.len());
    assert!(is_key_start(ClientCodec::Vp8, &after[0].payload));
}

#[test]
fn an_inlet_is_held_to_what_a_publisher_may_send() {
    let mut world = World::with(Config {
        publish_bits_per_s_max: Some(100_000),
        ..config()
    });
    let mut ingest = Ingest::open(&mut world, 5, ClientCodec::H264);
    ingest.run_ms(&mut world, 3_000);
    let ended = world.news.iter().find_map(|news| match news {
        News::InletEnded(InletId(5), reason) => Some(*reason),
        _ => None,
    });
    let Some(InletEnd::Exceeded(Excess::PublishBitrate { bits_per_s })) = ended else {
        panic!("{ended:?}");
    };
    assert!(bits_per_s > 100_000);
    assert_eq!(world.sfu.stats().inlets, 0);
}

#[test]
fn random_packets_do_no_harm_and_no_number_is_sent_twice() {
    for codec in [Codec::H264, Codec::Vp8] {
        let mut world = World::new();
        let subscriber = world.subscriber(2, 1);
        world.connect();
        world.control(Control::OpenInlet {
            inlet: InletId(9),
            publication: PUBLICATION,
            formats: formats(codec),
            is_limited: true,
        });
        open_tap(&mut world, 7, TapLayers::All);
        for _ in 0..1_000 {
            let count = world.rng.below(12);
            let packets: Vec<_> = (0..count).map(|_| random_packet(&mut world.rng)).collect();
            world.input(Input::Push {
                inlet: InletId(9),
                packets: &packets,
            });
            world.run_ms(1);
        }
        world.run_ms(100);
        let stats = world.sfu.stats();
        assert!(stats.packets_out > 500 && stats.packets_tapped > 500);
        assert_eq!((stats.peer_panics, stats.inlets), (0, 1));
        for kind in [
            str0m::media::MediaKind::Audio,
            str0m::media::MediaKind::Video,
        ] {
            let got = world.clients[subscriber].got.iter();
            let of_kind = got.filter(|got| got.kind == kind).map(|got| got.seq);
            let mut numbers: Vec<u64> = of_kind.collect();
            let all = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), all, "{codec:?} {kind:?}");
        }
        // It goes on with what is good.
        world.control(Control::CloseInlet { inlet: InletId(9) });
        world.clients[subscriber].got.clear();
        let theirs = match codec {
            Codec::Vp8 => ClientCodec::Vp8,
            _ => ClientCodec::H264,
        };
        Ingest::open(&mut world, 5, theirs).run_ms(&mut world, 500);
        assert!(world.clients[subscriber].video_got().count() > 30);
    }
}

/// Mostly one that is taken: near numbers, real beginnings of payloads, any rest.
fn random_packet(rng: &mut crate::support::Rng) -> InletPacket {
    let is_odd = rng.below(50) == 0;
    let starts: [&[u8]; 7] = [
        &[0x78, 0, 5, 0x67, 0x42, 0xe0, 0x1f, 0x80, 0, 2, 0x68, 0xce],
        &[0x7c, 0x85],
        &[0x65, 0x88],
        &[0x67],
        &[0x90, 0xe0, 0x80, 0x01, 0x05, 0x00, 0x00],
        &[0x10, 0x00],
        &[],
    ];
    let mut payload = starts[rng.below(starts.len())].to_vec();
    let rest = 1 + rng.below(40);
    payload.extend(rng.bytes(rest));
    InletPacket {
        format: rng.below(if is_odd { 4 } else { 2 }),
        layer: if is_odd { rng.below(6) as u8 } else { 0 },
        sequence: if is_odd {
            rng.next() >> rng.below(40)
        } else {
            rng.next() % 4_000
        },
        timestamp: rng.next() >> rng.below(64),
        captured_us: (rng.below(2) == 0).then(|| rng.next() >> rng.below(64)),
        marker: rng.below(3) == 0,
        payload: payload.into(),
        audio_level: (rng.below(2) == 0).then(|| rng.next() as i8),
    }
}
