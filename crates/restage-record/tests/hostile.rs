//! Publishers that send anything at any time: nothing panics, memory is bounded, and what comes out can be read.

mod rig;

use std::sync::Arc;

use proptest::prelude::*;
use restage_codec::Codec;
use restage_record::limits::{
    OUTPUTS_MAX, PICTURE_BYTES_MAX, RECORDER_BYTES_MAX, REORDER_BYTES_MAX, REORDER_WINDOW_US,
    SEGMENT_BYTES_MAX,
};
use restage_record::{
    EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig, SenderReport,
};
use rig::card::Card;
use rig::checks::check;
use rig::reader::Recording;
use rig::run::{BEGIN_US, config};

const CODECS: [Codec; 7] = [
    Codec::Opus,
    Codec::Red,
    Codec::H264,
    Codec::H265,
    Codec::Vp9,
    Codec::Av1,
    Codec::Vp8,
];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A packet of the test card.
    Good {
        codec: bool,
        skip: u8,
    },
    /// Any packet.
    Bad(Bad),
    Wait {
        us: u64,
    },
    Pause,
    Resume,
    Gone,
    WantPicture,
    Expect {
        codec: usize,
    },
}

#[derive(Debug, Clone)]
struct Bad {
    codec: usize,
    encoding: u64,
    sequence: u64,
    timestamp: u64,
    arrived: i64,
    report: Option<(i64, u32)>,
    flags: u8,
    rotation: u16,
    payload: Vec<u8>,
}

/// Numbers near those of the card, near the ends of what fits, and any.
fn number(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        near..near + 300,
        Just(0),
        Just(u64::MAX),
        Just(near + (1 << 32)),
        Just(near.wrapping_sub(1 << 32)),
        Just(near + (1 << 16)),
        any::<u64>(),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let heads = prop_oneof![
        Just(vec![]),
        Just(vec![0x78, 0, 4, 0x67]),
        Just(vec![0x7c, 0x85]),
        Just(vec![0x65]),
        Just(vec![0x67, 0x42, 0xc0, 0x0b]),
        Just(vec![0x62, 0x01, 0x93]),
        Just(vec![0x60, 0x01, 0, 3]),
        Just(vec![0x08, 0x82, 0x49, 0x83, 0x42]),
        Just(vec![0x18, 0x0a]),
        Just(vec![0xf8]),
    ];
    let tail = prop::collection::vec(any::<u8>(), 0..60);
    (heads, tail).prop_map(|(head, tail)| [head, tail].concat())
}

fn bad() -> impl Strategy<Value = Bad> {
    let report = prop::option::of((any::<i64>(), any::<u32>()));
    let numbers = (number(70_000), number(1 << 32), any::<i64>(), report);
    (
        0..CODECS.len(),
        0..5_u64,
        numbers,
        any::<u8>(),
        any::<u16>(),
        payload(),
    )
        .prop_map(
            |(
                codec,
                encoding,
                (sequence, timestamp, arrived, report),
                flags,
                rotation,
                payload,
            )| Bad {
                codec,
                encoding,
                sequence,
                timestamp,
                arrived: if flags & 4 != 0 {
                    arrived
                } else {
                    arrived % 3_000_000
                },
                report,
                flags,
                rotation,
                payload,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), 0..4_u8).prop_map(|(codec, skip)| Step::Good { codec, skip: skip / 3 }),
        6 => bad().prop_map(Step::Bad),
        4 => (0..60_000_u64).prop_map(|us| Step::Wait { us }),
        1 => prop_oneof![Just(2_500_000_u64), Just(40_000_000), Just(1 << 40)].prop_map(|us| Step::Wait { us }),
        1 => prop_oneof![Just(Step::Pause), Just(Step::Resume), Just(Step::Resume), Just(Step::Gone), Just(Step::WantPicture)],
        1 => (0..CODECS.len()).prop_map(|codec| Step::Expect { codec }),
    ]
}

/// What sends.
struct Sender {
    card: Card,
    now_us: u64,
    audio: u64,
    video: u64,
    sequence: u64,
}

impl Sender {
    fn good(&mut self, is_audio: bool, skip: u8) -> Vec<Packet> {
        let mut packets = if is_audio {
            self.audio += 1;
            vec![self.card.audio(self.audio, self.audio)]
        } else {
            self.video += 1;
            let is_key = self.video % 10 == 1;
            self.card.video(self.video, is_key, &mut self.sequence)
        };
        packets.drain(..usize::from(skip).min(packets.len()));
        for packet in &mut packets {
            packet.arrived_us = self.now_us;
        }
        packets
    }

    fn bad(&self, bad: Bad) -> Packet {
        Packet {
            encoding: EncodingId(bad.encoding),
            codec: CODECS[bad.codec],
            sequence: bad.sequence,
            timestamp: bad.timestamp,
            arrived_us: self.now_us.saturating_add_signed(bad.arrived),
            report: bad.report.map(|(ntp_us, rtp_time)| SenderReport {
                ntp_us,
                rtp_time,
                is_of_ingest: bad.flags & 4 != 0,
            }),
            marker: bad.flags & 1 != 0,
            starts_key_frame: bad.flags & 2 != 0,
            parameter_sets: None,
            rotation_degrees: bad.rotation,
            payload: Arc::from(bad.payload),
        }
    }
}

fn play(config: RecorderConfig, steps: Vec<Step>) -> Recording {
    let (mut recorder, mut recording) = (Recorder::new(config), Recording::default());
    let mut sender = Sender {
        card: Card::default(),
        now_us: BEGIN_US,
        audio: 0,
        video: 0,
        sequence: 70_000,
    };
    for step in steps {
        match step {
            Step::Good { codec, skip } => {
                for packet in sender.good(codec, skip) {
                    recorder.push(sender.now_us, packet);
                }
            }
            Step::Bad(bad) => recorder.push(sender.now_us, sender.bad(bad)),
            Step::Wait { us } => {
                sender.now_us += us;
                recorder.tick(sender.now_us);
            }
            Step::Pause => recorder.pause(sender.now_us),
            Step::Resume => recorder.resume(sender.now_us),
            Step::Gone => recorder.source_gone(sender.now_us),
            Step::Expect { codec } => recorder.expect([CODECS[codec]]),
            Step::WantPicture => recorder.want_picture(sender.now_us),
        }
        recording.take(&mut recorder);
        assert!(recorder.buffered_bytes() < RECORDER_BYTES_MAX);
    }
    recorder.finish(sender.now_us);
    recording.take(&mut recorder);
    assert_eq!(recorder.buffered_bytes(), 0);
    let total: u64 = recording
        .segments()
        .map(|segment| segment.entry.duration_us)
        .sum();
    assert_eq!(recorder.duration_us(), total);
    recording
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_sent_gives_a_recording_that_can_be_read(
        steps in prop::collection::vec(step(), 0..250), kind in 0..3_usize, seconds: u32,
    ) {
        let media_types = [MediaTypes::AudioVideo, MediaTypes::AudioOnly, MediaTypes::None][kind];
        let config = RecorderConfig { media_types, segment_seconds: seconds, ..config() };
        let recording = play(config, steps);
        check(&recording);
    }
}

/// Packets of pictures of this size, as fast as they can be sent, without loss.
fn flood(
    recorder: &mut Recorder,
    bytes: usize,
    count: u64,
    change: impl Fn(u64, &mut Packet),
) -> usize {
    let mut most = 0;
    let mut sequence = 0;
    let mut template = Card::default().video(0, true, &mut sequence);
    // The parameter sets and a slice of a key frame in one packet.
    let key: Arc<[u8]> = [&*template[0].payload, &[0, 3, 0x65, 0x88, 0x80]]
        .concat()
        .into();
    template.truncate(1);
    let payload: Arc<[u8]> = vec![0x41; bytes].into();
    for number in 0..count {
        let mut packet = template[0].clone();
        packet.sequence = 1 + number;
        packet.timestamp += number * 90;
        packet.arrived_us = BEGIN_US + number * 1_000;
        packet.starts_key_frame = number == 0;
        packet.marker = true;
        packet.payload = Arc::clone(if number == 0 { &key } else { &payload });
        change(number, &mut packet);
        recorder.push(packet.arrived_us, packet);
        most = most.max(recorder.buffered_bytes());
        while let Some(output) = recorder.poll() {
            if let Output::Segment(segment) = output {
                assert!(segment.bytes.len() < SEGMENT_BYTES_MAX + (1 << 20));
            }
        }
    }
    most
}

#[test]
fn a_hole_that_is_never_filled_holds_no_more_than_the_bound() {
    let mut recorder = Recorder::new(config());
    let most = flood(&mut recorder, 1_400, 20_000, |number, packet| {
        // Within the time that a hole is waited for.
        packet.arrived_us = BEGIN_US + number * REORDER_WINDOW_US / 30_000;
        packet.sequence = if number == 0 { 0 } else { 10 + number };
    });
    assert!(most > 1 << 20, "{most}: it was held");
    assert!(most < REORDER_BYTES_MAX + (1 << 20), "{most}");
}

#[test]
fn a_picture_without_an_end_holds_no_more_than_the_bound() {
    let mut recorder = Recorder::new(config());
    let most = flood(&mut recorder, 1_400, 20_000, |number, packet| {
        packet.timestamp -= number * 90;
        packet.marker = false;
    });
    assert!(most > PICTURE_BYTES_MAX / 2, "{most}: it was held");
    assert!(most < PICTURE_BYTES_MAX + (1 << 20), "{most}");
}

#[test]
fn a_segment_without_a_key_frame_holds_no_more_than_the_bound() {
    let mut recorder = Recorder::new(config());
    let most = flood(&mut recorder, 60_000, 4_000, |_, _| {});
    assert!(most > SEGMENT_BYTES_MAX / 2, "{most}: it was held");
    assert!(most < SEGMENT_BYTES_MAX + 4 * PICTURE_BYTES_MAX, "{most}");
}

#[test]
fn outputs_that_may_lack_are_bounded_even_if_nobody_polls() {
    let mut recorder = Recorder::new(config());
    for number in 0..4_000_u64 {
        let mut packet = Card::default().audio(number, number * 2);
        packet.arrived_us = BEGIN_US + number * 1_000_000;
        recorder.push(packet.arrived_us, packet);
        recorder.tick(BEGIN_US + number * 1_000_000);
    }
    let outputs = std::iter::from_fn(|| recorder.poll());
    let may_lack = outputs.filter(|output| !matches!(output, Output::Init(_) | Output::Segment(_)));
    assert!(may_lack.count() <= OUTPUTS_MAX);
}
