//! The auditor of media: what must hold of every datagram that the server sends, and of every packet that a client gets.
//!
//! It sees what anybody on the network sees, and knows the keys of nobody: headers of RTP and the index of SRTCP are readable.
//! It compares what clients decrypt with what publishers sent.

pub(crate) mod quality;
mod received;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use restage_core::PublicationKey;
use restage_core::id::ConnectionId;

use crate::client::Got;
use crate::coverage::Coverage;
pub(crate) use received::Newest;
use received::Received;
use wire::{Streams, Types};

/// A connection, as far as it is known.
#[derive(Debug, Default)]
struct Known {
    is_closed: bool,
    /// The publication that it feeds or receives.
    publication: Option<PublicationKey>,
    streams: Streams,
    received: Received,
}

/// Counters of a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams of RTP that the server has sent.
    pub sent: u64,
    /// Packets that clients have decrypted.
    pub received: u64,
    /// Packets that were sent again.
    pub resent: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    connections: BTreeMap<ConnectionId, Known>,
    by_address: BTreeMap<SocketAddr, ConnectionId>,
    /// Addresses of connections that the server has closed, or that were of an earlier process.
    retired: BTreeSet<SocketAddr>,
    /// The owner of the marks of each feed.
    feeds: BTreeMap<u64, PublicationKey>,
    pub(crate) counts: Counts,
}

impl Auditor {
    /// The server has given a client an answer, or is about to.
    pub(crate) fn opened(&mut self, connection: &ConnectionId, address: SocketAddr, offer: &str) {
        self.by_address.insert(address, connection.clone());
        let mut known = Known::default();
        known.streams.types = Types::of(offer);
        self.connections.insert(connection.clone(), known);
    }

    /// The connection feeds or receives a publication from now on.
    pub(crate) fn attached(&mut self, connection: &ConnectionId, key: &PublicationKey) {
        if let Some(known) = self.connections.get_mut(connection) {
            known.publication = Some(key.clone());
        }
    }

    /// Names the owner of the marks of a publishing connection.
    pub(crate) fn feeds(&mut self, feed: u64, key: PublicationKey) {
        self.feeds.insert(feed, key);
    }

    /// The server has closed the connection: nothing may be sent there any more but its farewell, which is out already.
    pub(crate) fn closed(&mut self, connection: &ConnectionId, address: Option<SocketAddr>) {
        if let Some(known) = self.connections.get_mut(connection) {
            known.is_closed = true;
        }
        self.retired.extend(address);
    }

    /// A client is seen at another address from now on.
    pub(crate) fn moved(&mut self, from: SocketAddr, to: SocketAddr) {
        if let Some(connection) = self.by_address.get(&from).cloned() {
            self.by_address.insert(to, connection);
        }
    }

    /// The server sends a datagram. Whether it is a packet that was sent before.
    pub(crate) fn sent(&mut self, to: SocketAddr, bytes: &[u8]) -> bool {
        let Some(packet) = wire::Packet::of(bytes) else {
            return false;
        };
        let Some(connection) = self.by_address.get(&to) else {
            panic!("media is sent to {to}, where nobody is");
        };
        let Some(known) = self.connections.get_mut(connection) else {
            return false;
        };
        let mut is_repair = false;
        if let wire::Packet::Rtp(header) = &packet {
            assert!(
                !known.is_closed && !self.retired.contains(&to),
                "media is sent to {connection:?}, which is closed"
            );
            self.counts.sent += 1;
            is_repair = known.streams.types.is_repair(header);
            self.counts.resent += u64::from(is_repair);
        }
        known.streams.take(connection, packet, bytes);
        is_repair
    }

    /// A client has decrypted a packet.
    pub(crate) fn got(&mut self, connection: &ConnectionId, got: &Got, coverage: &mut Coverage) {
        self.counts.received += 1;
        coverage.reach(if got.is_audio {
            "sound received"
        } else {
            "pictures received"
        });
        let Some(known) = self.connections.get_mut(connection) else {
            return;
        };
        known.received.take(
            connection,
            got,
            known.publication.as_ref(),
            &self.feeds,
            coverage,
        );
    }

    /// The newest packets that a connection has received.
    pub(crate) fn newest(&self, connection: &ConnectionId) -> Newest {
        let known = self.connections.get(connection);
        known.map_or_else(Newest::default, |known| known.received.newest())
    }
}
