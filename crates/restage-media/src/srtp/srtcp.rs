//! SRTCP (RFC 3711 §3.4, RFC 7714 §9) for one connection.

use aws_lc_rs::aead::Aad;

use crate::limits::RTCP_SOURCES_MAX;
use crate::srtp::keys::{GCM_TAG_BYTES, HMAC_TAG_BYTES, KeyingMaterial, SessionKeys, Use};

const INDEX_BYTES: usize = 4;
/// Length of the unencrypted header: the first eight bytes of the first packet.
const CLEAR_BYTES: usize = 8;
/// Flag in the index of an encrypted packet.
const ENCRYPTED: u32 = 1 << 31;
/// Packets of an SSRC remembered against replay.
const REPLAY_WINDOW: u32 = 64;

/// Encrypts reports and feedback that are sent and decrypts received ones.
pub(crate) struct Srtcp {
    own: SessionKeys,
    own_index: u32,
    remote: SessionKeys,
    /// Each SSRC of the remote end counts separately (RFC 3711 §3.2.1). Kept as long as the key.
    replays: Vec<Replay>,
    /// Packets refused because their SSRC was beyond [`RTCP_SOURCES_MAX`], since the last call.
    pub(crate) sources_refused: u64,
}

#[derive(Debug, Clone, Copy)]
struct Replay {
    ssrc: u32,
    /// Highest index received, and which of those below it were received.
    highest: u32,
    seen: u64,
}

impl std::fmt::Debug for Srtcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Srtcp")
    }
}

impl Srtcp {
    /// `None`: the material is not as long as its profile requires.
    pub(crate) fn new(material: &KeyingMaterial) -> Option<Self> {
        let (own, remote) = material.masters()?;
        Some(Self {
            own: SessionKeys::derive(&own, Use::Rtcp)?,
            own_index: 0,
            remote: SessionKeys::derive(&remote, Use::Rtcp)?,
            replays: Vec::new(),
            sources_refused: 0,
        })
    }

    /// Encrypts the packet that `buffer` holds from `start` on. False: no more packets may be sent under these keys (RFC 3711
    /// §9.2), and the packet was removed from the buffer.
    #[must_use]
    pub(crate) fn protect(&mut self, buffer: &mut Vec<u8>, start: usize) -> bool {
        let index = self.own_index;
        if index == ENCRYPTED {
            buffer.truncate(start);
            return false;
        }
        self.own_index += 1;
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let ssrc = word(&buffer[start + 4..]);
        let (clear, secret) = buffer[start..].split_at_mut(CLEAR_BYTES);
        match &self.own {
            SessionKeys::Gcm(cipher) => {
                let nonce = cipher.nonce(ssrc, u64::from(index));
                let aad = gcm_aad(clear, trailer);
                let sealed = cipher.key.seal_in_place_separate_tag(nonce, aad, secret);
                let tag = sealed.expect("a packet is shorter than what one nonce may encrypt");
                buffer.extend_from_slice(tag.as_ref());
                buffer.extend_from_slice(&trailer);
            }
            SessionKeys::CounterMode(keys) => {
                keys.apply(ssrc, u64::from(index), secret)
                    .expect("a packet is shorter than what one counter may encrypt");
                buffer.extend_from_slice(&trailer);
                let tag = keys.tag([&buffer[start..], &[]]);
                buffer.extend_from_slice(&tag);
            }
        }
        true
    }

    /// See [`Sfu::touch`](crate::sfu::Sfu::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.replays
            .first()
            .map_or(0, |replay| u64::from(replay.highest))
    }

    /// Decrypts a received packet. `None`: it is malformed, does not come from the remote end, is a replay, or has an SSRC beyond
    /// [`RTCP_SOURCES_MAX`].
    pub(crate) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let ssrc = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
        let known = self.replays.iter().position(|replay| replay.ssrc == ssrc);
        let (index, opened) = open(&self.remote, bytes, ssrc, |index| {
            known.is_some_and(|place| self.replays[place].has(index))
        })?;
        match known {
            Some(place) => self.replays[place].add(index),
            None if self.replays.len() >= RTCP_SOURCES_MAX => {
                self.sources_refused += 1;
                return None;
            }
            None => {
                let mut replay = Replay {
                    ssrc,
                    highest: index,
                    seen: 0,
                };
                replay.add(index);
                self.replays.push(replay);
            }
        }
        Some(opened)
    }
}

/// Index and contents of a packet that is not a replay.
fn open(
    keys: &SessionKeys,
    bytes: &[u8],
    ssrc: u32,
    is_replay: impl FnOnce(u32) -> bool,
) -> Option<(u32, Vec<u8>)> {
    // With AES-GCM the tag is before the index, with HMAC behind it.
    let (indexed, tag) = match keys {
        SessionKeys::Gcm(_) => (bytes, &[][..]),
        SessionKeys::CounterMode(_) => {
            bytes.split_at_checked(bytes.len().checked_sub(HMAC_TAG_BYTES)?)?
        }
    };
    let (packet, trailer) = indexed.split_last_chunk::<INDEX_BYTES>()?;
    let index = u32::from_be_bytes(*trailer);
    if packet.len() < CLEAR_BYTES || index & ENCRYPTED == 0 {
        return None;
    }
    let index = index & !ENCRYPTED;
    if is_replay(index) {
        return None;
    }
    let mut opened = packet.to_vec();
    let (clear, secret) = opened.split_at_mut(CLEAR_BYTES);
    match keys {
        SessionKeys::Gcm(cipher) => {
            let length = secret.len().checked_sub(GCM_TAG_BYTES)?;
            let nonce = cipher.nonce(ssrc, u64::from(index));
            let aad = gcm_aad(clear, *trailer);
            cipher.key.open_in_place(nonce, aad, secret).ok()?;
            opened.truncate(CLEAR_BYTES + length);
        }
        SessionKeys::CounterMode(keys) => {
            if !keys.verifies([indexed, &[]], tag) {
                return None;
            }
            keys.apply(ssrc, u64::from(index), secret)?;
        }
    }
    Some((index, opened))
}

impl Replay {
    fn has(&self, index: u32) -> bool {
        match self.highest.checked_sub(index) {
            None => false,
            Some(behind) => behind >= REPLAY_WINDOW || self.seen >> behind & 1 == 1,
        }
    }

    fn add(&mut self, index: u32) {
        if index > self.highest {
            let ahead = index - self.highest;
            self.highest = index;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
        } else {
            self.seen |= 1 << (self.highest - index);
        }
    }
}

/// RFC 7714 §9.2: the clear header followed by the index.
fn gcm_aad(clear: &[u8], trailer: [u8; INDEX_BYTES]) -> Aad<[u8; CLEAR_BYTES + INDEX_BYTES]> {
    let mut aad = [0; CLEAR_BYTES + INDEX_BYTES];
    aad[..CLEAR_BYTES].copy_from_slice(clear);
    aad[CLEAR_BYTES..].copy_from_slice(&trailer);
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
    use crate::srtp::keys::SrtpProfile;
    use crate::srtp::keys::tests::material;

    const PROFILES: [SrtpProfile; 3] = [
        SrtpProfile::Aes128CmSha1,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
    ];
    const PLAIN: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 7];

    /// Our end and the remote one.
    fn ends(profile: SrtpProfile) -> (Srtcp, Srtcp) {
        (
            Srtcp::new(&material(false, profile)).unwrap(),
            Srtcp::new(&material(true, profile)).unwrap(),
        )
    }

    fn sealed(by: &mut Srtcp, plain: &[u8]) -> Vec<u8> {
        let mut packet = plain.to_vec();
        assert!(by.protect(&mut packet, 0));
        packet
    }

    #[test]
    fn material_of_another_length_is_refused() {
        for profile in PROFILES {
            let mut short = material(true, profile);
            short.bytes.pop();
            assert!(Srtcp::new(&short).is_none());
        }
    }

    #[test]
    fn feedback_is_opened_once_and_only_by_the_other_end() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = ends(profile);
            let sealed: Vec<_> = (0..100).map(|_| sealed(&mut theirs, &PLAIN)).collect();
            assert_eq!(ours.open(&sealed[50]).unwrap(), PLAIN);
            assert_eq!(ours.open(&sealed[49]).unwrap(), PLAIN, "a little late");
            assert_eq!(ours.open(&sealed[50]), None, "twice");
            assert_eq!(ours.open(&sealed[49]), None, "twice");
            assert_eq!(ours.open(&sealed[99]).unwrap(), PLAIN);
            assert_eq!(ours.open(&sealed[30]), None, "too late");
            assert_eq!(theirs.open(&sealed[98]), None, "its own");
        }
    }

    /// A library with a context for each SSRC counts each from the beginning.
    #[test]
    fn each_source_counts_by_itself() {
        for profile in PROFILES {
            let (mut ours, mut audio) = ends(profile);
            let (_, mut video) = ends(profile);
            let mut other = PLAIN;
            other[7] = 10;
            for _ in 0..200 {
                assert!(ours.open(&sealed(&mut audio, &PLAIN)).is_some());
            }
            let first = sealed(&mut video, &other);
            assert_eq!(ours.open(&first).unwrap(), other);
            assert_eq!(ours.open(&first), None, "twice");
        }
    }

    #[test]
    fn no_index_is_used_twice() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = ends(profile);
            theirs.own_index = ENCRYPTED - 1;
            let last = sealed(&mut theirs, &PLAIN);
            assert_eq!(ours.open(&last).unwrap(), PLAIN);
            let mut more = vec![1, 2, 3];
            more.extend(PLAIN);
            for _ in 0..2 {
                assert!(!theirs.protect(&mut more, 3));
                assert_eq!(more, [1, 2, 3]);
            }
        }
    }

    #[test]
    fn no_number_of_sources_makes_a_replay_possible() {
        let (mut ours, mut theirs) = ends(SrtpProfile::AeadAes128Gcm);
        let of = |ssrc: usize| {
            let mut plain = PLAIN;
            plain[4..8].copy_from_slice(&(ssrc as u32).to_be_bytes());
            plain
        };
        let first = sealed(&mut theirs, &of(0));
        assert!(ours.open(&first).is_some());
        for ssrc in 1..RTCP_SOURCES_MAX {
            let packet = sealed(&mut theirs, &of(ssrc));
            assert!(ours.open(&packet).is_some(), "{ssrc}");
        }
        for ssrc in [RTCP_SOURCES_MAX, RTCP_SOURCES_MAX + 1] {
            let packet = sealed(&mut theirs, &of(ssrc));
            assert_eq!(ours.open(&packet), None, "{ssrc} is one too many");
        }
        assert_eq!(ours.open(&first), None, "a replay");
        assert_eq!(ours.sources_refused, 2);
        assert_eq!(ours.replays.len(), RTCP_SOURCES_MAX);
        let packet = sealed(&mut theirs, &of(0));
        assert!(ours.open(&packet).is_some(), "one that is known goes on");
    }

    #[test]
    fn no_length_and_no_flipped_bit_gets_through() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = ends(profile);
            let packet = sealed(&mut theirs, &PLAIN);
            for end in 0..packet.len() {
                assert_eq!(ours.open(&packet[..end]), None, "{profile:?} {end}");
            }
            for bit in 0..packet.len() * 8 {
                let mut broken = packet.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(ours.open(&broken), None, "{profile:?} {bit}");
            }
            assert!(ours.open(&packet).is_some());
        }
    }
}
