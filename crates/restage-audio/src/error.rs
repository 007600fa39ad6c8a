//! Why sound is refused.

use thiserror::Error;

use crate::limits::{
    AAC_BITS_PER_S_MAX, AAC_BITS_PER_S_MIN, ACCESS_UNIT_BYTES_MAX, ACCESS_UNIT_SAMPLES,
    BITS_PER_S_MAX, BITS_PER_S_MIN, GAP_US_MAX,
};

/// Why sound cannot be used. Each ends the stream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The sampling rate is not 44.1 or 48 kHz.
    #[error("the sound has {rate_hz} samples a second; it must be 44100 or 48000")]
    Rate {
        /// Samples per second of one channel.
        rate_hz: u32,
    },
    /// The number of channels is not 1 or 2.
    #[error("the sound has {channels} channels; it must be mono or stereo")]
    Channels {
        /// Their number.
        channels: u8,
    },
    /// The bitrate that was asked for is out of bounds.
    #[error("{bits_per_s} bit/s of sound; it must be {BITS_PER_S_MIN} to {BITS_PER_S_MAX}")]
    Bitrate {
        /// Bits per second of Opus.
        bits_per_s: u32,
    },
    /// The bitrate that was asked for of AAC is out of bounds.
    #[error("{bits_per_s} bit/s of AAC; it must be {AAC_BITS_PER_S_MIN} to {AAC_BITS_PER_S_MAX}")]
    AacBitrate {
        /// Bits per second.
        bits_per_s: u32,
    },
    /// A block of samples for AAC is not [`ACCESS_UNIT_SAMPLES`] of each channel.
    #[error("a block of {samples} samples; it must be {ACCESS_UNIT_SAMPLES} of each channel")]
    BlockLength {
        /// Those of all channels together.
        samples: usize,
    },
    /// An access unit is longer than [`ACCESS_UNIT_BYTES_MAX`].
    #[error("an AAC access unit has {bytes} bytes; the most is {ACCESS_UNIT_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A timestamp is beyond [`TIMESTAMP_US_MAX`](crate::limits::TIMESTAMP_US_MAX).
    #[error("the timestamp of the sound, {timestamp_us} us, is out of bounds")]
    Timestamp {
        /// In microseconds.
        timestamp_us: i64,
    },
    /// The timestamps go back by more than [`GAP_US_MAX`].
    #[error("the timestamps of the sound go back by {back_us} us; the most is {GAP_US_MAX} us")]
    Back {
        /// By how much, in microseconds.
        back_us: i64,
    },
    /// More access units were damaged than [`DAMAGED_MAX`](crate::limits::DAMAGED_MAX) allows.
    #[error("the sound is damaged: too many of its AAC access units could not be decoded")]
    Damaged,
    /// A library has failed in a way that its documentation excludes.
    #[error("the sound cannot be converted: {reason}")]
    Library {
        /// Its own words.
        reason: String,
    },
}

impl AudioError {
    /// The error of a library.
    pub(crate) fn of_library(error: impl std::fmt::Display) -> Self {
        let reason = error.to_string();
        Self::Library { reason }
    }
}
