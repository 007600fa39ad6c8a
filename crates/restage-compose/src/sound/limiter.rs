//! A limiter that looks ahead, so that it never cuts a wave.

use std::collections::VecDeque;

use super::CHANNELS;

/// Samples by which the output is behind: 5 ms.
pub const LOOK_AHEAD: usize = 240;
/// What no sample exceeds: −1 dB of full scale, because what an encoder makes of it is a little louder.
const CEILING: f32 = 0.891;
/// By which part of the way the gain comes back with each sample: about 100 ms.
const RELEASE: f32 = 1.0 / 4_800.0;

/// Turns down what is too loud. Both channels have the same gain, so that nothing moves from side to side.
///
/// The gain that each sample would need is taken as its minimum over the look ahead, let go slowly, and smoothed by the mean over the look
/// ahead. Each of the gains in that mean belongs to a stretch that contains the sample, so none is above what the sample needs.
#[derive(Debug)]
pub struct Limiter {
    delayed: VecDeque<[f32; CHANNELS]>,
    /// Gains that may be a minimum yet, rising, with the number of their sample.
    lowest: VecDeque<(u64, f32)>,
    smoothed: VecDeque<f32>,
    sum: f64,
    released: f32,
    number: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            delayed: VecDeque::from(vec![[0.0; CHANNELS]; LOOK_AHEAD - 1]),
            lowest: VecDeque::with_capacity(LOOK_AHEAD),
            smoothed: VecDeque::from(vec![1.0; LOOK_AHEAD]),
            sum: LOOK_AHEAD as f64,
            released: 1.0,
            number: 0,
        }
    }
}

impl Limiter {
    /// Replaces the samples, left and right in turn, by those of [`LOOK_AHEAD`] − 1 before, turned down where it is needed.
    pub fn limit(&mut self, samples: &mut [f32]) {
        for sample in samples.as_chunks_mut::<CHANNELS>().0 {
            *sample = self.step(*sample);
        }
    }

    fn step(&mut self, sample: [f32; CHANNELS]) -> [f32; CHANNELS] {
        let peak = sample
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let needed = if peak > CEILING { CEILING / peak } else { 1.0 };
        while self.lowest.back().is_some_and(|(_, gain)| *gain >= needed) {
            self.lowest.pop_back();
        }
        self.lowest.push_back((self.number, needed));
        let oldest = (self.number + 1).saturating_sub(LOOK_AHEAD as u64);
        if self
            .lowest
            .front()
            .is_some_and(|(number, _)| *number < oldest)
        {
            self.lowest.pop_front();
        }
        self.number += 1;
        let lowest = self.lowest.front().map_or(1.0, |(_, gain)| *gain);
        let rising = self.released + (1.0 - self.released) * RELEASE;
        self.released = lowest.min(rising);
        self.smoothed.push_back(self.released);
        self.sum += f64::from(self.released);
        if let Some(gone) = self.smoothed.pop_front() {
            self.sum -= f64::from(gone);
        }
        let gain = (self.sum / LOOK_AHEAD as f64) as f32;
        self.delayed.push_back(sample);
        let delayed = self.delayed.pop_front().unwrap_or_default();
        // The sum of floats may be off by the last digit.
        delayed.map(|value| (value * gain).clamp(-CEILING, CEILING))
    }
}
