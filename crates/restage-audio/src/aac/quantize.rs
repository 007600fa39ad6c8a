//! Lines to whole numbers and scale factors (ISO/IEC 14496-3 §4.6.2).

use crate::aac::layout::Layout;
use crate::aac::noiseless::{SCALE_STEP_MAX, VALUE_MAX, has_value};

/// The scale factor of a step of one.
const SCALE_ONE: i32 = 100;
/// Scale factors are 0 to this.
const SCALE_MAX: i32 = 255;
/// Added before the fraction is cut off: a bit less than a half, because small values are the more frequent ones.
const ROUNDING: f32 = 0.405_4;
/// Times by which the bands may be gone through until all differences are small. Each time makes values only larger.
const ROUNDS: usize = 3;

/// The lines of one channel, in the order in which they are written, and what is asked of them again and again.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) lines: Vec<f32>,
    /// Their sizes to the power of three quarters, as they are quantized.
    powers: Vec<f32>,
    pub(super) energies: Vec<f32>,
    /// The sum of the roots of the sizes of each band, which the error grows with.
    roots: Vec<f32>,
    largest: Vec<f32>,
}

impl Lines {
    pub(super) fn new(layout: &Layout, lines: Vec<f32>, energies: Vec<f32>) -> Self {
        let powers: Vec<f32> = lines
            .iter()
            .map(|line| (line.abs() * line.abs().sqrt()).sqrt())
            .collect();
        let of_band = |start: usize, count: usize| &lines[start..start + count];
        let roots = (layout.bands.iter())
            .map(|band| {
                of_band(band.start, band.lines)
                    .iter()
                    .map(|line| line.abs().sqrt())
                    .sum()
            })
            .collect();
        let largest = (layout.bands.iter())
            .map(|band| {
                let lines = of_band(band.start, band.lines).iter();
                lines.fold(0.0f32, |largest, line| largest.max(line.abs()))
            })
            .collect();
        Self {
            powers,
            energies,
            roots,
            largest,
            lines,
        }
    }
}

/// Whole numbers and the scale factors with which they stand for lines.
#[derive(Debug)]
pub(super) struct Quantized {
    pub(super) values: Vec<i32>,
    /// Of each band. Those of bands without a value mean nothing.
    pub(super) scales: Vec<i32>,
}

/// Quantizes so that the error of each band is about what is allowed; what is not allowed to be heard at all (`None`) is zero.
pub(super) fn quantize(layout: &Layout, lines: &Lines, allowed: &[Option<f32>]) -> Quantized {
    let mut scales: Vec<i32> = (allowed.iter().enumerate())
        .map(|(band, allowed)| match allowed {
            Some(allowed) => scale_for(*allowed, lines.roots[band], lines.largest[band]),
            None => SCALE_MAX,
        })
        .collect();
    let mut values = vec![0; lines.lines.len()];
    let is_used: Vec<bool> = allowed.iter().map(Option::is_some).collect();
    smooth(&mut scales, &is_used);
    for band in (0..scales.len()).filter(|band| is_used[*band]) {
        quantize_band(layout, lines, band, scales[band], &mut values);
    }
    for _ in 0..ROUNDS {
        let has_values: Vec<bool> = (layout.bands.iter())
            .map(|band| has_value(&values[band.start..band.start + band.lines]))
            .collect();
        let before = scales.clone();
        smooth(&mut scales, &has_values);
        for band in (0..scales.len()).filter(|band| scales[*band] != before[*band]) {
            quantize_band(layout, lines, band, scales[band], &mut values);
        }
    }
    Quantized { values, scales }
}

/// The scale factor with which a band has so much error. A step `s` gives an error of 4/27 · s^1.5 times the sum of the roots of the
/// sizes, because the values are as far apart as the power of 4/3 makes them.
fn scale_for(allowed: f32, roots: f32, largest: f32) -> i32 {
    if largest <= 0.0 {
        return SCALE_MAX;
    }
    let wanted = SCALE_ONE + (8.0 / 3.0 * (6.75 * allowed / roots).log2()).floor() as i32;
    let most = (VALUE_MAX as f32).powf(4.0 / 3.0);
    let least = SCALE_ONE + (4.0 * (largest / most).log2()).ceil() as i32;
    wanted.max(least).clamp(0, SCALE_MAX)
}

/// Lowers scale factors until no two neighbours differ by more than can be written.
fn smooth(scales: &mut [i32], is_used: &[bool]) {
    let used: Vec<usize> = (0..scales.len()).filter(|band| is_used[*band]).collect();
    for pair in used.windows(2) {
        scales[pair[1]] = scales[pair[1]].min(scales[pair[0]] + SCALE_STEP_MAX);
    }
    for pair in used.windows(2).rev() {
        scales[pair[0]] = scales[pair[0]].min(scales[pair[1]] + SCALE_STEP_MAX);
    }
}

fn quantize_band(layout: &Layout, lines: &Lines, band: usize, scale: i32, values: &mut [i32]) {
    let band = &layout.bands[band];
    let factor = ((SCALE_ONE - scale) as f32 * (3.0 / 16.0)).exp2();
    let range = band.start..band.start + band.lines;
    let powers = lines.powers[range.clone()]
        .iter()
        .zip(&lines.lines[range.clone()]);
    for (value, (power, line)) in values[range].iter_mut().zip(powers) {
        let size = ((power * factor + ROUNDING) as i32).min(VALUE_MAX);
        *value = if *line < 0.0 { -size } else { size };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aac::hearing::energies;
    use crate::aac::layout::Sequence;

    #[test]
    fn the_error_is_about_what_is_allowed() {
        let layout = Layout::long(Sequence::Long, 1.0);
        let mut seed = 3u32;
        let lines: Vec<f32> = (0..1024)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed as f32 / u32::MAX as f32 - 0.5) * 2e5
            })
            .collect();
        let energies = energies(&layout.bands, &lines);
        let lines = Lines::new(&layout, lines, energies);
        let allowed: Vec<_> = lines
            .energies
            .iter()
            .map(|energy| Some(energy * 0.001))
            .collect();
        let quantized = quantize(&layout, &lines, &allowed);
        let mut ratio = 0.0;
        for (index, band) in layout.bands.iter().enumerate() {
            let step = ((quantized.scales[index] - SCALE_ONE) as f32 / 4.0).exp2();
            let error: f32 = (band.start..band.start + band.lines)
                .map(|line| {
                    let value = quantized.values[line] as f32;
                    let size = value.abs().powf(4.0 / 3.0) * step * value.signum();
                    (lines.lines[line] - if value == 0.0 { 0.0 } else { size }).powi(2)
                })
                .sum();
            ratio += error / (lines.energies[index] * 0.001) / layout.bands.len() as f32;
        }
        assert!((0.5..1.5).contains(&ratio), "{ratio} of what is allowed");
    }

    #[test]
    fn scale_factors_of_bands_with_values_are_near_enough_to_be_written() {
        let layout = Layout::long(Sequence::Long, 1.0);
        let mut lines = vec![0.0; 1024];
        for (index, band) in layout.bands.iter().enumerate() {
            lines[band.start] = if index % 2 == 0 { 8e7 } else { 30.0 };
        }
        let energies = energies(&layout.bands, &lines);
        let lines = Lines::new(&layout, lines, energies);
        let allowed: Vec<_> = lines
            .energies
            .iter()
            .map(|energy| Some(energy * 0.01))
            .collect();
        let quantized = quantize(&layout, &lines, &allowed);
        for pair in quantized.scales.windows(2) {
            assert!((pair[0] - pair[1]).abs() <= SCALE_STEP_MAX, "{pair:?}");
        }
        assert!(
            quantized
                .values
                .iter()
                .all(|value| value.abs() <= VALUE_MAX)
        );
    }
}
