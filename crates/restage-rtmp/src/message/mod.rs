//! Messages: their types, and commands (RTMP 1.0 §5.4, §6, §7).

mod aggregate;
mod command;

pub(crate) use aggregate::Aggregate;
pub(crate) use command::{Command, data_values};

use crate::fault::Fault;
use crate::limits::{AGGREGATE_BYTES_MAX, AUDIO_BYTES_MAX, COMMAND_BYTES_MAX, VIDEO_BYTES_MAX};

/// A message, put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Message type id.
    pub(crate) kind: u8,
    /// Milliseconds, which wrap around.
    pub(crate) timestamp: u32,
    pub(crate) body: Vec<u8>,
}

/// Message type ids.
pub(crate) mod kind {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_SIZE: u8 = 5;
    pub(crate) const PEER_BANDWIDTH: u8 = 6;
    pub(crate) const AUDIO: u8 = 8;
    pub(crate) const VIDEO: u8 = 9;
    pub(crate) const DATA_AMF3: u8 = 15;
    pub(crate) const COMMAND_AMF3: u8 = 17;
    pub(crate) const DATA: u8 = 18;
    pub(crate) const COMMAND: u8 = 20;
    pub(crate) const AGGREGATE: u8 = 22;
}

/// Event types of user control messages (§7.1.7).
pub(crate) mod user_control {
    pub(crate) const STREAM_BEGIN: u16 = 0;
    pub(crate) const PING_REQUEST: u16 = 6;
    pub(crate) const PING_RESPONSE: u16 = 7;
}

/// A number of four bytes at the beginning of a control message.
pub(crate) fn number(body: &[u8]) -> Option<u32> {
    let (number, _) = body.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}

/// Checks the length of a message against the bound of its type.
///
/// # Errors
///
/// [`Fault::MessageLength`].
pub(crate) fn check_length(kind: u8, bytes: usize) -> Result<(), Fault> {
    let most = match kind {
        kind::VIDEO => VIDEO_BYTES_MAX,
        kind::AGGREGATE => AGGREGATE_BYTES_MAX,
        kind::AUDIO => AUDIO_BYTES_MAX,
        _ => COMMAND_BYTES_MAX,
    };
    if bytes > most {
        return Err(Fault::MessageLength { kind, bytes, most });
    }
    Ok(())
}
