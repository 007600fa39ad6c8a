//! The error that a band may have before it is heard.
//!
//! The model is the simple one that 3GPP TS 26.403 §5.4 describes: a part of the band's own energy, spread to its neighbours as the ear
//! does it, not below the noise of 16-bit samples or far below the loudest band, and not far above what it was a moment before.

use crate::aac::layout::{Band, Layout, Sequence};

/// Error that a band's own energy hides: 29 dB below it.
const SELF_MASKING: f32 = 0.001_259;
/// Masking falls off so fast, per Bark: towards higher frequencies 15 dB, towards lower ones 30 dB.
const FALL_UPWARDS: f32 = 1.5;
/// In powers of ten.
const FALL_DOWNWARDS: f32 = 3.0;
/// Energy of a line below which nothing is heard: a third of what rounding to 16 bits adds.
const QUIET: f32 = 57.0;
/// A band that is so much below the loudest one is not heard: 75 dB. The slopes of the window leave such traces of every tone everywhere.
const FAINT: f32 = 3e-8;
/// A threshold rises by this much from one access unit to the next.
const RISE_MAX: f32 = 2.0;
/// However fast the energy has risen, this part of the new threshold is allowed.
const RISE_PART_MIN: f32 = 0.01;

/// Energy of each band.
pub(super) fn energies(bands: &[Band], lines: &[f32]) -> Vec<f32> {
    let energy = |band: &Band| {
        let lines = &lines[band.start..band.start + band.lines];
        lines.iter().map(|line| line * line).sum()
    };
    bands.iter().map(energy).collect()
}

/// The thresholds of one channel; it remembers those before.
#[derive(Debug, Default)]
pub(super) struct Ear {
    before: Vec<f32>,
}

impl Ear {
    /// The energy of error that each band may have.
    pub(super) fn thresholds(
        &mut self,
        layout: &Layout,
        rate_hz: u32,
        energies: &[f32],
    ) -> Vec<f32> {
        let mut allowed: Vec<f32> = energies
            .iter()
            .map(|energy| energy * SELF_MASKING)
            .collect();
        let count = layout.bands_per_group;
        let groups = allowed
            .chunks_exact_mut(count)
            .zip(layout.bands.chunks_exact(count));
        for (allowed, bands) in groups {
            spread(allowed, bands, rate_hz);
        }
        let faint = energies
            .iter()
            .fold(0.0f32, |most, energy| most.max(*energy))
            * FAINT;
        for (allowed, band) in allowed.iter_mut().zip(&layout.bands) {
            *allowed = allowed.max(QUIET * band.lines as f32).max(faint);
        }
        if layout.sequence == Sequence::Short {
            self.before.clear();
            return allowed;
        }
        let raw = allowed.clone();
        for (allowed, before) in allowed.iter_mut().zip(&self.before) {
            *allowed = allowed.min(RISE_MAX * before).max(RISE_PART_MIN * *allowed);
        }
        self.before = raw;
        allowed
    }
}

/// Gives each band of a group what its neighbours hide in it.
fn spread(allowed: &mut [f32], bands: &[Band], rate_hz: u32) {
    let centre = |band: &Band| bark((band.low + band.high) / 2.0 * rate_hz as f32 / 2.0);
    let fall = |slope: f32, one: &Band, other: &Band| {
        10f32.powf(-slope * (centre(one) - centre(other)).abs())
    };
    for index in 1..bands.len() {
        let hidden = allowed[index - 1] * fall(FALL_UPWARDS, &bands[index - 1], &bands[index]);
        allowed[index] = allowed[index].max(hidden);
    }
    for index in (1..bands.len()).rev() {
        let hidden = allowed[index] * fall(FALL_DOWNWARDS, &bands[index - 1], &bands[index]);
        allowed[index - 1] = allowed[index - 1].max(hidden);
    }
}

/// The critical band rate of a frequency in Hz, in Bark (Zwicker's formula).
fn bark(hz: f32) -> f32 {
    13.0 * (0.000_76 * hz).atan() + 3.5 * (hz / 7_500.0).powi(2).atan()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_hides_error_beside_it_and_more_above_than_below() {
        let layout = Layout::long(Sequence::Long, 1.0);
        let mut energies = vec![0.0; layout.bands.len()];
        energies[20] = 1e10;
        let allowed = Ear::default().thresholds(&layout, 48_000, &energies);
        assert!((allowed[20] / 1e10 - SELF_MASKING).abs() < 1e-6);
        assert!(allowed[22] > allowed[18] && allowed[18] > allowed[15]);
        assert!(allowed[21] < allowed[20]);
    }

    #[test]
    fn a_sudden_rise_hides_little() {
        let layout = Layout::long(Sequence::Long, 1.0);
        let mut ear = Ear::default();
        let quiet = ear.thresholds(&layout, 48_000, &vec![1e6; layout.bands.len()]);
        let loud = ear.thresholds(&layout, 48_000, &vec![1e8; layout.bands.len()]);
        let later = ear.thresholds(&layout, 48_000, &vec![1e8; layout.bands.len()]);
        assert!(
            loud[30] <= 2.0 * quiet[30] + 1.0,
            "{} {}",
            quiet[30],
            loud[30]
        );
        assert!(later[30] > 5.0 * loud[30]);
    }
}
