//! A stream of bytes becomes messages.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::Serialize;

use super::ProtocolError;
use crate::limits::FRAME_BYTES_MAX;

/// Bytes before each message.
const LENGTH_BYTES: usize = 4;

/// Cuts a stream into messages. It holds no more than one that is not complete, and what was given to it at once.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: BytesMut,
}

impl Messages {
    /// Takes what has come.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message is complete, or the stream is lost.
    pub fn has_message(&self) -> bool {
        let Some(head) = self.bytes.first_chunk::<LENGTH_BYTES>() else {
            return false;
        };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        length > FRAME_BYTES_MAX || self.bytes.len() - LENGTH_BYTES >= length
    }

    /// The next complete message: its kind and its payload.
    ///
    /// # Errors
    ///
    /// A length is 0 or over [`FRAME_BYTES_MAX`]. The stream is lost then.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, ProtocolError> {
        let Some(head) = self.bytes.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*head);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length == 0 || length > FRAME_BYTES_MAX {
            return Err(ProtocolError::Length(length));
        }
        if self.bytes.len() - LENGTH_BYTES < length {
            self.bytes.reserve(LENGTH_BYTES + length - self.bytes.len());
            return Ok(None);
        }
        self.bytes.advance(LENGTH_BYTES);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }
}

/// Appends a message to `out`. Nothing is appended if it is too long.
pub(super) fn write(
    out: &mut Vec<u8>,
    kind: u8,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), ProtocolError>,
) -> Result<(), ProtocolError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.push(kind);
    let outcome = payload(out).and_then(|()| {
        let length = out.len() - start - LENGTH_BYTES;
        let bounded = u32::try_from(length)
            .ok()
            .filter(|_| length <= FRAME_BYTES_MAX);
        bounded.ok_or(ProtocolError::Length(length))
    });
    match outcome {
        Ok(length) => {
            out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Appends JSON.
pub(super) fn json<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), ProtocolError> {
    Ok(serde_json::to_writer(out, value)?)
}

/// Reads a payload from its beginning. Every step says `None` if it is cut short.
pub(super) struct Payload(pub(super) Bytes);

impl Payload {
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}
