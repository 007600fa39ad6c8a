//! The sound of a composition: voices are mixed and encoded, 20 ms at a time.

mod limiter;
mod voice;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder};

use self::limiter::{AHEAD, Limiter};
use self::voice::{Sample, Voice};
use crate::protocol::{FromChild, INPUTS_MAX, SoundFormats};

/// Samples a second of one channel.
pub(crate) const RATE: usize = 48_000;
/// Samples that are mixed at a time: 20 ms.
const PART: usize = RATE / 50;
/// How long a part lasts.
pub(crate) const PART_US: u64 = 20_000;
/// What each voice is turned down by, so that some can speak at once: 3 dB.
const HEADROOM: f32 = 0.707;
/// Rate of Opus in bits per second.
const OPUS_RATE: i32 = 128_000;
/// The encoder's complexity, of 10.
const OPUS_COMPLEXITY: i32 = 5;
/// Bytes of the longest packet (RFC 6716 §3.4).
const OPUS_BYTES_MAX: usize = 1_275;
/// Samples of a frame of AAC.
pub(crate) const AAC_SAMPLES: usize = 1_024;

/// The place of a time among samples.
fn samples_at(us: u64) -> i64 {
    let samples = u128::from(us) * RATE as u128 / 1_000_000;
    i64::try_from(samples).unwrap_or(i64::MAX / 4)
}

/// The time of a sample.
fn us_at(sample: i64) -> u64 {
    let us = u128::from(sample.unsigned_abs()) * 1_000_000 / RATE as u128;
    u64::try_from(us).unwrap_or(u64::MAX)
}

/// Mixes voices.
pub(crate) struct Mixer {
    voices: BTreeMap<u32, Voice>,
    limiter: Limiter,
    opus: Option<Encoder>,
    aac: Option<Aac>,
    mix: Vec<Sample>,
    packet: Vec<u8>,
}

/// Samples on their way to frames of AAC.
struct Aac {
    encoder: Box<dyn AacEncode>,
    waiting: VecDeque<Sample>,
    /// Place of the first.
    at: i64,
}

/// An encoder of AAC-LC, 48 kHz, stereo.
pub(crate) trait AacEncode {
    /// Encodes [`AAC_SAMPLES`] samples of both channels in turn. `None`: it gives no frame for them.
    fn encode(&mut self, samples: &[f32]) -> Option<Vec<u8>>;
    /// Samples by which a decoder's output is behind.
    fn delay(&self) -> i64;
}

impl Mixer {
    /// `None`: the libraries cannot make an encoder.
    pub(crate) fn new(formats: SoundFormats, aac: Option<Box<dyn AacEncode>>) -> Option<Self> {
        let opus = match formats.opus {
            true => Some(new_opus()?),
            false => None,
        };
        Some(Self {
            voices: BTreeMap::new(),
            limiter: Limiter::default(),
            opus,
            aac: aac.filter(|_| formats.aac).map(|encoder| Aac {
                encoder,
                waiting: VecDeque::new(),
                at: 0,
            }),
            mix: vec![[0.0; 2]; PART],
            packet: vec![0; OPUS_BYTES_MAX],
        })
    }

    /// Voices of others are forgotten.
    pub(crate) fn keep(&mut self, inputs: &BTreeSet<u32>) {
        self.voices.retain(|input, _| inputs.contains(input));
    }

    /// Takes a packet of Opus.
    pub(crate) fn take(&mut self, input: u32, at_us: u64, timestamp: u64, bytes: Bytes) {
        if !self.voices.contains_key(&input)
            && self.voices.len() < INPUTS_MAX
            && let Some(voice) = Voice::new()
        {
            self.voices.insert(input, voice);
        }
        if let Some(voice) = self.voices.get_mut(&input) {
            voice.take(at_us, timestamp, bytes);
        }
    }

    /// Packets and samples that it holds.
    pub(crate) fn held(&self) -> (usize, usize) {
        let voices = self.voices.values().map(Voice::held);
        let waiting = self.aac.as_ref().map_or(0, |aac| aac.waiting.len());
        voices.fold((0, waiting), |sum, held| (sum.0 + held.0, sum.1 + held.1))
    }

    /// Mixes what belongs to the 20 ms from `at_us` on.
    pub(crate) fn mix(&mut self, at_us: u64, mut give: impl FnMut(FromChild)) {
        let from = samples_at(at_us);
        let mut mix = std::mem::take(&mut self.mix);
        mix.fill([0.0; 2]);
        for voice in self.voices.values_mut() {
            voice.mix(from, &mut mix);
        }
        for sample in &mut mix {
            *sample = self.limiter.next(sample.map(|value| value * HEADROOM));
        }
        // The limiter is that much behind.
        let from = from - AHEAD as i64;
        let flat = mix.as_flattened();
        if let Some(opus) = &mut self.opus
            && let Ok(length) = opus.encode_float(flat, &mut self.packet)
        {
            let lookahead = opus.get_lookahead().unwrap_or(0);
            give(FromChild::Opus {
                at_us: us_at(from - i64::from(lookahead)),
                bytes: Bytes::copy_from_slice(&self.packet[..length]),
            });
        }
        if let Some(aac) = &mut self.aac {
            aac.take(from, &mix, &mut give);
        }
        self.mix = mix;
    }
}

impl Aac {
    fn take(&mut self, from: i64, samples: &[Sample], give: &mut impl FnMut(FromChild)) {
        if self.at + self.waiting.len() as i64 != from {
            self.waiting.clear();
            self.at = from;
        }
        self.waiting.extend(samples);
        while self.waiting.len() >= AAC_SAMPLES {
            let block: Vec<f32> = self.waiting.drain(..AAC_SAMPLES).flatten().collect();
            let at = self.at - self.encoder.delay();
            self.at += AAC_SAMPLES as i64;
            if let Some(frame) = self.encoder.encode(&block) {
                give(FromChild::Aac {
                    at_us: us_at(at.max(0)),
                    bytes: frame.into(),
                });
            }
        }
    }
}

fn new_opus() -> Option<Encoder> {
    let mut encoder = Encoder::new(RATE as u32, Channels::Stereo, Application::Audio).ok()?;
    encoder.set_bitrate(Bitrate::Bits(OPUS_RATE)).ok()?;
    encoder.set_complexity(OPUS_COMPLEXITY).ok()?;
    Some(encoder)
}

#[cfg(test)]
mod tests;
