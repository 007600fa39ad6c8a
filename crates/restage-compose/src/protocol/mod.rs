//! What the server and the process that composes say to each other: frames over one stream socket.
//!
//! A frame is its length in four bytes, most significant first, a byte that says what it is, and the rest. What controls is JSON; media is
//! binary. Times are microseconds of the server's clock, as [`ToChild::Setup`] tells it.

mod wire;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::wire::LENGTH_BYTES;
use crate::layout::Layout;
pub use crate::layout::{Person, Video};

/// Bytes of the longest frame, without its length.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Most participants in a picture.
pub const INPUTS_MAX: usize = 24;
/// Most encodings of one composition: one for each destination.
pub const RENDITIONS_MAX: usize = 2;
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 64;

/// How what is composed is encoded as pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rendition {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Pictures in a thousand seconds.
    pub framerate_milli: u32,
    /// Bits per second.
    pub bitrate: u32,
}

/// How what is composed is encoded as sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SoundFormats {
    /// For recordings.
    pub opus: bool,
    /// For channels.
    pub aac: bool,
}

/// How pictures of a participant are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum VideoCodec {
    H264,
    Vp8,
}

/// What the process that composes is told.
#[derive(Clone, PartialEq, Debug)]
pub enum ToChild {
    /// The first message.
    Setup(Setup),
    /// Who is there, at every change. A participant that is not in it is forgotten.
    Scene {
        /// At most [`INPUTS_MAX`] count.
        persons: Vec<Person>,
    },
    /// A whole picture.
    Picture {
        /// Whose.
        input: u32,
        /// When it was captured.
        at_us: u64,
        /// How it is encoded.
        codec: VideoCodec,
        /// A decoder can begin with it.
        is_key: bool,
        /// How far to turn it clockwise, in quarters of a circle.
        quarter_turns: u8,
        /// H.264 as a byte stream (Annex B); a frame of VP8.
        bytes: Bytes,
    },
    /// A packet of Opus.
    Sound {
        /// Whose.
        input: u32,
        /// When it was captured.
        at_us: u64,
        /// In samples at 48 kHz, without wrap-around. A gap is a loss.
        timestamp: u64,
        /// The packet.
        bytes: Bytes,
    },
    /// The next picture of a rendition is to be a key frame.
    KeyFrame {
        /// Which.
        rendition: u8,
    },
    /// Give what there is, and end.
    Stop,
}

/// What is to be composed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The server's clock now.
    pub now_us: u64,
    /// How participants are arranged.
    pub layout: Layout,
    /// At most [`RENDITIONS_MAX`].
    pub renditions: Vec<Rendition>,
    /// Which sound.
    pub sound: SoundFormats,
}

/// What a tile shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Showing {
    /// Pictures of the participant.
    Picture,
    /// Its name.
    Placeholder,
}

/// A tile, as it is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShownTile {
    /// Which participant.
    pub input: u32,
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width of the tile.
    pub width: u32,
    /// Height of the tile.
    pub height: u32,
    /// What is drawn over what.
    pub z: u8,
    /// What is in it.
    pub showing: Showing,
    /// Width of the participant's pictures; 0 without.
    pub source_width: u32,
    /// Height of the participant's pictures; 0 without.
    pub source_height: u32,
}

/// How the process does, since it started unless a field says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Health {
    /// Pictures that were due.
    pub ticks: u64,
    /// Those that were made later than one picture lasts.
    pub late_ticks: u64,
    /// Those that were left out because there was no time.
    pub skipped_pictures: u64,
    /// Pictures of participants that were decoded.
    pub decoded: u64,
    /// Pictures of participants that could not be.
    pub undecodable: u64,
    /// Time for decoding, in microseconds.
    pub decode_us: u64,
    /// Time for scaling and drawing.
    pub compose_us: u64,
    /// Time for encoding pictures.
    pub encode_us: u64,
    /// Time for sound.
    pub mix_us: u64,
    /// Participants now.
    pub inputs: u32,
}

/// What the process that composes says.
#[derive(Clone, PartialEq, Debug)]
pub enum FromChild {
    /// It composes.
    Ready,
    /// It does nothing, because this part of the sandbox is not there.
    NoSandbox {
        /// Its name.
        part: String,
    },
    /// A picture: H.264 as a byte stream (Annex B), of a key frame with its parameter sets.
    Picture {
        /// Of which rendition.
        rendition: u8,
        /// When what it shows was captured.
        at_us: u64,
        /// A decoder can begin with it.
        is_key: bool,
        /// The picture.
        bytes: Bytes,
    },
    /// A packet of Opus: 20 ms, stereo.
    Opus {
        /// When its first sample was captured.
        at_us: u64,
        /// The packet.
        bytes: Bytes,
    },
    /// A frame of AAC-LC: 1,024 samples at 48 kHz, stereo.
    Aac {
        /// When its first sample was captured.
        at_us: u64,
        /// The frame, without a header.
        bytes: Bytes,
    },
    /// What a rendition shows, at every change.
    Shown {
        /// Which rendition.
        rendition: u8,
        /// Its tiles.
        tiles: Vec<ShownTile>,
    },
    /// Pictures of a participant cannot be decoded before the next key frame.
    NeedKeyFrame {
        /// Whose.
        input: u32,
    },
    /// Pictures of a participant are not shown.
    CannotShow {
        /// Whose.
        input: u32,
        /// Why, for people.
        reason: String,
    },
    /// How it does, once a second.
    Health(Health),
}
