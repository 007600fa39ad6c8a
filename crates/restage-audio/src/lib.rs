//! Sound of encoders that send AAC, as Opus; and samples as AAC.
//!
//! [`Transcoder`] takes access units of AAC-LC with their timestamps and gives packets of Opus with theirs. Nothing here knows a socket, a
//! clock or a thread. What comes is from strangers: everything that it can make grow has a bound in [`limits`], and a decoder that fails
//! costs the sound of the publisher who sent that and nobody else's.
//!
//! ```text
//!  access units ─► decode ─► timeline (gaps, overlaps, drift) ─► encode (44.1 to 48 kHz, Opus, loudness) ─► packets
//! ```
//!
//! [`AacEncoder`] makes access units of AAC-LC of samples, for servers that take no Opus.
//!
//! Sources: ISO/IEC 14496-3 (AAC), RFC 6716 (Opus), RFC 7587 (its RTP payload), RFC 6464 (loudness).
#![deny(missing_docs)]

mod aac;
mod decode;
mod encode;
mod error;
mod format;
mod level;
pub mod limits;
mod timeline;
mod transcoder;

pub use aac::AacEncoder;
pub use error::AudioError;
pub use format::AacFormat;
pub use transcoder::{BITS_PER_S_DEFAULT, OpusPacket, Transcoder};
