//! Keeps a sum of voices within what can be encoded, without clipping: it sees peaks coming and turns down before them.

use std::collections::VecDeque;

use super::RATE;
use super::voice::Sample;

/// The highest level that comes out.
const CEILING: f32 = 0.95;
/// How far ahead it looks: 5 ms.
pub(super) const AHEAD: usize = RATE / 200;
/// Samples that bear on one gain.
const WINDOW: usize = AHEAD + 1;
/// Part of the way back to full loudness in one sample: it takes 200 ms.
const RELEASE: f32 = 1.0 / (RATE as f32 * 0.2);

/// The gain of a sample is the average, over a window, of the least gains that samples in a window before need. Each of these windows has the sample in it, so
/// the average is low enough for it; and an average changes without steps.
pub(super) struct Limiter {
    waiting: VecDeque<Sample>,
    /// The gains that are the least from their place on, and their places; the first is that of the window.
    least: VecDeque<(u64, f32)>,
    place: u64,
    released: f32,
    averaged: VecDeque<f32>,
    sum: f64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            waiting: std::iter::repeat_n([0.0; 2], AHEAD).collect(),
            least: VecDeque::new(),
            place: 0,
            released: 1.0,
            averaged: std::iter::repeat_n(1.0, WINDOW).collect(),
            sum: WINDOW as f64,
        }
    }
}

impl Limiter {
    /// Takes a sample and gives the one from [`AHEAD`] samples before.
    pub(super) fn next(&mut self, sample: Sample) -> Sample {
        let sample = sample.map(|value| if value.is_finite() { value } else { 0.0 });
        let peak = sample[0].abs().max(sample[1].abs());
        let needed = if peak > CEILING { CEILING / peak } else { 1.0 };
        let gain = self.average(needed);
        self.waiting.push_back(sample);
        let sample = self.waiting.pop_front().unwrap_or_default();
        sample.map(|value| (value * gain).clamp(-1.0, 1.0))
    }

    fn average(&mut self, needed: f32) -> f32 {
        while self.least.back().is_some_and(|(_, gain)| *gain >= needed) {
            self.least.pop_back();
        }
        self.least.push_back((self.place, needed));
        self.place += 1;
        while self
            .least
            .front()
            .is_some_and(|(place, _)| place + (WINDOW as u64) < self.place)
        {
            self.least.pop_front();
        }
        let least = self.least.front().map_or(1.0, |(_, gain)| *gain);
        self.released = least.min(self.released + RELEASE);
        self.averaged.push_back(self.released);
        let oldest = self.averaged.pop_front().unwrap_or(1.0);
        self.sum += f64::from(self.released) - f64::from(oldest);
        (self.sum / WINDOW as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(level: impl Fn(usize) -> f32, count: usize) -> Vec<f32> {
        let mut limiter = Limiter::default();
        let out = (0..count + AHEAD).map(|at| limiter.next([level(at), -level(at)])[0]);
        out.skip(AHEAD).collect()
    }

    #[test]
    fn quiet_sound_is_unchanged() {
        let level = |at: usize| (at as f32 * 0.05).sin() * 0.9;
        let out = run(level, 2_000);
        assert!(
            out.iter()
                .enumerate()
                .all(|(at, value)| (value - level(at)).abs() < 1e-5)
        );
    }

    #[test]
    fn loud_sound_is_turned_down_without_clipping_or_steps() {
        let level = |at: usize| (at as f32 * 0.05).sin() * if at > 5_026 { 3.0 } else { 0.5 };
        let out = run(level, 40_000);
        let most = out
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(most <= CEILING + 0.001, "{most}");
        let steepest = out
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(steepest < 0.06, "{steepest}");
        let settled = out[30_000..]
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(settled > 0.85, "{settled}");
    }

    #[test]
    fn loudness_comes_back() {
        let level = |at: usize| if at < 1_000 { 3.0 } else { 0.5 };
        let out = run(level, 20_000);
        assert!(
            out[1_500] < 0.4 && out[19_000] > 0.49,
            "{} {}",
            out[1_500],
            out[19_000]
        );
    }

    #[test]
    fn what_is_no_number_is_silence() {
        let out = run(|at| if at == 50 { f32::NAN } else { 0.5 }, 200);
        assert!(out.iter().all(|value| value.is_finite()));
    }
}
