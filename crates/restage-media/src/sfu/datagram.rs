//! Datagrams: their kind, their peer, and the addresses of peers.

use std::net::SocketAddr;
use std::time::Instant;

use super::Sfu;
use crate::io::Protocol;
use crate::io::datagrams::{Path, Remote};
use crate::limits::{ADDRESS_CHANGES_PER_ICE_SESSION_MAX, DATAGRAM_BYTES_MAX};
use crate::sdp::offer::Role;
use crate::transport::demux::DatagramKind;
use crate::transport::ice::Outcome;
use crate::transport::stun::{Kind, Message};
use crate::util::slab::Index;

impl Sfu {
    /// Whether a datagram carries reports and requests of a subscriber. A late worker may drop these, because they come again. It
    /// must not drop anything else: media of publishers, STUN, DTLS.
    pub fn is_feedback(&self, protocol: Protocol, source: SocketAddr, bytes: &[u8]) -> bool {
        if !matches!(
            DatagramKind::of(bytes),
            DatagramKind::Rtp | DatagramKind::Rtcp
        ) {
            return false;
        }
        let address = source;
        let index = self.demux.by_address(Remote { address, protocol });
        let peer = index.and_then(|index| self.peers.get(index));
        peer.is_some_and(|peer| peer.role() == Role::Subscriber)
    }

    /// Reads the memory that RTCP from this address needs, so that the processor fetches it for several peers at the same time: what
    /// comes from hundreds of subscribers in turn is in no cache. The value means nothing.
    pub fn touch(&self, protocol: Protocol, source: SocketAddr) -> u64 {
        let address = source;
        let index = self.demux.by_address(Remote { address, protocol });
        let peer = index.and_then(|index| self.peers.get(index));
        peer.map_or(0, |peer| peer.touch_for_rtcp())
    }

    pub(super) fn on_datagram(&mut self, now: Instant, path: Path, bytes: &[u8]) {
        self.stats.datagrams_in += 1;
        if bytes.len() > DATAGRAM_BYTES_MAX {
            self.stats.datagrams_malformed += 1;
            return;
        }
        match DatagramKind::of(bytes) {
            DatagramKind::Other => self.stats.datagrams_malformed += 1,
            DatagramKind::Stun => match Message::parse(bytes) {
                Some(message) => self.on_stun(now, path, &message),
                None => self.stats.datagrams_malformed += 1,
            },
            kind => self.on_session(now, path, kind, bytes),
        }
    }

    /// DTLS, RTP or RTCP: goes to the peer that has the source address.
    fn on_session(&mut self, now: Instant, path: Path, kind: DatagramKind, bytes: &[u8]) {
        let index = self.demux.by_address(path.remote());
        let Some((index, peer)) = index.and_then(|index| Some((index, self.peers.get_mut(index)?)))
        else {
            self.stats.datagrams_unknown += 1;
            return;
        };
        self.serving = Some(index);
        let Some(transport) = &mut peer.transport else {
            return;
        };
        let sink = &mut self.sink;
        let outcome = match kind {
            DatagramKind::Rtp => transport.receive_rtp(now, path, bytes, sink),
            DatagramKind::Rtcp => transport.receive_rtcp(now, path, bytes, sink),
            _ => transport.receive_dtls(now, path, bytes, &mut self.shared.secrets, sink),
        };
        match &outcome {
            // DTLS ignores records that do not come from the remote end, so they do not show that the peer is alive.
            Ok(true) if kind == DatagramKind::Dtls => {}
            Ok(true) => peer.last_seen_at = now,
            Ok(false) => self.stats.datagrams_rejected += 1,
            Err(_) => {}
        }
        let is_feedback = kind == DatagramKind::Rtcp && matches!(outcome, Ok(true));
        if is_feedback && peer.carrier.is_some() {
            self.allot_carried(now, index);
        } else if is_feedback && peer.allots_after_feedback(now, None) {
            self.allot(now, index);
        }
        self.settle(now, index, outcome.map(drop));
    }

    fn on_stun(&mut self, now: Instant, path: Path, message: &Message<'_>) {
        let source = path.remote();
        let owner = self.demux.by_address(source);
        let candidates = match message.kind {
            Kind::Request => {
                let ufrag = message.receiver_ufrag();
                [ufrag.and_then(|ufrag| self.demux.by_ufrag(ufrag)), None]
            }
            // Answers name no peer: they belong to the one that has asked.
            Kind::Success | Kind::Error => [owner, self.demux.claimant(source)],
        };
        for index in candidates.into_iter().flatten() {
            if self.try_stun(now, index, path, message) {
                return;
            }
        }
        if owner.is_some() {
            self.stats.datagrams_rejected += 1;
        } else {
            self.stats.datagrams_unknown += 1;
        }
    }

    /// Gives a STUN message to a peer. True if it is this peer's.
    fn try_stun(&mut self, now: Instant, index: Index, path: Path, message: &Message<'_>) -> bool {
        let source = path.remote();
        let owner = self.demux.by_address(source);
        let owns = owner == Some(index);
        let is_anothers = owner.is_some() && !owns;
        let Some(peer) = self.peers.get_mut(index) else {
            return false;
        };
        if !owns && peer.address_changes >= ADDRESS_CHANGES_PER_ICE_SESSION_MAX {
            return false;
        }
        self.serving = Some(index);
        let secrets = &mut self.shared.secrets;
        let Some(transport) = &mut peer.transport else {
            return false;
        };
        let sink = &mut self.sink;
        let result = transport.receive_stun(now, path, message, is_anothers, secrets, sink);
        let is_taken = !matches!(result, Ok(Outcome::Refused));
        if is_taken {
            peer.on_check(now);
        }
        match &result {
            Ok(Outcome::Taken) => self.claim_address(index, source),
            Ok(Outcome::Proven) => self.take_address(index, source),
            Ok(Outcome::Refused) | Err(_) => {}
        }
        self.settle(now, index, result.map(drop));
        is_taken
    }

    /// A check of the peer came from this address. An address that no peer has becomes its own. An address of another peer stays
    /// with that one until this peer has received something there, because the sender of a check can write any source address.
    fn claim_address(&mut self, index: Index, source: Remote) {
        match self.demux.by_address(source) {
            Some(owner) if owner == index => {}
            None => self.take_address(index, source),
            Some(_) => {
                self.stats.addresses_contested += 1;
                let Some(peer) = self.peers.get_mut(index) else {
                    return;
                };
                if let Some(former) = peer.claimed.replace(source) {
                    self.demux.withdraw(former, index);
                }
                self.demux.claim(source, index);
            }
        }
    }

    /// A client's TCP connection or TURN allocation has ended.
    pub(super) fn end_path(&mut self, remote: Remote) {
        let Some(index) = self.demux.by_address(remote) else {
            return;
        };
        self.serving = Some(index);
        self.demux.remove_address(remote, index);
        if let Some(peer) = self.peers.get_mut(index) {
            peer.end_path(remote);
        }
    }

    fn take_address(&mut self, index: Index, source: Remote) {
        if self.demux.by_address(source) == Some(index) {
            return;
        }
        let Some(peer) = self.peers.get_mut(index) else {
            return;
        };
        if let Some(oldest) = peer.add_address(source) {
            self.demux.remove_address(oldest, index);
        }
        self.demux.withdraw(source, index);
        if let Some(former) = self.demux.add_address(source, index)
            && let Some(former) = self.peers.get_mut(former)
        {
            former.lose_address(source);
        }
    }
}
