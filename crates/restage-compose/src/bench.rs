//! For measurements of what composing costs (`examples/compose_cost.rs`, `examples/joins.rs`), and for nothing else.

use bytes::Bytes;
use opus::{Application, Channels};

use crate::encode::Encoder;
use crate::engine::Engine;
use crate::layout::{Layout, lay_out};
use crate::picture::Yuv;
use crate::protocol::{FromChild, Person, Rendition, Setup, SoundFormats, ToChild, VideoCodec};

const RATE: u64 = 30;
const FRAME_US: u64 = 1_000_000 / RATE;
const BEGIN_US: u64 = 100_000_000;
/// Tiles up to which participants send 360 lines.
const LARGE_TILES_MAX: u32 = 4;

/// What a measurement found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Microseconds for decoding.
    pub decode_us: u64,
    /// Microseconds for scaling and drawing.
    pub compose_us: u64,
    /// Microseconds for encoding pictures.
    pub encode_us: u64,
    /// Microseconds for sound.
    pub mix_us: u64,
    /// Bytes of pictures that came out.
    pub bytes: u64,
    /// Pictures that came out.
    pub pictures: u64,
}

/// Participants, encoded in advance.
pub struct Bench {
    size: (u32, u32),
    lines: u32,
    seconds: u32,
    pictures: Vec<Vec<(bool, Bytes)>>,
    sound: Vec<Bytes>,
}

impl Bench {
    /// So many participants for so many seconds.
    pub fn new(tiles: u32, size: (u32, u32), seconds: u32) -> Self {
        let lines = if tiles <= LARGE_TILES_MAX { 360 } else { 180 };
        let count = u64::from(seconds) * RATE;
        Self {
            size,
            lines,
            seconds,
            pictures: (0..tiles).map(|seed| camera(lines, count, seed)).collect(),
            sound: voice(u64::from(seconds) * 50),
        }
    }

    /// Lines of the participants' pictures.
    pub fn lines(&self) -> u32 {
        self.lines
    }

    /// A picture of a participant; `None` after its last one.
    pub fn picture(&self, input: u32, number: usize, at_us: u64) -> Option<ToChild> {
        let (is_key, bytes) = self.pictures.get(input as usize)?.get(number)?.clone();
        Some(ToChild::Picture {
            input,
            at_us,
            codec: VideoCodec::H264,
            is_key,
            quarter_turns: 0,
            bytes,
        })
    }

    /// A packet of a participant, 20 ms after the one before; `None` after its last one.
    pub fn packet(&self, input: u32, number: usize, at_us: u64) -> Option<ToChild> {
        Some(ToChild::Sound {
            input,
            at_us,
            timestamp: number as u64 * 960,
            bytes: self.sound.get(number)?.clone(),
        })
    }

    /// The participants' pictures as byte streams.
    pub fn streams(&self) -> Vec<Vec<u8>> {
        let stream = |pictures: &Vec<(bool, Bytes)>| {
            let bytes: Vec<&[u8]> = pictures.iter().map(|(_, bytes)| &**bytes).collect();
            bytes.concat()
        };
        self.pictures.iter().map(stream).collect()
    }

    /// What FFmpeg has to be told to make the same picture.
    pub fn filter(&self) -> String {
        let persons = persons(self.pictures.len());
        let tiles = lay_out(&Layout::default(), &persons, self.size, |_| None);
        let scaled = tiles.iter().map(|tile| {
            let (place, rect) = (tile.input, tile.rect);
            format!(
                "[{place}:v]scale={}:{}:flags=bilinear[t{place}];",
                rect.width, rect.height
            )
        });
        let inputs: String = tiles
            .iter()
            .map(|tile| format!("[t{}]", tile.input))
            .collect();
        let places: Vec<String> = tiles
            .iter()
            .map(|tile| format!("{}_{}", tile.rect.x, tile.rect.y))
            .collect();
        format!(
            "{}{inputs}xstack=inputs={}:layout={}:fill=black,pad={}:{}[out]",
            scaled.collect::<String>(),
            tiles.len(),
            places.join("|"),
            self.size.0,
            self.size.1
        )
    }

    /// Composes, as fast as the process can.
    #[allow(clippy::disallowed_methods)]
    pub fn run(&mut self) -> Figures {
        let setup = Setup {
            now_us: BEGIN_US,
            layout: Layout::default(),
            renditions: vec![Rendition {
                width: self.size.0,
                height: self.size.1,
                framerate_milli: 30_000,
                bitrate: 2_500_000,
            }],
            sound: SoundFormats {
                opus: true,
                aac: false,
            },
        };
        let mut figures = Figures::default();
        let Some(mut engine) = Engine::new(setup, BEGIN_US, None) else {
            return figures;
        };
        let persons = persons(self.pictures.len());
        engine.take(ToChild::Scene { persons }, &mut || BEGIN_US);
        let spent = |from: std::time::Instant| from.elapsed().as_micros() as u64;
        let mut sent_sound = 0;
        for number in 0..u64::from(self.seconds) * RATE {
            let now_us = BEGIN_US + number * FRAME_US;
            // The clock goes on while the engine works, and jumps to the next picture afterwards.
            let began = std::time::Instant::now();
            let mut clock = || now_us + spent(began);
            let inputs = 0..self.pictures.len() as u32;
            for input in inputs.clone() {
                if let Some(message) = self.picture(input, number as usize, now_us) {
                    engine.take(message, &mut clock);
                }
            }
            while sent_sound * 20_000 < number * FRAME_US {
                for input in inputs.clone() {
                    let at_us = BEGIN_US + sent_sound * 20_000;
                    if let Some(message) = self.packet(input, sent_sound as usize, at_us) {
                        engine.take(message, &mut clock);
                    }
                }
                sent_sound += 1;
            }
            engine.advance(&mut clock);
            while let Some(said) = engine.poll() {
                if let FromChild::Picture { bytes, .. } = said {
                    figures.bytes += bytes.len() as u64;
                    figures.pictures += 1;
                }
            }
        }
        let parts = engine.spent();
        figures.decode_us = parts.decode_us;
        figures.compose_us = parts.compose_us;
        figures.encode_us = parts.encode_us;
        figures.mix_us = parts.mix_us;
        figures
    }
}

fn persons(count: usize) -> Vec<Person> {
    let person = |input: u32| Person {
        input,
        arrived: u64::from(input),
        ..Person::default()
    };
    (0..count as u32).map(person).collect()
}

/// A picture of soft blobs that move, with grain as sensors have it.
fn camera(lines: u32, count: u64, seed: u32) -> Vec<(bool, Bytes)> {
    let (width, height) = (lines * 16 / 9, lines);
    let rendition = Rendition {
        width,
        height,
        framerate_milli: 30_000,
        bitrate: if lines > 200 { 600_000 } else { 200_000 },
    };
    let Some(mut encoder) = Encoder::new(&rendition) else {
        return Vec::new();
    };
    let mut grain = 0x2545_f491_u32.wrapping_add(seed.wrapping_mul(0x9e37_79b9));
    let mut picture = Yuv::black(width, height);
    (0..count)
        .filter_map(|number| {
            let angle = number as f32 / 40.0 + seed as f32;
            let (cx, cy) = (angle.cos() * 0.25 + 0.5, (angle * 0.7).sin() * 0.2 + 0.5);
            let plane = &mut picture.planes[0];
            for (place, sample) in plane.samples.iter_mut().enumerate() {
                let (x, y) = ((place % plane.width) as f32, (place / plane.width) as f32);
                let (x, y) = (x / width as f32, y / height as f32);
                let far = (x - cx).powi(2) + (y - cy).powi(2);
                let light =
                    60.0 + 120.0 / (1.0 + far * 20.0) + 20.0 * (x * 25.0).sin() * (y * 18.0).sin();
                grain ^= grain << 13;
                grain ^= grain >> 17;
                grain ^= grain << 5;
                *sample = (light + (grain % 7) as f32 - 3.0) as u8;
            }
            let encoded = encoder.encode(&picture)?;
            Some((encoded.is_key, encoded.bytes))
        })
        .collect()
}

fn voice(parts: u64) -> Vec<Bytes> {
    let Ok(mut encoder) = opus::Encoder::new(48_000, Channels::Stereo, Application::Voip) else {
        return Vec::new();
    };
    (0..=parts)
        .filter_map(|part| {
            let samples: Vec<f32> = (0..960_u64)
                .flat_map(|at| {
                    let at = (part * 960 + at) as f32 / 48_000.0;
                    let value = (at * 1_400.0).sin() * 0.2 + (at * 3_700.0).sin() * 0.1;
                    [value; 2]
                })
                .collect();
            Some(encoder.encode_vec_float(&samples, 1_275).ok()?.into())
        })
        .collect()
}
