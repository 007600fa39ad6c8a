//! Fragmented MP4 (ISO/IEC 14496-12): what a file says of its formats, inits, and segments.

mod entry;
mod format;
mod init;
mod segment;
mod times;

pub(crate) use format::{OPUS, VideoFormat, codec_of};
pub(crate) use init::init;
pub(crate) use segment::{AUDIO_TRACK, Run, Sample, VIDEO_TRACK, segment};
pub use times::SegmentTimes;

/// Ticks per second of a track of pictures: those of RTP.
pub(crate) const VIDEO_TIMESCALE: u32 = 90_000;
/// Ticks per second of a track of sound: the samples of Opus.
pub(crate) const AUDIO_TIMESCALE: u32 = 48_000;

/// Name of the file of an init.
pub(crate) fn init_name(number: u64) -> String {
    format!("init-{number}.mp4")
}
