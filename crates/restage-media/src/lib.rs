//! The media plane of restage: a selective forwarding unit (SFU) as a pure state machine.
//!
//! No sockets, no clock, no threads, no stages and no participants: datagrams, SDP and time go into an [`Sfu`]; datagrams and
//! events come out. A peer ([`PeerId`]) is one WebRTC connection. A publication ([`PublicationId`]) is one publisher's audio and
//! video. Showing a participant in another stage adds subscribers to its publication and nothing else: no copy, no further
//! decryption.
//!
//! # The way of a packet
//!
//! | room | does |
//! |---|---|
//! | `sfu` | takes every input; `sfu/datagram` says once what a datagram is |
//! | `transport` | which peer a datagram is for (`demux`); ICE, DTLS, and the keys for `srtp` |
//! | `receive` | a publisher's packets: decrypt, which stream, what is missing, which layer, key frame, capture time |
//! | `publication` | what is kept for newcomers and for retransmission; `sfu/forward` hands its packets on in bursts |
//! | `allocate` | which layer each subscriber is shown, seldom and never for a packet |
//! | `send` | for each subscriber: which packets, under which numbers, header, encryption → [`Output::Train`] |
//!
//! A publication has one inlet: a peer, another worker, or the caller ([`Input::Push`]). It has any number of outlets: peers, other
//! workers, and taps of the caller ([`Output::Tapped`]).
//!
//! `rtp`, `srtp` and `sdp` are the wire formats, `packet` is what goes from `receive` to `send`.
//!
//! # Invariants
//!
//! - Only `transport/dtls` and `transport/identity` name OpenSSL, which does the DTLS handshake and nothing else. OpenSSL draws
//!   the random numbers of the handshake; the secrets of ICE are derived from its private key.
//! - Media goes to an address only when it is proven that the peer receives there (`transport/ice`).
//! - What is sent goes through one function, `Transport::send`, as a shared payload with a subscriber's header fields.
//! - The output of a peer is handed out before that peer is served again.
//! - No datagram, offer or fragment causes a panic or an endless loop; a panic in a connection ends that peer only.
//! - Every table and queue has a bound in [`limits`] or is bounded by one that has.
//! - No datagram and no deadline causes a walk over all peers.
//!
//! # Several workers
//!
//! One `Sfu` serves one worker ([`WorkerId`]). A publication with subscribers on other workers is relayed to each of these once
//! ([`Output::Relay`], [`Input::Relayed`]), decrypted and with its layers known. Key frame requests go the other way. The caller
//! knows which worker feeds a publication and which have subscribers of it.

mod allocate;
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
mod sync;
mod transport;
mod util;

pub use allocate::download::Download;
pub use allocate::stream::{PauseReason, StreamLayer, StreamState};
pub use allocate::wish::{FirstLayer, LayerLabel, PreferredLayer, Priority, Wish};
pub use config::Config;
pub use error::{OfferError, OfferErrorKind};
pub use io::{
    Burst, ConnectFailure, Control, Excess, GoneReason, InletEnd, InletError, InletId, Input,
    LayerWanted, OfferedStream, Output, PeerId, Protocol, PublicationId, TapError, TapId, WorkerId,
};
pub use packet::{Encoding, InletPacket, MediaPacket, SenderTime, TapLayers};
pub use restage_codec::{Codec, MediaKind, PictureSize};
pub use sdp::answer::local_ice_ufrag;
pub use sdp::decodable::Published;
pub use sdp::format::{Format, H264ProfileMatch};
pub use sdp::format_error::FormatError;
pub use sdp::offer::Role;
pub use sfu::Sfu;
pub use stats::{PeerStats, Stats, TrackStats};
pub use transport::secrets::worker_of_ufrag;
