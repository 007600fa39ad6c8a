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

/// The local address that datagrams to a peer leave from, and the remote address they go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}
