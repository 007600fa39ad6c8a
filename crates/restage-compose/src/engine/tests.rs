use bytes::Bytes;

use super::*;
use crate::encode::Encoder;
use crate::layout::Layout;
use crate::picture::Yuv;
use crate::protocol::{Rendition, Showing, ShownTile, SoundFormats, Video, VideoCodec};

const BEGIN_US: u64 = 50_000_000;
const RENDITION: Rendition = Rendition {
    width: 320,
    height: 180,
    framerate_milli: 30_000,
    bitrate: 400_000,
};

/// A camera whose pictures are of one brightness.
struct Camera {
    encoder: Encoder,
    width: u32,
    height: u32,
}

impl Camera {
    fn new(width: u32, height: u32) -> Self {
        let rendition = Rendition {
            width,
            height,
            framerate_milli: 30_000,
            bitrate: 500_000,
        };
        Self {
            encoder: Encoder::new(&rendition).unwrap(),
            width,
            height,
        }
    }

    fn picture(&mut self, input: u32, at_us: u64, brightness: u8) -> ToChild {
        let picture = Yuv::filled(self.width, self.height, [brightness, 128, 128]);
        let encoded = self.encoder.encode(&picture).unwrap();
        ToChild::Picture {
            input,
            at_us,
            codec: VideoCodec::H264,
            is_key: encoded.is_key,
            quarter_turns: 0,
            bytes: encoded.bytes,
        }
    }
}

/// An engine with a clock that a test moves.
struct Rig {
    engine: Engine,
    now_us: u64,
    said: Vec<FromChild>,
    decoder: crate::decode::Decoder,
    newest: Option<Yuv>,
}

impl Rig {
    fn new(layout: Layout) -> Self {
        let setup = Setup {
            now_us: BEGIN_US,
            layout,
            renditions: vec![RENDITION],
            sound: SoundFormats {
                opus: true,
                aac: false,
            },
        };
        Self {
            engine: Engine::new(setup, BEGIN_US, None).unwrap(),
            now_us: BEGIN_US,
            said: Vec::new(),
            decoder: crate::decode::Decoder::new(VideoCodec::H264).unwrap(),
            newest: None,
        }
    }

    fn take(&mut self, message: ToChild) {
        let now_us = self.now_us;
        self.engine.take(message, &mut || now_us);
    }

    fn scene(&mut self, inputs: &[u32]) {
        let persons = inputs
            .iter()
            .map(|input| Person {
                input: *input,
                name: format!("person {input}"),
                arrived: u64::from(*input),
                ..Person::default()
            })
            .collect();
        self.take(ToChild::Scene { persons });
    }

    fn run(&mut self, us: u64) {
        let until = self.now_us + us;
        while self.now_us < until {
            self.now_us = self.engine.due_us().max(self.now_us).min(until);
            let now_us = self.now_us;
            self.engine.advance(&mut || now_us);
            while let Some(said) = self.engine.poll() {
                if let FromChild::Picture { is_key, bytes, .. } = &said
                    && let Some(picture) = self.decoder.decode(*is_key, bytes).unwrap()
                {
                    self.newest = Some(picture);
                }
                self.said.push(said);
            }
            if self.now_us < until && self.engine.due_us() > until {
                self.now_us = until;
            }
        }
    }

    /// Brightness of the newest picture at a place.
    fn brightness(&self, x: usize, y: usize) -> u8 {
        let picture = self.newest.as_ref().unwrap();
        picture.planes[0].samples[y * picture.width as usize + x]
    }

    fn shown(&self) -> Vec<ShownTile> {
        let shown = self.said.iter().rev().find_map(|said| match said {
            FromChild::Shown { tiles, .. } => Some(tiles.clone()),
            _ => None,
        });
        shown.unwrap_or_default()
    }

    fn health(&self) -> Health {
        let healths = self.said.iter().rev().find_map(|said| match said {
            FromChild::Health(health) => Some(*health),
            _ => None,
        });
        healths.unwrap()
    }

    fn times(&self) -> Vec<u64> {
        let times = self.said.iter().filter_map(|said| match said {
            FromChild::Picture { at_us, .. } => Some(*at_us),
            _ => None,
        });
        times.collect()
    }
}

fn near(one: u8, other: u8) -> bool {
    one.abs_diff(other) <= 3
}

#[test]
fn pictures_are_where_their_tiles_are_and_come_after_the_delay() {
    let mut rig = Rig::new(Layout::default());
    let mut cameras = [Camera::new(160, 90), Camera::new(320, 240)];
    rig.scene(&[1, 2]);
    for (place, camera) in cameras.iter_mut().enumerate() {
        let message = camera.picture(place as u32 + 1, rig.now_us, 60 + 100 * place as u8);
        rig.take(message);
    }
    rig.run(100_000);
    assert_eq!(rig.shown()[0].showing, Showing::Placeholder);
    rig.run(100_000);
    let shown = rig.shown();
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|tile| tile.showing == Showing::Picture));
    assert_eq!((shown[1].source_width, shown[1].source_height), (320, 240));
    assert!(
        near(rig.brightness(80, 90), 60),
        "{}",
        rig.brightness(80, 90)
    );
    assert!(
        near(rig.brightness(240, 90), 160),
        "{}",
        rig.brightness(240, 90)
    );
    assert!(near(rig.brightness(80, 10), 16), "above the tiles");
}

#[test]
fn twelve_join_and_leave_in_a_second_and_no_picture_is_late() {
    let mut rig = Rig::new(Layout::default());
    let mut cameras: Vec<Camera> = (0..12).map(|_| Camera::new(160, 90)).collect();
    for count in 0..12_u32 {
        let inputs: Vec<u32> = (0..=count).collect();
        rig.scene(&inputs);
        let message = cameras[count as usize].picture(count, rig.now_us, 90);
        rig.take(message);
        rig.run(42_000);
    }
    for count in (0..12_u32).rev() {
        let inputs: Vec<u32> = (0..count).collect();
        rig.scene(&inputs);
        rig.run(42_000);
        assert_eq!(rig.shown().len(), count as usize, "at the next picture");
    }
    rig.run(1_000_000);
    assert_eq!(rig.health().late_ticks, 0);
    let times = rig.times();
    assert!(
        times
            .windows(2)
            .all(|pair| (33_333..=33_334).contains(&(pair[1] - pair[0])))
    );
    assert!(near(rig.brightness(160, 90), 16), "nobody is there");
}

#[test]
fn whoever_sends_nothing_any_more_becomes_a_name_after_five_seconds() {
    let mut rig = Rig::new(Layout::default());
    let mut camera = Camera::new(160, 90);
    rig.scene(&[1]);
    let message = camera.picture(1, rig.now_us, 200);
    rig.take(message);
    rig.run(4_900_000);
    assert!(near(rig.brightness(5, 5), 200));
    rig.run(400_000);
    assert_eq!(rig.shown()[0].showing, Showing::Placeholder);
    assert!(near(rig.brightness(5, 5), 40), "{}", rig.brightness(5, 5));
    let message = camera.picture(1, rig.now_us, 120);
    rig.take(message);
    rig.run(200_000);
    assert!(near(rig.brightness(5, 5), 120));
}

#[test]
fn stopped_video_is_a_name_at_once() {
    let mut rig = Rig::new(Layout::default());
    let mut camera = Camera::new(160, 90);
    rig.scene(&[1]);
    let message = camera.picture(1, rig.now_us, 200);
    rig.take(message);
    rig.run(300_000);
    let person = Person {
        input: 1,
        name: "Ann".into(),
        video: Video::Stopped,
        ..Person::default()
    };
    rig.take(ToChild::Scene {
        persons: vec![person],
    });
    rig.run(70_000);
    assert_eq!(rig.shown()[0].showing, Showing::Placeholder);
}

#[test]
fn damage_asks_for_a_key_frame_once_and_the_last_picture_stays() {
    let mut rig = Rig::new(Layout::default());
    let mut camera = Camera::new(160, 90);
    rig.scene(&[1]);
    let message = camera.picture(1, rig.now_us, 200);
    rig.take(message);
    rig.run(200_000);
    let garbage = |at_us| ToChild::Picture {
        input: 1,
        at_us,
        codec: VideoCodec::H264,
        is_key: false,
        quarter_turns: 0,
        bytes: Bytes::from_static(&[0, 0, 0, 1, 0x41, 0xff, 0xff, 0x00, 0x12, 0x99]),
    };
    for _ in 0..10 {
        let message = garbage(rig.now_us);
        rig.take(message);
        rig.run(33_000);
    }
    let asked = rig
        .said
        .iter()
        .filter(|said| matches!(said, FromChild::NeedKeyFrame { input: 1 }));
    assert_eq!(asked.count(), 1);
    assert!(near(rig.brightness(5, 5), 200));
    camera.encoder.want_key_frame();
    let message = camera.picture(1, rig.now_us, 90);
    rig.take(message);
    rig.run(200_000);
    assert!(near(rig.brightness(5, 5), 90));
}

#[test]
fn pictures_above_1080p_are_refused_with_a_reason_and_smaller_ones_are_shown_again() {
    let mut rig = Rig::new(Layout::default());
    let mut large = Camera::new(2_560, 1_440);
    let mut small = Camera::new(160, 90);
    rig.scene(&[1]);
    for _ in 0..3 {
        let message = large.picture(1, rig.now_us, 200);
        rig.take(message);
        rig.run(100_000);
    }
    let refused: Vec<_> = rig
        .said
        .iter()
        .filter(|said| matches!(said, FromChild::CannotShow { .. }))
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    let message = small.picture(1, rig.now_us, 90);
    rig.take(message);
    rig.run(200_000);
    assert!(near(rig.brightness(5, 5), 90));
}

#[test]
fn key_frames_come_every_two_seconds_and_when_they_are_asked_for() {
    let mut rig = Rig::new(Layout::default());
    rig.run(7_000_000);
    rig.take(ToChild::KeyFrame { rendition: 0 });
    rig.take(ToChild::KeyFrame { rendition: 9 });
    rig.run(500_000);
    let keys: Vec<u64> = rig
        .said
        .iter()
        .filter_map(|said| match said {
            FromChild::Picture {
                at_us,
                is_key: true,
                ..
            } => Some(at_us + DELAY_US - BEGIN_US),
            _ => None,
        })
        .collect();
    assert_eq!(keys[0], 0);
    assert!(
        keys[1..4]
            .iter()
            .zip([2, 4, 6])
            .all(|(at, second)| at.abs_diff(second * 1_000_000) < 40_000),
        "{keys:?}"
    );
    assert!(keys[4].abs_diff(7_000_000) < 40_000, "{keys:?}");
}

#[test]
fn an_engine_that_stood_still_goes_on_with_the_present() {
    let mut rig = Rig::new(Layout::default());
    rig.run(1_000_000);
    rig.now_us += 10_000_000;
    rig.run(1_100_000);
    let times = rig.times();
    let last = times.last().unwrap() + DELAY_US;
    assert!(rig.now_us - last < 40_000);
    assert!(rig.health().late_ticks >= 299, "{:?}", rig.health());
    assert!(times.len() < 70, "they are not made up for");
}

#[test]
fn two_hundred_pictures_a_second_are_shown() {
    let (mut rig, mut camera) = (Rig::new(Layout::default()), Camera::new(320, 180));
    rig.scene(&[1]);
    // Bright and dark for half a second each; many more wait for their time than are kept.
    for number in 0..400 {
        let brightness = if number / 100 % 2 == 0 { 200 } else { 60 };
        let message = camera.picture(1, rig.now_us, brightness);
        rig.take(message);
        rig.run(5_000);
        if number % 100 == 99 {
            assert!(
                near(rig.brightness(160, 90), brightness),
                "picture {number}"
            );
        }
    }
}

#[test]
fn an_encoder_that_makes_nothing_breaks_the_engine() {
    let setup = |side| Setup {
        now_us: BEGIN_US,
        layout: Layout::default(),
        renditions: vec![Rendition {
            width: side,
            height: side,
            ..RENDITION
        }],
        sound: SoundFormats {
            opus: true,
            aac: false,
        },
    };
    // OpenH264 makes nothing of pictures that are smaller than a macroblock.
    for (side, is_broken) in [(64, false), (8, true)] {
        let mut engine = Engine::new(setup(side), BEGIN_US, None).unwrap();
        let (mut now_us, until_us) = (BEGIN_US, BEGIN_US + 8_000_000);
        while now_us < until_us && !engine.is_broken() {
            now_us = engine.due_us().max(now_us + 1);
            engine.advance(&mut || now_us);
            while engine.poll().is_some() {}
        }
        assert_eq!(engine.is_broken(), is_broken, "{side}");
    }
}

#[test]
fn what_takes_too_long_is_made_half_as_often() {
    let mut rig = Rig::new(Layout::default());
    // Each look at the clock takes 20 ms.
    let mut now_us = rig.now_us;
    for _ in 0..200 {
        let mut clock = || {
            now_us += 20_000;
            now_us
        };
        rig.engine.advance(&mut clock);
        while let Some(said) = rig.engine.poll() {
            rig.said.push(said);
        }
    }
    assert!(rig.health().skipped_pictures > 20, "{:?}", rig.health());
}

#[test]
fn sound_and_pictures_of_one_moment_leave_with_one_time() {
    let mut rig = Rig::new(Layout::default());
    let mut camera = Camera::new(160, 90);
    rig.scene(&[1]);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
    // A flash and a click at the same moment, in the second second.
    let flash_us = BEGIN_US + 1_000_000;
    for part in 0..100_u64 {
        let at_us = BEGIN_US + part * 20_000;
        let level = if at_us == flash_us { 0.8 } else { 0.0 };
        let samples: Vec<f32> = (0..960)
            .flat_map(|at| [(at as f32 * 0.3).sin() * level; 2])
            .collect();
        let packet = encoder.encode_vec_float(&samples, 1_275).unwrap();
        rig.take(ToChild::Sound {
            input: 1,
            at_us,
            timestamp: 777 + part * 960,
            bytes: packet.into(),
        });
        let brightness = if at_us >= flash_us { 220 } else { 30 };
        let message = camera.picture(1, at_us, brightness);
        rig.take(message);
        rig.run(20_000);
    }
    rig.run(300_000);
    let mut seen = crate::decode::Decoder::new(VideoCodec::H264).unwrap();
    let (mut flash, mut click) = (None, None);
    for said in &rig.said {
        match said {
            FromChild::Picture {
                at_us,
                is_key,
                bytes,
                ..
            } => {
                let picture = seen.decode(*is_key, bytes).unwrap().unwrap();
                if picture.planes[0].samples[5_000] > 120 {
                    flash.get_or_insert(*at_us);
                }
            }
            FromChild::Opus { at_us, bytes } => {
                let mut samples = [0.0; 1_920];
                decoder.decode_float(bytes, &mut samples, false).unwrap();
                let first = samples.iter().position(|sample| sample.abs() > 0.2);
                if let Some(first) = first {
                    click.get_or_insert(at_us + first as u64 / 2 * 1_000 / 48);
                }
            }
            _ => {}
        }
    }
    let (flash, click) = (flash.unwrap(), click.unwrap());
    assert!(flash.abs_diff(flash_us) <= 34_000, "{flash} {flash_us}");
    assert!(click.abs_diff(flash_us) <= 12_000, "{click} {flash_us}");
}

#[test]
fn strangers_and_messages_out_of_place_are_ignored() {
    let mut rig = Rig::new(Layout::default());
    let mut camera = Camera::new(160, 90);
    let message = camera.picture(7, u64::MAX, 200);
    rig.take(message);
    rig.scene(&[1]);
    let mut camera = Camera::new(160, 90);
    let message = camera.picture(1, u64::MAX, 200);
    rig.take(message);
    rig.take(ToChild::Stop);
    rig.run(300_000);
    assert!(near(rig.brightness(5, 5), 200), "a clock that is ahead");
}
