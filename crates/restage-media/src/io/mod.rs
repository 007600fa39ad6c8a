//! What goes into an [`Sfu`](crate::Sfu) and what comes out of it.

pub(crate) mod datagrams;
mod reason;

use std::net::SocketAddr;
use std::sync::Arc;

use restage_codec::MediaKind;

use crate::bitrate::Download;
use crate::error::OfferError;
use crate::packet::Packet;
use crate::sdp::format::Format;
pub use reason::{ConnectFailure, Excess, GoneReason};

/// One WebRTC connection, named by the caller. Never interpreted here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey(pub u64);

/// One publisher's audio and video, named by the caller. It outlives the peers that feed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationKey(pub u64);

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

/// Something that happened outside, with the time it happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A UDP datagram. Several may be handed in before the output is drained: their packets are then forwarded
    /// as one burst per subscriber.
    Datagram {
        /// Where it came from.
        source: SocketAddr,
        /// The local address it arrived on.
        destination: SocketAddr,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// The deadline of [`Sfu::poll_timeout`](crate::Sfu::poll_timeout) has come.
    Timeout,
    /// A client wants to publish (WHIP, RFC 9725). Answered with [`Output::Answer`] or [`Output::Refused`].
    OpenPublisher {
        /// The new peer.
        peer: PeerKey,
        /// Its SDP offer.
        offer: &'a str,
    },
    /// A client wants to receive (WHEP). Answered with [`Output::Answer`] or [`Output::Refused`].
    OpenSubscriber {
        /// The new peer.
        peer: PeerKey,
        /// Its SDP offer.
        offer: &'a str,
        /// What it receives counts towards this, if its receiver is limited.
        download: Option<&'a Arc<Download>>,
    },
    /// A trickle-ice-sdpfrag (RFC 8840): candidates, or an ICE restart when it carries other credentials than the
    /// peer's present ones. Answered with [`Output::Patched`] or [`Output::Refused`].
    Patch {
        /// The peer it is about.
        peer: PeerKey,
        /// The fragment.
        fragment: &'a str,
    },
    /// This publishing peer feeds the publication from now on, instead of whoever fed it before.
    Publish {
        /// A peer opened with [`Input::OpenPublisher`].
        peer: PeerKey,
        /// The publication, created if it is new.
        publication: PublicationKey,
    },
    /// This subscribing peer receives the publication from now on, which need not have a feeder yet.
    Subscribe {
        /// A peer opened with [`Input::OpenSubscriber`].
        peer: PeerKey,
        /// The publication, created if it is new.
        publication: PublicationKey,
    },
    /// From now on packets of the publication are handed out for these workers too, which have subscribers of it.
    /// Those that are new are given the picture as it stands first.
    Relay {
        /// The publication, created if it is new.
        publication: PublicationKey,
        /// All of them; nobody any more if empty.
        to: &'a [WorkerId],
    },
    /// Packets that another worker has handed out for this one with [`Output::Relay`].
    Relayed {
        /// The publication. An unknown one has no subscribers here; it is ignored.
        publication: PublicationKey,
        /// The packets.
        burst: &'a Burst,
    },
    /// Subscribers on another worker need a key frame; that worker said so with [`Output::KeyframeWanted`].
    WantKeyframe {
        /// A publication that is fed here; any other is ignored.
        publication: PublicationKey,
        /// The simulcast layer.
        layer: u8,
    },
    /// A peer of another worker feeds the publication from now on: whoever fed it here does no more.
    Yield {
        /// The publication.
        publication: PublicationKey,
    },
    /// The worker is overloaded, or is so no more: from now on so much is left out of the pictures that subscribers are sent. Sound
    /// always goes. Said again with the same values it changes nothing.
    Shed {
        /// 0: nothing. 1: all layers but the smallest, where there are several. Each further one, up to
        /// [`limits::SHED_STEPS_MAX`](crate::limits::SHED_STEPS_MAX): the pictures of one more of
        /// [`limits::SHED_PARTS`](crate::limits::SHED_PARTS) parts of the subscribers, from the end of a picture to the first key
        /// frame after this is over.
        step: u8,
        /// Which part begins. Counted up from time to time, everybody does without for as long.
        turn: u8,
    },
    /// Ends the peer: RTCP BYE of what it was sent and DTLS close_notify go out, then it is forgotten. No [`Output::Gone`] follows.
    Close {
        /// The peer to end. An unknown one is ignored.
        peer: PeerKey,
    },
}

/// Something for the outside to do or to know.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram. Datagrams for one destination follow each other, so they can leave as one GSO train.
    Transmit {
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
        publication: PublicationKey,
        /// Which workers.
        to: Arc<[WorkerId]>,
        /// The packets.
        burst: Burst,
    },
    /// Subscribers here need a key frame of a publication that is fed on another worker: tell that one with
    /// [`Input::WantKeyframe`].
    KeyframeWanted {
        /// The publication.
        publication: PublicationKey,
        /// The simulcast layer.
        layer: u8,
    },
    /// The peer exists and can be reached; this is its SDP answer.
    Answer {
        /// The peer.
        peer: PeerKey,
        /// The SDP answer. [`local_ice_ufrag`](crate::local_ice_ufrag) names its ICE session for an ETag.
        sdp: String,
    },
    /// A fragment was taken.
    Patched {
        /// The peer.
        peer: PeerKey,
        /// For an ICE restart the fragment with our new credentials (RFC 9725 §4.3.2); nothing for candidates.
        fragment: Option<String>,
    },
    /// An offer or a fragment was not taken. An existing peer goes on as before.
    Refused {
        /// The peer.
        peer: PeerKey,
        /// Why.
        error: OfferError,
    },
    /// ICE and DTLS are up: media flows from now on.
    Connected {
        /// The peer.
        peer: PeerKey,
    },
    /// A subscriber that is connected wants a kind of media and can decode nothing of what is published of it; what else
    /// there is it goes on receiving. Said once for each format that is published.
    Undecodable {
        /// The peer.
        peer: PeerKey,
        /// What it cannot decode.
        kind: MediaKind,
        /// What is published: `H264 profile-level-id 640028`, say.
        published: String,
    },
    /// The peer has ended without [`Input::Close`]. Its key is free again.
    Gone {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: GoneReason,
    },
}
