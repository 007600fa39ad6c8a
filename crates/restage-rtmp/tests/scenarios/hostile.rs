//! Strangers: garbage, damage at every place, and walks through everything that an encoder can do.

use std::time::Duration;

use proptest::prelude::*;
use restage_rtmp::limits::{CONNECTION_BYTES_MAX, RELEASE_BYTES_MAX};
use restage_rtmp::{AacConfig, AvcConfig, Event, Refusal, RuleLimits, Rules};

use crate::publisher::*;

const ROOM: usize = CONNECTION_BYTES_MAX - RELEASE_BYTES_MAX;

/// Brings bytes to a session whose every request is granted, and checks the order of events and the memory.
struct Stranger {
    rig: Rig,
    rules: Rules,
    has_published: bool,
    has_ended: bool,
}

impl Stranger {
    fn new(rig: Rig, has_published: bool) -> Self {
        let rules = Rules::new(rig.now, RuleLimits::AWS);
        Self {
            rig,
            rules,
            has_published,
            has_ended: false,
        }
    }

    fn bring(&mut self, mut input: &[u8]) {
        while let Some(event) = self.rig.session.receive(self.rig.now, &mut input) {
            self.take(event);
        }
        assert!(input.is_empty());
        assert!(self.rig.session.memory() < ROOM);
        assert_eq!(self.rig.session.is_over(), self.has_ended);
        self.rig.session.take_output();
    }

    fn wait(&mut self, time: Duration) {
        self.rig.now += time;
        if let Some(event) = self.rig.session.handle_time(self.rig.now) {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        assert!(!self.has_ended, "{event:?} after the end");
        match &event {
            Event::Publish(_) => {
                assert!(!self.has_published);
                self.has_published = true;
                self.rig.session.accept(self.rig.now);
            }
            Event::End(_) => self.has_ended = true,
            Event::Video(frame) => {
                assert!(self.has_published && frame.units.iter().all(|unit| !unit.is_empty()));
            }
            _ => assert!(self.has_published),
        }
        // Whatever the rules say of it.
        let _ = self.rules.check(self.rig.now, &event);
    }
}

#[test]
fn recordings_that_are_damaged_at_any_place_do_no_harm() {
    let whole = include_bytes!("../encoders/ffmpeg9-multitrack.rtmp");
    // Behind the handshake, in which nothing depends on what the bytes say.
    for place in 3_073..whole.len().min(7_000) {
        for value in [0, 0x7f, 0xff, whole[place] ^ 0x80] {
            let mut damaged = whole.to_vec();
            damaged[place] = value;
            let mut stranger = Stranger::new(Rig::new(), false);
            stranger.bring(&damaged[..place + 2_000]);
        }
    }
}

#[test]
fn recordings_that_are_cut_do_no_harm() {
    let whole = include_bytes!("../encoders/ffmpeg9.rtmp");
    for cut in (0..whole.len()).step_by(3) {
        let mut stranger = Stranger::new(Rig::new(), false);
        stranger.bring(&whole[..cut]);
        stranger.wait(Duration::from_secs(20));
        assert!(stranger.has_ended);
    }
}

/// One thing that an encoder does.
#[derive(Debug, Clone)]
enum Step {
    Connect,
    Publish(String),
    Config(u8),
    Picture {
        track: u8,
        time: u32,
        unit: Vec<u8>,
        composition: i32,
    },
    Sound {
        time: u32,
        data: Vec<u8>,
    },
    Message {
        stream: u8,
        time: u32,
        kind: u8,
        body: Vec<u8>,
    },
    Half {
        stream: u8,
        kind: u8,
        length: usize,
    },
    ChunkBytes(u32),
    Garbage(Vec<u8>),
    Wait(u64),
    Refuse,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let time = || prop_oneof![0..10_000_u32, any::<u32>(), 0x00ff_fff0..0x0100_0010_u32];
    let kind = prop_oneof![0..24_u8, any::<u8>()];
    prop_oneof![
        2 => Just(Step::Connect),
        2 => "[a-z]{0,9}".prop_map(Step::Publish),
        4 => (0..6_u8).prop_map(Step::Config),
        8 => (0..6_u8, time(), bytes(60), -40..200_i32).prop_map(|(track, time, unit, composition)| {
            Step::Picture { track, time, unit, composition }
        }),
        8 => (time(), bytes(60)).prop_map(|(time, data)| Step::Sound { time, data }),
        6 => (2..20_u8, time(), kind, bytes(80)).prop_map(|(stream, time, kind, body)| {
            Step::Message { stream, time, kind, body }
        }),
        2 => (2..20_u8, 8..10_u8, 0..70_000_usize)
            .prop_map(|(stream, kind, length)| Step::Half { stream, kind, length }),
        1 => prop_oneof![1..70_000_u32, any::<u32>()].prop_map(Step::ChunkBytes),
        1 => bytes(40).prop_map(Step::Garbage),
        2 => (0..12_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Refuse),
    ]
}

/// The bytes of a step, in chunks of this size.
fn bytes_of(step: &Step, chunk_bytes: usize) -> Vec<u8> {
    let command = |values: &[Vec<u8>]| chunks(3, 0, COMMAND, &values.concat(), chunk_bytes);
    match step {
        Step::Connect => {
            let app = object(&[member("app", &text("app"))]);
            command(&[text("connect"), number(1.0), app])
        }
        Step::Publish(key) => command(&[text("publish"), number(2.0), NULL.to_vec(), text(key)]),
        Step::Config(track) => {
            let tag = [&b"\x96\x00avc1"[..], &[*track], &record(SPS)].concat();
            chunks(6, 0, VIDEO, &tag, chunk_bytes)
        }
        Step::Picture {
            track,
            time,
            unit,
            composition,
        } => {
            let [_, high, middle, low] = composition.to_be_bytes();
            let head = [&b"\x96\x01avc1"[..], &[*track, high, middle, low]].concat();
            chunks(
                6,
                *time,
                VIDEO,
                &[head, units(&[unit])].concat(),
                chunk_bytes,
            )
        }
        Step::Sound { time, data } => chunks(
            4,
            *time,
            AUDIO,
            &[&[0xaf, (data.len() > 20).into()][..], data].concat(),
            chunk_bytes,
        ),
        Step::Message {
            stream,
            time,
            kind,
            body,
        } => chunks(*stream, *time, *kind, body, chunk_bytes),
        Step::Half {
            stream,
            kind,
            length,
        } => {
            let whole = chunks(*stream, 0, *kind, &vec![0; *length], chunk_bytes);
            whole[..whole.len() / 2].to_vec()
        }
        Step::ChunkBytes(bytes) => chunks(2, 0, 1, &bytes.to_be_bytes(), chunk_bytes),
        Step::Garbage(bytes) => bytes.clone(),
        Step::Wait(_) | Step::Refuse => Vec::new(),
    }
}

proptest! {
    #[test]
    fn walks_keep_to_the_order_and_the_bounds(
        is_publishing in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
        piece in 1..2_000_usize,
    ) {
        let rig = if is_publishing { Rig::publishing() } else { Rig::shaken() };
        let mut stranger = Stranger::new(rig, is_publishing);
        let mut chunk_bytes = 128;
        for step in &steps {
            match step {
                Step::Wait(ms) => stranger.wait(Duration::from_millis(*ms)),
                Step::Refuse => {
                    stranger.rig.session.refuse(&Refusal::InternalServerException);
                    let mut none = &[][..];
                    while let Some(event) = stranger.rig.session.receive(stranger.rig.now, &mut none) {
                        stranger.take(event);
                    }
                }
                _ => {
                    for bytes in bytes_of(step, chunk_bytes).chunks(piece) {
                        stranger.bring(bytes);
                    }
                }
            }
            if let Step::ChunkBytes(bytes @ 1..=65_536) = step {
                chunk_bytes = *bytes as usize;
            }
        }
        stranger.wait(Duration::from_secs(11));
        stranger.wait(Duration::from_secs(11));
        prop_assert!(stranger.has_ended);
    }

    #[test]
    fn garbage_from_the_first_byte_on_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let mut stranger = Stranger::new(Rig::new(), false);
        stranger.bring(&[&[3], &bytes[..]].concat());
        let mut stranger = Stranger::new(Rig::publishing(), true);
        stranger.bring(&bytes);
    }

    #[test]
    fn configurations_of_any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        place in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let _ = AvcConfig::parse(&bytes);
        let _ = AacConfig::parse(&bytes);
        let mut damaged = record(SPS);
        let place = place.index(damaged.len());
        damaged[place] = value;
        if let Ok(config) = AvcConfig::parse(&damaged) {
            prop_assert!(config.sets().count() >= 2 && config.parameters().is_some());
        }
    }

    #[test]
    fn tags_of_any_bytes_do_no_harm(
        tags in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            (prop_oneof![Just(0x96_u8), Just(0x97), Just(0x17), Just(0x95), Just(0xaf)], prop::collection::vec(0..8_u8, 0..100))
                .prop_map(|(first, rest)| [&[first][..], &rest].concat()),
        ]), 0..20),
    ) {
        let mut stranger = Stranger::new(Rig::publishing(), true);
        for (is_video, tag) in tags {
            let kind = if is_video { VIDEO } else { AUDIO };
            stranger.bring(&chunks(4, 0, kind, &tag, 128));
        }
    }
}
