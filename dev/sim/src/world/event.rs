//! The events of the virtual clock.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use restage_core::Command;
use restage_core::id::ConnectionId;

use crate::server::Later;

/// An event, which happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// A datagram arrives at a client.
    ToClient(SocketAddr, SocketAddr, Vec<u8>),
    /// A datagram arrives at the server.
    ToServer(SocketAddr, SocketAddr, Vec<u8>),
    /// Something inside the server, of this process.
    Inside(u32, Box<Later>),
    /// A client's offer arrives.
    Join(usize, u64, SocketAddr, String),
    /// The answer to it arrives; `None`: the server could not be reached.
    Joined(usize, u64, Option<Result<(ConnectionId, String), String>>),
    /// A client's goodbye arrives.
    Leave(ConnectionId),
    /// A client asks whether its connection is still there, and learns it.
    Check(usize, ConnectionId),
    /// A call of the API arrives.
    Call(u64, Box<Command>),
    /// An encoder opens a connection.
    Connect(u64),
    /// Bytes of an encoder arrive.
    ToIngest(u64, Vec<u8>),
    /// Bytes of the server arrive at an encoder.
    ToEncoder(u64, Vec<u8>),
    /// An encoder's connection is gone, as the server learns it, and as the encoder does.
    EncoderGone(u64),
    HungUp(u64),
    /// The server starts again.
    Start,
}

impl Event {
    /// Two numbers that tell it from others, without what the system draws: signatures of handshakes have a length that varies.
    pub(super) fn words(&self) -> [u64; 2] {
        let (kind, size) = match self {
            Self::ToClient(_, _, bytes) | Self::ToServer(_, _, bytes) => {
                let is_handshake = matches!(bytes.first(), Some(20..=63));
                (1, if is_handshake { 0 } else { bytes.len() })
            }
            Self::Inside(run, later) => {
                let mut hasher = DefaultHasher::new();
                std::mem::discriminant(&**later).hash(&mut hasher);
                (2 + *run as usize, hasher.finish() as usize)
            }
            Self::Join(client, ..) => (100, *client),
            Self::Joined(client, ..) => (101, *client),
            Self::Leave(_) => (102, 0),
            Self::Check(client, _) => (103, *client),
            Self::Call(call, _) => (104, *call as usize),
            Self::Start => (105, 0),
            Self::Connect(feed) | Self::EncoderGone(feed) | Self::HungUp(feed) => {
                (106, *feed as usize)
            }
            Self::ToIngest(_, bytes) | Self::ToEncoder(_, bytes) => (107, bytes.len()),
        };
        [kind as u64, size as u64]
    }

    /// The event in a line, without what is drawn by the system.
    pub(super) fn summary(&self) -> String {
        let kind = |bytes: &[u8]| match bytes.first() {
            Some(0..=3) => "STUN",
            Some(20..=63) => "DTLS",
            _ if bytes
                .get(1)
                .is_some_and(|second| (192..=223).contains(second)) =>
            {
                "RTCP"
            }
            _ => "RTP",
        };
        match self {
            Self::ToClient(from, to, bytes) | Self::ToServer(from, to, bytes) => {
                format!("{from} > {to} {} {}", kind(bytes), bytes.len())
            }
            Self::Inside(run, later) => match &**later {
                Later::Relayed(worker, publication, _) => {
                    format!("run {run}: relayed to {worker:?} of {publication:?}")
                }
                other => format!("run {run}: {other:?}"),
            },
            Self::Join(client, feed, address, _) => {
                format!("client {client} joins from {address}, feed {feed}")
            }
            Self::Joined(client, feed, outcome) => {
                let outcome = outcome
                    .as_ref()
                    .map(|outcome| outcome.as_ref().map(|answer| &answer.0));
                format!("client {client}, feed {feed}: {outcome:?}")
            }
            Self::ToIngest(feed, bytes) => format!("encoder {feed} sends {} bytes", bytes.len()),
            Self::ToEncoder(feed, bytes) => format!("encoder {feed} gets {} bytes", bytes.len()),
            other => format!("{other:?}"),
        }
    }
}
