//! Why an offer or a fragment is refused.

use std::fmt;

use restage_codec::MediaKind;

/// The reason why an offer or a fragment was refused: a kind for programs and a message for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferError {
    kind: OfferErrorKind,
    message: String,
}

/// The fault of an offer or a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferErrorKind {
    /// Longer than [`limits::OFFER_BYTES_MAX`](crate::limits::OFFER_BYTES_MAX), or with too many media sections.
    TooLarge,
    /// Not a session description (RFC 8866).
    NotSdp,
    /// No audio or video section that can be used in this direction.
    NoMedia,
    /// No ICE credentials, or malformed ones (RFC 8839).
    NoIce,
    /// The remote end is ICE-lite, like this one: nobody would check the path.
    IceLite,
    /// No usable DTLS fingerprint (RFC 8122).
    NoDtls,
    /// Several media sections without BUNDLE (RFC 9143).
    NoBundle,
    /// A media section has no codec that is forwarded.
    NoUsableCodec(MediaKind),
    /// The offer could not be answered because of an error of this end.
    NotAccepted,
    /// The worker has no room for another peer.
    Full,
    /// A peer with that key exists already.
    PeerExists,
    /// There is no peer with that key.
    UnknownPeer,
    /// Not a trickle-ice-sdpfrag (RFC 8840).
    NotFragment,
    /// More candidates, ICE restarts or carried subscriptions than allowed.
    TooMany,
    /// An answer that does not fit the offer: other sections, payload types or header extensions.
    WrongAnswer,
    /// A later answer of a client with another certificate, or with other ICE credentials although the offer was no restart.
    OtherClient,
    /// An answer although no offer is open.
    NoOffer,
}

impl OfferError {
    pub(crate) fn new(kind: OfferErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The error of the rules for offers, said of an answer.
    pub(crate) fn of_answer(self) -> Self {
        let message = self.message.replace("The offer", "The answer");
        let message = message.replace("the offer", "the answer");
        Self { message, ..self }
    }

    /// The kind of fault.
    pub fn kind(&self) -> OfferErrorKind {
        self.kind
    }

    /// The message for people. It contains no secret.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OfferError {}
