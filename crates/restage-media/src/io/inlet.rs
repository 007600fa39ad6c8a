//! What is refused at taps and external inlets, and how an inlet ends.

use std::fmt;

use super::Excess;
use crate::limits::{
    INLET_FORMATS_MAX, LAYERS_MAX, PAYLOAD_BYTES_MAX, PUSH_PACKETS_MAX, TAPS_MAX,
    TAPS_PER_PUBLICATION_MAX,
};

/// Why a tap is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TapError {
    /// A tap of that key is open.
    KeyInUse,
    /// There are [`TAPS_MAX`] taps, or [`TAPS_PER_PUBLICATION_MAX`] of this publication, or no room for another publication.
    Full,
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyInUse => f.write_str("a tap of that key is open already"),
            Self::Full => write!(
                f,
                "there is no room for another tap: the most is {TAPS_MAX}, and {TAPS_PER_PUBLICATION_MAX} of one publication"
            ),
        }
    }
}

impl std::error::Error for TapError {}

/// Why an inlet is not opened, or what was pushed into it is not taken. Of a push that is refused nothing is forwarded. Packets are
/// named by their index in the push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InletError {
    /// An inlet of that key is open.
    KeyInUse,
    /// There is no room for another publication.
    Full,
    /// No inlet of that key is open.
    Unknown,
    /// It was opened without a format.
    NoFormats,
    /// It was opened with more than [`INLET_FORMATS_MAX`] formats.
    TooManyFormats {
        /// How many.
        count: usize,
    },
    /// More than [`PUSH_PACKETS_MAX`] packets at a time.
    TooManyPackets {
        /// How many.
        count: usize,
    },
    /// The inlet has no such format.
    UnknownFormat {
        /// Which packet.
        packet: usize,
        /// The index it gives.
        format: usize,
    },
    /// There can be no such layer.
    UnknownLayer {
        /// Which packet.
        packet: usize,
        /// The layer it gives.
        layer: u8,
    },
    /// The sequence number is 2⁴⁸ or more.
    SequenceTooLarge {
        /// Which packet.
        packet: usize,
    },
    /// There is nothing in the payload.
    EmptyPayload {
        /// Which packet.
        packet: usize,
    },
    /// The payload is longer than [`PAYLOAD_BYTES_MAX`].
    PayloadTooLarge {
        /// Which packet.
        packet: usize,
        /// Of its payload.
        bytes: usize,
    },
}

impl fmt::Display for InletError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyInUse => f.write_str("an inlet of that key is open already"),
            Self::Full => f.write_str("there is no room for another publication"),
            Self::Unknown => f.write_str("no inlet of that key is open"),
            Self::NoFormats => f.write_str("an inlet needs at least one format"),
            Self::TooManyFormats { count } => {
                write!(f, "{count} formats; the most is {INLET_FORMATS_MAX}")
            }
            Self::TooManyPackets { count } => {
                write!(
                    f,
                    "{count} packets at a time; the most is {PUSH_PACKETS_MAX}"
                )
            }
            Self::UnknownFormat { packet, format } => {
                write!(f, "packet {packet}: the inlet has no format {format}")
            }
            Self::UnknownLayer { packet, layer } => write!(
                f,
                "packet {packet}: layer {layer}; video has layers 0 to {}, audio has layer 0",
                LAYERS_MAX - 1
            ),
            Self::SequenceTooLarge { packet } => {
                write!(f, "packet {packet}: the sequence number must be below 2^48")
            }
            Self::EmptyPayload { packet } => write!(f, "packet {packet}: the payload is empty"),
            Self::PayloadTooLarge { packet, bytes } => write!(
                f,
                "packet {packet}: the payload has {bytes} bytes; the most is {PAYLOAD_BYTES_MAX}"
            ),
        }
    }
}

impl std::error::Error for InletError {}

/// Why an inlet was closed without [`Control::CloseInlet`](crate::Control::CloseInlet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InletEnd {
    /// Another inlet feeds the publication now.
    Superseded,
    /// More came through it than a publisher may send.
    Exceeded(Excess),
}
