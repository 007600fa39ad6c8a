//! Plain data of other crates, as far as the checked files name it.
/// A peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(pub u64);

/// A publication.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublicationId(pub u64);

/// A worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WorkerId(pub u16);

/// A format of packets.
#[derive(Debug)]
pub struct Format;

/// A packet of a publication.
#[derive(Debug)]
pub struct MediaPacket {
    pub(crate) payload: Vec<u8>,
}

/// Why the spool takes nothing.
#[derive(Debug)]
pub enum SpoolError {
    /// There is no room.
    Full(String),
}

/// Nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TapEnded;
