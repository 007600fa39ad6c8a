//! Prints the processor time that a stream from AAC to Opus costs: `cargo run --release -p restage-audio --example sound_cost`.

use restage_audio::limits::ACCESS_UNIT_SAMPLES;
use restage_audio::{AacFormat, BITS_PER_S_DEFAULT, OpusPacket, Transcoder};

/// 440 Hz on the left, 1 kHz on the right, at 44.1 kHz: every part has work to do.
const TONES: &[u8] = include_bytes!("../tests/data/tones-44100-stereo.aac");
const RATE_HZ: u32 = 44_100;
const SECONDS: u64 = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let units = access_units(TONES);
    let mut transcoder = Transcoder::new(AacFormat::new(RATE_HZ, 2)?, BITS_PER_S_DEFAULT)?;
    let mut packets: Vec<OpusPacket> = Vec::new();
    let count = SECONDS * u64::from(RATE_HZ) / ACCESS_UNIT_SAMPLES as u64;
    let begun = processor_seconds()?;
    for (at, unit) in (0..count).zip(units.iter().cycle()) {
        let samples = at * ACCESS_UNIT_SAMPLES as u64;
        let at_us = samples * 1_000_000 / u64::from(RATE_HZ);
        transcoder.push(at_us as i64, unit, &mut packets)?;
    }
    let percent = (processor_seconds()? - begun) / SECONDS as f64 * 100.0;
    println!(
        "{percent:.2} % of a core: AAC-LC, 44.1 kHz, stereo, to Opus of {BITS_PER_S_DEFAULT} bit/s"
    );
    Ok(())
}

/// Processor time of this thread so far, in seconds: the first number of `schedstat` (proc(5)), which does not depend on what else runs.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

/// The access units of an ADTS file (ISO/IEC 13818-7 §6.2) whose headers have no checksum.
fn access_units(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let [0xff, _, _, high, middle, low, _, ..] = *adts {
        let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5;
        units.push(&adts[7..length]);
        adts = &adts[length..];
    }
    units
}
