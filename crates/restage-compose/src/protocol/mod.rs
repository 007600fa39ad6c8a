//! What server and child say to each other on one Unix stream socket.
//!
//! A message is its length as four bytes (most significant first, without these four), a byte for its kind, and the payload. What controls
//! is JSON; pictures and sound are bytes behind a head of fixed size. [`Messages`] cuts a stream into messages; [`ToChild`] and [`FromChild`]
//! are written and parsed here for both sides, and refuse what is beyond a bound of [`limits`](crate::limits).

mod from_child;
mod messages;
#[cfg(test)]
mod tests;
mod to_child;

pub use from_child::{FromChild, Health, Showing, ShownTile};
pub use messages::Messages;
pub use to_child::{Codec, Rendition, Setup, SoundFormats, ToChild};

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Longer than [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX), or without a kind.
    #[error("a message of {0} bytes")]
    Length(usize),
    /// No message has this number.
    #[error("a message of the unknown kind {0}")]
    Kind(u8),
    /// The payload is cut short, or has an unknown code.
    #[error("a message of the kind {0} that cannot be read")]
    Payload(u8),
    /// JSON that cannot be read.
    #[error("a message that cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A number or a list is beyond its bound.
    #[error("{0} is out of bounds")]
    Bound(&'static str),
}
