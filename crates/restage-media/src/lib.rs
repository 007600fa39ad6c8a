//! The media plane of restage: a selective forwarding unit as a pure state machine.
//!
//! No sockets, no clock, no threads, no stages or participants: datagrams, SDP and time go into an [`Sfu`],
//! datagrams and news come out. Peers ([`PeerKey`]) are WebRTC connections; a publication ([`PublicationKey`]) is
//! one publisher's audio and video. Showing a participant in another stage adds subscribers to a publication and
//! nothing else: no copy, no further decryption.
//!
//! # The way of a packet
//!
//! `sfu` (the door) → `demux` (which peer) → `transport` (STUN, DTLS or media) → `ingress` (SRTP, which stream, NACK, TWCC) →
//! `track_in` (layer, key frame, capture time) → `sfu/forward` (a burst per publication) → `track_out` with `select`
//! (which packets) and `rewrite` (under which numbers) → `egress` (header, SRTP) → [`Output::Train`].
//!
//! # Invariants
//!
//! - Only `transport/dtls` and `transport/identity` name OpenSSL, which does the DTLS handshake and nothing else. OpenSSL draws
//!   the random numbers of the handshake; the secrets of ICE follow from its private key.
//! - Media goes to an address only when it is proven that the peer receives there (`transport/ice`).
//! - What is sent goes through one function, `Transport::send`, as a shared payload with a subscriber's header fields.
//! - A peer is drained before it is touched again.
//! - No datagram, offer or fragment panics or stalls; a panic of a connection ends one peer.
//! - Every table and queue has a bound in [`limits`] or is bounded by one that has.
//! - Nothing walks over all peers for a datagram or a deadline.
//!
//! # Several workers
//!
//! One `Sfu` serves one worker ([`WorkerId`]). A publication with subscribers on other workers is relayed to each of them once
//! ([`Output::Relay`], [`Input::Relayed`]), decrypted and with its layers told apart: `packet::Packet` carries
//! everything subscribers need and no peer. Key frame requests go the other way. The caller knows who is where.

mod bitrate;
mod config;
mod error;
mod io;
pub mod limits;
mod packet;
mod publication;
mod receive;
mod rtp;
mod sdp;
mod send;
mod sfu;
mod srtp;
mod stats;
mod transport;
mod util;

pub use bitrate::Download;
pub use config::{Config, H264ProfileMatch};
pub use error::{OfferError, OfferErrorKind};
pub use io::{
    Burst, ConnectFailure, Excess, GoneReason, Input, Output, PeerKey, PublicationKey, WorkerId,
};
pub use restage_codec::MediaKind;
pub use sdp::answer::local_ice_ufrag;
pub use sdp::decodable::Published;
pub use sfu::Sfu;
pub use stats::Stats;
