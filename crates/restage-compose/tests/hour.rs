//! An hour of virtual time: two participants, whose clocks drift apart, flash and beep each second.

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use opus::{Application, Channels};
use restage_compose::offline::{Held, Offline};
use restage_compose::protocol::{FromChild, SoundFormats, ToChild};
use support::*;

const MINUTES: u64 = 60;
const BEGIN_US: u64 = 10_000_000;
/// How long it takes from a participant to the compositor.
const ON_THE_WAY_US: u64 = 40_000;
/// A tile. There are two, side by side.
const SIDE: usize = 32;
/// How long participants are white and loud, each second.
const LOUD_US: u64 = 100_000;
/// What an encoder of Opus adds in front (RFC 6716 §4.2.6 and libopus): samples are so much later.
const OPUS_DELAY_US: i64 = 6_500;
/// Light above which a tile is white, and level above which a sample is loud.
const WHITE: u8 = 120;
const LOUD: f32 = 0.1;
/// Between beeps, which last shorter than this.
const APART_US: u64 = 300_000;
/// Sampling rate.
const RATE: u64 = 48_000;
/// What may be held at most, whatever the time: some pictures and packets of the delay, and less than 100 ms of samples for each.
const HELD_MAX: Held = Held {
    pictures: 12,
    packets: 20,
    samples: 3 * RATE as usize / 10,
    messages: 0,
};

/// A participant. Its second lasts a second and `drift` microseconds.
struct Participant {
    input: u32,
    drift: i64,
    pictures: Vec<(bool, Bytes)>,
    packets: Vec<Bytes>,
    sent_pictures: u64,
    sent_packets: u64,
}

impl Participant {
    fn new(input: u32, drift: i64) -> Self {
        let mut camera = Camera::new(input);
        let pictures = (0..30_u64).map(|number| {
            let light = if number * 1_000_000 / 30 < LOUD_US {
                220
            } else {
                20
            };
            let (bytes, is_key) = camera.encode(&Picture::plain(SIDE, SIDE, [light, 128, 128]));
            (is_key, bytes)
        });
        Self {
            input,
            drift,
            pictures: pictures.collect(),
            packets: beeps(input as usize),
            sent_pictures: 0,
            sent_packets: 0,
        }
    }

    /// The server's clock when the participant's is so much after the beginning.
    fn at_us(&self, after_us: u64) -> u64 {
        let drifted = i128::from(after_us) * i128::from(1_000_000 + self.drift) / 1_000_000;
        BEGIN_US + drifted as u64
    }

    /// Sends what arrives until now.
    fn send(&mut self, offline: &mut Offline) {
        loop {
            let after_us = self.sent_pictures * 1_000_000 / 30;
            let at_us = self.at_us(after_us);
            if at_us + ON_THE_WAY_US > offline.now_us() {
                break;
            }
            let (is_key, bytes) = &self.pictures[(self.sent_pictures % 30) as usize];
            offline.take(h264(self.input, at_us, *is_key, bytes.clone()));
            self.sent_pictures += 1;
        }
        loop {
            let at_us = self.at_us(self.sent_packets * 20_000);
            if at_us + ON_THE_WAY_US > offline.now_us() {
                break;
            }
            offline.take(ToChild::Sound {
                input: self.input,
                at_us,
                timestamp: self.sent_packets * RATE / 50,
                bytes: self.packets[(self.sent_packets % 50) as usize].clone(),
            });
            self.sent_packets += 1;
        }
    }
}

/// A second of packets with a beep at its beginning in one channel.
fn beeps(channel: usize) -> Vec<Bytes> {
    let mut encoder =
        opus::Encoder::new(RATE as u32, Channels::Stereo, Application::Audio).unwrap();
    let mut packet = |number: u64| {
        let is_loud = number * 20_000 % 1_000_000 < LOUD_US;
        let samples: Vec<f32> = (0..960_usize)
            .flat_map(|at| {
                let level = if is_loud { 0.6 } else { 0.0 };
                let mut pair = [0.0; 2];
                pair[channel] = (at as f32 * std::f32::consts::TAU / 48.0).sin() * level;
                pair
            })
            .collect();
        Bytes::from(encoder.encode_vec_float(&samples, 1_275).unwrap())
    };
    // The second one follows what the last one would have left.
    let all: Vec<Bytes> = (0..100).map(&mut packet).collect();
    all[50..].to_vec()
}

/// First and last sample of a frame of sound that is loud, in each channel.
type Onsets = [Option<(usize, usize)>; 2];

/// When each participant began to flash and to beep.
#[derive(Default)]
struct Seen {
    flashes: [Vec<u64>; 2],
    beeps: [Vec<u64>; 2],
    is_white: [bool; 2],
    loud_us: [u64; 2],
    /// Places of the samples of each frame of sound that began to be loud; they come before the frame's time is known.
    onsets: Rc<RefCell<Vec<Onsets>>>,
    next_sound_us: Option<u64>,
    pictures: u64,
}

impl Seen {
    fn picture(&mut self, at_us: u64, picture: &Picture) {
        self.pictures += 1;
        for place in 0..2 {
            let x = place * SIDE + SIDE / 2;
            let is_white = picture.light(x as u32, SIDE as u32 / 2) > WHITE;
            if is_white && !self.is_white[place] {
                self.flashes[place].push(at_us);
            }
            self.is_white[place] = is_white;
        }
    }

    fn sound(&mut self, at_us: u64) {
        // Frames follow each other without a gap; times are rounded.
        if let Some(wanted) = self.next_sound_us {
            assert!(at_us.abs_diff(wanted) <= 1, "{at_us} {wanted}");
        }
        self.next_sound_us = Some(at_us + 1_024 * 1_000_000 / RATE);
        let onsets = self.onsets.borrow_mut().pop().unwrap();
        for (place, onset) in onsets.into_iter().enumerate() {
            let Some((first, last)) = onset else { continue };
            let us = |sample: usize| at_us + sample as u64 * 1_000_000 / RATE;
            if us(first) > self.loud_us[place] + APART_US {
                self.beeps[place].push(us(first));
            }
            self.loud_us[place] = us(last);
        }
    }
}

/// First and last loud sample of each channel.
fn onsets(samples: &[f32]) -> Onsets {
    [0, 1].map(|channel| {
        let level = |at: &usize| samples[at * 2 + channel].abs() > LOUD;
        let count = samples.len() / 2;
        Some(((0..count).find(level)?, (0..count).rfind(level)?))
    })
}

/// Kilobytes of memory that this process has now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

#[test]
fn sound_and_pictures_stay_in_step_and_memory_is_flat() {
    let mut setup = setup(
        BEGIN_US,
        plain_grid(),
        rendition(2 * SIDE as u32, SIDE as u32, 200_000),
    );
    // What is heard is looked at before it is encoded: encoding an hour of it is most of the work, and has no clock.
    setup.sound = SoundFormats {
        opus: false,
        aac: true,
    };
    let mut seen = Seen::default();
    let heard = Rc::clone(&seen.onsets);
    let listen = move |samples: &[f32]| {
        heard.borrow_mut().insert(0, onsets(samples));
        Vec::new()
    };
    let mut offline = Offline::listening(setup, listen).unwrap();
    let persons = vec![person(0), person(1)];
    offline.take(ToChild::Scene { persons });
    let mut participants = [Participant::new(0, 100), Participant::new(1, -100)];
    let mut eye = Eye::new();
    let mut memory = Vec::new();
    for minute in 1..=MINUTES {
        let until_us = BEGIN_US + minute * 60_000_000;
        while offline.now_us() < until_us {
            for participant in &mut participants {
                participant.send(&mut offline);
            }
            let next_us = offline.now_us() + 10_000;
            offline.run_to(next_us, |said| match said {
                FromChild::Picture { at_us, bytes, .. } => seen.picture(at_us, &eye.see(&bytes)),
                FromChild::Aac { at_us, .. } => seen.sound(at_us),
                FromChild::Health(health) => {
                    let faults = (
                        health.late_ticks,
                        health.skipped_pictures,
                        health.undecodable,
                    );
                    assert_eq!(faults, (0, 0, 0));
                }
                FromChild::NeedKeyFrame { .. } | FromChild::CannotShow { .. } => panic!("{said:?}"),
                _ => {}
            });
            let held = offline.held();
            let is_bounded = held.pictures <= HELD_MAX.pictures
                && held.packets <= HELD_MAX.packets
                && held.samples <= HELD_MAX.samples
                && held.messages == 0;
            assert!(is_bounded, "minute {minute}: {held:?}");
        }
        memory.push(resident());
    }
    assert!(
        seen.pictures.abs_diff(MINUTES * 60 * 30) <= 1,
        "{}",
        seen.pictures
    );
    for (place, participant) in participants.iter().enumerate() {
        in_step(&seen.flashes[place], &seen.beeps[place], participant);
    }
    let (early, late) = (memory[4], memory[MINUTES as usize - 1]);
    eprintln!("{early} kB after five minutes, {late} kB at the end");
    assert!(late < early + 2_048, "{memory:?} kB");
}

/// Each flash and beep is found within one picture of each other, and the flash within half a picture of when it was captured.
fn in_step(flashes: &[u64], beeps: &[u64], participant: &Participant) {
    let (mut early, mut late, mut most) = (i64::MAX, i64::MIN, 0);
    for second in 0..MINUTES * 60 - 1 {
        let captured_us = participant.at_us(second * 1_000_000) as i64;
        let nearest = |found: &[u64]| {
            let place = found.partition_point(|at| (*at as i64) < captured_us - 500_000);
            found.get(place).map(|at| *at as i64)
        };
        let flash_us = nearest(flashes).expect("a flash");
        let beep_us = nearest(beeps).expect("a beep") - OPUS_DELAY_US;
        let frame_us = FRAME_US as i64 + 1;
        let drift = participant.drift;
        // A picture is shown by the nearest that is due, so it is half a picture early or late.
        let shown_us = flash_us - captured_us;
        assert!(
            shown_us.abs() <= frame_us / 2 + 1,
            "{second} {drift}: {shown_us}"
        );
        let apart_us = beep_us - flash_us;
        assert!(apart_us.abs() <= frame_us, "{second} {drift}: {apart_us}");
        most = most.max(apart_us.abs());
        early = early.min(beep_us - captured_us);
        late = late.max(beep_us - captured_us);
    }
    eprintln!(
        "drift {}: sound is {early} to {late} us from where it was captured, and pictures at most {most} us from it",
        participant.drift
    );
}
