//! The modified discrete cosine transform (ISO/IEC 14496-3 §4.6.11).

use std::f64::consts::PI;
use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

/// Transforms `2 * lines` samples, which a window has shaped, into `lines` lines.
pub(super) struct Mdct {
    lines: usize,
    fft: Arc<dyn Fft<f32>>,
    /// The factors before and after the Fourier transform.
    twiddles: Vec<Complex32>,
    folded: Vec<f32>,
    values: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Mdct {
    /// `lines` is a multiple of four.
    pub(super) fn new(lines: usize) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(lines / 2);
        let twiddle = |index: usize| {
            let angle = -PI * (8 * index + 1) as f64 / (8 * lines) as f64;
            Complex32::new(angle.cos() as f32, angle.sin() as f32)
        };
        Self {
            lines,
            twiddles: (0..lines / 2).map(twiddle).collect(),
            folded: vec![0.0; lines],
            values: vec![Complex32::default(); lines / 2],
            scratch: vec![Complex32::default(); fft.get_inplace_scratch_len()],
            fft,
        }
    }

    /// Writes the lines: twice the sum of samples times cosines, as the inverse of the standard expects it. The samples are folded to
    /// half their number, which makes a cosine transform of the fourth kind of it; that one is a Fourier transform of a quarter.
    pub(super) fn run(&mut self, shaped: &[f32], lines: &mut [f32]) {
        let (count, half) = (self.lines, self.lines / 2);
        for index in 0..half {
            self.folded[index] = -shaped[3 * half - 1 - index] - shaped[3 * half + index];
            self.folded[half + index] = shaped[index] - shaped[count - 1 - index];
        }
        for index in 0..half {
            let value = Complex32::new(self.folded[2 * index], self.folded[count - 1 - 2 * index]);
            self.values[index] = value * self.twiddles[index];
        }
        self.fft
            .process_with_scratch(&mut self.values, &mut self.scratch);
        for index in 0..half {
            let value = self.values[index] * self.twiddles[index];
            lines[2 * index] = 2.0 * value.re;
            lines[count - 1 - 2 * index] = -2.0 * value.im;
        }
    }
}

/// The rising half of a sine window (§4.6.11.3.2).
pub(super) fn sine_slope(samples: usize) -> Vec<f32> {
    let sine = |index: usize| (PI * (index as f64 + 0.5) / (2 * samples) as f64).sin() as f32;
    (0..samples).map(sine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_the_sum_that_the_standard_writes() {
        for lines in [8, 128, 1024] {
            let shaped: Vec<f32> = (0..2 * lines)
                .map(|n| ((n * n * 7 + 3 * n) % 101) as f32 - 50.0)
                .collect();
            let mut fast = vec![0.0; lines];
            Mdct::new(lines).run(&shaped, &mut fast);
            let shift = (lines as f64 + 1.0) / 2.0;
            for (k, fast) in fast.iter().enumerate() {
                let slow: f64 = (shaped.iter().enumerate())
                    .map(|(n, value)| {
                        let angle = PI / lines as f64 * (n as f64 + shift) * (k as f64 + 0.5);
                        2.0 * f64::from(*value) * angle.cos()
                    })
                    .sum();
                let error = (f64::from(*fast) - slow).abs();
                assert!(
                    error < 0.05,
                    "{lines} lines, line {k}: {fast} instead of {slow}"
                );
            }
        }
    }
}
