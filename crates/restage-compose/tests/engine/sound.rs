//! Pictures and sound in step.

use opus::{Application, Channels, Decoder, Encoder};
use restage_compose::layout::Person;
use restage_compose::protocol::ToChild;

use crate::rig::*;

const BLOCK: usize = 960;

/// A person who is white and loud for 100 ms each second, and black and silent else. Their clock runs `parts` of a million slower.
struct Clapper {
    sender: Sender,
    opus: Encoder,
    sounds: u64,
    pictures: u64,
    parts: i64,
}

impl Clapper {
    fn new(parts: i64) -> Self {
        Self {
            sender: Sender::new(0, size(64, 48)),
            opus: Encoder::new(48_000, Channels::Stereo, Application::Audio).unwrap(),
            sounds: 0,
            pictures: 0,
            parts,
        }
    }

    /// In the server's clock.
    fn at_us(&self, after_us: u64) -> u64 {
        START_US + (after_us as i64 * (1_000_000 + self.parts) / 1_000_000) as u64
    }

    fn is_loud(after_us: u64) -> bool {
        after_us % 1_000_000 < 100_000 && after_us >= 1_000_000
    }

    /// Everything until this moment.
    fn send(&mut self, rig: &mut Rig) {
        while self.at_us(self.pictures * 1_000_000 / 30) <= rig.now_us {
            let after_us = self.pictures * 1_000_000 / 30;
            let light = if Self::is_loud(after_us + 1) { 220 } else { 20 };
            let picture = plain(self.sender.size, light);
            let message = self.sender.picture(self.at_us(after_us), &picture);
            rig.engine.take(message);
            self.pictures += 1;
        }
        while self.at_us(self.sounds * 20_000) <= rig.now_us {
            let after_us = self.sounds * 20_000;
            let level = if Self::is_loud(after_us) { 0.5 } else { 0.0 };
            let wave = |at: usize| level * (at as f32 * std::f32::consts::TAU / 48.0).sin();
            let samples: Vec<f32> = (0..BLOCK).flat_map(|at| [wave(at); 2]).collect();
            let packet = self.opus.encode_vec_float(&samples, 1_500).unwrap();
            rig.engine.take(ToChild::Sound {
                input: 0,
                at_us: self.at_us(after_us),
                timestamp: self.sounds * 960,
                bytes: packet.into(),
            });
            self.sounds += 1;
        }
    }
}

/// Nothing bright is written where there is no picture.
fn nameless() -> Person {
    Person {
        name: String::new(),
        ..person(0)
    }
}

/// When it became white, and when loud, in microseconds.
fn claps(rig: &Rig) -> (Vec<u64>, Vec<u64>) {
    let (mut white, mut was_white) = (Vec::new(), false);
    for (at_us, frame) in rig.decoded(0) {
        let is_white = light_in(&frame, rect_of(&rig.last_shown()[0])) > 120;
        if is_white && !was_white {
            white.push(at_us);
        }
        was_white = is_white;
    }
    let mut decoder = Decoder::new(48_000, Channels::Stereo).unwrap();
    let (mut loud, mut quiet_since) = (Vec::new(), 0);
    let mut samples = vec![0.0; BLOCK * 2];
    for (at_us, packet) in &rig.opus {
        decoder.decode_float(packet, &mut samples, false).unwrap();
        for (place, pair) in samples.chunks(2).enumerate() {
            let at_us = at_us + place as u64 * 1_000_000 / 48_000;
            if pair[0].abs() > 0.1 {
                if at_us > quiet_since + 300_000 {
                    loud.push(at_us);
                }
                quiet_since = at_us;
            }
        }
    }
    (white, loud)
}

fn run(seconds: u64, parts: i64) -> (Vec<u64>, Vec<u64>) {
    let mut rig = Rig::new(grid(), vec![rendition(64, 48)]);
    rig.scene(&[nameless()]);
    let mut clapper = Clapper::new(parts);
    while rig.now_us < START_US + seconds * 1_000_000 {
        clapper.send(&mut rig);
        rig.run_to(rig.now_us + 10_000);
    }
    assert!(rig.health.iter().all(|health| health.skipped_pictures == 0));
    claps(&rig)
}

fn assert_in_step(white: &[u64], loud: &[u64], seconds: usize) {
    assert!(white.len() >= seconds && loud.len() >= seconds);
    for (white, loud) in white.iter().zip(loud) {
        // The two encoders of Opus on the way are 6.5 ms late each.
        let apart = (*loud as i64 - 13_000) - *white as i64;
        assert!(apart.abs() <= FRAME_US as i64, "{white} {loud}");
    }
}

#[test]
fn pictures_and_sound_are_within_one_picture_of_each_other() {
    for parts in [0, 300, -300] {
        let (white, loud) = run(20, parts);
        assert_in_step(&white, &loud, 18);
        // A picture waits for the delay, and for the tick that is nearest.
        for (second, white) in white.iter().enumerate() {
            let sent_us = START_US as i64 + (second as i64 + 1) * (1_000_000 + parts);
            let after_us = *white as i64 - sent_us;
            assert!((100_000..=140_000).contains(&after_us), "{after_us}");
        }
    }
}

/// About two minutes: `cargo test --release -p restage-compose --test engine -- --ignored`.
#[test]
#[ignore = "an hour in virtual time takes minutes"]
fn after_an_hour_they_still_are_and_memory_is_flat() {
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }
    let mut rig = Rig::new(grid(), vec![rendition(64, 48)]);
    rig.scene(&[nameless()]);
    let mut clapper = Clapper::new(100);
    let mut sizes = Vec::new();
    for minute in 1..=60 {
        while rig.now_us < START_US + minute * 60_000_000 {
            clapper.send(&mut rig);
            rig.run_to(rig.now_us + 10_000);
        }
        let (white, loud) = claps(&rig);
        assert!(white.len() >= 58, "{minute}");
        // Those at the ends may have lost their other half.
        for white in &white[1..white.len() - 1] {
            let apart = loud
                .iter()
                .map(|loud| (*loud as i64 - 13_000 - *white as i64).abs());
            assert!(
                apart.min() <= Some(FRAME_US as i64),
                "{minute}: {white} {loud:?}"
            );
        }
        // What is looked at next begins with a key frame.
        rig.engine.take(ToChild::KeyFrame { rendition: 0 });
        rig.made.clear();
        rig.opus.clear();
        rig.health.clear();
        while rig.made.is_empty() || !rig.made[0].is_key {
            rig.made.clear();
            clapper.send(&mut rig);
            rig.run_to(rig.now_us + 10_000);
        }
        sizes.push(resident());
    }
    let (early, late) = (sizes[4], sizes[59]);
    assert!(late < early + 4_096, "{early} kB, {late} kB");
}
