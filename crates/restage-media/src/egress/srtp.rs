//! SRTP and SRTCP with AES-GCM (RFC 3711, RFC 7714), for one connection.
//!
//! A nonce is made of SSRC and packet index, so two different packets must never share both. Within this crate that
//! holds because the numbers of a stream come from one rewriter that never repeats, because an SSRC's packets leave
//! by this code alone, and because retransmissions without RTX repeat the packet to the bit.

use aws_lc_rs::aead::Aad;

use crate::srtp_keys::{Cipher, KeyingMaterial, Label};

pub(crate) const TAG_BYTES: usize = 16;
const INDEX_BYTES: usize = 4;
/// The header that stays readable: the first packet's first eight bytes.
const RTCP_CLEAR_BYTES: usize = 8;
/// Set in the SRTCP index of an encrypted packet.
const ENCRYPTED: u32 = 1 << 31;
/// Feedback packets remembered against replay.
const REPLAY_WINDOW: u32 = 64;

/// Protects what is sent and opens the feedback that is received.
pub(crate) struct Srtp {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
    remote_rtcp: Cipher,
    /// Highest index received and which of those below it were.
    replay: Option<(u32, u64)>,
}

impl std::fmt::Debug for Srtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Srtp")
    }
}

impl Srtp {
    /// `None` when the material is not as long as its profile asks, or is not for AES-GCM.
    pub(crate) fn new(material: &KeyingMaterial) -> Option<Self> {
        let (own, remote) = material.masters()?;
        Some(Self {
            rtp: Cipher::derive(&own, Label::RtpKey, Label::RtpSalt)?,
            rtcp: Cipher::derive(&own, Label::RtcpKey, Label::RtcpSalt)?,
            rtcp_index: 0,
            remote_rtcp: Cipher::derive(&remote, Label::RtcpKey, Label::RtcpSalt)?,
            replay: None,
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
        let nonce = self.rtp.nonce(ssrc, seq & 0xffff_ffff_ffff);
        let (header, payload) = buffer[start..].split_at_mut(body - start);
        let sealed = self
            .rtp
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        let tag = sealed.expect("a packet is shorter than what one nonce may encrypt");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Reads what sealing begins with.
    pub(crate) fn touch(&self) -> u64 {
        self.rtp.salt as u64
    }

    /// Seals the RTCP packet that `buffer` holds from `start` on.
    pub(crate) fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) {
        let index = self.rtcp_index;
        // 2^31 reports are 68 years of one a second.
        self.rtcp_index = (index + 1) & !ENCRYPTED;
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let packet = &mut buffer[start..];
        let ssrc = word(&packet[4..]);
        let (clear, secret) = packet.split_at_mut(RTCP_CLEAR_BYTES);
        let nonce = self.rtcp.nonce(ssrc, u64::from(index));
        let sealed =
            self.rtcp
                .key
                .seal_in_place_separate_tag(nonce, rtcp_aad(clear, trailer), secret);
        let tag = sealed.expect("a packet is shorter than what one nonce may encrypt");
        buffer.extend_from_slice(tag.as_ref());
        buffer.extend_from_slice(&trailer);
    }

    /// Opens a received SRTCP packet. `None`: it is malformed, not the remote end's, or has been here before.
    pub(crate) fn open_rtcp(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if bytes.len() < RTCP_CLEAR_BYTES + TAG_BYTES + INDEX_BYTES {
            return None;
        }
        let (packet, trailer) = bytes.split_last_chunk::<INDEX_BYTES>()?;
        let index = u32::from_be_bytes(*trailer);
        if index & ENCRYPTED == 0 {
            return None;
        }
        let index = index & !ENCRYPTED;
        if self.is_replay(index) {
            return None;
        }
        let mut opened = packet.to_vec();
        let (clear, secret) = opened.split_at_mut(RTCP_CLEAR_BYTES);
        let nonce = self.remote_rtcp.nonce(word(&clear[4..]), u64::from(index));
        self.remote_rtcp
            .key
            .open_in_place(nonce, rtcp_aad(clear, *trailer), secret)
            .ok()?;
        opened.truncate(packet.len() - TAG_BYTES);
        self.remember(index);
        Some(opened)
    }

    fn is_replay(&self, index: u32) -> bool {
        let Some((highest, seen)) = self.replay else {
            return false;
        };
        match highest.checked_sub(index) {
            None => false,
            Some(behind) => behind >= REPLAY_WINDOW || seen >> behind & 1 == 1,
        }
    }

    fn remember(&mut self, index: u32) {
        let (highest, seen) = self.replay.unwrap_or((index, 0));
        self.replay = Some(if index > highest {
            let ahead = index - highest;
            (index, seen.checked_shl(ahead).unwrap_or(0) | 1)
        } else {
            (highest, seen | 1 << (highest - index))
        });
    }
}

/// RFC 7714 §9.2: the clear header followed by the index.
fn rtcp_aad(clear: &[u8], trailer: [u8; INDEX_BYTES]) -> Aad<[u8; RTCP_CLEAR_BYTES + INDEX_BYTES]> {
    let mut aad = [0; RTCP_CLEAR_BYTES + INDEX_BYTES];
    aad[..RTCP_CLEAR_BYTES].copy_from_slice(clear);
    aad[RTCP_CLEAR_BYTES..].copy_from_slice(&trailer);
    Aad::from(aad)
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn feedback_is_opened_once_and_only_by_the_other_end() {
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm] {
            let mut ours = Srtp::new(&material(false, profile)).unwrap();
            let mut theirs = Srtp::new(&material(true, profile)).unwrap();
            let plain = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 7];
            let mut sealed = Vec::new();
            for _ in 0..100 {
                let mut packet = plain.to_vec();
                theirs.protect_rtcp(&mut packet, 0);
                sealed.push(packet);
            }
            assert_eq!(ours.open_rtcp(&sealed[50]).unwrap(), plain);
            assert_eq!(ours.open_rtcp(&sealed[49]).unwrap(), plain, "a little late");
            assert_eq!(ours.open_rtcp(&sealed[50]), None, "twice");
            assert_eq!(ours.open_rtcp(&sealed[49]), None, "twice");
            assert_eq!(ours.open_rtcp(&sealed[99]).unwrap(), plain);
            assert_eq!(ours.open_rtcp(&sealed[30]), None, "too late");
            assert_eq!(theirs.open_rtcp(&sealed[98]), None, "its own");
        }
    }

    #[test]
    fn no_length_and_no_flipped_bit_gets_through() {
        let mut ours = Srtp::new(&material(false, SrtpProfile::AeadAes128Gcm)).unwrap();
        let mut theirs = Srtp::new(&material(true, SrtpProfile::AeadAes128Gcm)).unwrap();
        let mut packet = vec![0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 7];
        theirs.protect_rtcp(&mut packet, 0);
        for end in 0..packet.len() {
            assert_eq!(ours.open_rtcp(&packet[..end]), None, "{end}");
        }
        for bit in 0..packet.len() * 8 {
            let mut broken = packet.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ours.open_rtcp(&broken), None, "{bit}");
        }
        assert!(ours.open_rtcp(&packet).is_some());
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
        assert_eq!(seal(3).len(), 12 + 40 + TAG_BYTES);
    }
}
