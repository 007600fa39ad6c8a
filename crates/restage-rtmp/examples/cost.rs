//! Measures the processor time that a stream takes from its bytes to RTP payloads: session, rules, release buffer, packets.
//!
//! ```text
//! cargo run --release -p restage-rtmp --example cost -- FILE
//! ```
//!
//! FILE is what `listen` has saved.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::error::Error;
use std::time::{Duration, Instant};

use restage_codec::MediaKind;
use restage_codec::h264::packetise;
use restage_rtmp::{
    AvcConfig, Event, HANDSHAKE_RANDOM_BYTES, Item, Release, RuleLimits, Rules, Session,
    VideoCodec, VideoFrame,
};

/// Bytes of a read from a socket, and of an RTP payload.
const READ_BYTES: usize = 16 << 10;
const PAYLOAD_BYTES: usize = 1_200;
const ROUNDS: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let bytes = std::fs::read(file)?;
    let begin = processor_time()?;
    let mut last = Round::default();
    for _ in 0..ROUNDS {
        last = Round::default();
        last.run(&bytes);
    }
    let stream = Duration::from_micros((last.last_us - last.first_us).max(1) as u64);
    let each = (processor_time()? - begin) / ROUNDS;
    println!(
        "{:.1} s of a stream of {:.2} Mbit/s, {} packets: {:.2} ms, {:.3} % of a core",
        stream.as_secs_f64(),
        bytes.len() as f64 * 8.0 / stream.as_secs_f64() / 1e6,
        last.packets,
        each.as_secs_f64() * 1e3,
        each.as_secs_f64() / stream.as_secs_f64() * 100.0
    );
    Ok(())
}

/// Processor time of this process so far, as Linux counts it.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanos = text.split(' ').next().unwrap_or_default();
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// What comes of all bytes once.
#[derive(Default)]
struct Round {
    config: Option<AvcConfig>,
    packets: usize,
    first_us: i64,
    last_us: i64,
}

impl Round {
    fn run(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let mut session = Session::new(now, &[5; HANDSHAKE_RANDOM_BYTES]);
        let mut rules = Rules::new(now, RuleLimits::OPEN);
        let mut release = Release::default();
        for mut piece in bytes.chunks(READ_BYTES) {
            while let Some(event) = session.receive(now, &mut piece) {
                if let Err(refusal) = rules.check(now, &event) {
                    session.refuse(&refusal);
                    continue;
                }
                match event {
                    Event::Publish(_) => session.accept(now),
                    Event::VideoConfig(config) => {
                        if let VideoCodec::H264(avc) = config.codec {
                            self.config = Some(avc);
                        }
                    }
                    Event::Video(frame) => self.push(now, &mut release, frame),
                    _ => {}
                }
            }
            session.take_output();
            // As if the stream came in real time.
            let due = release.next_deadline().unwrap_or(now);
            while let Some(item) = release.pop(due) {
                self.packetise(&item.value);
            }
        }
    }

    fn push(&mut self, now: Instant, release: &mut Release<VideoFrame>, frame: VideoFrame) {
        if self.first_us == 0 {
            self.first_us = frame.timestamp_us;
        }
        self.last_us = frame.timestamp_us;
        let at = now + Duration::from_micros((frame.timestamp_us - self.first_us).max(0) as u64);
        release.push(
            at,
            Item {
                kind: MediaKind::Video,
                layer: frame.layer,
                timestamp_us: frame.timestamp_us,
                is_key: frame.is_key,
                bytes: frame.units.bytes(),
                value: frame,
            },
        );
    }

    fn packetise(&mut self, frame: &VideoFrame) {
        if let Some(config) = &self.config {
            self.packets += packetise(config.complete(&frame.units), PAYLOAD_BYTES).len();
        }
    }
}
