//! Samples to access units of AAC-LC (ISO/IEC 14496-3 subpart 4).
//!
//! It is written by hand because no library that may be linked will do: FDK's licence is not a permissive one, and the one encoder in Rust
//! transforms by the plain sum, which takes two cores for sound in real time.
//!
//! ```text
//!  samples ─► blocks (attacks) ─► mdct ─► hearing (what error is not heard) ─► quantize ⇄ noiseless (how many bits) ─► access unit
//! ```

mod bits;
mod blocks;
mod codes;
mod element;
mod hearing;
mod layout;
mod mdct;
mod noiseless;
mod quantize;
mod rate;

use blocks::{Attack, Detector, Slopes};
use element::Channel;
use hearing::Ear;
use layout::{LINES, Layout, SHORT_LINES, Sequence, WINDOWS};
use mdct::Mdct;
use rate::Reservoir;

use crate::error::AudioError;
use crate::format::AacFormat;
use crate::limits::{AAC_BITS_PER_S_MAX, AAC_BITS_PER_S_MIN, ACCESS_UNIT_SAMPLES};

/// `audioObjectType` of AAC-LC (§1.5.1.1).
const OBJECT_TYPE: u16 = 2;
/// Full scale of samples of 16 bits, in which the thresholds of hearing are.
const FULL_SCALE: f32 = 32_768.0;

/// Makes AAC-LC of samples. It needs no thread and no file, and answers each block of samples at once.
pub struct AacEncoder {
    format: AacFormat,
    bandwidth: f32,
    channels: Vec<State>,
    /// Attacks of the newest two blocks of samples.
    attacks: [Attack; 2],
    before: Sequence,
    long: Mdct,
    short: Mdct,
    slopes: Slopes,
    reservoir: Reservoir,
}

/// The state of one channel.
struct State {
    /// The newest three blocks: two that are encoded, and one that only warns of attacks.
    samples: Vec<f32>,
    detector: Detector,
    ear: Ear,
    /// Of the access unit that is being encoded, one window after the other.
    lines: Vec<f32>,
}

impl AacEncoder {
    /// `sample_rate` is 44,100 or 48,000 Hz, `channels` 1 or 2, `bitrate` the mean number of bits per second that difficult sound has;
    /// simple sound has fewer.
    ///
    /// # Errors
    /// One of these is out of bounds.
    pub fn new(sample_rate: u32, channels: u8, bitrate: u32) -> Result<Self, AudioError> {
        let format = AacFormat::new(sample_rate, channels)?;
        if !(AAC_BITS_PER_S_MIN..=AAC_BITS_PER_S_MAX).contains(&bitrate) {
            return Err(AudioError::AacBitrate {
                bits_per_s: bitrate,
            });
        }
        let state = |_| State {
            samples: vec![0.0; 3 * LINES],
            detector: Detector::default(),
            ear: Ear::default(),
            lines: vec![0.0; LINES],
        };
        let slopes = Slopes {
            long: mdct::sine_slope(LINES),
            short: mdct::sine_slope(SHORT_LINES),
        };
        Ok(Self {
            format,
            bandwidth: rate::bandwidth_hz(bitrate / u32::from(channels)) * 2.0 / sample_rate as f32,
            channels: (0..channels).map(state).collect(),
            attacks: [Attack::default(); 2],
            before: Sequence::Long,
            long: Mdct::new(LINES),
            short: Mdct::new(SHORT_LINES),
            slopes,
            reservoir: Reservoir::new(sample_rate, channels, bitrate),
        })
    }

    /// The AudioSpecificConfig (§1.6.2.1) that a decoder needs to know first.
    pub fn audio_specific_config(&self) -> Vec<u8> {
        // `samplingFrequencyIndex` (Table 1.18).
        let rate = if self.format.rate_hz() == 48_000 {
            3
        } else {
            4
        };
        let bits = OBJECT_TYPE << 11 | rate << 7 | u16::from(self.format.channels()) << 3;
        bits.to_be_bytes().to_vec()
    }

    /// Samples of one channel by which what is decoded is behind what was encoded: the access unit of a block, decoded, gives the block
    /// that came two blocks earlier.
    pub fn delay_samples(&self) -> u32 {
        2 * ACCESS_UNIT_SAMPLES as u32
    }

    /// Encodes a block of [`ACCESS_UNIT_SAMPLES`] of each channel, those of the channels in turn, within −1 and 1: what is beyond is cut, and
    /// what is no number is silence. Returns a `raw_data_block`, without ADTS.
    ///
    /// # Errors
    /// The number of samples is another one.
    pub fn encode(&mut self, samples: &[f32]) -> Result<Vec<u8>, AudioError> {
        let count = self.channels.len();
        if samples.len() != ACCESS_UNIT_SAMPLES * count {
            return Err(AudioError::BlockLength {
                samples: samples.len(),
            });
        }
        let mut newest = Attack::default();
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.samples.copy_within(LINES.., 0);
            let block = &mut channel.samples[2 * LINES..];
            for (kept, sample) in block.iter_mut().zip(samples[index..].iter().step_by(count)) {
                *kept = if sample.is_nan() {
                    0.0
                } else {
                    sample.clamp(-1.0, 1.0)
                };
            }
            newest = newest.or(channel.detector.look(block));
        }
        let sequence = blocks::choose(self.before, self.attacks[0], self.attacks[1], newest);
        self.attacks = [self.attacks[1], newest];
        self.before = sequence;
        let layout = self.transform(sequence);
        let channels = self.listen(&layout);
        Ok(self.reservoir.encode(&layout, channels))
    }

    /// Makes lines of the samples.
    fn transform(&mut self, sequence: Sequence) -> Layout {
        for channel in &mut self.channels {
            let mut samples = [0.0; 2 * LINES];
            for (scaled, sample) in samples.iter_mut().zip(&channel.samples) {
                *scaled = sample * FULL_SCALE;
            }
            if sequence == Sequence::Short {
                for window in 0..WINDOWS {
                    let shaped = blocks::shape_short(window, &samples, &self.slopes);
                    let lines = &mut channel.lines[window * SHORT_LINES..][..SHORT_LINES];
                    self.short.run(&shaped, lines);
                }
            } else {
                blocks::shape_long(sequence, &mut samples, &self.slopes);
                self.long.run(&samples, &mut channel.lines);
            }
        }
        if sequence == Sequence::Short {
            let groups = blocks::group(self.channels.iter().map(|channel| &channel.lines[..]));
            Layout::short(groups, self.bandwidth)
        } else {
            Layout::long(sequence, self.bandwidth)
        }
    }

    /// Finds what error may be in each band of each channel.
    fn listen(&mut self, layout: &Layout) -> Vec<Channel> {
        let rate_hz = self.format.rate_hz();
        let listen = |channel: &mut State| {
            let mut lines = vec![0.0; LINES];
            layout.arrange(&channel.lines, &mut lines);
            let energies = hearing::energies(&layout.bands, &lines);
            let allowed = channel.ear.thresholds(layout, rate_hz, &energies);
            Channel {
                lines,
                energies,
                allowed,
            }
        };
        self.channels.iter_mut().map(listen).collect()
    }
}
