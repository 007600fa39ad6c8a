//! The level of samples (RFC 6464).

/// Digital silence, in −dBov.
const SILENCE: f64 = -127.0;

/// The root of the mean square of samples within −1 and 1, in −dBov: 0 is a square wave of the highest level, −127 is silence (RFC 6464
/// §3, and its appendix A).
pub(crate) fn level_of(samples: &[f32]) -> i8 {
    let squares: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    let mean = squares / samples.len().max(1) as f64;
    if mean <= 0.0 {
        return SILENCE as i8;
    }
    (10.0 * mean.log10()).round().clamp(SILENCE, 0.0) as i8
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn sine(amplitude: f32) -> Vec<f32> {
        (0..960)
            .map(|at| amplitude * (TAU * at as f32 / 96.0).sin())
            .collect()
    }

    #[test]
    fn levels_are_those_of_the_rfc() {
        assert_eq!(level_of(&[1.0, -1.0, 1.0, -1.0]), 0, "a square wave");
        assert_eq!(level_of(&sine(1.0)), -3);
        assert_eq!(level_of(&sine(0.1)), -23);
        assert_eq!(level_of(&[0.0; 960]), -127);
        assert_eq!(level_of(&sine(1.0e-9)), -127);
        assert_eq!(level_of(&[2.0; 10]), 0, "more than there can be");
        assert_eq!(level_of(&[]), -127);
    }
}
