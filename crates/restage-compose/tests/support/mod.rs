//! Participants and what is made of them, coded by OpenH264 itself and not by the code that is tested.

#![allow(dead_code, reason = "each test program uses a part of it")]

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::decoder::Decoder as H264Decoder;
use openh264::encoder::{
    BitRate, Encoder as H264Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile,
};
use openh264::formats::YUVSource;
use restage_compose::layout::{Grid, Layout, Person};
use restage_compose::protocol::{Rendition, Setup, SoundFormats, ToChild, VideoCodec};

/// One picture of 30 a second.
pub(crate) const FRAME_US: u64 = 33_333;
/// VP8 of another encoder (libvpx): a test card of 160x90 that moves, in 30 frames.
pub(crate) const VP8: &[u8] = include_bytes!("../data/moving-160x90.vp8.ivf");

/// The frames of an IVF file: 32 bytes of head, then frames behind 12 bytes each, of which the first four are the length.
pub(crate) fn ivf_frames(file: &'static [u8]) -> Vec<&'static [u8]> {
    let (mut rest, mut frames) = (&file[32..], Vec::new());
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        frames.push(&rest[12..12 + length]);
        rest = &rest[12 + length..];
    }
    frames
}

/// Light and two planes of colour with half the sides, rounded up; without padding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) planes: [Vec<u8>; 3],
}

/// Sides of a plane, 0 to 2.
pub(crate) fn sides((width, height): (usize, usize), plane: usize) -> (usize, usize) {
    match plane {
        0 => (width, height),
        _ => (width.div_ceil(2), height.div_ceil(2)),
    }
}

impl Picture {
    pub(crate) fn plain(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self::drawn(width, height, |plane, _, _| colour[plane])
    }

    /// Each sample is what `draw` says of its plane and place, in pixels of light.
    pub(crate) fn drawn(
        width: usize,
        height: usize,
        draw: impl Fn(usize, usize, usize) -> u8,
    ) -> Self {
        let plane = |plane: usize| {
            let (wide, high) = sides((width, height), plane);
            let step = if plane == 0 { 1 } else { 2 };
            (0..wide * high)
                .map(|at| draw(plane, at % wide * step, at / wide * step))
                .collect()
        };
        Self {
            width,
            height,
            planes: [plane(0), plane(1), plane(2)],
        }
    }

    /// Light at a place.
    pub(crate) fn light(&self, x: u32, y: u32) -> u8 {
        self.planes[0][y as usize * self.width + x as usize]
    }
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let colour = self.width.div_ceil(2);
        (self.width, colour, colour)
    }

    fn y(&self) -> &[u8] {
        &self.planes[0]
    }

    fn u(&self) -> &[u8] {
        &self.planes[1]
    }

    fn v(&self) -> &[u8] {
        &self.planes[2]
    }
}

/// Shows H.264.
pub(crate) struct Eye(H264Decoder);

impl Eye {
    pub(crate) fn new() -> Self {
        Self(H264Decoder::new().unwrap())
    }

    pub(crate) fn see(&mut self, bytes: &[u8]) -> Picture {
        let decoded = self.0.decode(bytes).unwrap().expect("a whole picture");
        let (width, height) = decoded.dimensions();
        let (light, blue, red) = decoded.strides();
        let rows = [
            (decoded.y(), light),
            (decoded.u(), blue),
            (decoded.v(), red),
        ];
        let mut planes = [Vec::new(), Vec::new(), Vec::new()];
        for (plane, (samples, stride)) in rows.into_iter().enumerate() {
            let (wide, high) = sides((width, height), plane);
            for row in samples.chunks(stride).take(high) {
                planes[plane].extend_from_slice(&row[..wide]);
            }
        }
        Picture {
            width,
            height,
            planes,
        }
    }
}

/// A camera whose pictures are H.264.
pub(crate) struct Camera {
    input: u32,
    encoder: H264Encoder,
}

impl Camera {
    pub(crate) fn new(input: u32) -> Self {
        Self::with(input, Profile::Baseline, 2_000_000)
    }

    pub(crate) fn with(input: u32, profile: Profile, bitrate: u32) -> Self {
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bitrate))
            .max_frame_rate(FrameRate::from_hz(30.0))
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .scene_change_detect(false)
            .skip_frames(false)
            .profile(profile)
            .num_threads(1);
        let encoder = H264Encoder::with_api_config(OpenH264API::from_source(), config);
        Self {
            input,
            encoder: encoder.unwrap(),
        }
    }

    pub(crate) fn want_key_frame(&mut self) {
        self.encoder.force_intra_frame();
    }

    /// The bytes, and whether it is a key frame.
    pub(crate) fn encode(&mut self, picture: &Picture) -> (Bytes, bool) {
        let encoded = self.encoder.encode(picture).unwrap();
        let is_key = matches!(encoded.frame_type(), FrameType::IDR);
        (Bytes::from(encoded.to_vec()), is_key)
    }

    pub(crate) fn take(&mut self, at_us: u64, picture: &Picture) -> ToChild {
        let (bytes, is_key) = self.encode(picture);
        h264(self.input, at_us, is_key, bytes)
    }
}

pub(crate) fn h264(input: u32, at_us: u64, is_key: bool, bytes: Bytes) -> ToChild {
    ToChild::Picture {
        input,
        at_us,
        codec: VideoCodec::H264,
        is_key,
        quarter_turns: 0,
        bytes,
    }
}

pub(crate) fn vp8(input: u32, at_us: u64, bytes: Bytes) -> ToChild {
    ToChild::Picture {
        input,
        at_us,
        codec: VideoCodec::Vp8,
        is_key: restage_codec::vp8::is_key_frame(&bytes),
        quarter_turns: 0,
        bytes,
    }
}

pub(crate) fn rendition(width: u32, height: u32, bitrate: u32) -> Rendition {
    Rendition {
        width,
        height,
        framerate_milli: 30_000,
        bitrate,
    }
}

pub(crate) fn setup(now_us: u64, layout: Layout, rendition: Rendition) -> Setup {
    Setup {
        now_us,
        layout,
        renditions: vec![rendition],
        sound: SoundFormats {
            opus: true,
            aac: false,
        },
    }
}

/// A grid whose tiles have the same shape as the picture and no gaps.
pub(crate) fn plain_grid() -> Layout {
    Layout::Grid(Grid {
        video_aspect_ratio: restage_compose::layout::AspectRatio::Auto,
        grid_gap: 0,
        ..Grid::default()
    })
}

/// Without a name, so that nothing bright is written where there is no picture.
pub(crate) fn person(input: u32) -> Person {
    Person {
        input,
        arrived: u64::from(input),
        ..Person::default()
    }
}

/// A key frame whose sequence parameter set says 16,384 by 16,384 pixels, of the baseline profile (ITU-T H.264 §7.3.2.1.1).
pub(crate) fn huge_sps() -> Bytes {
    let mut bits = Bits::default();
    // profile_idc, constraint flags, level_idc
    for byte in [66, 0xc0, 62] {
        bits.put(8, byte);
    }
    // Number 0; log2_max_frame_num_minus4 0; pic_order_cnt_type 2; 16 reference pictures without gaps.
    for value in [0, 0, 2, 16] {
        bits.golomb(value);
    }
    bits.put(1, 0);
    // 1,024 macroblocks in each direction.
    bits.golomb(1_023);
    bits.golomb(1_023);
    // Frames; direct inference; no cropping; nothing about usability; the end.
    bits.put(5, 0b11001);
    let (slice, _) = Camera::new(0).encode(&Picture::plain(64, 48, [90, 128, 128]));
    let after = slice.windows(5).position(|at| at == [0, 0, 0, 1, 0x68]);
    let rest = &slice[after.unwrap()..];
    let start: &[u8] = &[0, 0, 0, 1, 0x67];
    Bytes::from([start, &bits.bytes(), rest].concat())
}

/// Writes bits as parameter sets have them.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, count: u32, value: u32) {
        self.0
            .extend((0..count).rev().map(|at| value >> at & 1 == 1));
    }

    /// Exp-Golomb (§9.1).
    fn golomb(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.put(length, 0);
        self.put(length + 1, value + 1);
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let value = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            value << (8 - bits.len())
        };
        self.0.chunks(8).map(byte).collect()
    }
}
