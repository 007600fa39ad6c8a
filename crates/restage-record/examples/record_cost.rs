//! What one recording of 2 Mbit/s costs: processor time and memory, for so many seconds of media (600 if nothing is said).
//!
//! ```sh
//! cargo run --release -p restage-record --example record_cost
//! ```

use std::sync::Arc;
use std::time::Instant;

use restage_codec::{Codec, h264};
use restage_record::{Anchor, EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig};

const BEGIN_US: u64 = 1_000_000_000;
/// 30 pictures a second of seven packets are 2 Mbit/s.
const PACKETS: u64 = 7;
const PAYLOAD_BYTES: usize = 1_190;
/// A key frame every two seconds.
const KEY_EVERY: u64 = 60;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(600);
    let sets = parameter_sets();
    let body: Arc<[u8]> = vec![0x55; PAYLOAD_BYTES].into();
    let mut recorder = Recorder::new(RecorderConfig {
        media_types: MediaTypes::AudioVideo,
        segment_seconds: 6,
        anchor: Anchor {
            steady_us: BEGIN_US,
            utc_us: 1_790_932_360_000_000,
        },
        resumed: None,
        may_return: false,
    });
    let before_kb = peak_kb();
    let (mut most, mut bytes, mut segments) = (0, 0, 0);
    let began = Instant::now();
    for number in 0..seconds * 30 {
        let at_us = BEGIN_US + number * 1_000_000 / 30;
        for packet in picture(number, at_us, &sets, &body) {
            recorder.push(at_us, packet);
        }
        for sound in number * 5 / 3..(number + 1) * 5 / 3 {
            let mut packet = packet(Codec::Opus, sound, sound * 960, at_us);
            packet.payload = [0xf8; 160].into();
            recorder.push(at_us, packet);
        }
        most = most.max(recorder.buffered_bytes());
        while let Some(output) = recorder.poll() {
            if let Output::Segment(segment) = output {
                segments += 1;
                bytes += segment.bytes.len();
            }
        }
    }
    let spent = began.elapsed().as_secs_f64();
    println!(
        "{seconds} s of media: {segments} segments, {:.2} Mbit/s; {:.4} % of a core; {} kB held at most, {} kB of memory more at the peak",
        bytes as f64 * 8.0 / seconds as f64 / 1e6,
        100.0 * spent / seconds as f64,
        most / 1_000,
        peak_kb() - before_kb,
    );
}

fn picture(number: u64, at_us: u64, sets: &Arc<[u8]>, body: &Arc<[u8]>) -> Vec<Packet> {
    let is_key = number.is_multiple_of(KEY_EVERY);
    let mut packets = Vec::new();
    for place in 0..PACKETS {
        let sequence = number * (PACKETS + 1) + place + 1;
        let mut packet = packet(Codec::H264, sequence, number * 3_000, at_us);
        let kind = if is_key { 5 } else { 1 };
        let head = u8::from(place == 0) << 7 | u8::from(place + 1 == PACKETS) << 6 | kind;
        packet.payload = [&[0x7c, head], &**body].concat().into();
        packet.marker = place + 1 == PACKETS;
        packets.push(packet);
    }
    // A key frame has its sets before it, another picture some information.
    let mut first = packet(Codec::H264, number * (PACKETS + 1), number * 3_000, at_us);
    first.starts_key_frame = is_key;
    first.payload = if is_key {
        Arc::clone(sets)
    } else {
        [6, 5, 1, 0].into()
    };
    packets.insert(0, first);
    packets
}

fn packet(codec: Codec, sequence: u64, timestamp: u64, arrived_us: u64) -> Packet {
    Packet {
        encoding: EncodingId(1),
        codec,
        sequence,
        timestamp,
        arrived_us,
        report: None,
        marker: false,
        starts_key_frame: false,
        parameter_sets: None,
        rotation_degrees: 0,
        payload: [].into(),
    }
}

/// An aggregation packet of an encoder's parameter sets.
fn parameter_sets() -> Arc<[u8]> {
    let mut encoder = openh264::encoder::Encoder::new().expect("an encoder");
    let picture = openh264::formats::YUVBuffer::new(640, 360);
    let stream = encoder.encode(&picture).expect("a picture").to_vec();
    let mut aggregate = vec![0x78];
    for unit in h264::annexb::units(&stream) {
        if h264::UnitType::of(unit).is_parameter_set() {
            aggregate.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            aggregate.extend_from_slice(unit);
        }
    }
    aggregate.into()
}

/// The most memory that this process has had, in kB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
