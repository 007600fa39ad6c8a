//! The bitstreams of the codecs that are forwarded: H.264, H.265, VP8, VP9, AV1 and Opus.
//!
//! Everything here is a function of bytes that a stranger may have written. It reads what they say of themselves (picture size, key
//! frame, duration), cuts them into their units, and reads and writes their RTP payload formats. It never decodes a picture, never
//! panics, and needs no more memory than its input or a bound that has a name.
//!
//! | codec | bitstream | RTP payload |
//! |---|---|---|
//! | [`h264`] | ITU-T H.264: NAL units, Annex B byte streams, parameter sets | RFC 6184 |
//! | [`h265`] | ITU-T H.265: NAL units, the picture size | RFC 7798 |
//! | [`vp8`] | RFC 6386: the frame header | RFC 7741 |
//! | [`vp9`] | the VP9 specification: the frame header | RFC 9628 |
//! | [`av1`] | the AV1 specification: OBUs, sequence and frame headers | RTP Payload Format For AV1, version 1.0 |
//! | [`opus`] | RFC 6716: the TOC byte | RFC 7587: the packet is the payload |
//! | [`red`] | | RFC 2198: several Opus packets in one |
//!
//! [`dependency`] reads the header extension by which frames of any codec say their layers.
#![deny(missing_docs)]

pub mod av1;
mod bits;
mod codec;
pub mod dependency;
pub mod h264;
pub mod h265;
pub mod opus;
mod picture;
pub mod red;
pub mod vp8;
pub mod vp9;

pub use codec::{Codec, MediaKind, PictureSize};
pub use picture::{FramePlace, NewNumbers, PictureId, PictureNumbers};
