//! The sound of all inputs becomes one.
//!
//! Each [`InputSound`] decodes its packets into a ring and gives 20 ms at a time, [`DELAY_US`](crate::limits::DELAY_US) behind the clock: the
//! delay that pictures have, so that both are in step. The [`Mixer`] adds them up every 20 ms from its first moment on, also while there is
//! nothing to hear, because encoders and players stutter after silence that was never sent. A limiter that looks 5 ms ahead keeps the
//! sum below full scale.

mod input;
mod limiter;
mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use input::InputSound;
pub use limiter::{LOOK_AHEAD, Limiter};
pub use output::{AAC_BLOCK, AacEncode, SoundOutput};

use crate::limits::{DELAY_US, INPUTS_MAX};
use crate::protocol::SoundFormats;

/// Samples of one channel per second.
pub const RATE_HZ: u32 = 48_000;
/// Channels: left and right, in turn.
pub const CHANNELS: usize = 2;
/// Samples of one channel that are mixed at once: 20 ms.
pub const BLOCK: usize = 960;
/// [`BLOCK`] in microseconds.
pub const BLOCK_US: u64 = 20_000;
/// How much is left below full scale before inputs are added: −3 dB.
const HEADROOM: f32 = 0.708;
/// A mixer that has fallen behind by more leaves out what it has missed. Less it makes up for.
const BEHIND_MAX_US: u64 = 500_000;

/// What a mixer has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// 20 ms of Opus.
    Opus {
        /// When its first sample is to be heard.
        at_us: u64,
        /// RFC 6716.
        bytes: Bytes,
    },
    /// 1,024 samples of AAC.
    Aac {
        /// When its first sample is to be heard.
        at_us: u64,
        /// AAC-LC without a container.
        bytes: Bytes,
    },
}

/// Mixes.
#[derive(Debug)]
pub struct Mixer {
    inputs: BTreeMap<u32, InputSound>,
    limiter: Limiter,
    output: SoundOutput,
    /// When the next block is to be heard.
    next_us: u64,
    concealed: u64,
    mixed: Vec<f32>,
}

impl Mixer {
    /// Begins at this moment, with silence.
    ///
    /// # Errors
    ///
    /// The Opus encoder has no memory.
    pub fn new(
        now_us: u64,
        formats: SoundFormats,
        aac: Option<Box<dyn AacEncode>>,
    ) -> Result<Self, opus::Error> {
        Ok(Self {
            inputs: BTreeMap::new(),
            limiter: Limiter::default(),
            output: SoundOutput::new(formats, aac)?,
            next_us: now_us,
            concealed: 0,
            mixed: vec![0.0; BLOCK * CHANNELS],
        })
    }

    /// Takes an Opus packet of an input.
    pub fn take(&mut self, input: u32, at_us: u64, timestamp: u64, packet: &[u8]) {
        if !self.inputs.contains_key(&input) {
            if self.inputs.len() == INPUTS_MAX {
                return;
            }
            // Without memory for a decoder, the input is not heard.
            let Ok(sound) = InputSound::new() else {
                return;
            };
            self.inputs.insert(input, sound);
        }
        if let Some(sound) = self.inputs.get_mut(&input) {
            sound.take(at_us, timestamp, packet);
        }
    }

    /// Forgets all other inputs.
    pub fn keep(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.inputs.retain(|input, _| is_kept(*input));
    }

    /// When the next block is due.
    pub fn due_us(&self) -> u64 {
        self.next_us
    }

    /// Mixes and encodes everything that is due.
    pub fn run(&mut self, now_us: u64, mut out: impl FnMut(Sound)) {
        if now_us.saturating_sub(self.next_us) > BEHIND_MAX_US {
            let missed = (now_us - self.next_us) / BLOCK_US;
            self.next_us += missed * BLOCK_US;
            self.output.interrupt();
        }
        while self.next_us <= now_us {
            self.mix();
            self.output.take(self.next_us, &self.mixed, &mut out);
            self.next_us += BLOCK_US;
        }
    }

    fn mix(&mut self) {
        self.mixed.fill(0.0);
        // The limiter's look ahead is made up for.
        let ahead_us = LOOK_AHEAD as u64 * 1_000_000 / u64::from(RATE_HZ);
        let wanted_us = (self.next_us + ahead_us).saturating_sub(DELAY_US);
        for input in self.inputs.values_mut() {
            let is_concealed = input.add_to(&mut self.mixed, wanted_us);
            self.concealed += u64::from(is_concealed);
        }
        self.mixed.iter_mut().for_each(|sample| *sample *= HEADROOM);
        self.limiter.limit(&mut self.mixed);
    }

    /// Blocks of inputs that were made up since the last call.
    pub fn take_concealed(&mut self) -> u64 {
        std::mem::take(&mut self.concealed)
    }

    /// The block that was mixed last: left and right in turn.
    pub fn last(&self) -> &[f32] {
        &self.mixed
    }
}
