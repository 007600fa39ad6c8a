//! Samples that are none, or as bad as they can be.

use restage_audio::AacEncoder;

use crate::measure::decode;
use crate::signals::Random;
use crate::{BLOCK, CHANNELS, RATE_HZ, UNIT_BYTES_MAX};

#[test]
fn any_samples_give_access_units_that_can_be_decoded() {
    let special = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        -0.0,
    ];
    let mut random = Random::new(9);
    for bits_per_s in [32_000, 128_000, 320_000] {
        let mut encoder = AacEncoder::new(RATE_HZ, CHANNELS as u8, bits_per_s).unwrap();
        let mut units = Vec::new();
        for round in 0..300 {
            // Each block is another mixture of noise, squares, single pulses, faint sound and what is no sound.
            let (kind, loudness) = (random.bits() % 6, 10f64.powi(-(random.bits() as i32 % 7)));
            let block: Vec<f32> = (0..BLOCK)
                .map(|index| match kind {
                    0 => (loudness * random.value()) as f32,
                    1 => special[random.bits() as usize % special.len()],
                    2 if (index / 64) % 2 == 0 => 1.0,
                    2 => -1.0,
                    3 if index == round => 1.0,
                    4 => (loudness * if index % 4 < 2 { 1.0 } else { -1.0 }) as f32,
                    _ => 0.0,
                })
                .collect();
            units.push(encoder.encode(&block).unwrap());
        }
        assert!(units.iter().all(|unit| unit.len() <= UNIT_BYTES_MAX));
        let decoded = decode(&units, RATE_HZ, CHANNELS);
        assert!(decoded.iter().all(|sample| sample.is_finite()));
    }
}
