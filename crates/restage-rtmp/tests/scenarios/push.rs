//! The client's side against the server's side: what is pushed arrives as it was sent.

use std::time::{Duration, Instant};

use restage_rtmp::{
    AudioCodec, End, Event, HANDSHAKE_RANDOM_BYTES, PushEnd, PushEvent, PushName, PushSession,
    Refusal, Session, StreamDescription, VideoCodec, VideoFrame,
};

use crate::publisher::{DELTA, IDR, PPS, SPS};

pub(crate) const KEY: &str = "sk_secret";
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// AAC-LC, 48 kHz, stereo.
const AUDIO_CONFIG: [u8; 2] = [0x11, 0x90];
/// Another size than that of [`SPS`]: of the same bytes but for the level, which is as good as any difference.
const OTHER_SPS: &[u8] = &[
    0x67, 0x42, 0xd0, 0x0c, 0xda, 0x08, 0x36, 0xc0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0x52, 0x3c,
    0x48, 0x9a, 0x80,
];

pub(crate) fn description() -> StreamDescription {
    StreamDescription {
        width: 1_280,
        height: 720,
        framerate: 30.0,
        video_bits_per_s: 2_500_000,
        audio_bits_per_s: 160_000,
        audio_rate_hz: 48_000,
        audio_channels: 2,
    }
}

pub(crate) fn name() -> PushName {
    PushName::new("app", "rtmp://127.0.0.1/app", KEY).unwrap()
}

pub(crate) fn annex_b(units: &[&[u8]]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat())
        .collect()
}

/// A client and a server, and what each was told.
struct Pair {
    now: Instant,
    client: PushSession,
    server: Session,
    told: Vec<PushEvent>,
    events: Vec<Event>,
    /// Bytes that are delivered at once.
    step: usize,
}

impl Pair {
    #[allow(clippy::disallowed_methods)]
    fn new(step: usize) -> Self {
        let now = Instant::now();
        Self {
            now,
            client: PushSession::new(now + ANSWER_MAX, name(), &[5; HANDSHAKE_RANDOM_BYTES]),
            server: Session::new(now, &[9; HANDSHAKE_RANDOM_BYTES]),
            told: Vec::new(),
            events: Vec::new(),
            step,
        }
    }

    /// Lets both talk until neither says anything.
    fn talk(&mut self) {
        loop {
            let to_server = self.client.take_output();
            for mut bytes in to_server.chunks(self.step) {
                while let Some(event) = self.server.receive(self.now, &mut bytes) {
                    self.events.push(event);
                }
            }
            let to_client = self.server.take_output();
            for mut bytes in to_client.chunks(self.step) {
                while let Some(event) = self.client.receive(&mut bytes) {
                    self.told.push(event);
                }
            }
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
        }
    }

    /// A pair whose server has let the stream be published.
    fn publishing(step: usize) -> Self {
        let mut pair = Self::new(step);
        pair.talk();
        let [Event::Publish(publish)] = &pair.events[..] else {
            panic!("{:?}", pair.events);
        };
        assert_eq!((publish.app.as_str(), publish.key.expose()), ("app", KEY));
        pair.server.accept(pair.now);
        pair.talk();
        assert_eq!(pair.told, [PushEvent::Publishing]);
        pair.client.describe(&description(), 0, &AUDIO_CONFIG);
        pair.events.clear();
        pair
    }

    fn pictures(&self) -> Vec<&VideoFrame> {
        let pictures = self.events.iter().filter_map(|event| match event {
            Event::Video(frame) => Some(frame),
            _ => None,
        });
        pictures.collect()
    }

    fn configurations(&self) -> Vec<Vec<u8>> {
        let configurations = self.events.iter().filter_map(|event| match event {
            Event::VideoConfig(config) => match &config.codec {
                VideoCodec::H264(config) => Some(config.sequence_sets[0].clone()),
                other => panic!("{other:?}"),
            },
            _ => None,
        });
        configurations.collect()
    }
}

#[test]
fn what_is_pushed_arrives_as_it_was_sent() {
    for step in [1, 100, 5_000] {
        let mut pair = Pair::publishing(step);
        let sound = vec![0x21, 1, 2, 3];
        assert!(
            pair.client
                .picture(0, true, &annex_b(&[&[9, 0xf0], SPS, PPS, IDR]))
        );
        assert!(pair.client.sound(10, &sound));
        assert!(pair.client.picture(33, false, &annex_b(&[DELTA])));
        pair.talk();
        assert_eq!(pair.configurations(), [SPS]);
        let pictures = pair.pictures();
        let of = |frame: &VideoFrame| {
            let units: Vec<Vec<u8>> = frame.units.iter().map(<[u8]>::to_vec).collect();
            (frame.is_key, frame.composition_ms, units)
        };
        assert_eq!(of(pictures[0]), (true, 0, vec![IDR.to_vec()]));
        assert_eq!(of(pictures[1]), (false, 0, vec![DELTA.to_vec()]));
        assert_eq!(pictures[1].timestamp_us - pictures[0].timestamp_us, 33_000);
        let audio = pair.events.iter().find_map(|event| match event {
            Event::Audio(frame) => Some(frame),
            _ => None,
        });
        let audio = audio.unwrap();
        assert_eq!(
            (audio.timestamp_us - pictures[0].timestamp_us, &audio.data),
            (10_000, &sound)
        );
        let codec = pair.events.iter().find_map(|event| match event {
            Event::AudioConfig(config) => Some(&config.codec),
            _ => None,
        });
        let Some(AudioCodec::Aac(config)) = codec else {
            panic!("{codec:?}");
        };
        assert_eq!((config.rate_hz, config.channels), (48_000, 2));
        let metadata = pair.events.iter().find_map(|event| match event {
            Event::Metadata(metadata) => Some(metadata),
            _ => None,
        });
        let text = format!("{:?}", metadata.unwrap());
        assert!(text.contains("1280") && text.contains("restage"), "{text}");
        pair.client.finish();
        assert!(pair.client.is_over());
        pair.talk();
        assert_eq!(pair.events.last(), Some(&Event::End(End::Finished)));
    }
}

#[test]
fn a_configuration_is_sent_again_only_when_the_sets_have_changed() {
    let mut pair = Pair::publishing(10_000);
    let client = &mut pair.client;
    assert!(
        !client.picture(0, false, &annex_b(&[DELTA])),
        "nobody could decode it"
    );
    assert!(
        !client.picture(1, true, &annex_b(&[IDR])),
        "without parameter sets"
    );
    assert!(client.picture(33, true, &annex_b(&[SPS, PPS, IDR])));
    assert!(client.picture(66, true, &annex_b(&[SPS, PPS, IDR])));
    assert!(client.picture(100, true, &annex_b(&[IDR])));
    assert!(client.picture(133, true, &annex_b(&[OTHER_SPS, PPS, IDR])));
    assert!(
        !client.picture(166, true, &annex_b(&[SPS, PPS])),
        "no slice"
    );
    assert!(!client.picture(166, true, &[]));
    pair.talk();
    assert_eq!(pair.configurations(), [SPS, OTHER_SPS, SPS]);
    assert_eq!(pair.pictures().len(), 4);
}

#[test]
fn timestamps_go_on_where_three_and_four_bytes_are_full() {
    for start in [0x00ff_ffff - 50, u32::MAX - 50] {
        let mut pair = Pair::publishing(777);
        let picture = annex_b(&[SPS, PPS, IDR, &[0x41; 9_000]]);
        for index in 0..6 {
            let time = u32::wrapping_add(start, index * 20);
            assert!(pair.client.picture(time, true, &picture));
            assert!(pair.client.sound(time, &[0x21; 5_000]));
        }
        pair.talk();
        let times: Vec<i64> = pair
            .pictures()
            .iter()
            .map(|frame| frame.timestamp_us)
            .collect();
        let steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, [20_000; 5]);
    }
}

#[test]
fn a_refusal_says_why() {
    for (refusal, is_busy) in [
        (Refusal::ReuseOfStreamKey, true),
        (Refusal::InvalidStreamKey, false),
        (Refusal::InvalidProtocol, false),
    ] {
        let mut pair = Pair::new(300);
        pair.talk();
        pair.server.refuse(&refusal);
        pair.talk();
        let [PushEvent::End(end)] = &pair.told[..] else {
            panic!("{:?}", pair.told);
        };
        assert_eq!(matches!(end, PushEnd::Busy { .. }), is_busy, "{end:?}");
        assert!(end.to_string().contains(&refusal.to_string()), "{end}");
        assert!(pair.client.is_over());
    }
}

#[test]
fn a_stream_that_the_server_ends_is_over() {
    let mut pair = Pair::publishing(300);
    let reason = "by the operator".to_owned();
    pair.server.refuse(&Refusal::Ended { reason });
    pair.talk();
    let Some(PushEvent::End(PushEnd::Refused { words })) = pair.told.last() else {
        panic!("{:?}", pair.told);
    };
    assert!(words.contains("by the operator"), "{words}");
    assert!(!pair.client.picture(0, true, &annex_b(&[SPS, PPS, IDR])));
    assert!(!pair.client.sound(0, &[1]));
}

#[test]
fn a_server_that_does_not_answer_is_left() {
    let mut pair = Pair::new(300);
    let until = pair.client.next_deadline().unwrap();
    assert_eq!(until, pair.now + ANSWER_MAX);
    assert_eq!(
        pair.client.handle_time(until - Duration::from_millis(1)),
        None
    );
    assert_eq!(
        pair.client.handle_time(until),
        Some(PushEvent::End(PushEnd::Timeout))
    );
    assert_eq!(pair.client.handle_time(until), None);
}

#[test]
fn the_key_is_shown_nowhere() {
    let pair = Pair::publishing(300);
    let shown = format!("{:?} {:?}", pair.client, name());
    assert!(!shown.contains(KEY), "{shown}");
    for (app, url, key) in [
        ("", "u", "k"),
        ("a", "u", ""),
        ("a", "u", "k\n"),
        ("a", "", "k"),
    ] {
        assert!(PushName::new(app, url, key).is_err());
    }
    assert!(PushName::new("a", "u", &"k".repeat(1_025)).is_err());
}
