//! What goes into an [`Sfu`](crate::Sfu) and what comes out of it.

mod control;
pub(crate) mod datagrams;
mod inlet;
mod reason;

use std::net::SocketAddr;
use std::sync::Arc;

use restage_codec::MediaKind;

use crate::allocate::stream::StreamState;
use crate::error::OfferError;
use crate::packet::{InletPacket, MediaPacket, Packet};
use crate::sdp::format::Format;
pub use control::Control;
pub use datagrams::Protocol;
pub use inlet::{InletEnd, InletError, TapError};
pub use reason::{ConnectFailure, Excess, GoneReason};

/// One WebRTC connection, named by the caller. Never interpreted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// One publisher's audio and video, named by the caller. It outlives the peers that feed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationId(pub u64);

/// An outlet to the caller, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TapId(pub u64);

/// An inlet that the caller feeds, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InletId(pub u64);

/// One of several [`Sfu`](crate::Sfu)s that serve the same publications, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u16);

/// Packets of a publication on their way to another worker. Copies share the payloads.
#[derive(Debug, Clone)]
pub struct Burst {
    pub(crate) packets: Arc<[Packet]>,
    /// What their publisher may send.
    pub(crate) formats: Arc<[Arc<Format>]>,
}

/// The sections of an offer that are for one carried subscription, by their `a=mid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedStream {
    /// The subscription.
    pub peer: PeerId,
    /// Its sound.
    pub audio: Option<String>,
    /// Its pictures, if it takes any.
    pub video: Option<String>,
}

/// A layer of a publisher, and whether somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerWanted {
    /// The publisher's name for it.
    pub rid: String,
    /// Whether it has to be sent.
    pub is_wanted: bool,
}

/// Packets that have arrived, or time that has passed.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A datagram. Several may be handed in before the output is drained: their packets are then forwarded
    /// as one burst per subscriber.
    Datagram {
        /// What has carried it.
        protocol: Protocol,
        /// Where it came from.
        source: SocketAddr,
        /// The local address it arrived on.
        destination: SocketAddr,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// A client's TCP connection or TURN allocation has ended: nothing is sent there any more. If media went there, the
    /// next path that the client proves takes over at once.
    PathEnded {
        /// What it was.
        protocol: Protocol,
        /// The client's address.
        source: SocketAddr,
    },
    /// The deadline of [`Sfu::poll_timeout`](crate::Sfu::poll_timeout) has come.
    Timeout,
    /// Packets that another worker has handed out for this one with [`Output::Relay`].
    Relayed {
        /// The publication. An unknown one has no subscribers here; it is ignored.
        publication: PublicationId,
        /// The packets.
        burst: &'a Burst,
    },
    /// Packets for the publication of an external inlet. Several of these may be handed in before the output is
    /// drained. What cannot be taken is answered with [`Output::InletRefused`].
    Push {
        /// An inlet opened with [`Control::OpenInlet`].
        inlet: InletId,
        /// In any order; at most [`PUSH_PACKETS_MAX`](crate::limits::PUSH_PACKETS_MAX).
        packets: &'a [InletPacket],
    },
}

/// What the caller has to do or to know.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram. Datagrams for one destination follow each other, so they can leave as one GSO train.
    Transmit {
        /// What has to carry it.
        protocol: Protocol,
        /// The local address to send from.
        source: SocketAddr,
        /// Where to.
        destination: SocketAddr,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// Send these datagrams to one destination, in one system call if the kernel takes trains. Give the buffer back
    /// with [`Sfu::reuse`](crate::Sfu::reuse) afterwards.
    Train {
        /// What has to carry them.
        protocol: Protocol,
        /// Whether they are RTP packets of pictures, and nothing else. Where the protocol has a queue and it is full, whole
        /// pictures can be left out.
        is_video: bool,
        /// The local address to send from.
        source: SocketAddr,
        /// Where to.
        destination: SocketAddr,
        /// Datagrams of `segment` bytes one after the other; the last may be shorter.
        contents: Vec<u8>,
        /// Bytes of each.
        segment: usize,
    },
    /// Hand these packets to other workers, each as [`Input::Relayed`].
    Relay {
        /// Whose packets.
        publication: PublicationId,
        /// Which workers.
        to: Arc<[WorkerId]>,
        /// The packets.
        burst: Burst,
    },
    /// Packets of a publication for the caller: those of one burst, at most
    /// [`BATCH_PACKETS_MAX`](crate::limits::BATCH_PACKETS_MAX), or the picture as it stands when the tap begins, at
    /// most [`HEAD_PACKETS_MAX`](crate::limits::HEAD_PACKETS_MAX) a layer. Like every output they wait in the queue
    /// that [`Sfu::poll_output`](crate::Sfu::poll_output) empties; nothing else is kept for a tap.
    /// [`Sfu::reuse_tapped`](crate::Sfu::reuse_tapped) takes the list back.
    Tapped {
        /// The tap.
        tap: TapId,
        /// Whose packets.
        publication: PublicationId,
        /// What the publisher may send, as far as it is known: all formats that were agreed, of both kinds.
        formats: Arc<[Arc<Format>]>,
        /// The packets, in the order of their arrival.
        packets: Vec<MediaPacket>,
    },
    /// A tap was not opened.
    TapRefused {
        /// The tap.
        tap: TapId,
        /// The reason.
        error: TapError,
    },
    /// An inlet was not opened, or a push into it was not taken.
    InletRefused {
        /// The inlet.
        inlet: InletId,
        /// The reason.
        error: InletError,
    },
    /// An inlet is closed without [`Control::CloseInlet`]. Its key is free again.
    InletEnded {
        /// The inlet.
        inlet: InletId,
        /// The reason.
        reason: InletEnd,
    },
    /// A subscriber or tap needs a key frame of an external inlet. Sent at most twice a second for each layer, and
    /// again if no key frame comes.
    InletKeyframeWanted {
        /// The inlet.
        inlet: InletId,
        /// The simulcast layer, as [`InletPacket::layer`] has it.
        layer: u8,
    },
    /// Subscribers here need a key frame of a publication that is fed on another worker: tell that one with
    /// [`Control::WantKeyframe`].
    KeyframeWanted {
        /// The publication.
        publication: PublicationId,
        /// The simulcast layer.
        layer: u8,
    },
    /// The peer exists and can be reached: its SDP answer.
    Answer {
        /// The peer.
        peer: PeerId,
        /// The SDP answer. [`local_ice_ufrag`](crate::local_ice_ufrag) names its ICE session for an ETag.
        sdp: String,
    },
    /// The peer exists: a carrier, or a subscription that one carries.
    Opened {
        /// The peer.
        peer: PeerId,
    },
    /// An offer for the client of a carrier.
    Offer {
        /// The carrier.
        peer: PeerId,
        /// The SDP offer.
        sdp: String,
        /// Which sections are for which carried subscription.
        streams: Vec<OfferedStream>,
    },
    /// An answer to an offer was accepted.
    Answered {
        /// The carrier.
        peer: PeerId,
    },
    /// A fragment was accepted.
    Patched {
        /// The peer.
        peer: PeerId,
        /// For an ICE restart the fragment with our new credentials (RFC 9725 §4.3.2); nothing for candidates.
        fragment: Option<String>,
    },
    /// An offer or a fragment was refused. An existing peer goes on as before.
    Refused {
        /// The peer.
        peer: PeerId,
        /// The reason.
        error: OfferError,
    },
    /// ICE and DTLS are up: media flows from now on.
    Connected {
        /// The peer.
        peer: PeerId,
    },
    /// A connected subscriber wants a kind of media and can decode nothing that is published of it. It goes on
    /// receiving the other kind. Reported once for each published format.
    Undecodable {
        /// The peer.
        peer: PeerId,
        /// What it cannot decode.
        kind: MediaKind,
        /// What is published, for example `H264 profile-level-id 640028`.
        published: String,
    },
    /// Which of its layers somebody wants, of a publisher that sends several. Sent when that changes: a layer counts as unwanted
    /// after [`LAYER_UNWANTED_AFTER`](crate::limits::LAYER_UNWANTED_AFTER), and as wanted at once; a later one replaces those before.
    /// The publisher need not send those that nobody wants. The smallest is always wanted.
    LayersWanted {
        /// The publishing peer.
        peer: PeerId,
        /// All layers that have a name, the smallest first: at most [`LAYERS_MAX`](crate::limits::LAYERS_MAX).
        layers: Vec<LayerWanted>,
    },
    /// Subscribers here want this many layers, from the smallest on, of a publication that is fed on another worker: tell that one
    /// with [`Control::NeedLayers`]. Sent when the number rises, and again every
    /// [`LAYERS_NEEDED_INTERVAL`](crate::limits::LAYERS_NEEDED_INTERVAL), so one that is lost does no harm.
    LayersNeeded {
        /// The publication.
        publication: PublicationId,
        /// How many layers.
        level: usize,
    },
    /// How loud a publication that is fed here is, averaged over
    /// [`LOUDNESS_INTERVAL`](crate::limits::LOUDNESS_INTERVAL). Nothing is sent about silence, except once when it begins.
    Loudness {
        /// The publication.
        publication: PublicationId,
        /// In −dBov (RFC 6464); −127 is silence.
        level: i8,
    },
    /// What a connected subscriber is shown has changed. Sent at most once in
    /// [`STREAM_REPORT_INTERVAL_MIN`](crate::limits::STREAM_REPORT_INTERVAL_MIN) for each peer; a later one replaces those before.
    Stream {
        /// The peer.
        peer: PeerId,
        /// All of what it is shown now.
        state: StreamState,
    },
    /// The peer has ended without [`Control::Close`]. Its key is free again.
    Gone {
        /// The peer.
        peer: PeerId,
        /// The reason.
        reason: GoneReason,
    },
}
