//! What the AAC encoder makes, decoded by Symphonia and held against what went in.
//!
//! [`gate`] is what a signal must pass. Its bounds are a few decibels below what the encoder reaches; that they refuse what is broken is
//! tested as well.

mod hostile;
mod measure;
mod signals;

use measure::{Quality, decode, edge_ratio, measure};
use restage_audio::AacEncoder;
use restage_audio::limits::ACCESS_UNIT_SAMPLES;
use signals::{RATE_HZ, SECONDS};

const CHANNELS: usize = 2;
const BLOCK: usize = ACCESS_UNIT_SAMPLES * CHANNELS;
/// Bits of an access unit of two channels that a decoder must be able to hold.
const UNIT_BYTES_MAX: usize = 2 * 6_144 / 8;

/// Encodes all whole blocks, and silence until everything is out.
fn encode(samples: &[f32], bits_per_s: u32) -> (Vec<Vec<u8>>, usize) {
    let mut encoder = AacEncoder::new(RATE_HZ, CHANNELS as u8, bits_per_s).unwrap();
    let delay = encoder.delay_samples() as usize;
    let tail = vec![0.0; delay * CHANNELS];
    let blocks = samples.chunks_exact(BLOCK).chain(tail.chunks_exact(BLOCK));
    let units = blocks.map(|block| encoder.encode(block).unwrap()).collect();
    (units, delay)
}

/// What comes back, with the delay taken away.
fn there_and_back(samples: &[f32], bits_per_s: u32) -> Vec<f32> {
    let (units, delay) = encode(samples, bits_per_s);
    decode(&units, RATE_HZ, CHANNELS).split_off(delay * CHANNELS)
}

/// The least that a signal must keep.
struct Bounds {
    /// Mean of the segments, in decibels.
    snr: f64,
    /// Of the worst twentieth of the segments, in decibels.
    worst_snr: f64,
    /// Mean difference of the energies of bands that are heard, in decibels.
    distance: f64,
}

fn gate(quality: Quality, bounds: &Bounds) -> Result<(), String> {
    let is_good = quality.snr >= bounds.snr
        && quality.worst_snr >= bounds.worst_snr
        && quality.distance <= bounds.distance;
    if is_good {
        Ok(())
    } else {
        Err(format!("{quality:?}"))
    }
}

const TONES: Bounds = Bounds {
    snr: 44.0,
    worst_snr: 40.0,
    distance: 1.2,
};
const SPEECH: Bounds = Bounds {
    snr: 31.0,
    worst_snr: 26.0,
    distance: 2.5,
};
const NOISE: Bounds = Bounds {
    snr: 3.0,
    worst_snr: 2.5,
    distance: 3.0,
};
const MUSIC: Bounds = Bounds {
    snr: 10.0,
    worst_snr: 8.0,
    distance: 0.7,
};

#[test]
fn sound_comes_back_as_it_went_in() {
    let signals = [
        ("tones in both channels", signals::chord(), TONES),
        ("a tone in each channel", signals::two_tones(), TONES),
        (
            "a sweep",
            signals::sweep(),
            Bounds {
                worst_snr: 36.0,
                ..TONES
            },
        ),
        ("speech", signals::speech(), SPEECH),
        ("white noise", signals::noise(), NOISE),
        ("pink noise", signals::pink(), MUSIC),
    ];
    for (name, samples, bounds) in signals {
        for bits_per_s in [128_000, 160_000] {
            let decoded = there_and_back(&samples, bits_per_s);
            let quality = measure(&samples, &decoded, CHANNELS);
            gate(quality, &bounds).unwrap_or_else(|quality| {
                panic!("{name} at {bits_per_s} bit/s: {quality}");
            });
        }
    }
}

#[test]
fn the_gate_refuses_what_is_broken() {
    let samples = signals::chord();
    let decoded = there_and_back(&samples, 128_000);
    gate(measure(&samples, &decoded, CHANNELS), &TONES).unwrap();
    let refuses = |what: &str, broken: &[f32]| {
        let outcome = gate(measure(&samples, broken, CHANNELS), &TONES);
        assert!(outcome.is_err(), "{what} passes");
    };
    refuses("silence", &vec![0.0; decoded.len()]);
    refuses(
        "sound that is a sample late",
        &[&[0.0; CHANNELS], &decoded[..]].concat(),
    );
    let quieter: Vec<f32> = decoded.iter().map(|sample| sample * 0.97).collect();
    refuses("sound that is quieter", &quieter);
    let mut gaps = decoded.clone();
    gaps.chunks_exact_mut(BLOCK)
        .step_by(12)
        .for_each(|block| block.fill(0.0));
    refuses("sound with gaps", &gaps);
    let mut swapped = decoded;
    swapped
        .chunks_exact_mut(CHANNELS)
        .for_each(|pair| pair[1] = -pair[1]);
    refuses("a channel upside down", &swapped);
}

#[test]
fn there_are_no_clicks_where_blocks_meet() {
    for (name, samples) in [("chord", signals::chord()), ("sweep", signals::sweep())] {
        let decoded = there_and_back(&samples, 128_000);
        let ratio = edge_ratio(&samples, &decoded, CHANNELS, ACCESS_UNIT_SAMPLES);
        assert!(
            ratio < 2.0,
            "{name}: the error at the edges is {ratio} times that elsewhere"
        );
    }
}

#[test]
fn the_sum_of_errors_does_not_come_before_an_attack() {
    let samples = signals::attacks();
    let decoded = there_and_back(&samples, 128_000);
    let period = signals::ATTACK_PERIOD;
    for attack in (2 * period..samples.len() / CHANNELS - period).step_by(period) {
        // From 20 ms to 4 ms before it.
        let before = CHANNELS * (attack - 960)..CHANNELS * (attack - 192);
        let pairs = samples[before.clone()].iter().zip(&decoded[before]);
        let error = pairs
            .map(|(one, other)| (one - other).abs())
            .fold(0.0, f32::max);
        assert!(error < 0.01, "{error} before the attack at {attack}");
    }
}

#[test]
fn silence_stays_silence_and_costs_nearly_nothing() {
    let samples = vec![0.0; BLOCK * 50];
    let (units, _) = encode(&samples, 160_000);
    assert!(units.iter().all(|unit| unit.len() <= 16), "{units:?}");
    assert!(
        decode(&units, RATE_HZ, CHANNELS)
            .iter()
            .all(|sample| *sample == 0.0)
    );
    // And it is silent again after sound.
    let mut samples = signals::speech()[..BLOCK * 40].to_vec();
    samples.extend(vec![0.0; BLOCK * 20]);
    let decoded = there_and_back(&samples, 128_000);
    assert!(decoded[BLOCK * 42..].iter().all(|sample| *sample == 0.0));
}

#[test]
fn difficult_sound_keeps_to_its_bitrate_and_each_unit_to_its_bound() {
    for bits_per_s in [32_000, 64_000, 128_000, 160_000, 320_000] {
        for samples in [signals::noise(), signals::attacks(), signals::speech()] {
            let (units, _) = encode(&samples, bits_per_s);
            let bytes: usize = units.iter().map(Vec::len).sum();
            let measured = bytes as f64 * 8.0 / SECONDS as f64;
            // What was saved before the first block is spent once.
            let most = f64::from(bits_per_s) * 1.01 + 12_288.0 / SECONDS as f64;
            assert!(measured <= most, "{measured} bit/s instead of {bits_per_s}");
            assert!(units.iter().all(|unit| unit.len() <= UNIT_BYTES_MAX));
        }
    }
}

#[test]
fn mono_and_the_other_rate_are_encoded_as_well() {
    for (rate_hz, channels) in [(48_000, 1), (44_100, 2), (44_100, 1)] {
        let mut encoder = AacEncoder::new(rate_hz, channels, 64_000 * u32::from(channels)).unwrap();
        let count = usize::from(channels);
        let samples: Vec<f32> = (signals::chord().chunks_exact(CHANNELS))
            .flat_map(|pair| pair[..count].to_vec())
            .collect();
        let blocks = samples.chunks_exact(ACCESS_UNIT_SAMPLES * count);
        let units: Vec<_> = blocks.map(|block| encoder.encode(block).unwrap()).collect();
        let delay = encoder.delay_samples() as usize * count;
        let decoded = decode(&units, rate_hz, count).split_off(delay);
        let quality = measure(&samples[..decoded.len()], &decoded, count);
        gate(quality, &TONES).unwrap_or_else(|quality| {
            panic!("{channels} channels at {rate_hz} Hz: {quality}");
        });
    }
}

#[test]
fn the_configuration_says_rate_and_channels() {
    let config = |rate, channels| {
        let encoder = AacEncoder::new(rate, channels, 96_000).unwrap();
        encoder.audio_specific_config()
    };
    assert_eq!(config(48_000, 2), [0x11, 0x90]);
    assert_eq!(config(44_100, 2), [0x12, 0x10]);
    assert_eq!(config(48_000, 1), [0x11, 0x88]);
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    for (rate, channels, bits_per_s) in [
        (32_000, 2, 128_000),
        (48_000, 0, 128_000),
        (48_000, 3, 128_000),
        (48_000, 2, 31_999),
        (48_000, 2, 320_001),
    ] {
        let outcome = AacEncoder::new(rate, channels, bits_per_s);
        assert!(outcome.is_err(), "{rate} {channels} {bits_per_s}");
    }
    let mut encoder = AacEncoder::new(48_000, 2, 128_000).unwrap();
    for samples in [0, BLOCK - 1, BLOCK + 1, ACCESS_UNIT_SAMPLES] {
        assert!(encoder.encode(&vec![0.0; samples]).is_err(), "{samples}");
    }
}
