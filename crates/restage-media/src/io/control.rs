//! What the control plane asks of an [`Sfu`](crate::Sfu).

use std::sync::Arc;

use super::{InletId, PeerId, PublicationId, TapId, WorkerId};
use crate::allocate::download::Download;
use crate::allocate::wish::Wish;
use crate::packet::TapLayers;
use crate::sdp::format::Format;

/// Something to be done, with everything that belongs to it, so that it can wait in a queue.
/// [`Sfu::control`](crate::Sfu::control) is the one place where it is done.
#[derive(Debug, Clone)]
pub enum Control {
    /// A client wants to publish (WHIP, RFC 9725). Answered with [`Output::Answer`](crate::Output::Answer) or
    /// [`Output::Refused`](crate::Output::Refused).
    OpenPublisher {
        /// The new peer.
        peer: PeerId,
        /// Its SDP offer.
        offer: String,
    },
    /// A client wants to receive (WHEP). Answered with [`Output::Answer`](crate::Output::Answer) or
    /// [`Output::Refused`](crate::Output::Refused).
    OpenSubscriber {
        /// The new peer.
        peer: PeerId,
        /// Its SDP offer.
        offer: String,
        /// What it shares with the other peers of its receiver. `None`: it has no others, and no limit.
        download: Option<Arc<Download>>,
        /// What it wants to be shown.
        wish: Wish,
    },
    /// A client wants to receive any number of publications by one connection, whose offers this end makes. It has no streams of its
    /// own. Answered with [`Output::Opened`](crate::Output::Opened), or with [`Output::Refused`](crate::Output::Refused) if there is no
    /// room.
    OpenCarrier {
        /// The new peer.
        peer: PeerId,
        /// What it shares with the other peers of its receiver.
        download: Arc<Download>,
    },
    /// A subscription that has no connection of its own: what it receives comes by the carrier's. It is a peer like one opened with
    /// [`Control::OpenSubscriber`] in all else. It is connected when the carrier is and the client has answered an offer that contains
    /// it. Answered with [`Output::Opened`](crate::Output::Opened) or [`Output::Refused`](crate::Output::Refused).
    Carry {
        /// The new peer.
        peer: PeerId,
        /// A peer opened with [`Control::OpenCarrier`].
        carrier: PeerId,
        /// The name of the stream at the client (`a=msid`): one token of at most
        /// [`LABEL_BYTES_MAX`](crate::limits::LABEL_BYTES_MAX) bytes.
        label: String,
        /// Whether it takes pictures besides sound.
        has_video: bool,
        /// What it wants to be shown.
        wish: Wish,
    },
    /// A carried subscription takes pictures from now on, after the next offer, or takes none.
    Take {
        /// A peer opened with [`Control::Carry`]. An unknown one is ignored.
        peer: PeerId,
        /// Whether it takes pictures.
        has_video: bool,
    },
    /// Make an offer of what a carrier carries now. It replaces the one before, if that was not answered. Answered with
    /// [`Output::Offer`](crate::Output::Offer), or with [`Output::Refused`](crate::Output::Refused) if there is nothing to offer.
    Offer {
        /// A peer opened with [`Control::OpenCarrier`].
        carrier: PeerId,
        /// Whether it begins another ICE session (RFC 8445 §9). DTLS and media go on.
        restarts: bool,
    },
    /// The client's answer to the newest offer. Answered with [`Output::Answered`](crate::Output::Answered), or with
    /// [`Output::Refused`](crate::Output::Refused): then everything is as before, and another answer may follow.
    Answer {
        /// A peer opened with [`Control::OpenCarrier`].
        carrier: PeerId,
        /// The SDP answer.
        answer: String,
    },
    /// A subscriber wants to be shown something else from now on. What it is shown is told with
    /// [`Output::Stream`](crate::Output::Stream).
    Wish {
        /// A peer opened with [`Control::OpenSubscriber`]. An unknown one is ignored.
        peer: PeerId,
        /// All that it wants; it replaces what it wanted before.
        wish: Wish,
    },
    /// A trickle-ice-sdpfrag (RFC 8840): candidates, or an ICE restart when it carries other credentials than the
    /// peer's present ones. Answered with [`Output::Patched`](crate::Output::Patched) or
    /// [`Output::Refused`](crate::Output::Refused).
    Patch {
        /// The peer it is about.
        peer: PeerId,
        /// The fragment.
        fragment: String,
    },
    /// This publishing peer feeds the publication from now on, instead of its former inlet.
    Publish {
        /// A peer opened with [`Control::OpenPublisher`].
        peer: PeerId,
        /// The publication, created if it is new.
        publication: PublicationId,
    },
    /// This subscribing peer receives the publication from now on, even if nobody feeds it yet.
    Subscribe {
        /// A peer opened with [`Control::OpenSubscriber`].
        peer: PeerId,
        /// The publication, created if it is new.
        publication: PublicationId,
    },
    /// Hand the packets of the publication out for these workers, which have subscribers of it. Workers that are new
    /// are first given the picture as it stands.
    Relay {
        /// The publication, created if it is new.
        publication: PublicationId,
        /// All such workers; empty if there are none any more.
        to: Vec<WorkerId>,
    },
    /// Subscribers on another worker need a key frame; that worker said so with
    /// [`Output::KeyframeWanted`](crate::Output::KeyframeWanted).
    WantKeyframe {
        /// A publication that is fed here; any other is ignored.
        publication: PublicationId,
        /// The simulcast layer.
        layer: u8,
    },
    /// Subscribers on another worker want layers; that worker said so with
    /// [`Output::LayersNeeded`](crate::Output::LayersNeeded).
    NeedLayers {
        /// A publication that is fed here; any other is ignored.
        publication: PublicationId,
        /// How many, from the smallest on.
        level: usize,
    },
    /// A peer of another worker feeds the publication from now on. The inlet of this worker stops feeding it.
    Yield {
        /// The publication.
        publication: PublicationId,
    },
    /// Hand the packets of the publication out with [`Output::Tapped`](crate::Output::Tapped), beginning with the
    /// picture as it stands. If there is none that the tap can begin with, a key frame is asked for. Refused with
    /// [`Output::TapRefused`](crate::Output::TapRefused).
    OpenTap {
        /// The new tap.
        tap: TapId,
        /// The publication, created if it is new.
        publication: PublicationId,
        /// Which of its layers.
        layers: TapLayers,
    },
    /// Give a tap other layers from now on: from a key frame, or in the case of [`TapLayers::All`] each from its own.
    ChooseTapLayers {
        /// The tap. An unknown one is ignored.
        tap: TapId,
        /// Which layers.
        layers: TapLayers,
    },
    /// Hand out no more packets for this tap.
    CloseTap {
        /// The tap. An unknown one is ignored.
        tap: TapId,
    },
    /// A tap needs a key frame of the layer that it is given, for example because a new part of a recording begins. Requests are
    /// merged with those of subscribers.
    RequestKeyframe {
        /// The tap. An unknown one is ignored.
        tap: TapId,
    },
    /// An external inlet feeds the publication from now on, instead of its former inlet. Refused with
    /// [`Output::InletRefused`](crate::Output::InletRefused).
    OpenInlet {
        /// The new inlet.
        inlet: InletId,
        /// The publication, created if it is new.
        publication: PublicationId,
        /// What it may send: 1 to [`INLET_FORMATS_MAX`](crate::limits::INLET_FORMATS_MAX).
        formats: Vec<Format>,
        /// Whether the limits on what a publisher sends hold for it. A caller that has limits of its own keeps them itself.
        is_limited: bool,
    },
    /// The inlet is closed and feeds its publication no more.
    CloseInlet {
        /// The inlet. An unknown one is ignored.
        inlet: InletId,
    },
    /// How much is left out of pictures because the worker is overloaded. Audio is always sent. The same values again
    /// change nothing.
    Shed {
        /// 0: nothing is left out. 1: all layers but the smallest, where there are several. Each further step, up to
        /// [`limits::SHED_STEPS_MAX`](crate::limits::SHED_STEPS_MAX), withholds the pictures of one more of the
        /// [`limits::SHED_PARTS`](crate::limits::SHED_PARTS) parts of the subscribers: from the end of a picture
        /// until the first key frame after the step is lowered.
        step: u8,
        /// Which part comes first. If it is counted up from time to time, all subscribers take equal turns.
        turn: u8,
    },
    /// Ends the peer: RTCP BYE and DTLS close_notify are sent, then it is forgotten. No
    /// [`Output::Gone`](crate::Output::Gone) follows, neither for it nor for the subscriptions that it carries.
    Close {
        /// The peer to end. An unknown one is ignored.
        peer: PeerId,
    },
}

impl Control {
    /// The peer that it is about, if it is about one.
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::OpenPublisher { peer, .. }
            | Self::OpenSubscriber { peer, .. }
            | Self::Patch { peer, .. }
            | Self::Publish { peer, .. }
            | Self::Subscribe { peer, .. }
            | Self::Wish { peer, .. }
            | Self::Close { peer }
            | Self::OpenCarrier { peer, .. }
            | Self::Carry { peer, .. }
            | Self::Take { peer, .. }
            | Self::Offer { carrier: peer, .. }
            | Self::Answer { carrier: peer, .. } => Some(*peer),
            Self::OpenTap { .. }
            | Self::ChooseTapLayers { .. }
            | Self::CloseTap { .. }
            | Self::RequestKeyframe { .. }
            | Self::OpenInlet { .. }
            | Self::CloseInlet { .. }
            | Self::Relay { .. }
            | Self::Yield { .. }
            | Self::WantKeyframe { .. }
            | Self::NeedLayers { .. }
            | Self::Shed { .. } => None,
        }
    }
}
