//! The bitstreams of the codecs that are forwarded: H.264, VP8 and Opus.
//!
//! Everything here is a function of bytes that a stranger may have written. It reads what they say of themselves (picture size, key
//! frame, duration), cuts them into their units, and reads and writes their RTP payload formats. It never decodes a picture, never
//! panics, and needs no more memory than its input or a bound that has a name.
//!
//! | codec | bitstream | RTP payload |
//! |---|---|---|
//! | [`h264`] | ITU-T H.264: NAL units, Annex B byte streams, parameter sets | RFC 6184 |
//! | [`vp8`] | RFC 6386: the frame header | RFC 7741 |
//! | [`opus`] | RFC 6716: the TOC byte | RFC 7587: the packet is the payload |
#![deny(missing_docs)]

mod bits;
mod codec;
pub mod h264;
pub mod opus;
pub mod vp8;

pub use codec::{Codec, MediaKind, PictureSize};
