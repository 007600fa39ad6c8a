//! Events: an encoder's stream, as the caller is told.

use std::fmt;

use crate::fault::Fault;
use crate::flv::{AudioCodec, Metadata, VideoCodec, VideoUnits};

/// An output of a [`Session`](crate::Session). [`Publish`](Self::Publish) comes first and once, [`End`](Self::End) last and once;
/// media comes only between the two, after [`Session::accept`](crate::Session::accept).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The encoder wants to publish: answer with [`Session::accept`](crate::Session::accept) or
    /// [`Session::refuse`](crate::Session::refuse).
    Publish(Publish),
    /// The encoder describes the stream. It may be wrong.
    Metadata(Metadata),
    /// A video track begins, or goes on in another way.
    VideoConfig(VideoConfig),
    /// A picture of a track whose [`VideoConfig`] was H.264.
    Video(VideoFrame),
    /// A picture of such a track that cannot be read: its NAL units do not fit its message.
    DamagedVideo,
    /// The sound begins, or goes on in another way.
    AudioConfig(AudioConfig),
    /// Sound, of which the [`AudioConfig`] was AAC.
    Audio(AudioFrame),
    /// The stream is over. The connection is to be closed once all output is sent.
    End(End),
}

/// Under which name an encoder wants to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The application, `app` of `connect`, without slashes at its ends: the first part of the URL's path.
    pub app: String,
    /// The stream key: the name that `publish` gives.
    pub key: StreamKey,
}

/// A secret that must not be shown: `Debug` writes its length only. It has at most
/// [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX) bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(pub(crate) String);

impl StreamKey {
    /// The key itself, to be compared in constant time and never logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({} bytes)", self.0.len())
    }
}

/// The codec of a video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoConfig {
    /// The track's number, as the encoder gives it; 0 without multitrack.
    pub track: u8,
    /// The simulcast layer that the track is, below [`TRACKS_MAX`](crate::limits::TRACKS_MAX): tracks are counted as they come. It does not
    /// say which one is larger.
    pub layer: u8,
    /// The codec, with its parameters if it is H.264.
    pub codec: VideoCodec,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// The track's number, as the encoder gives it; 0 without multitrack.
    pub track: u8,
    /// The simulcast layer that the track is, below [`TRACKS_MAX`](crate::limits::TRACKS_MAX): tracks are counted as they come. It does not
    /// say which one is larger.
    pub layer: u8,
    /// When it is decoded, in microseconds; the first packet of the stream has
    /// [`TIMESTAMP_FIRST_US`](crate::limits::TIMESTAMP_FIRST_US), and none is negative. It goes on without breaks where the encoder's timestamps wrap
    /// around or jump; audio and video share it.
    pub timestamp_us: i64,
    /// The time from decoding it to showing it, in milliseconds. Where it differs from picture to picture there are B frames.
    pub composition_ms: i32,
    /// It has a slice of an IDR picture: decoding can start here.
    pub is_key: bool,
    /// The NAL units.
    pub units: VideoUnits,
}

/// The codec of the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioConfig {
    /// The codec, with its parameters if it is AAC.
    pub codec: AudioCodec,
}

/// An access unit of AAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// When it is played, on the same clock as [`VideoFrame::timestamp_us`]. Its resolution is that of the encoder, mostly 1 ms: count
    /// samples for anything finer.
    pub timestamp_us: i64,
    /// `raw_data_block`s of AAC (ISO/IEC 14496-3), without ADTS.
    pub data: Vec<u8>,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The encoder has said that it is over.
    Finished,
    /// The caller has refused it by [`Session::refuse`](crate::Session::refuse).
    Refused,
    /// The encoder broke the protocol or a bound, or let a time pass.
    Fault(Fault),
}
