//! What is heard of streams that are good, late, lossy, or drift.

use opus::{Application, Channels, Encoder};
use proptest::prelude::*;

use super::*;

/// 20 ms packets of a tone.
fn tone(hz: f64, packets: usize, level: f64) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(RATE_HZ, Channels::Stereo, Application::Audio).unwrap();
    (0..packets)
        .map(|packet| {
            let samples: Vec<f32> = (0..BLOCK)
                .flat_map(|at| {
                    let time = (packet * BLOCK + at) as f64 / f64::from(RATE_HZ);
                    [(level * (time * hz * std::f64::consts::TAU).sin()) as f32; CHANNELS]
                })
                .collect();
            encoder.encode_vec_float(&samples, 1_500).unwrap()
        })
        .collect()
}

fn mixer() -> Mixer {
    let formats = SoundFormats {
        opus: true,
        aac: false,
    };
    Mixer::new(1_000_000, formats, None).unwrap()
}

/// Left samples of so many blocks; packet `number` is given to the mixer when `arrives` says so, in blocks.
fn heard(
    packets: &[Vec<u8>],
    blocks: u64,
    arrives: impl Fn(u64) -> Option<u64>,
    place: impl Fn(u64) -> u64,
) -> (Vec<f32>, Mixer) {
    let mut mixer = mixer();
    let mut left = Vec::new();
    for block in 0..blocks {
        for (number, packet) in packets.iter().enumerate() {
            let number = number as u64;
            if arrives(number) == Some(block) {
                mixer.take(1, 1_000_000 + number * BLOCK_US, place(number), packet);
            }
        }
        mixer.run(1_000_000 + block * BLOCK_US, |_| ());
        left.extend(mixer.last().iter().step_by(CHANNELS));
    }
    (left, mixer)
}

fn loudest(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |most, sample| most.max(sample.abs()))
}

/// The largest second difference: a click is large, a wave of few hertz is not.
fn roughest(samples: &[f32]) -> f32 {
    let bends = samples
        .windows(3)
        .map(|three| (three[2] - 2.0 * three[1] + three[0]).abs());
    bends.fold(0.0, f32::max)
}

#[test]
fn a_tone_comes_after_the_delay_and_without_a_click() {
    let packets = tone(200.0, 60, 0.5);
    let (left, _) = heard(&packets, 80, Some, |number| number * 960);
    let delay = DELAY_US as usize * RATE_HZ as usize / 1_000_000;
    let first = left.iter().position(|sample| sample.abs() > 0.02).unwrap();
    // The encoder's own delay is 312 samples.
    assert!((delay..delay + 600).contains(&first), "{first}");
    let steady = &left[delay + 4_800..delay + 50_000];
    let loud = loudest(steady);
    assert!((0.30..0.40).contains(&loud), "{loud}");
    assert!(roughest(&left) < 0.01, "{}", roughest(&left));
    assert_eq!(loudest(&left[left.len() - 960..]), 0.0);
}

#[test]
fn lost_packets_are_concealed() {
    let packets = tone(200.0, 100, 0.5);
    let is_lost = |number: u64| number > 20 && number.is_multiple_of(10);
    let (left, mut mixer) = heard(
        &packets,
        100,
        |number| (!is_lost(number)).then_some(number),
        |number| number * 960,
    );
    let whole = &left[20_000..90_000];
    for part in whole.chunks(960) {
        assert!(loudest(part) > 0.15, "{}", loudest(part));
    }
    assert_eq!(mixer.take_concealed(), 0);
}

#[test]
fn silence_is_sent_and_what_follows_it_is_heard_from_its_beginning() {
    let packets = tone(200.0, 150, 0.5);
    let silent = 40..110;
    let (left, _) = heard(
        &packets,
        160,
        |number| (!silent.contains(&number)).then_some(number),
        |number| number * 960,
    );
    let block = |number: usize| &left[number * 960..][..960];
    // Two seconds and the delay.
    assert!(loudest(block(35)) > 0.2);
    assert!(loudest(block(70)) < 1e-3);
    assert!(loudest(block(117)) > 0.2, "{}", loudest(block(117)));
    assert!(
        roughest(&left[100 * 960..]) < 0.02,
        "{}",
        roughest(&left[100 * 960..])
    );
}

#[test]
fn jitter_within_the_delay_is_not_heard() {
    let packets = tone(200.0, 150, 0.5);
    let (left, mut mixer) = heard(
        &packets,
        150,
        |number| Some(number + number * 7 % 5),
        |number| number * 960,
    );
    assert!(roughest(&left) < 0.01, "{}", roughest(&left));
    assert_eq!(mixer.take_concealed(), 0);
}

#[test]
fn an_input_whose_packets_always_come_late_is_heard_later() {
    let packets = tone(200.0, 150, 0.5);
    let (left, _) = heard(
        &packets,
        160,
        |number| Some(number + 10),
        |number| number * 960,
    );
    let late = &left[80 * 960..140 * 960];
    assert!(late.chunks(960).all(|block| loudest(block) > 0.3));
    assert!(roughest(late) < 0.01, "{}", roughest(late));
}

#[test]
fn a_clock_that_runs_differently_is_followed_without_a_click() {
    let packets = tone(200.0, 1_500, 0.5);
    // 300 parts in a million faster: 9 ms in 30 s more than a threshold of 10 ms allows together with the start.
    for parts in [-2_000_i64, 2_000] {
        let mut mixer = mixer();
        let mut left = Vec::new();
        let mut given = 0;
        for block in 0..1_480_u64 {
            let now = 1_000_000 + block * BLOCK_US;
            loop {
                let at = 1_000_000
                    + (i64::from(given) * 20_000 * (1_000_000 + parts) / 1_000_000) as u64;
                if at > now || given as usize == packets.len() {
                    break;
                }
                mixer.take(1, at, given as u64 * 960, &packets[given as usize]);
                given += 1;
            }
            mixer.run(now, |_| ());
            left.extend(mixer.last().iter().step_by(CHANNELS));
        }
        assert_eq!(mixer.take_concealed(), 0);
        let steady = &left[20_000..1_400_000];
        assert!(roughest(steady) < 0.01, "{}", roughest(steady));
        assert!(steady.chunks(960).all(|block| loudest(block) > 0.3));
    }
}

#[test]
fn a_mixer_that_was_stopped_goes_on_at_the_present() {
    let mut mixer = mixer();
    let mut times = Vec::new();
    for now in [1_000_000, 1_020_000, 9_500_000, 9_520_000] {
        mixer.run(now, |sound| {
            let Sound::Opus { at_us, .. } = sound else {
                panic!("not Opus");
            };
            times.push(at_us);
        });
    }
    assert_eq!(times, [1_000_000, 1_020_000, 9_500_000, 9_520_000]);
    mixer.run(9_700_000, |_| times.push(0));
    assert_eq!(times.len(), 13);
}

#[test]
fn twelve_at_once_stay_below_full_scale() {
    let packets = tone(200.0, 60, 0.9);
    let mut mixer = mixer();
    let mut loud = 0.0_f32;
    for (block, packet) in packets.iter().enumerate() {
        let now = 1_000_000 + block as u64 * BLOCK_US;
        for input in 0..12 {
            mixer.take(input, now, block as u64 * 960, packet);
        }
        mixer.run(now, |_| ());
        loud = loud.max(loudest(mixer.last()));
    }
    assert!((0.8..0.9).contains(&loud), "{loud}");
}

struct Counting(usize);

impl AacEncode for Counting {
    fn encode(&mut self, samples: &[f32; AAC_BLOCK * CHANNELS]) -> Option<Vec<u8>> {
        self.0 += 1;
        Some(vec![self.0 as u8, samples.len() as u8])
    }
}

#[test]
fn blocks_of_aac_have_their_own_times() {
    let formats = SoundFormats {
        opus: false,
        aac: true,
    };
    let mut mixer = Mixer::new(1_000_000, formats, Some(Box::new(Counting(0)))).unwrap();
    let mut times = Vec::new();
    let mut note = |sound| {
        let Sound::Aac { at_us, .. } = sound else {
            panic!("not AAC");
        };
        times.push(at_us);
    };
    mixer.run(1_080_000, &mut note);
    mixer.run(5_000_000, &mut note);
    mixer.run(5_020_000, &mut note);
    assert_eq!(
        times,
        [1_000_000, 1_021_333, 1_042_666, 1_064_000, 5_000_000]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_packets_at_any_time(
        packets in proptest::collection::vec((0..3u32, any::<u32>(), prop_oneof![any::<u64>(), 0..100_000u64], proptest::collection::vec(any::<u8>(), 0..60)), 0..40),
    ) {
        let mut mixer = mixer();
        let mut now = 1_000_000;
        for (input, at, timestamp, packet) in packets {
            mixer.take(input, u64::from(at), timestamp, &packet);
            now += 20_000;
            mixer.run(now, |_| ());
            prop_assert!(mixer.last().iter().all(|sample| sample.abs() <= 1.0));
        }
    }

    #[test]
    fn the_limiter_never_exceeds_its_ceiling(samples in proptest::collection::vec(-20.0..20.0f32, 0..3_000)) {
        let mut samples = samples;
        samples.truncate(samples.len() / 2 * 2);
        let mut limiter = Limiter::default();
        limiter.limit(&mut samples);
        prop_assert!(samples.iter().all(|sample| sample.abs() < 0.892));
    }

    #[test]
    fn what_is_not_loud_passes_the_limiter(samples in proptest::collection::vec(-0.8..0.8f32, 1_000..1_001)) {
        let mut limited = samples.clone();
        Limiter::default().limit(&mut limited);
        let delay = (LOOK_AHEAD - 1) * CHANNELS;
        for (limited, sample) in limited[delay..].iter().zip(&samples) {
            prop_assert!((limited - sample).abs() < 1e-6);
        }
    }
}
