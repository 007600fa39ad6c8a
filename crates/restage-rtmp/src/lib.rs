//! RTMP: what an encoder sends becomes pictures, sound and their times; and the other way, to another server.
//!
//! Nothing here knows a socket, a clock or random numbers: bytes and times come in as arguments, events and bytes come out. An encoder is
//! a stranger, so everything that it can make grow has a bound in [`limits`], and nothing that it sends can make this crate panic.
//!
//! ```text
//!  bytes ─► Session ─► Event ─► Rules ─► (sound: AAC to Opus) ─► Release ─► packets (restage_codec::h264::packetise)
//!  bytes ◄─ Session ◄─ accept, refuse
//! ```
//!
//! - [`Session`] is the server's side of one connection: handshake, chunks, commands, and the tags of FLV and Enhanced RTMP.
//! - [`Rules`] says whether a stream keeps the rules of the service, and with which [`Refusal`] it ends if it does not.
//! - [`Admission`] bounds how many connections there are.
//! - [`Release`] takes the clumps out of a stream that TCP brought.
//! - [`PushSession`] is the client's side: it publishes pictures and sound to another server.
//!
//! Sources: Adobe's Real Time Messaging Protocol 1.0; Enhanced RTMP v2 (Veovera); Flash Video File Format 10.1; AMF 0.
#![deny(missing_docs)]

mod admission;
mod amf0;
mod chunk;
mod clock;
mod event;
mod fault;
mod flv;
mod handshake;
pub mod limits;
mod message;
mod push;
mod refusal;
mod release;
mod rules;
mod session;
mod window;

pub use admission::{Admission, Admitted, ConnectionNumber, Crowded, client_of};
pub use event::{AudioConfig, AudioFrame, End, Event, Publish, StreamKey, VideoConfig, VideoFrame};
pub use fault::Fault;
pub use flv::{AacConfig, AudioCodec, AvcConfig, Metadata, VideoCodec, VideoUnits};
pub use handshake::HANDSHAKE_RANDOM_BYTES;
pub use push::{PushEnd, PushEvent, PushName, PushSession, StreamDescription};
pub use refusal::Refusal;
pub use release::{Item, LeftOut, Release};
pub use rules::{RuleLimits, Rules};
pub use session::Session;
