//! Which RTP packets of a publisher may reach its engine.
//!
//! The engine looks up a packet's receive stream before it verifies the packet. A packet of an SSRC that has none takes
//! over the stream that its MID and payload type or RID name (RFC 9143 §9.2, RFC 8852 §3), and these anybody can write who
//! can send from the publisher's address. So the tag of a packet that might move a stream is verified here first;
//! where the engine has a stream for the SSRC already, it moves nothing and is left to the engine.

pub(crate) mod srtp;

use crate::limits::{SOURCE_CHANGES_MAX, SOURCES_VERIFIED_MAX};
use crate::srtp_keys::KeyingMaterial;
use srtp::Verifier;

/// What becomes of an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The engine has a stream for its SSRC.
    Known,
    /// It is the publisher's, and the engine may have other streams after it: [`Ingress::settle`] has to follow.
    Moving,
    Refused,
}

/// What a publisher's RTP packets are held to.
#[derive(Debug, Default)]
pub(crate) struct Ingress {
    verifier: Option<Verifier>,
    /// Oldest first.
    sources: Vec<Source>,
    changes: u32,
}

/// An SSRC of which a packet has been verified.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    /// The highest packet index known to be the publisher's (RFC 3711 §3.3.1).
    index: u64,
    /// The engine has a stream for it.
    is_mapped: bool,
}

impl Ingress {
    pub(crate) fn has_keys(&self) -> bool {
        self.verifier.is_some()
    }

    pub(crate) fn set_keys(&mut self, material: &KeyingMaterial) {
        self.verifier = Verifier::new(material);
    }

    /// Judges an RTP packet. Without keys nothing is admitted: the engine could not read it either.
    pub(crate) fn admit(&mut self, packet: &[u8]) -> Admission {
        let Some((ssrc, seq)) = ssrc_and_seq(packet) else {
            return Admission::Refused;
        };
        let place = self.sources.iter().position(|source| source.ssrc == ssrc);
        let known = place.map(|place| self.sources[place]);
        if known.is_some_and(|source| source.is_mapped) {
            return Admission::Known;
        }
        let index = index(known.map(|source| source.index), seq);
        // One that was recorded when the SSRC still had a stream has a good tag, too (RFC 3711 §3.3.2).
        let is_old = known.is_some_and(|source| index <= source.index);
        let may_move = !is_old && self.changes < SOURCE_CHANGES_MAX;
        let verifier = self.verifier.as_ref().filter(|_| may_move);
        if !verifier.is_some_and(|verifier| verifier.verifies(packet, ssrc, index)) {
            return Admission::Refused;
        }
        match place {
            Some(place) => self.sources[place].index = index,
            None => self.remember(ssrc, index),
        }
        Admission::Moving
    }

    /// The engine has verified this packet of an SSRC.
    pub(crate) fn on_verified(&mut self, ssrc: u32, index: u64) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            source.index = source.index.max(index);
        }
    }

    /// Asks the engine again what it has streams for. `stream` tells whether an SSRC has one, and the SSRC of its
    /// retransmissions (RFC 4588).
    pub(crate) fn settle(&mut self, mut stream: impl FnMut(u32) -> Option<Option<u32>>) {
        let mut retransmissions = Vec::new();
        for source in &mut self.sources {
            let found = stream(source.ssrc);
            self.changes += u32::from(found.is_some() && !source.is_mapped);
            source.is_mapped = found.is_some();
            retransmissions.extend(found.flatten());
        }
        for source in &mut self.sources {
            source.is_mapped |= retransmissions.contains(&source.ssrc);
        }
    }

    fn remember(&mut self, ssrc: u32, index: u64) {
        self.changes += 1;
        if self.sources.len() == SOURCES_VERIFIED_MAX {
            // Those in use stay as long as others can go: they could not come back after a rollover.
            let unused = self.sources.iter().position(|source| !source.is_mapped);
            self.sources.remove(unused.unwrap_or(0));
        }
        self.sources.push(Source {
            ssrc,
            index,
            is_mapped: false,
        });
    }
}

/// Whether the engine would take a datagram for RTP (RFC 7983 §7, RFC 5761 §4).
pub(crate) fn is_rtp(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, second, ..] if !matches!(second & 0x7f, 64..=95))
}

fn ssrc_and_seq(packet: &[u8]) -> Option<(u32, u16)> {
    let seq = packet.get(2..)?.first_chunk::<2>()?;
    let ssrc = packet.get(8..)?.first_chunk::<4>()?;
    Some((u32::from_be_bytes(*ssrc), u16::from_be_bytes(*seq)))
}

/// The packet index nearest to the highest one known (RFC 3711 §3.3.1). A new SSRC's rollover counter is zero.
fn index(highest: Option<u64>, seq: u16) -> u64 {
    let Some(highest) = highest else {
        return u64::from(seq);
    };
    let ahead = seq.wrapping_sub(highest as u16).cast_signed();
    highest.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests;
