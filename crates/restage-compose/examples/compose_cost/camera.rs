//! What cameras and microphones send.

use bytes::Bytes;
use opus::{Application, Channels, Encoder};
use restage_compose::encode::VideoEncoder;
use restage_compose::layout::Size;
use restage_compose::picture::Frame;
use restage_compose::protocol::{Codec, Rendition, ToChild};

/// The pictures of one camera, encoded.
pub(crate) struct Recording {
    units: Vec<(bool, Bytes)>,
}

impl Recording {
    pub(crate) fn new(seed: u32, width: u32, height: u32, frames: u64) -> Self {
        let size = Size { width, height };
        // What browsers send of this size: 180p about 150 kbit/s, 360p about 500 kbit/s.
        let rendition = Rendition {
            width,
            height,
            framerate_milli: 30_000,
            bitrate: (width * height * 2).clamp(100_000, 4_000_000),
        };
        let mut encoder = VideoEncoder::new(&rendition).expect("an encoder");
        let mut noise = u64::from(seed) + 1;
        let mut picture = Frame::new(size);
        let units = (0..frames)
            .filter_map(|number| {
                draw(&mut picture, seed, number, &mut noise);
                let at_us = number * 1_000_000 / 30;
                let encoded = encoder.encode(&picture, at_us, number == 0);
                let encoded = encoded.expect("a picture")?;
                Some((encoded.is_key, encoded.bytes))
            })
            .collect();
        Self { units }
    }

    /// A picture as the server hands it over.
    pub(crate) fn message(&self, input: u32, number: usize, at_us: u64) -> ToChild {
        let (is_key, bytes) = self.units[number % self.units.len()].clone();
        ToChild::Picture {
            input,
            at_us,
            codec: Codec::H264,
            is_key,
            quarter_turns: 0,
            bytes,
        }
    }

    /// All of it as one stream.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let units = self.units.iter().flat_map(|(_, unit)| unit.iter().copied());
        units.collect()
    }
}

/// A still room with a little noise, and somebody who moves in it.
fn draw(picture: &mut Frame, seed: u32, number: u64, noise: &mut u64) {
    let Size { width, height } = picture.size();
    let (width, height) = (width as usize, height as usize);
    let time = number as f32 / 30.0 + seed as f32;
    let middle = (
        0.5 + 0.12 * (time * 0.9).sin(),
        0.55 + 0.05 * (time * 1.7).cos(),
    );
    for (place, sample) in picture.plane_mut(0).iter_mut().enumerate() {
        let (x, y) = (
            (place % width) as f32 / width as f32,
            (place / width) as f32 / height as f32,
        );
        // Xorshift: noise of a camera in a lit room.
        *noise ^= *noise << 13;
        *noise ^= *noise >> 7;
        *noise ^= *noise << 17;
        let grain = (*noise & 7) as f32 - 3.5;
        let room = 90.0
            + 50.0 * (x * 9.0 + seed as f32).sin() * (y * 7.0).cos()
            + 25.0 * ((x * 40.0).sin() * (y * 31.0).sin());
        let (dx, dy) = ((x - middle.0) / 0.18, (y - middle.1) / 0.4);
        let distance = dx * dx + dy * dy;
        let light = match distance < 1.0 {
            true => 150.0 + 40.0 * ((dx * 6.0 + time * 2.0).sin() * (dy * 8.0).cos()),
            false => room,
        };
        *sample = (light + grain).clamp(16.0, 235.0) as u8;
    }
    for plane in [1, 2] {
        let half = width / 2;
        for (place, sample) in picture.plane_mut(plane).iter_mut().enumerate() {
            let (x, y) = (
                (place % half) as f32 / half as f32,
                (place / half) as f32 * 2.0 / height as f32,
            );
            let (dx, dy) = ((x - middle.0) / 0.18, (y - middle.1) / 0.4);
            let is_face = dx * dx + dy * dy < 1.0;
            *sample = match (is_face, plane) {
                (true, 1) => 110,
                (true, _) => 150,
                (false, _) => (128.0 + 20.0 * (x * 5.0 + plane as f32).sin()) as u8,
            };
        }
    }
}

/// Packets of Opus: a voice-like tone that comes and goes.
pub(crate) fn sound(packets: u64) -> Vec<Bytes> {
    let mut encoder =
        Encoder::new(48_000, Channels::Stereo, Application::Voip).expect("an encoder");
    (0..packets)
        .map(|packet| {
            let samples: Vec<f32> = (0..960_u64)
                .flat_map(|at| {
                    let time = (packet * 960 + at) as f32 / 48_000.0;
                    let voice = (time * 150.0 * std::f32::consts::TAU).sin()
                        + 0.5 * (time * 900.0 * std::f32::consts::TAU).sin();
                    [voice * 0.2 * (time * 2.0).sin().max(0.0); 2]
                })
                .collect();
            let packet = encoder.encode_vec_float(&samples, 1_500);
            Bytes::from(packet.expect("a packet"))
        })
        .collect()
}
