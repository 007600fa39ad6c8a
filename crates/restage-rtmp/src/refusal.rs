//! Why a stream is not taken, or not any longer: the service's code, and the words for the encoder.

use restage_codec::PictureSize;
use thiserror::Error;

/// Why a stream is refused or ended by the server. [`code`](Self::code) is the `EventErrorCode` of the service; the words (`Display`)
/// are what the encoder shows to its user. Neither has the stream key in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Pictures are not sent in the order in which they are shown.
    #[error(
        "B frames are not supported: set the number of B frames to 0 and the tuning to zerolatency"
    )]
    BFramePresent,
    /// The stream's bitrate is over the limit.
    #[error(
        "the bitrate is {bits_per_s} bit/s; the most is {most}: lower the bitrate of the encoder"
    )]
    BitrateExceeded {
        /// The measured rate in bits per second.
        bits_per_s: u64,
        /// The limit in bits per second.
        most: u64,
    },
    /// The pictures of a track are too large.
    #[error(
        "the picture has {width}x{height} pixels; the most is {pixels_max} pixels: lower the resolution of the encoder",
        width = size.width,
        height = size.height
    )]
    ResolutionExceeded {
        /// Of the pictures.
        size: PictureSize,
        /// Width times height may be so much.
        pixels_max: u64,
    },
    /// The stream has been published for too long.
    #[error("the stream has lasted {seconds} seconds, which is the most: start it again")]
    StreamDurationExceeded {
        /// The limit.
        seconds: u64,
    },
    /// The sound is not AAC-LC.
    #[error("the sound is {codec}; the only audio codec is AAC-LC")]
    InvalidAudioCodec {
        /// Its name.
        codec: String,
    },
    /// The pictures are not H.264, or of a kind of it that subscribers cannot decode.
    #[error("the video is {codec}; the only video codec is H.264 with 8 bits in 4:2:0")]
    InvalidVideoCodec {
        /// Its name.
        codec: String,
    },
    /// The stream cannot be used.
    #[error("the stream cannot be used: {reason}")]
    InvalidInput {
        /// A clause that says why.
        reason: String,
    },
    /// The ingest configuration takes RTMPS only.
    #[error("this stream key is for rtmps:// only: use the RTMPS server of the stage")]
    InvalidProtocol,
    /// There is no such key, or its ingest configuration has no stage.
    #[error("the stream key is not valid, or its ingest configuration has no stage")]
    InvalidStreamKey,
    /// Another stream is being published with this key.
    #[error("the stream key is in use by another stream")]
    ReuseOfStreamKey,
    /// There is no room for another publisher.
    #[error("there is no room for another publisher: {reason}")]
    QuotaExceeded {
        /// A clause that says what is full.
        reason: String,
    },
    /// The server has a fault.
    #[error("the server has a fault: try again")]
    InternalServerException,
    /// It was disconnected by an operation of the API, or the server stops.
    #[error("the stream has been ended: {reason}")]
    Ended {
        /// A clause that says by what.
        reason: String,
    },
}

impl Refusal {
    /// The `EventErrorCode` of the service (IVS Real-Time API, `Event.errorCode`); `None` where the stream was ended on purpose.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::BFramePresent => "B_FRAME_PRESENT",
            Self::BitrateExceeded { .. } => "BITRATE_EXCEEDED",
            Self::ResolutionExceeded { .. } => "RESOLUTION_EXCEEDED",
            Self::StreamDurationExceeded { .. } => "STREAM_DURATION_EXCEEDED",
            Self::InvalidAudioCodec { .. } => "INVALID_AUDIO_CODEC",
            Self::InvalidVideoCodec { .. } => "INVALID_VIDEO_CODEC",
            Self::InvalidInput { .. } => "INVALID_INPUT",
            Self::InvalidProtocol => "INVALID_PROTOCOL",
            Self::InvalidStreamKey => "INVALID_STREAM_KEY",
            Self::ReuseOfStreamKey => "REUSE_OF_STREAM_KEY",
            Self::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
            Self::InternalServerException => "INTERNAL_SERVER_EXCEPTION",
            Self::Ended { .. } => return None,
        })
    }
}
