//! The media plane of restage: a selective forwarding unit as a pure state machine.
//!
//! No sockets, no clock, no threads, no stages or participants: datagrams, SDP and time go into an [`Sfu`],
//! datagrams and news come out. Peers ([`PeerKey`]) are WebRTC connections; a publication ([`PublicationKey`]) is
//! one publisher's audio and video. Showing a participant in another stage adds subscribers to a publication and
//! nothing else: no copy, no further decryption.
//!
//! # The way of a packet
//!
//! `sfu` (the door) → `demux` (which peer) → `peer_engine` (media or not) → `ingress` (SRTP, which stream, NACK, TWCC) →
//! `track_in` (layer, key frame, capture time) → `sfu/forward` (a burst per publication) → `track_out` with `select`
//! (which packets) and `rewrite` (under which numbers) → `egress` (header, SRTP) → [`Output::Train`].
//!
//! # Invariants
//!
//! - Only `peer_engine`, `peer_factory`, `peer_codec` and `peer_keys` name the WebRTC engine, which does ICE, DTLS and SDP and
//!   neither reads nor writes media. What is sent goes through one function, `Engine::send`, as a shared payload with
//!   a subscriber's header fields.
//! - A peer is drained before it is touched again.
//! - No datagram, offer or fragment panics or stalls; a panic of the engine ends one peer.
//! - Every table and queue has a bound in [`limits`] or is bounded by one that has.
//! - Nothing walks over all peers for a datagram or a deadline.
//!
//! # Several workers
//!
//! One `Sfu` serves one worker ([`WorkerId`]). A publication with subscribers on other workers is relayed to each of them once
//! ([`Output::Relay`], [`Input::Relayed`]), decrypted and with its layers told apart: `packet::Packet` carries
//! everything subscribers need and no peer. Key frame requests go the other way. The caller knows who is where.

mod bitrate;
mod clock;
mod codec;
mod config;
mod decodable;
mod demux;
mod egress;
mod error;
mod head;
mod ingress;
mod io;
mod keyframe;
pub mod limits;
mod packet;
mod peer;
mod peer_codec;
mod peer_engine;
mod peer_event;
mod peer_factory;
mod peer_keys;
mod publication;
mod rewrite;
mod rng;
mod sdp;
mod select;
mod sfu;
mod slab;
mod srtcp;
mod srtp_keys;
mod stats;
mod timers;
mod track_in;
mod track_out;

pub use bitrate::Download;
pub use config::{Config, H264ProfileMatch};
pub use decodable::Published;
pub use error::{OfferError, OfferErrorKind};
pub use io::{
    Burst, ConnectFailure, Excess, GoneReason, Input, MediaKind, Output, PeerKey, PublicationKey,
    WorkerId,
};
pub use sdp::answer::local_ice_ufrag;
pub use sfu::Sfu;
pub use stats::Stats;
