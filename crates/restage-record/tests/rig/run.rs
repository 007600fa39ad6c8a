//! Plays a test card over a path into a recorder.

use std::collections::{BTreeMap, BTreeSet};

use restage_codec::Codec;
use restage_record::{Anchor, EncodingId, MediaTypes, Recorder, RecorderConfig, SenderReport};

use super::Random;
use super::card::{self, Card};
use super::path::{Path, Pipe};
use super::reader::Recording;

/// When the publisher begins, by the server's steady clock.
pub(crate) const BEGIN_US: u64 = 7_000_000_000;
/// How long a request for a key frame is on its way.
const REQUEST_US: u64 = 50_000;

/// Which sender reports there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reports {
    True,
    Missing,
    /// Those of pictures are all wrong by so much.
    VideoOff(i64),
    /// The same of an ingest: no publisher has sent them.
    VideoOffInIngest(i64),
    /// Each is wrong by something up to so much.
    Random(i64),
    /// So many of a thousand are wrong by so much.
    Sometimes(u64, i64),
    /// The publisher's clock jumps by so much in the middle.
    Step(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) card: Card,
    pub(crate) path: Path,
    pub(crate) reports: Reports,
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            card: Card::default(),
            path: Path::default(),
            reports: Reports::True,
            seconds: 60,
            seed: 1,
        }
    }
}

pub(crate) fn config() -> RecorderConfig {
    RecorderConfig {
        media_types: MediaTypes::AudioVideo,
        segment_seconds: 6,
        anchor: Anchor {
            steady_us: BEGIN_US,
            utc_us: 1_790_932_360_000_000,
        },
        resumed: None,
        may_return: false,
    }
}

/// A scene that is being played.
pub(crate) struct Player {
    scene: Scene,
    audio: Pipe,
    video: Pipe,
    random: Random,
    /// Microseconds of the publisher's time.
    pub(crate) at_us: u64,
    audio_number: u64,
    video_number: u64,
    video_sequence: u64,
    key_at_us: Option<u64>,
    pub(crate) recorder: Recorder,
    pub(crate) recording: Recording,
    audio_report: Option<SenderReport>,
    video_report: Option<SenderReport>,
    /// Nothing is sent of a kind.
    pub(crate) mute_audio: bool,
    pub(crate) mute_video: bool,
    /// Which encoder the sound is of.
    pub(crate) audio_encoding: u64,
    /// Requests for key frames are ignored.
    pub(crate) is_deaf: bool,
    /// Each picture is a key frame, and of another size than the one before.
    pub(crate) changes_size: bool,
    /// Each packet of sound is of another encoder.
    pub(crate) changes_encoder: bool,
    /// Timestamps of sound are anything.
    pub(crate) has_random_sound: bool,
    /// What pictures say of their codec.
    pub(crate) video_codec: Codec,
}

impl Player {
    pub(crate) fn new(scene: Scene, config: RecorderConfig) -> Self {
        let pipe = |more| Pipe::new(scene.path.clone(), scene.seed.wrapping_mul(77) + more);
        Self {
            audio: pipe(1),
            video: pipe(2),
            random: Random(scene.seed + 99),
            scene,
            at_us: 0,
            audio_number: 0,
            video_number: 0,
            video_sequence: 70_000,
            key_at_us: Some(0),
            recorder: Recorder::new(config),
            recording: Recording::default(),
            audio_report: None,
            video_report: None,
            mute_audio: false,
            mute_video: false,
            audio_encoding: 1,
            is_deaf: false,
            changes_size: false,
            changes_encoder: false,
            has_random_sound: false,
            video_codec: Codec::H264,
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        BEGIN_US + self.at_us
    }

    /// Plays until so many seconds of the publisher's time.
    pub(crate) fn play_to(&mut self, seconds: f64) {
        let end = (seconds * 1e6) as u64;
        while self.at_us < end {
            self.report();
            self.send_audio();
            self.send_video();
            self.deliver();
            self.at_us += 1_000;
        }
    }

    pub(crate) fn finish(mut self) -> Recording {
        self.recorder.finish(self.now_us());
        self.recording.take(&mut self.recorder);
        self.recording
    }

    fn report(&mut self) {
        let at = self.at_us;
        if at % 1_000_000 == 300_000 {
            self.video_report = self.lie(at, false);
        }
        if at % 5_000_000 == 1_700_000 {
            self.audio_report = self.lie(at, true);
        }
    }

    fn lie(&mut self, at: u64, is_audio: bool) -> Option<SenderReport> {
        let random = |random: &mut Random, most: i64| random.below(2 * most as u64) as i64 - most;
        let lie = match self.scene.reports {
            Reports::True => 0,
            Reports::Missing => return None,
            Reports::VideoOff(off) | Reports::VideoOffInIngest(off) if !is_audio => off,
            Reports::VideoOff(_) | Reports::VideoOffInIngest(_) => 0,
            Reports::Random(most) => random(&mut self.random, most),
            Reports::Sometimes(often, off) if self.random.chance(often) => off,
            Reports::Sometimes(..) => 0,
            Reports::Step(step) if at > self.scene.seconds * 500_000 => step,
            Reports::Step(_) => 0,
        };
        Some(SenderReport {
            is_of_ingest: matches!(self.scene.reports, Reports::VideoOffInIngest(_)),
            ..self.scene.card.report(is_audio, at, lie)
        })
    }

    fn send_audio(&mut self) {
        // A packet is sent once its sound has been captured.
        while self.scene.card.audio_us(self.audio_number + 1) <= self.at_us {
            let number = self.audio_number;
            self.audio_number += 1;
            if self.scene.card.has_audio && !self.mute_audio {
                let mut packet = self.scene.card.audio(number, 500 + number);
                packet.report = self.audio_report;
                if self.changes_encoder {
                    self.audio_encoding += 1;
                }
                if self.has_random_sound {
                    packet.timestamp += self.random.below(1 << 31);
                }
                packet.encoding = EncodingId(self.audio_encoding);
                // Both kinds take as long from capture to sending.
                self.audio.send(self.now_us(), packet);
            }
        }
    }

    fn send_video(&mut self) {
        // As long after capture as sound.
        while Card::video_us(self.video_number) + 20_000 <= self.at_us {
            let number = self.video_number;
            self.video_number += 1;
            if !self.scene.card.has_video || self.mute_video {
                continue;
            }
            let every = self.scene.card.key_every;
            let is_asked = !self.is_deaf && self.key_at_us.is_some_and(|at| at <= self.at_us);
            let is_key = is_asked || self.changes_size || every > 0 && number.is_multiple_of(every);
            if is_key {
                self.key_at_us = None;
            }
            let packets = self
                .scene
                .card
                .video(number, is_key, &mut self.video_sequence);
            for mut packet in packets {
                if self.changes_size && number % 2 == 1 && packet.starts_key_frame {
                    packet.payload = card::aggregate(card::larger_sets());
                }
                packet.codec = self.video_codec;
                packet.report = self.video_report;
                self.video.send(self.now_us(), packet);
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now_us();
        let mut arrived: BTreeMap<(u64, u64), _> = BTreeMap::new();
        for pipe in [&mut self.audio, &mut self.video] {
            while let Some(packet) = pipe.receive(now) {
                arrived.insert((packet.arrived_us, arrived.len() as u64), packet);
            }
        }
        for packet in arrived.into_values() {
            self.recorder.push(now, packet);
            self.collect();
        }
        if self.at_us.is_multiple_of(100_000) {
            self.recorder.tick(now);
            self.collect();
        }
    }

    pub(crate) fn collect(&mut self) {
        if self.recording.take(&mut self.recorder) && self.key_at_us.is_none() {
            self.key_at_us = Some(self.at_us + REQUEST_US);
        }
    }
}

pub(crate) fn play(scene: Scene) -> Recording {
    let seconds = scene.seconds;
    let mut player = Player::new(scene, config());
    player.play_to(seconds as f64);
    player.finish()
}

/// Sound minus pictures at each beep of which both are there, in milliseconds. The first picture of a run does not count, as it is shown from
/// the beginning of the run on.
pub(crate) fn differences(recording: &Recording) -> Vec<f64> {
    let mut flashes = BTreeMap::new();
    let mut begun = BTreeSet::new();
    let begins = recording.segments().map(|segment| &segment.entry);
    let begins: BTreeSet<u64> = begins
        .filter(|entry| entry.program_date_time_us.is_some())
        .map(|entry| entry.number)
        .collect();
    for sample in &recording.video {
        if begins.contains(&sample.segment) && begun.insert(sample.segment) {
            continue;
        }
        if let Some(number) =
            card::number_of(&sample.data).filter(|number| number % card::FRAMES_PER_S == 0)
        {
            flashes.insert(number / card::FRAMES_PER_S, sample.at_us);
        }
    }
    let beeps = recording.audio.iter().filter_map(|sample| {
        let (second, offset) = card::beep_of(&sample.data)?;
        let at = sample.at_us + offset as f64 * 1e6 / 48_000.0;
        Some((at - flashes.get(&second)?) / 1_000.0)
    });
    beeps.collect()
}
