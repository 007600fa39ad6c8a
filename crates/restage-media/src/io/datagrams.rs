//! The path of datagrams, and the buffers they are written in.

use std::net::SocketAddr;

use crate::limits::BUFFERS_KEPT_MAX;

/// Buffers of trains that were sent, to be filled again.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < BUFFERS_KEPT_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// What carries the datagrams between a client and the caller of the [`Sfu`](crate::Sfu). Addresses of one protocol say
/// nothing about those of another, although they may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// A TCP connection that the client has opened (RFC 6544), on which each datagram is one frame (RFC 4571). The addresses
    /// are those of the connection.
    Tcp,
    /// The relay of TURN (RFC 8656). The client's address is the one that the relay has allocated for it, and exists
    /// nowhere else.
    Turn,
}

/// A client's end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
}

/// The local address that datagrams to a peer leave from, the remote address they go to, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) protocol: Protocol,
}

impl Path {
    /// The client's end.
    pub(crate) fn remote(&self) -> Remote {
        Remote {
            address: self.destination,
            protocol: self.protocol,
        }
    }
}
