//! What the control plane asks of an [`Sfu`](crate::Sfu).

use std::sync::Arc;

use super::{InletKey, PeerKey, PublicationKey, TapKey, WorkerId};
use crate::bitrate::Download;
use crate::packet::TapLayers;
use crate::sdp::format::Format;

/// Something to be done, with everything that belongs to it, so that it can wait in a queue. [`Sfu::control`](crate::Sfu::control)
/// is the one place where it is done.
#[derive(Debug, Clone)]
pub enum Control {
    /// A client wants to publish (WHIP, RFC 9725). Answered with [`Output::Answer`](crate::Output::Answer) or [`Output::Refused`](crate::Output::Refused).
    OpenPublisher {
        /// The new peer.
        peer: PeerKey,
        /// Its SDP offer.
        offer: String,
    },
    /// A client wants to receive (WHEP). Answered with [`Output::Answer`](crate::Output::Answer) or [`Output::Refused`](crate::Output::Refused).
    OpenSubscriber {
        /// The new peer.
        peer: PeerKey,
        /// Its SDP offer.
        offer: String,
        /// What it receives counts towards this, if its receiver is limited.
        download: Option<Arc<Download>>,
    },
    /// A trickle-ice-sdpfrag (RFC 8840): candidates, or an ICE restart when it carries other credentials than the
    /// peer's present ones. Answered with [`Output::Patched`](crate::Output::Patched) or [`Output::Refused`](crate::Output::Refused).
    Patch {
        /// The peer it is about.
        peer: PeerKey,
        /// The fragment.
        fragment: String,
    },
    /// This publishing peer feeds the publication from now on, instead of whoever fed it before.
    Publish {
        /// A peer opened with [`Control::OpenPublisher`].
        peer: PeerKey,
        /// The publication, created if it is new.
        publication: PublicationKey,
    },
    /// This subscribing peer receives the publication from now on, which need not have a feeder yet.
    Subscribe {
        /// A peer opened with [`Control::OpenSubscriber`].
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
        to: Vec<WorkerId>,
    },
    /// Subscribers on another worker need a key frame; that worker said so with [`Output::KeyframeWanted`](crate::Output::KeyframeWanted).
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
    /// From now on packets of the publication are handed out with [`Output::Tapped`](crate::Output::Tapped), first the picture as it stands. If that is not what
    /// the tap is to begin with, its key frame is asked for. Refused with [`Output::TapRefused`](crate::Output::TapRefused).
    OpenTap {
        /// The new tap.
        tap: TapKey,
        /// The publication, created if it is new.
        publication: PublicationKey,
        /// Which of its layers.
        layers: TapLayers,
    },
    /// No more of them.
    CloseTap {
        /// The tap. An unknown one is ignored.
        tap: TapKey,
    },
    /// A tap needs a key frame of what it is given: a part of a recording begins, say. Requests are merged with those of subscribers.
    RequestKeyframe {
        /// The tap. An unknown one is ignored.
        tap: TapKey,
    },
    /// An external inlet feeds the publication from now on, instead of whoever fed it before. Refused with [`Output::InletRefused`](crate::Output::InletRefused).
    OpenInlet {
        /// The new inlet.
        inlet: InletKey,
        /// The publication, created if it is new.
        publication: PublicationKey,
        /// What it may send: 1 to [`INLET_FORMATS_MAX`](crate::limits::INLET_FORMATS_MAX).
        formats: Vec<Format>,
    },
    /// Nobody feeds the publication any more, unless another inlet has taken over.
    CloseInlet {
        /// The inlet. An unknown one is ignored.
        inlet: InletKey,
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
    /// Ends the peer: RTCP BYE of what it was sent and DTLS close_notify go out, then it is forgotten. No [`Output::Gone`](crate::Output::Gone) follows.
    Close {
        /// The peer to end. An unknown one is ignored.
        peer: PeerKey,
    },
}

impl Control {
    /// The peer that it is about, if it is about one.
    pub fn peer(&self) -> Option<PeerKey> {
        match self {
            Self::OpenPublisher { peer, .. }
            | Self::OpenSubscriber { peer, .. }
            | Self::Patch { peer, .. }
            | Self::Publish { peer, .. }
            | Self::Subscribe { peer, .. }
            | Self::Close { peer } => Some(*peer),
            Self::OpenTap { .. }
            | Self::CloseTap { .. }
            | Self::RequestKeyframe { .. }
            | Self::OpenInlet { .. }
            | Self::CloseInlet { .. }
            | Self::Relay { .. }
            | Self::Yield { .. }
            | Self::WantKeyframe { .. }
            | Self::Shed { .. } => None,
        }
    }
}
