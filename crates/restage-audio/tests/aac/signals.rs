//! Sound to encode: two channels in turn, at 48 kHz.

use std::f64::consts::TAU;

pub(crate) const RATE_HZ: u32 = 48_000;
pub(crate) const SECONDS: usize = 4;
const SAMPLES: usize = RATE_HZ as usize * SECONDS;
/// Samples from one attack to the next.
pub(crate) const ATTACK_PERIOD: usize = 13_000;

/// Numbers that look random, from −1 to 1.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub(crate) fn value(&mut self) -> f64 {
        f64::from(self.bits()) / f64::from(1u32 << 30) - 1.0
    }

    /// About a normal distribution with a deviation of one.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.value() / 2.0).sum()
    }
}

fn stereo(mut pair: impl FnMut(usize, f64) -> (f64, f64)) -> Vec<f32> {
    let pairs = (0..SAMPLES).map(|index| pair(index, index as f64 / f64::from(RATE_HZ)));
    pairs
        .flat_map(|(left, right)| [left as f32, right as f32])
        .collect()
}

pub(crate) fn chord() -> Vec<f32> {
    stereo(|_, at| {
        let tones = [110.0, 220.0, 440.0, 880.0, 1_760.0, 3_520.0, 7_040.0];
        let sum: f64 = tones
            .iter()
            .map(|hz| 0.08 * (TAU * hz * at + hz).sin())
            .sum();
        (sum, 0.8 * sum)
    })
}

pub(crate) fn two_tones() -> Vec<f32> {
    stereo(|_, at| {
        (
            0.4 * (TAU * 440.0 * at).sin(),
            0.3 * (TAU * 3_137.0 * at).sin(),
        )
    })
}

pub(crate) fn sweep() -> Vec<f32> {
    stereo(|_, at| {
        let tone = 0.5 * (TAU * (100.0 * at + 1_200.0 * at * at)).sin();
        (tone, tone)
    })
}

pub(crate) fn noise() -> Vec<f32> {
    let mut random = Random::new(1);
    stereo(|_, _| (0.1 * random.normal(), 0.1 * random.normal()))
}

/// Noise with half the energy in each higher octave, about: the sum of noises that change ever more seldom.
pub(crate) fn pink() -> Vec<f32> {
    let mut random = Random::new(2);
    let mut parts = [0.0; 12];
    stereo(|index, _| {
        for (part, value) in parts.iter_mut().enumerate() {
            if index.is_multiple_of(1 << part) {
                *value = random.normal();
            }
        }
        let sum = 0.04 * parts.iter().sum::<f64>();
        (sum, sum)
    })
}

/// Pulses of a voice through the resonances of a vowel, in syllables, with some breath.
pub(crate) fn speech() -> Vec<f32> {
    let mut random = Random::new(3);
    let mut phase = 0.0f64;
    let mut resonances = [
        (600.0, 80.0),
        (1_400.0, 100.0),
        (2_600.0, 150.0),
        (3_500.0, 200.0),
    ]
    .map(|(hz, width): (f64, f64)| {
        let radius = (-TAU / 2.0 * width / f64::from(RATE_HZ)).exp();
        let turn = (TAU * hz / f64::from(RATE_HZ)).cos();
        // Gain, the two coefficients, the two values before.
        (
            (1.0 - radius).sqrt(),
            2.0 * radius * turn,
            -radius * radius,
            0.0,
            0.0,
        )
    });
    let mut samples = stereo(|_, at| {
        phase += (120.0 + 20.0 * (TAU * 0.7 * at).sin()) / f64::from(RATE_HZ);
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase -= pulse;
        let mut value = pulse + 0.003 * random.normal();
        for (gain, first, second, before, earlier) in &mut resonances {
            let next = *gain * value + *first * *before + *second * *earlier;
            (*earlier, *before) = (*before, next);
            value = next;
        }
        let loudness = (TAU * 2.3 * at).sin().max(0.0).sqrt();
        let value = value * loudness;
        (value, 0.9 * value)
    });
    let peak = samples
        .iter()
        .fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    samples.iter_mut().for_each(|sample| *sample *= 0.5 / peak);
    samples
}

/// Bursts of noise that die away, over a faint tone.
pub(crate) fn attacks() -> Vec<f32> {
    let mut random = Random::new(4);
    stereo(|index, at| {
        let since = (index % ATTACK_PERIOD) as f64;
        let burst = 0.3 * random.normal() * (-since / 300.0).exp();
        let value = (burst + 0.01 * (TAU * 300.0 * at).sin()).clamp(-1.0, 1.0);
        (value, value)
    })
}
