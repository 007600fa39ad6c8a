//! Whether an SRTP packet is the remote end's: its tag alone (RFC 3711 §4.2, RFC 7714 §8).

use aws_lc_rs::aead::Aad;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use crate::srtp_keys::{Cipher, KeyingMaterial, Label};
use crate::stats::SrtpProfile;

/// HMAC-SHA1-80's: the first ten bytes of twenty (RFC 3711 §4.2.1).
const HMAC_TAG_BYTES: usize = 10;
/// RFC 3711 §5.2.
const HMAC_KEY_BYTES: usize = 20;
/// Fixed part of the RTP header (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

/// The remote end's key.
pub(crate) enum Verifier {
    Gcm(Cipher),
    HmacSha1(Box<hmac::Key>),
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// `None` when the material is not as long as its profile asks.
    pub(crate) fn new(material: &KeyingMaterial) -> Option<Self> {
        let (_, remote) = material.masters()?;
        if material.profile != SrtpProfile::Aes128CmSha1 {
            return Cipher::derive(&remote, Label::RtpKey, Label::RtpSalt).map(Self::Gcm);
        }
        let mut key = [0; HMAC_KEY_BYTES];
        remote.derive(Label::RtpAuthentication, &mut key)?;
        let hmac_key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        key.fill(0);
        Some(Self::HmacSha1(Box::new(hmac_key)))
    }

    /// Whether the tag is the remote end's. `index` is the sequence number with the rollover counter above it.
    pub(crate) fn verifies(&self, packet: &[u8], ssrc: u32, index: u64) -> bool {
        let Some(body) = body(packet) else {
            return false;
        };
        match self {
            Self::Gcm(cipher) => {
                let (header, sealed) = packet.split_at(body);
                let nonce = cipher.nonce(ssrc, index);
                let mut opened = sealed.to_vec();
                let outcome = cipher
                    .key
                    .open_in_place(nonce, Aad::from(header), &mut opened);
                outcome.is_ok()
            }
            Self::HmacSha1(key) => {
                let Some(end) = packet.len().checked_sub(HMAC_TAG_BYTES) else {
                    return false;
                };
                if end < body {
                    return false;
                }
                let (authenticated, tag) = packet.split_at(end);
                let mut context = hmac::Context::with_key(key);
                context.update(authenticated);
                context.update(&((index >> 16) as u32).to_be_bytes());
                let full = context.sign();
                verify_slices_are_equal(&full.as_ref()[..HMAC_TAG_BYTES], tag).is_ok()
            }
        }
    }
}

/// Where the payload begins: behind contributing sources and extension (RFC 3550 §5.1, §5.3.1).
fn body(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut body = HEADER_BYTES + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(body + 2..)?.first_chunk::<2>()?;
        body += 4 + 4 * usize::from(u16::from_be_bytes(*words));
    }
    (body <= packet.len()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp_keys::tests::hex;

    const PROFILES: [SrtpProfile; 3] = [
        SrtpProfile::Aes128CmSha1,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
    ];
    const SSRC: u32 = 0x55aa_77cc;
    /// Packets with an extension, as libsrtp 2 seals them under a master key and salt of 0, 1, 2 and so on: number 65,534
    /// before the rollover and number 1 behind it.
    const SEALED: [[&str; 2]; 3] = [
        [
            "9060fffe0000123455aa77ccbede000110310000ee492028bfb20d4e8219d0afe034cd407e",
            "906000010000123455aa77ccbede000110310000d4d33fccdbe936908c9891a2e3874390de",
        ],
        [
            "9060fffe0000123455aa77ccbede00011031000033ddffc07d642d9de28cd6147228f0a7f26957a69d7596",
            "906000010000123455aa77ccbede000110310000f0769980d818598430bcc830f9b711ffdcb64d67fbdfcb",
        ],
        [
            "9060fffe0000123455aa77ccbede0001103100007d4a10f09f5c08045a5a13cd223aab91c2dd459a73f95f",
            "906000010000123455aa77ccbede00011031000084bf6c3558a8af95e907b83f5a7436654b9a68f905854e",
        ],
    ];

    /// The remote end, the DTLS client here, has that master key and salt.
    fn verifier(profile: SrtpProfile) -> Verifier {
        let (key, salt) = match profile {
            SrtpProfile::Aes128CmSha1 => (16, 14),
            SrtpProfile::AeadAes128Gcm => (16, 12),
            SrtpProfile::AeadAes256Gcm => (32, 12),
        };
        let mut bytes: Vec<u8> = (0..key).collect();
        bytes.extend(vec![0xee; usize::from(key)]);
        bytes.extend(key..key + salt);
        bytes.extend(vec![0xee; usize::from(salt)]);
        let material = KeyingMaterial {
            profile,
            bytes,
            is_client: false,
        };
        Verifier::new(&material).unwrap()
    }

    /// RFC 7714 §16.1.1 and §16.2.1: session keys, not master keys.
    #[test]
    fn packets_of_the_rfc_verify() {
        let header = "8040f17b8041f8d35501a0b2";
        for (profile, sealed) in [
            (
                SrtpProfile::AeadAes128Gcm,
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                 899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                SrtpProfile::AeadAes256Gcm,
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
                 7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ] {
            let length = if profile == SrtpProfile::AeadAes128Gcm {
                16
            } else {
                32
            };
            let key: Vec<u8> = (0..length).collect();
            let cipher = Cipher::new(profile, &key, *b"Quid pro quo").unwrap();
            let packet = hex(&format!("{header}{sealed}"));
            let verifier = Verifier::Gcm(cipher);
            assert!(
                verifier.verifies(&packet, 0x5501_a0b2, 0xf17b),
                "{profile:?}"
            );
            assert!(!verifier.verifies(&packet, 0x5501_a0b2, 0x1_f17b));
        }
    }

    #[test]
    fn packets_of_another_implementation_verify_with_their_rollover_counter() {
        for (profile, [before, behind]) in PROFILES.into_iter().zip(SEALED) {
            let verifier = verifier(profile);
            for (packet, index) in [(hex(before), 0xfffe), (hex(behind), 0x1_0001)] {
                assert!(verifier.verifies(&packet, SSRC, index), "{profile:?}");
                assert!(!verifier.verifies(&packet, SSRC, index ^ 0x1_0000));
            }
        }
    }

    #[test]
    fn no_length_and_no_flipped_bit_gets_through() {
        for (profile, [packet, _]) in PROFILES.into_iter().zip(SEALED) {
            let verifier = verifier(profile);
            let packet = hex(packet);
            let verifies = |bytes: &[u8]| {
                let word = |at: usize| bytes.get(at..at + 4)?.first_chunk::<4>().copied();
                let ssrc = word(8).map_or(0, u32::from_be_bytes);
                let seq = word(0).map_or(0, u32::from_be_bytes) & 0xffff;
                verifier.verifies(bytes, ssrc, u64::from(seq))
            };
            assert!(verifies(&packet));
            for end in 0..packet.len() {
                assert!(!verifies(&packet[..end]), "{profile:?} {end}");
            }
            for bit in 0..packet.len() * 8 {
                let mut broken = packet.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                assert!(!verifies(&broken), "{profile:?} {bit}");
            }
        }
    }
}
