//! Encodes a file of samples as AAC in ADTS, and says what a second of it costs:
//!
//! ```text
//! ffmpeg -i music.wav -f f32le -ar 48000 -ac 2 music.f32
//! cargo run --release -p restage-audio --example aac_encode -- music.f32 music.aac 160000
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use restage_audio::AacEncoder;

const RATE_HZ: u32 = 48_000;
const CHANNELS: usize = 2;
const BLOCK: usize = 1_024 * CHANNELS;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, bits_per_s] = &arguments[..] else {
        return Err("usage: aac_encode SAMPLES.f32 SOUND.aac BITS_PER_S".into());
    };
    let samples: Vec<f32> = std::fs::read(source)?
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    let mut encoder = AacEncoder::new(RATE_HZ, CHANNELS as u8, bits_per_s.parse()?)?;
    let (mut stream, mut largest, mut longest) = (Vec::new(), 0, Duration::ZERO);
    let start = Instant::now();
    for block in samples.chunks_exact(BLOCK) {
        let began = Instant::now();
        let unit = encoder.encode(block)?;
        longest = longest.max(began.elapsed());
        largest = largest.max(unit.len());
        stream.extend(adts_header(unit.len()));
        stream.extend(unit);
    }
    let took = start.elapsed();
    let sound = samples.len() as f64 / CHANNELS as f64 / f64::from(RATE_HZ);
    std::fs::write(target, &stream)?;
    println!(
        "{sound:.1} s of sound in {:.3} s: {:.2} % of a core; at most {} us for an access unit; {:.0} bit/s; at most {largest} bytes",
        took.as_secs_f64(),
        100.0 * took.as_secs_f64() / sound,
        longest.as_micros(),
        stream.len() as f64 * 8.0 / sound,
    );
    Ok(())
}

/// ADTS without a checksum, of AAC-LC in stereo at 48 kHz (ISO/IEC 14496-3 §1.A.2.2).
fn adts_header(bytes: usize) -> [u8; 7] {
    let length = bytes + 7;
    let (high, middle, low) = (
        (length >> 11) as u8,
        (length >> 3) as u8,
        (length << 5) as u8,
    );
    [0xff, 0xf1, 0x4c, 0x80 | high, middle, low | 0x1f, 0xfc]
}
