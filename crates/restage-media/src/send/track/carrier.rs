//! How packets of a publisher's format become those of a subscriber.

use restage_codec::Codec;

use crate::sdp::format::Format;

/// How packets of a format are sent to a subscriber.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier {
    pub(super) pt: u8,
    pub(super) change: Change,
}

/// How payloads of a format differ for a subscriber from what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Their pictures are numbered anew.
    Pictures,
    /// The dependency descriptors that come with them are written anew.
    Descriptors,
    /// Of redundant audio only the newest block is sent, as a packet of its own.
    Unwrap,
    /// The blocks of redundant audio have another payload type with the subscriber.
    BlockType(u8),
}

impl Carrier {
    /// For packets of format `sent` in this format of the subscriber, which carries them. `has_descriptors`: it takes dependency descriptors.
    pub(super) fn new(own: &Format, sent: &Format, has_descriptors: bool) -> Self {
        let change = match (sent.codec, own.block_type()) {
            (Codec::Vp8 | Codec::Vp9, _) => Change::Pictures,
            (Codec::Av1, _) if has_descriptors => Change::Descriptors,
            (Codec::Red, None) => Change::Unwrap,
            (Codec::Red, Some(own)) if sent.block_type() != Some(own) => Change::BlockType(own),
            _ => Change::Nothing,
        };
        Self { pt: own.pt, change }
    }
}
