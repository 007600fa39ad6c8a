//! Why a format cannot be made.

use std::fmt;

use crate::limits::FORMAT_PARAMETERS_BYTES_MAX;

/// Why a [`Format`](super::format::Format) cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The parameters are longer than [`FORMAT_PARAMETERS_BYTES_MAX`](crate::limits::FORMAT_PARAMETERS_BYTES_MAX).
    TooLong {
        /// Of the parameters.
        bytes: usize,
    },
    /// The parameters have characters that are not visible ASCII or space.
    NotText,
    /// The `profile-level-id` is not six hexadecimal digits (RFC 6184 §8.1).
    BadProfile,
    /// The `packetization-mode` is not 0 or 1: interleaved mode (RFC 6184 §6.4) is not forwarded.
    BadPacketizationMode,
    /// The H.265 packets would have decoding order numbers or several streams (RFC 7798 §7.1, `sprop-max-don-diff`, `tx-mode`).
    BadTransmissionMode,
    /// The parameters of redundant audio are not one payload type for all blocks, as in `111/111` (RFC 2198 §5).
    BadBlockType,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "the format parameters have {bytes} bytes; the most is {FORMAT_PARAMETERS_BYTES_MAX}"
            ),
            Self::NotText => f.write_str("the format parameters are not visible ASCII"),
            Self::BadProfile => f.write_str("profile-level-id must be six hexadecimal digits"),
            Self::BadPacketizationMode => f.write_str("packetization-mode must be 0 or 1"),
            Self::BadTransmissionMode => {
                f.write_str("sprop-max-don-diff must be 0 and tx-mode SRST")
            }
            Self::BadBlockType => {
                f.write_str("all blocks must have one payload type, as in 111/111")
            }
        }
    }
}

impl std::error::Error for FormatError {}
