//! Which peer a datagram belongs to: two table look-ups, never a walk over peers.
//!
//! STUN names its peer by the local part of USERNAME (RFC 8445 §7.2.2), so it finds it from any address. All else
//! is looked up by source address; the addresses come from STUN messages whose integrity was checked.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::slab::Index;

#[derive(Debug, Default)]
pub(crate) struct Demux {
    addresses: HashMap<SocketAddr, Index>,
    ufrags: HashMap<Box<str>, Index>,
}

/// What the first byte says about a datagram (RFC 7983 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    /// DTLS, RTP or RTCP.
    Session,
    Other,
}

impl Protocol {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63 | 128..=191) => Self::Session,
            _ => Self::Other,
        }
    }
}

impl Demux {
    pub(crate) fn by_address(&self, source: SocketAddr) -> Option<Index> {
        self.addresses.get(&source).copied()
    }

    pub(crate) fn by_stun(&self, bytes: &[u8]) -> Option<Index> {
        self.ufrags.get(stun_local_ufrag(bytes)?).copied()
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

    /// An address belongs to the peer that proved last that it uses it.
    pub(crate) fn add_address(&mut self, source: SocketAddr, peer: Index) {
        self.addresses.insert(source, peer);
    }

    /// Only if it has not become another peer's.
    pub(crate) fn remove_address(&mut self, source: SocketAddr, peer: Index) {
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

const STUN_HEADER: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const STUN_USERNAME: u16 = 0x0006;

/// The part of USERNAME before the colon (RFC 8489 §5, §14.3).
fn stun_local_ufrag(bytes: &[u8]) -> Option<&str> {
    if bytes.get(4..8)? != STUN_COOKIE {
        return None;
    }
    let mut rest = bytes.get(STUN_HEADER..)?;
    while let [t0, t1, l0, l1, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value_bytes = value.get(..length)?;
        if u16::from_be_bytes([*t0, *t1]) == STUN_USERNAME {
            let username = std::str::from_utf8(value_bytes).ok()?;
            return username.split_once(':').map(|(local, _)| local);
        }
        // Attributes are padded to four bytes.
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(STUN_COOKIE);
        bytes.extend([0; 12]);
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_local_part_of_the_user_name_is_found_among_attributes() {
        let message = stun(&[
            (0x0024, &[1, 2, 3, 4]),
            (0x8022, b"abc"),
            (STUN_USERNAME, b"ours:theirs"),
        ]);
        assert_eq!(stun_local_ufrag(&message), Some("ours"));
        let mut demux = Demux::default();
        demux.add_ufrag("ours", 7);
        assert_eq!(demux.by_stun(&message), Some(7));
        demux.remove_ufrag("ours");
        assert_eq!(demux.by_stun(&message), None);
    }

    #[test]
    fn messages_without_one_name_nobody() {
        assert_eq!(stun_local_ufrag(&stun(&[])), None);
        assert_eq!(
            stun_local_ufrag(&stun(&[(STUN_USERNAME, b"no colon")])),
            None
        );
        assert_eq!(
            stun_local_ufrag(&stun(&[(STUN_USERNAME, &[0xff, b':'])])),
            None
        );
        let mut other = stun(&[(STUN_USERNAME, b"a:b")]);
        other[4] = 0;
        assert_eq!(stun_local_ufrag(&other), None);
    }

    #[test]
    fn no_length_panics() {
        let message = stun(&[(STUN_USERNAME, b"ours:theirs")]);
        // The last byte is padding.
        for end in 0..message.len() - 1 {
            assert_eq!(stun_local_ufrag(&message[..end]), None, "{end}");
        }
        let mut lying = message;
        for length in 0..=u16::MAX {
            lying[22..24].copy_from_slice(&length.to_be_bytes());
            stun_local_ufrag(&lying);
        }
    }

    #[test]
    fn an_address_taken_over_by_another_peer_stays_with_it() {
        let source = "192.0.2.1:5000".parse().unwrap();
        let mut demux = Demux::default();
        demux.add_address(source, 1);
        demux.add_address(source, 2);
        demux.remove_address(source, 1);
        assert_eq!(demux.by_address(source), Some(2));
        demux.remove_address(source, 2);
        assert_eq!(demux.by_address(source), None);
        assert_eq!(demux.addresses(), 0);
        assert_eq!(demux.ufrags(), 0);
    }

    #[test]
    fn first_bytes() {
        let of = |byte: u8| Protocol::of(&[byte]);
        assert_eq!(
            [of(0), of(22), of(0x80), of(0x10), of(0xc0)].map(|p| p as u8),
            [0, 1, 1, 2, 2]
        );
        assert_eq!(Protocol::of(&[]), Protocol::Other);
    }
}
