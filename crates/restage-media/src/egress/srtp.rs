//! SRTP with AES-GCM (RFC 3711, RFC 7714), for what is sent on one connection.
//!
//! A nonce is made of SSRC and packet index, so two different packets must never share both. Within this crate that
//! holds because the numbers of a stream come from one rewriter that never repeats, because an SSRC's packets leave
//! by this code alone, and because retransmissions without RTX repeat the packet to the bit.

use aws_lc_rs::aead::Aad;

use crate::srtcp::Srtcp;
use crate::srtp_keys::{Cipher, KeyingMaterial, Label};

/// Protects what is sent and opens the feedback that is received.
#[derive(Debug)]
pub(crate) struct Srtp {
    rtp: Sealer,
    pub(crate) rtcp: Srtcp,
}

struct Sealer(Cipher);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Srtp {
    /// `None` when the material is not as long as its profile asks, or is not for AES-GCM.
    pub(crate) fn new(material: &KeyingMaterial) -> Option<Self> {
        let (own, _) = material.masters()?;
        Some(Self {
            rtp: Sealer(Cipher::derive(&own, Label::RtpKey, Label::RtpSalt)?),
            rtcp: Srtcp::new(material)?,
        })
    }

    /// Seals the RTP packet that begins at `start` of `buffer` and whose payload begins at `body`. `seq` is its
    /// number without wrap-around, whose upper bits are the rollover counter.
    pub(crate) fn protect_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        body: usize,
        ssrc: u32,
        seq: u64,
    ) {
        let nonce = self.rtp.0.nonce(ssrc, seq & 0xffff_ffff_ffff);
        let (header, payload) = buffer[start..].split_at_mut(body - start);
        let sealed = self
            .rtp
            .0
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        let tag = sealed.expect("a packet is shorter than what one nonce may encrypt");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Reads what sealing begins with.
    pub(crate) fn touch(&self) -> u64 {
        self.rtp.0.salt as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp_keys::GCM_TAG_BYTES;
    use crate::srtp_keys::tests::material;
    use crate::stats::SrtpProfile;

    #[test]
    fn material_of_another_length_or_profile_is_refused() {
        let mut short = material(true, SrtpProfile::AeadAes256Gcm);
        short.bytes.pop();
        assert!(Srtp::new(&short).is_none());
        assert!(Srtp::new(&material(true, SrtpProfile::Aes128CmSha1)).is_none());
    }

    #[test]
    fn the_rollover_counter_is_part_of_the_nonce() {
        let srtp = Srtp::new(&material(false, SrtpProfile::AeadAes256Gcm)).unwrap();
        let seal = |seq: u64| {
            let mut packet = vec![0x80; 12];
            packet.extend([7; 40]);
            srtp.protect_rtp(&mut packet, 0, 12, 5, seq);
            packet
        };
        assert_eq!(seal(3), seal(3));
        assert_ne!(seal(3), seal(3 + 0x1_0000));
        assert_eq!(seal(3).len(), 12 + 40 + GCM_TAG_BYTES);
    }
}
