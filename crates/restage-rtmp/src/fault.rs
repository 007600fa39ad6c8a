//! Faults of an encoder.

use thiserror::Error;

use crate::limits;
use crate::refusal::Refusal;

/// Why a connection is ended: the peer is no encoder, breaks the protocol, or crosses a bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The first byte is not the version of RTMP.
    #[error("the handshake begins with {version}; RTMP begins with 3")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// The handshake has taken too long.
    #[error("the handshake was not over after {} s", limits::HANDSHAKE_MAX.as_secs())]
    HandshakeTimeout,
    /// There was no `publish`.
    #[error("there was no publish command after {} s", limits::PUBLISH_MAX.as_secs())]
    PublishTimeout,
    /// Nothing came.
    #[error("nothing came for {} s", limits::SILENCE_MAX.as_secs())]
    Silence,
    /// Set Chunk Size asks for what is not allowed.
    #[error(
        "Set Chunk Size: {bytes} bytes; it must be 1 to {}",
        limits::CHUNK_BYTES_MAX
    )]
    ChunkSize {
        /// The size that it asks for.
        bytes: u32,
    },
    /// The encoder uses too many chunk streams.
    #[error(
        "chunk stream {id}: there are {} already, which is the most",
        limits::CHUNK_STREAMS_MAX
    )]
    ChunkStreams {
        /// The one too many.
        id: u32,
    },
    /// A chunk stream begins with a chunk that does not say how long its message is.
    #[error("chunk stream {id} begins with a chunk of type {format}, which says no length")]
    FirstChunk {
        /// Of the chunk stream.
        id: u32,
        /// `fmt` of the chunk: 2 or 3.
        format: u8,
    },
    /// A message is too long.
    #[error("a message of type {kind} has {bytes} bytes; the most is {most}")]
    MessageLength {
        /// Its type.
        kind: u8,
        /// Its length.
        bytes: usize,
        /// The bound for its type.
        most: usize,
    },
    /// The messages that are under way are too long together.
    #[error(
        "the messages under way have more than {} bytes",
        limits::ASSEMBLY_BYTES_MAX
    )]
    Assembly,
    /// The peer asks and does not read.
    #[error(
        "{} bytes of answers wait, and the peer does not read them",
        limits::OUTPUT_BYTES_MAX
    )]
    Unread,
    /// `publish` came before `connect`.
    #[error("publish came before connect")]
    NotConnected,
    /// The stream key, which is the name that `publish` gives, or `app` is missing or too long.
    #[error("{member}: it must have 1 to {} bytes", limits::NAME_BYTES_MAX)]
    Name {
        /// `the stream key` or `app`.
        member: &'static str,
    },
    /// The peer wants to play a stream.
    #[error("streams can only be published here; there is nothing to play")]
    Play,
    /// The configuration of a video track cannot be read.
    #[error("the configuration of video track {track} is damaged: {reason}")]
    VideoConfig {
        /// The track's number.
        track: u8,
        /// A clause that says how.
        reason: &'static str,
    },
    /// The configuration of the sound cannot be read.
    #[error("the configuration of the sound is damaged: {reason}")]
    AudioConfig {
        /// A clause that says how.
        reason: &'static str,
    },
    /// There are too many video tracks.
    #[error(
        "video track {track}: there are {} tracks already, which is the most",
        limits::TRACKS_MAX
    )]
    Tracks {
        /// The one too many.
        track: u8,
    },
}

impl Fault {
    /// The refusal of a stream that ends with this fault: unusable input.
    pub fn refusal(&self) -> Refusal {
        Refusal::InvalidInput {
            reason: self.to_string(),
        }
    }
}
