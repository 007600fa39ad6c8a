use opus::Decoder;

use super::*;

const DELAY_US: u64 = 120_000;
/// Where a test begins, so that nothing is before zero.
const BEGIN_US: u64 = 10_000_000;

/// A participant who sends a tone.
struct Speaker {
    encoder: Encoder,
    sample: usize,
    hertz: f32,
    level: f32,
}

impl Speaker {
    fn new(hertz: f32, level: f32) -> Self {
        let encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio).unwrap();
        Self {
            encoder,
            sample: 0,
            hertz,
            level,
        }
    }

    fn packet(&mut self) -> Bytes {
        let mut samples = Vec::new();
        for _ in 0..PART {
            let turns = self.sample as f64 * f64::from(self.hertz) / RATE as f64;
            let angle = (turns.fract() * std::f64::consts::TAU) as f32;
            samples.extend([angle.sin() * self.level; 2]);
            self.sample += 1;
        }
        self.encoder
            .encode_vec_float(&samples, 1_275)
            .unwrap()
            .into()
    }
}

fn mixer() -> Mixer {
    let formats = SoundFormats {
        opus: true,
        aac: false,
    };
    Mixer::new(formats, None).unwrap()
}

/// What comes out of a mixer, decoded.
struct Listener {
    decoder: Decoder,
    heard: Vec<f32>,
}

impl Listener {
    fn new() -> Self {
        Self {
            decoder: Decoder::new(48_000, Channels::Stereo).unwrap(),
            heard: Vec::new(),
        }
    }

    fn take(&mut self, said: FromChild) {
        let FromChild::Opus { bytes, .. } = said else {
            panic!("{said:?}");
        };
        let mut samples = vec![0.0; PART * 2];
        let count = self
            .decoder
            .decode_float(&bytes, &mut samples, false)
            .unwrap();
        assert_eq!(count, PART);
        self.heard
            .extend(samples.chunks_exact(2).map(|pair| pair[0]));
    }

    fn loudness(&self, part: std::ops::Range<usize>) -> f32 {
        let samples = &self.heard[part.start * PART..part.end * PART];
        (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
    }

    /// The steepest step: a click is one.
    fn steepest(&self, part: std::ops::Range<usize>) -> f32 {
        let samples = &self.heard[part.start * PART..part.end * PART];
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }
}

fn play(parts: usize, mut send: impl FnMut(usize, &mut Mixer)) -> Listener {
    let (mut mixer, mut listener) = (mixer(), Listener::new());
    for part in 0..parts {
        send(part, &mut mixer);
        let now = BEGIN_US + part as u64 * PART_US;
        mixer.mix(now - DELAY_US, |said| listener.take(said));
    }
    listener
}

fn at(part: usize) -> u64 {
    BEGIN_US + part as u64 * PART_US
}

#[test]
fn one_voice_is_heard_at_its_time_without_clicks() {
    let mut speaker = Speaker::new(440.0, 0.5);
    let listener = play(200, |part, mixer| {
        let packet = speaker.packet();
        mixer.take(1, at(part), part as u64 * 960, packet);
    });
    assert!(listener.loudness(0..5) < 0.01, "not before its time");
    let loud = listener.loudness(20..200);
    assert!((0.22..0.28).contains(&loud), "{loud}");
    assert!(
        listener.steepest(20..200) < 0.035,
        "{}",
        listener.steepest(20..200)
    );
}

#[test]
fn late_packets_and_those_out_of_order_find_their_place() {
    let mut speaker = Speaker::new(440.0, 0.5);
    let mut held = Vec::new();
    let listener = play(200, |part, mixer| {
        held.push((part, speaker.packet()));
        // In threes, backwards.
        if part % 3 == 2 {
            for (part, packet) in held.drain(..).rev() {
                mixer.take(1, at(part), part as u64 * 960, packet);
            }
        }
    });
    assert!(
        listener.steepest(20..195) < 0.035,
        "{}",
        listener.steepest(20..195)
    );
}

#[test]
fn what_is_lost_is_concealed() {
    let mut speaker = Speaker::new(440.0, 0.5);
    let listener = play(400, |part, mixer| {
        let packet = speaker.packet();
        if part % 20 != 7 {
            mixer.take(1, at(part), part as u64 * 960, packet);
        }
    });
    assert!(
        listener.steepest(20..395) < 0.12,
        "{}",
        listener.steepest(20..395)
    );
    let loud = listener.loudness(20..395);
    assert!(loud > 0.2, "{loud}");
}

#[test]
fn after_silence_it_is_whole_at_once() {
    let mut speaker = Speaker::new(440.0, 0.5);
    let listener = play(400, |part, mixer| {
        let packet = speaker.packet();
        if !(100..300).contains(&part) {
            mixer.take(1, at(part), part as u64 * 960, packet);
        }
    });
    assert!(listener.loudness(130..300) < 0.01);
    for part in 309..390 {
        let loud = listener.loudness(part..part + 1);
        assert!(loud > 0.2, "{part}: {loud}");
    }
}

#[test]
fn a_clock_that_is_wrong_is_followed_for_hours_of_its_drift() {
    // 200 millionths fast: a second in 80 minutes.
    let mut speaker = Speaker::new(440.0, 0.5);
    let listener = play(15_000, |part, mixer| {
        let packet = speaker.packet();
        let at = at(part) + part as u64 * 4;
        mixer.take(1, at, part as u64 * 960, packet);
    });
    assert!(
        listener.steepest(20..14_900) < 0.06,
        "{}",
        listener.steepest(20..14_900)
    );
    for part in (50..14_900).step_by(10) {
        let loud = listener.loudness(part..part + 10);
        assert!(loud > 0.2, "{part}: {loud}");
    }
}

#[test]
fn many_who_shout_are_limited_and_who_left_is_not_heard() {
    let mut speakers: Vec<_> = (0..8)
        .map(|at| Speaker::new(300.0 + at as f32 * 70.0, 0.9))
        .collect();
    let listener = play(200, |part, mixer| {
        for (place, speaker) in speakers.iter_mut().enumerate() {
            let packet = speaker.packet();
            mixer.take(place as u32, at(part), part as u64 * 960, packet);
        }
        if part == 150 {
            mixer.keep(&BTreeSet::new());
            speakers.clear();
        }
    });
    let most = listener
        .heard
        .iter()
        .fold(0.0_f32, |most, sample| most.max(sample.abs()));
    assert!((0.8..1.1).contains(&most), "{most}");
    assert!(listener.loudness(160..200) < 0.01);
}

#[test]
fn timestamps_that_jump_and_noise_for_packets_do_no_harm() {
    let mut speaker = Speaker::new(440.0, 0.5);
    let listener = play(300, |part, mixer| {
        let packet = speaker.packet();
        let timestamp = if part < 150 {
            part as u64 * 960
        } else {
            u64::MAX / 2 + part as u64 * 960
        };
        mixer.take(1, at(part), timestamp, packet);
        mixer.take(2, u64::MAX, u64::MAX, Bytes::from_static(&[0xff; 40]));
        mixer.take(3, 0, part as u64, Bytes::new());
    });
    assert!(listener.loudness(165..290) > 0.2);
}

struct Recorded(std::rc::Rc<std::cell::RefCell<Vec<usize>>>);

impl AacEncode for Recorded {
    fn encode(&mut self, samples: &[f32]) -> Option<Vec<u8>> {
        self.0.borrow_mut().push(samples.len());
        Some(vec![7])
    }

    fn delay(&self) -> i64 {
        0
    }
}

#[test]
fn frames_of_aac_follow_each_other_without_a_gap() {
    let taken = std::rc::Rc::default();
    let formats = SoundFormats {
        opus: false,
        aac: true,
    };
    let encoder = Recorded(std::rc::Rc::clone(&taken));
    let mut mixer = Mixer::new(formats, Some(Box::new(encoder))).unwrap();
    let mut times = Vec::new();
    for part in 0..100 {
        mixer.mix(at(part), |said| match said {
            FromChild::Aac { at_us, .. } => times.push(at_us),
            other => panic!("{other:?}"),
        });
    }
    assert!(
        taken
            .borrow()
            .iter()
            .all(|length| *length == AAC_SAMPLES * 2)
    );
    assert_eq!(times.len(), 93);
    assert!(
        times
            .windows(2)
            .all(|pair| (21_333..=21_334).contains(&(pair[1] - pair[0])))
    );
}
