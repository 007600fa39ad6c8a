//! STUN messages (RFC 8489): reading, verifying and writing them.
//!
//! This crate knows no sockets, no clock and no random numbers, and keeps no state. What messages mean is decided by
//! those who use it: ICE in `restage-media`, TURN in `restage-turn`.
//!
//! - [`Message`] reads a message from bytes, without copying.
//! - [`Writer`] writes one.
//! - [`attribute`] has the numbers of attributes, [`method`] those of methods.

mod address;
pub mod attribute;
mod message;
pub mod method;
mod write;

pub use address::{read_xor_address, write_xor_address};
pub use message::{Attributes, Class, Message, Transaction};
pub use write::Writer;

/// Bytes of the header before the attributes (RFC 8489 §5).
pub const HEADER_BYTES: usize = 20;
/// The magic cookie in bytes 4 to 7 of every message (RFC 8489 §5).
pub const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Bytes of MESSAGE-INTEGRITY's value, an HMAC-SHA1.
const INTEGRITY_BYTES: usize = 20;
/// Bytes of FINGERPRINT with the head of the attribute.
const FINGERPRINT_BYTES: usize = 8;
