//! Encryption of what is sent on one connection (RFC 3711, RFC 7714).
//!
//! A nonce is made of SSRC and packet index, so two different packets must never share both. In this crate that holds because the
//! numbers of a stream come from one rewriter that never repeats, because an SSRC's packets are encrypted only here, and because
//! retransmissions without RTX repeat the packet bit by bit.

use aws_lc_rs::aead::Aad;

use crate::srtp::keys::{KeyingMaterial, SessionKeys, Use};
use crate::srtp::srtcp::Srtcp;

/// Encrypts what is sent and decrypts received feedback.
#[derive(Debug)]
pub(crate) struct Srtp {
    rtp: SessionKeys,
    pub(crate) rtcp: Srtcp,
}

impl Srtp {
    /// `None`: the material is not as long as its profile requires.
    pub(crate) fn new(material: &KeyingMaterial) -> Option<Self> {
        let (own, _) = material.masters()?;
        Some(Self {
            rtp: SessionKeys::derive(&own, Use::Rtp)?,
            rtcp: Srtcp::new(material)?,
        })
    }

    /// Encrypts the RTP packet that begins at `start` of `buffer` and whose payload begins at `body`. `seq` is its number without
    /// wrap-around; the upper bits are the rollover counter.
    pub(crate) fn protect_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        body: usize,
        ssrc: u32,
        seq: u64,
    ) {
        let index = seq & 0xffff_ffff_ffff;
        let (header, payload) = buffer[start..].split_at_mut(body - start);
        match &self.rtp {
            SessionKeys::Gcm(cipher) => {
                let nonce = cipher.nonce(ssrc, index);
                let aad = Aad::from(&*header);
                let sealed = cipher.key.seal_in_place_separate_tag(nonce, aad, payload);
                let tag = sealed.expect("a packet is shorter than what one nonce may encrypt");
                buffer.extend_from_slice(tag.as_ref());
            }
            SessionKeys::CounterMode(keys) => {
                keys.apply(ssrc, index, payload)
                    .expect("a packet is shorter than what one counter may encrypt");
                let rollovers = ((index >> 16) as u32).to_be_bytes();
                let tag = keys.tag([&buffer[start..], &rollovers]);
                buffer.extend_from_slice(&tag);
            }
        }
    }

    /// Reads the memory that encryption needs first: see [`Sender::touch`](crate::send::Sender::touch).
    pub(crate) fn touch(&self) -> u64 {
        match &self.rtp {
            SessionKeys::Gcm(cipher) => cipher.salt as u64,
            SessionKeys::CounterMode(keys) => keys.touch(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::keys::SrtpProfile;
    use crate::srtp::keys::tests::material;
    use crate::srtp::keys::{GCM_TAG_BYTES, HMAC_TAG_BYTES};
    use crate::srtp::open::open;

    const PROFILES: [(SrtpProfile, usize); 3] = [
        (SrtpProfile::Aes128CmSha1, HMAC_TAG_BYTES),
        (SrtpProfile::AeadAes128Gcm, GCM_TAG_BYTES),
        (SrtpProfile::AeadAes256Gcm, GCM_TAG_BYTES),
    ];

    #[test]
    fn material_of_another_length_is_refused() {
        for (profile, _) in PROFILES {
            let mut short = material(true, profile);
            short.bytes.pop();
            assert!(Srtp::new(&short).is_none());
        }
    }

    #[test]
    fn the_rollover_counter_is_part_of_what_is_sealed() {
        for (profile, tag) in PROFILES {
            let srtp = Srtp::new(&material(false, profile)).unwrap();
            let ends = material(true, profile);
            let keys = SessionKeys::derive(&ends.masters().unwrap().1, Use::Rtp).unwrap();
            let seal = |seq: u64| {
                let mut packet = vec![0x80; 12];
                packet.extend([7; 40]);
                srtp.protect_rtp(&mut packet, 0, 12, 5, seq);
                packet
            };
            assert_eq!(seal(3), seal(3));
            assert_ne!(seal(3), seal(0x1_0003));
            assert_eq!(seal(3).len(), 12 + 40 + tag);
            let mut plain = Vec::new();
            assert!(open(&keys, &seal(0x1_0003), 12, 5, 0x1_0003, &mut plain).is_some());
            assert_eq!(plain, [7; 40], "{profile:?}");
            assert!(open(&keys, &seal(0x1_0003), 12, 5, 3, &mut plain).is_none());
        }
    }
}
