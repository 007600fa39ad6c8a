//! AAC that FFmpeg 9.0 has made, and what becomes of it. Each file is in ADTS and was written by
//! `ffmpeg -f lavfi -i "aevalsrc=exprs='E':s=RATE:d=2" -c:a aac -b:a 64k -f adts FILE`; of the clicks, E is
//! `if(eq(mod(n,RATE/2),RATE/4),0.9,0)` for each channel: one sample of 0.9 twice a second, the first after a quarter of a second.

use restage_audio::{AacFormat, BITS_PER_S_DEFAULT, OpusPacket, Transcoder};

/// Samples by which the native encoder of FFmpeg shifts the sound back.
pub(crate) const PRIMING: i64 = 1_024;
/// Samples in an access unit.
pub(crate) const UNIT: i64 = 1_024;

pub(crate) const CLICKS: [(u32, u8, &[u8]); 4] = [
    (44_100, 1, include_bytes!("../data/clicks-44100-mono.aac")),
    (44_100, 2, include_bytes!("../data/clicks-44100-stereo.aac")),
    (48_000, 1, include_bytes!("../data/clicks-48000-mono.aac")),
    (48_000, 2, include_bytes!("../data/clicks-48000-stereo.aac")),
];
/// 440 Hz of 0.4 on the left, 1 kHz of 0.2 on the right.
pub(crate) const TONES: &[u8] = include_bytes!("../data/tones-44100-stereo.aac");
/// Six channels at 48 kHz.
pub(crate) const SURROUND: &[u8] = include_bytes!("../data/tones-48000-surround.aac");

/// The access units of an ADTS file (ISO/IEC 13818-7 §6.2).
pub(crate) fn access_units(mut adts: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let [0xff, flags, _, high, middle, low, _, ..] = *adts {
        let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low) >> 5;
        let header = if flags & 1 == 1 { 7 } else { 9 };
        units.push(&adts[header..length]);
        adts = &adts[length..];
    }
    assert!(adts.is_empty(), "it is ADTS");
    units
}

pub(crate) fn transcoder(rate_hz: u32, channels: u8) -> Transcoder {
    let format = AacFormat::new(rate_hz, channels).unwrap();
    Transcoder::new(format, BITS_PER_S_DEFAULT).unwrap()
}

/// When an access unit is to be played, in microseconds.
pub(crate) fn us_of(unit: i64, rate_hz: u32) -> i64 {
    unit * UNIT * 1_000_000 / i64::from(rate_hz)
}

/// Samples of the first channel at 48 kHz with the time of each: what a receiver plays.
pub(crate) struct Played {
    pub(crate) samples: Vec<(i64, f32)>,
}

impl Played {
    pub(crate) fn new(packets: &[OpusPacket], channels: u8) -> Self {
        let layout = match channels {
            1 => opus::Channels::Mono,
            _ => opus::Channels::Stereo,
        };
        let mut decoder = opus::Decoder::new(48_000, layout).unwrap();
        let mut samples = Vec::new();
        for packet in packets {
            let mut pcm = [0.0; 2 * 960];
            let count = decoder
                .decode_float(&packet.payload, &mut pcm, false)
                .unwrap();
            assert_eq!(count, 960, "20 ms");
            let first = pcm.iter().step_by(usize::from(channels)).take(count);
            let times = packet.timestamp..;
            samples.extend(times.zip(first.copied()));
        }
        Self { samples }
    }

    /// When clicks are heard: the loudest sample of each.
    pub(crate) fn clicks(&self) -> Vec<i64> {
        let mut clicks = Vec::new();
        let mut rest = &self.samples[..];
        while let Some(begin) = rest.iter().position(|(_, sample)| sample.abs() > 0.2) {
            let near = &rest[begin..rest.len().min(begin + 480)];
            let loudest = near.iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            clicks.push(loudest.unwrap().0);
            rest = &rest[rest.len().min(begin + 4_800)..];
        }
        clicks
    }
}
