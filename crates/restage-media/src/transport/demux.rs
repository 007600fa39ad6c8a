//! Finds the peer of a datagram: two table look-ups, never a loop over peers.
//!
//! A STUN request names its peer by the local part of USERNAME (RFC 8445 §7.2.2), so it is found from any address.
//! Other datagrams are looked up by source address; the addresses come from verified STUN messages.

use crate::io::datagrams::Remote;
use crate::util::slab::Index;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Demux {
    addresses: HashMap<Remote, Index>,
    /// Peers that claim an address of another peer, until they have proven that they receive there. At most one address a peer.
    claims: HashMap<Remote, Index>,
    ufrags: HashMap<Box<str>, Index>,
}

/// What a datagram is, by its first two bytes. This is decided once for each datagram, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatagramKind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    Other,
}

impl DatagramKind {
    /// By RFC 7983 §7; RTP and RTCP on one port differ in the second byte (RFC 5761 §4).
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            _ => Self::Other,
        }
    }
}

impl Demux {
    pub(crate) fn by_address(&self, source: Remote) -> Option<Index> {
        self.addresses.get(&source).copied()
    }

    /// The peer that has this name fragment.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<Index> {
        self.ufrags.get(ufrag).copied()
    }

    /// The peer that claims this address of another peer.
    pub(crate) fn claimant(&self, source: Remote) -> Option<Index> {
        self.claims.get(&source).copied()
    }

    pub(crate) fn claim(&mut self, source: Remote, peer: Index) {
        self.claims.insert(source, peer);
    }

    /// Withdraws a claim, unless another peer has claimed the address since.
    pub(crate) fn withdraw(&mut self, source: Remote, peer: Index) {
        if self.claims.get(&source) == Some(&peer) {
            self.claims.remove(&source);
        }
    }

    pub(crate) fn has_ufrag(&self, ufrag: &str) -> bool {
        self.ufrags.contains_key(ufrag)
    }

    pub(crate) fn add_ufrag(&mut self, ufrag: &str, peer: Index) {
        self.ufrags.insert(ufrag.into(), peer);
    }

    pub(crate) fn remove_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// Assigns an address to a peer; returns the previous owner.
    pub(crate) fn add_address(&mut self, source: Remote, peer: Index) -> Option<Index> {
        self.addresses.insert(source, peer)
    }

    /// Removes an address, unless it belongs to another peer by now.
    pub(crate) fn remove_address(&mut self, source: Remote, peer: Index) {
        if self.addresses.get(&source) == Some(&peer) {
            self.addresses.remove(&source);
        }
    }

    pub(crate) fn addresses(&self) -> usize {
        self.addresses.len()
    }

    #[cfg(test)]
    pub(crate) fn ufrags(&self) -> usize {
        self.ufrags.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Protocol;

    fn udp(address: &str) -> Remote {
        Remote {
            address: address.parse().unwrap(),
            protocol: Protocol::Udp,
        }
    }

    #[test]
    fn equal_addresses_of_several_protocols_are_of_several_peers() {
        let mut demux = Demux::default();
        let all = [Protocol::Udp, Protocol::Tcp, Protocol::Turn];
        let remotes = all.map(|protocol| Remote {
            protocol,
            ..udp("192.0.2.1:5000")
        });
        for (peer, remote) in (0..).zip(remotes) {
            assert_eq!(demux.add_address(remote, peer), None);
        }
        for (peer, remote) in (0..).zip(remotes) {
            assert_eq!(demux.by_address(remote), Some(peer));
        }
    }

    #[test]
    fn a_name_fragment_is_known_until_it_is_removed() {
        let mut demux = Demux::default();
        demux.add_ufrag("ours", 7);
        assert_eq!(demux.by_ufrag("ours"), Some(7));
        demux.remove_ufrag("ours");
        assert_eq!((demux.by_ufrag("ours"), demux.ufrags()), (None, 0));
    }

    #[test]
    fn an_address_taken_over_by_another_peer_stays_with_it() {
        let source = udp("192.0.2.1:5000");
        let mut demux = Demux::default();
        assert_eq!(demux.add_address(source, 1), None);
        assert_eq!(demux.add_address(source, 2), Some(1));
        demux.remove_address(source, 1);
        assert_eq!(demux.by_address(source), Some(2));
        demux.remove_address(source, 2);
        assert_eq!(demux.by_address(source), None);
        assert_eq!(demux.addresses(), 0);
    }

    #[test]
    fn a_claim_is_the_newest_claimants() {
        let source = udp("192.0.2.1:5000");
        let mut demux = Demux::default();
        demux.claim(source, 1);
        demux.claim(source, 2);
        demux.withdraw(source, 1);
        assert_eq!(demux.claimant(source), Some(2));
        demux.withdraw(source, 2);
        assert_eq!(demux.claimant(source), None);
    }

    #[test]
    fn the_first_two_bytes_say_what_a_datagram_is() {
        use DatagramKind::{Dtls, Other, Rtcp, Rtp, Stun};
        for (bytes, kind) in [
            (&[0, 1][..], Stun),
            (&[3], Stun),
            (&[22, 200], Dtls),
            (&[63], Dtls),
            (&[0x80, 96], Rtp),
            (&[0x80, 0x80 | 96], Rtp),
            (&[0x80], Rtp),
            (&[0xbf, 191], Rtp),
            (&[0x80, 192], Rtcp),
            (&[0x81, 206, 1], Rtcp),
            (&[0x80, 224], Rtp),
            (&[0x10, 200], Other),
            (&[64], Other),
            (&[0xc0, 200], Other),
            (&[], Other),
        ] {
            assert_eq!(DatagramKind::of(bytes), kind, "{bytes:?}");
        }
    }
}
