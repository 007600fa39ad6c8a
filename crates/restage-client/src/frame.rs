//! Encoded audio and video frames, sent and received.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::Codec as EngineCodec;

/// Whether a track carries audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

impl fmt::Display for TrackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Audio => "audio",
            Self::Video => "video",
        })
    }
}

/// A codec that a stage can carry. Amazon IVS accepts [`Codec::H264`] and [`Codec::Opus`]; a
/// restage server forwards the others when both sides support them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Opus (RFC 6716); a frame is one Opus packet.
    Opus,
    /// H.264; a frame is one access unit in Annex B form (start codes).
    H264,
    /// VP8 (RFC 6386); a frame is one VP8 frame without container.
    Vp8,
    /// VP9; a frame is one VP9 (super)frame.
    Vp9,
    /// AV1; a frame is one temporal unit.
    Av1,
}

impl Codec {
    /// Whether this codec is for audio or video.
    #[must_use]
    pub fn kind(self) -> TrackKind {
        match self {
            Self::Opus => TrackKind::Audio,
            Self::H264 | Self::Vp8 | Self::Vp9 | Self::Av1 => TrackKind::Video,
        }
    }

    /// RTP clock rate in Hz: 48 000 for Opus (RFC 7587 §4.1), 90 000 for every video codec.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self.kind() {
            TrackKind::Audio => 48_000,
            TrackKind::Video => 90_000,
        }
    }

    pub(crate) fn from_engine(codec: EngineCodec) -> Option<Self> {
        match codec {
            EngineCodec::Opus => Some(Self::Opus),
            EngineCodec::H264 => Some(Self::H264),
            EngineCodec::Vp8 => Some(Self::Vp8),
            EngineCodec::Vp9 => Some(Self::Vp9),
            EngineCodec::Av1 => Some(Self::Av1),
            _ => None,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opus => "Opus",
            Self::H264 => "H.264",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
        })
    }
}

/// One encoded frame.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The codec of the frame.
    pub codec: Codec,
    /// Its place on the media timeline. Audio and video of one publisher share the timeline, so
    /// frames that belong together carry the same time. On frames received it counts from the
    /// RTP timestamp's own zero, which differs between audio and video.
    pub time: Duration,
    /// Whether a decoder can start here. Always true for audio.
    pub is_key_frame: bool,
    /// The frame itself, in the form [`Codec`] describes.
    pub data: Arc<[u8]>,
}

impl EncodedFrame {
    /// The time in ticks of the codec's RTP clock, extended to 64 bits.
    #[must_use]
    pub fn rtp_time(&self) -> u64 {
        duration_to_ticks(self.time, self.codec.clock_rate())
    }
}

impl fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedFrame")
            .field("codec", &self.codec)
            .field("time", &self.time)
            .field("is_key_frame", &self.is_key_frame)
            .field("len", &self.data.len())
            .finish()
    }
}

/// One frame received from a stage.
#[derive(Debug, Clone)]
pub struct ReceivedFrame {
    /// The frame.
    pub frame: EncodedFrame,
    /// False if something between the previous frame of this track and this one was lost, so a
    /// decoder may show damage until the next key frame.
    pub is_contiguous: bool,
    /// When the first packet of the frame arrived.
    pub received_at: Instant,
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Rounds to the nearest tick, so that ticks survive the way through a `Duration` and back.
pub(crate) fn duration_to_ticks(time: Duration, clock_rate: u32) -> u64 {
    let ticks =
        (time.as_nanos() * u128::from(clock_rate) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

pub(crate) fn ticks_to_duration(ticks: u64, clock_rate: u32) -> Duration {
    let nanos = u128::from(ticks) * NANOS_PER_SECOND / u128::from(clock_rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_survive_the_way_through_a_duration() {
        for rate in [48_000, 90_000] {
            for ticks in [0, 1, 2, 2_999, 3_000, 3_003, u64::from(u32::MAX), 1 << 40] {
                assert_eq!(
                    duration_to_ticks(ticks_to_duration(ticks, rate), rate),
                    ticks
                );
            }
        }
    }
}
