//! Which codecs there are, and what is the same for all of them.

use std::fmt;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// Sound, such as Opus.
    Audio,
    /// Pictures, such as H.264.
    Video,
}

impl MediaKind {
    /// Both, in the order of [`index`](Self::index).
    pub const BOTH: [Self; 2] = [Self::Audio, Self::Video];

    /// Position in an array with one element per kind: 0 for audio, 1 for video.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Self::Audio => 0,
            Self::Video => 1,
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
        })
    }
}

/// A codec that is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 6716).
    Opus,
    /// H.264 (ITU-T H.264).
    H264,
    /// VP8 (RFC 6386).
    Vp8,
    /// VP9 (the VP9 bitstream specification).
    Vp9,
    /// AV1 (the AV1 bitstream specification).
    Av1,
    /// H.265 (ITU-T H.265).
    H265,
    /// Opus with what was sent before: each packet repeats earlier ones (RFC 2198).
    Red,
}

impl Codec {
    /// Its name as people write it, such as "H.264".
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "Opus",
            Self::H264 => "H.264",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::H265 => "H.265",
            Self::Red => "Opus with redundancy",
        }
    }

    /// Ticks per second of its RTP timestamps (RFC 7587 §4.1, RFC 6184 §5.1, RFC 7741 §4.1, RFC 9628 §4.1, RFC 7798 §4.1, AV1 RTP §4.1).
    #[inline]
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::H264 | Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H265 => 90_000,
        }
    }

    /// The kind of media that it encodes.
    #[inline]
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red => MediaKind::Audio,
            Self::H264 | Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H265 => MediaKind::Video,
        }
    }
}

/// Size of a picture as it is shown, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl PictureSize {
    /// Width times height.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}
