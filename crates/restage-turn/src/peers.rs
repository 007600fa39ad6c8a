//! The media addresses of the server: the only peers of this relay.

use std::net::{IpAddr, SocketAddr};

/// Every pair of one of these addresses and one of these ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// The addresses that the server advertises.
    pub addresses: Vec<IpAddr>,
    /// The ports of its media workers.
    pub ports: Vec<u16>,
}

impl Peers {
    /// Whether a permission may be given for this address.
    pub(crate) fn has_ip(&self, ip: IpAddr) -> bool {
        self.addresses.contains(&ip)
    }

    /// Whether datagrams may go there and come from there.
    pub(crate) fn has(&self, peer: SocketAddr) -> bool {
        self.ports.contains(&peer.port()) && self.has_ip(peer.ip())
    }

    /// Whether the server has an address of this family.
    pub(crate) fn has_family(&self, is_v6: bool) -> bool {
        self.addresses.iter().any(|ip| ip.is_ipv6() == is_v6)
    }
}
