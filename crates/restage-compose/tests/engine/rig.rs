//! A composition whose clock is turned by the test, and persons who send real streams into it.

use bytes::Bytes;
use restage_compose::decode::VideoDecoder;
use restage_compose::encode::VideoEncoder;
use restage_compose::engine::Engine;
use restage_compose::layout::{Grid, Layout, Person, Rect, Size, Video};
use restage_compose::picture::Frame;
use restage_compose::protocol::{
    Codec, FromChild, Health, Rendition, Setup, ShownTile, SoundFormats, ToChild,
};

/// When compositions begin.
pub(crate) const START_US: u64 = 10_000_000;
/// Pictures of 30 a second.
pub(crate) const FRAME_US: u64 = 33_333;

pub(crate) fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

pub(crate) fn rendition(width: u32, height: u32) -> Rendition {
    Rendition {
        width,
        height,
        framerate_milli: 30_000,
        bitrate: 2_000_000,
    }
}

pub(crate) fn grid() -> Layout {
    Layout::Grid(Grid::default())
}

pub(crate) fn person(input: u32) -> Person {
    Person {
        input,
        name: format!("Person {input}"),
        is_featured: false,
        is_pip: false,
        order: None,
        arrived: u64::from(input),
        has_video: Video::Publishing,
        why_no_picture: None,
        is_muted: false,
    }
}

/// One light all over, by which a person is known.
pub(crate) fn light_of(input: u32) -> u8 {
    60 + (input as u8 % 8) * 20
}

pub(crate) fn plain(size: Size, light: u8) -> Frame {
    let mut frame = Frame::new(size);
    let Size { width, height } = size;
    let whole = Rect {
        x: 0,
        y: 0,
        width,
        height,
    };
    frame.fill(whole, [light, 128, 128]);
    frame
}

/// Sends H.264 of 30 pictures a second.
pub(crate) struct Sender {
    pub(crate) input: u32,
    pub(crate) size: Size,
    pub(crate) encoder: VideoEncoder,
    pub(crate) number: u64,
    pub(crate) wants_key: bool,
}

impl Sender {
    pub(crate) fn new(input: u32, size: Size) -> Self {
        Self {
            input,
            size,
            encoder: VideoEncoder::new(&rendition(size.width, size.height)).unwrap(),
            number: 0,
            wants_key: true,
        }
    }

    pub(crate) fn picture(&mut self, at_us: u64, picture: &Frame) -> ToChild {
        let is_key = std::mem::take(&mut self.wants_key);
        let encoded = self
            .encoder
            .encode(picture, at_us, is_key)
            .unwrap()
            .unwrap();
        self.number += 1;
        ToChild::Picture {
            input: self.input,
            at_us,
            codec: Codec::H264,
            is_key: encoded.is_key,
            quarter_turns: 0,
            bytes: encoded.bytes,
        }
    }

    /// The next picture in the person's light.
    pub(crate) fn plain(&mut self, at_us: u64) -> ToChild {
        let picture = plain(self.size, light_of(self.input));
        self.picture(at_us, &picture)
    }
}

/// A picture of the composition.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) rendition: u8,
    pub(crate) at_us: u64,
    pub(crate) is_key: bool,
    pub(crate) bytes: Bytes,
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) now_us: u64,
    pub(crate) made: Vec<Made>,
    pub(crate) opus: Vec<(u64, Bytes)>,
    pub(crate) shown: Vec<(u64, Vec<ShownTile>)>,
    pub(crate) asked: Vec<u32>,
    pub(crate) refused: Vec<(u32, String)>,
    pub(crate) health: Vec<Health>,
}

impl Rig {
    pub(crate) fn new(layout: Layout, renditions: Vec<Rendition>) -> Self {
        let setup = Setup {
            now_us: START_US,
            layout,
            renditions,
            sound: SoundFormats {
                opus: true,
                aac: false,
            },
        };
        // Nothing takes any time.
        let engine = Engine::new(setup, Box::new(|| 0), None).unwrap();
        Self {
            engine,
            now_us: START_US,
            made: Vec::new(),
            opus: Vec::new(),
            shown: Vec::new(),
            asked: Vec::new(),
            refused: Vec::new(),
            health: Vec::new(),
        }
    }

    pub(crate) fn scene(&mut self, persons: &[Person]) {
        let persons = persons.to_vec();
        self.engine.take(ToChild::Scene { persons });
    }

    /// Makes what is due now.
    pub(crate) fn tick(&mut self) {
        self.engine.tick(self.now_us).unwrap();
        while let Some(message) = self.engine.poll() {
            match message {
                FromChild::Picture {
                    rendition,
                    at_us,
                    is_key,
                    bytes,
                } => self.made.push(Made {
                    rendition,
                    at_us,
                    is_key,
                    bytes,
                }),
                FromChild::Opus { at_us, bytes } => self.opus.push((at_us, bytes)),
                FromChild::Shown { tiles, .. } => self.shown.push((self.now_us, tiles)),
                FromChild::NeedKeyFrame { input } => self.asked.push(input),
                FromChild::CannotShow { input, reason } => self.refused.push((input, reason)),
                FromChild::Health(health) => self.health.push(health),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Runs to this moment, with a tick whenever one is due.
    pub(crate) fn run_to(&mut self, until_us: u64) {
        while self.engine.due_us() <= until_us {
            self.now_us = self.now_us.max(self.engine.due_us());
            self.tick();
        }
        self.now_us = until_us;
    }

    /// Lets everybody send plain pictures for a while.
    pub(crate) fn send(&mut self, senders: &mut [Sender], for_us: u64) {
        let until_us = self.now_us + for_us;
        while self.now_us < until_us {
            for sender in senders.iter_mut() {
                let message = sender.plain(self.now_us);
                self.engine.take(message);
            }
            self.run_to((self.now_us + FRAME_US).min(until_us));
        }
    }

    pub(crate) fn last_shown(&self) -> &[ShownTile] {
        &self.shown.last().unwrap().1
    }

    /// The pictures of a rendition, decoded.
    pub(crate) fn decoded(&self, rendition: u8) -> Vec<(u64, Frame)> {
        let mut decoder = VideoDecoder::default();
        let of_it = self.made.iter().filter(|made| made.rendition == rendition);
        of_it
            .map(|made| {
                let outcome = decoder.decode(Codec::H264, made.is_key, 0, &made.bytes);
                assert_eq!(outcome, Ok(true), "{}", made.at_us);
                (made.at_us, decoder.picture().unwrap().clone())
            })
            .collect()
    }
}

/// The light in the middle of a part.
pub(crate) fn light_in(frame: &Frame, rect: Rect) -> u8 {
    let (x, y) = (rect.x + rect.width / 2, rect.y + rect.height / 2);
    frame.plane(0)[(y * frame.size().width + x) as usize]
}

pub(crate) fn rect_of(tile: &ShownTile) -> Rect {
    Rect {
        x: tile.x,
        y: tile.y,
        width: tile.width,
        height: tile.height,
    }
}
