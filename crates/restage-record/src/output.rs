//! What a recorder gives back.

use restage_codec::{Codec, MediaKind};

use crate::journal::{InitEntry, SegmentEntry};

/// What a recorder gives back, in the order in which it is to be kept: an init before the segments that need it.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A file `init-N.mp4`.
    Init(Init),
    /// A file `N.mp4`.
    Segment(Segment),
    /// A picture for a thumbnail, after [`Recorder::want_picture`](crate::Recorder::want_picture).
    Picture(Picture),
    /// Ask the publisher for a key frame. It is repeated, at most once a second, until one comes.
    WantKeyFrame,
    /// Media was left out.
    Dropped(Dropped),
    /// Something that people should know of the recording: a sentence for `recording_status_message`. Each is given once.
    Note(&'static str),
    /// Pictures of this codec are not recorded. It is given once for each codec; sound is recorded if there is some.
    Refused {
        /// What was refused.
        codec: Codec,
        /// The codec of the pictures that the recording has, if that is why: players cannot go on with another one. `None`: nothing plays
        /// the codec from MP4.
        began_with: Option<Codec>,
    },
}

/// What decoders need before segments: `ftyp` and `moov`.
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    /// For the journal.
    pub entry: InitEntry,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A segment: `styp`, `moof` and `mdat`.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// For the journal.
    pub entry: SegmentEntry,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A picture that decodes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How it is encoded.
    pub codec: Codec,
    /// H.264 and H.265: a byte stream with start codes and parameter sets (Annex B). VP9: a frame or superframe. AV1: a temporal unit
    /// whose OBUs have sizes.
    pub bytes: Vec<u8>,
    /// How far to turn it clockwise: 0, 90, 180 or 270 degrees.
    pub rotation_degrees: u16,
    /// When it was taken: UTC in microseconds since 1970.
    pub utc_us: i64,
}

/// What was left out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Audio or video.
    pub kind: MediaKind,
    /// Why.
    pub reason: DropReason,
    /// Packets or, after [`DropReason::AwaitsKeyFrame`], pictures.
    pub count: u64,
}

/// Why media was left out of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// Packets did not come within [`REORDER_WINDOW_US`](crate::limits::REORDER_WINDOW_US).
    Lost,
    /// Packets came after their place had been given up.
    Late,
    /// The payload is not what its format allows.
    Damaged,
    /// A picture before the key frame that a decoder can start with.
    AwaitsKeyFrame,
    /// More was waiting than a bound allows.
    Full,
    /// Parameters, encoders or clocks changed more often than [`CHANGES_MAX`](crate::limits::CHANGES_MAX).
    Restless,
}
