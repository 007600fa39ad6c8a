//! Decrypts SRTP packets (RFC 3711 §3.3, RFC 7714 §8).

use aws_lc_rs::aead::Aad;

use crate::srtp::keys::{GCM_TAG_BYTES, HMAC_TAG_BYTES, SessionKeys};

/// Verifies a packet whose payload begins at `body` and decrypts the payload into `plain`. `None`: it does not come from the
/// remote end. `index` is the sequence number with the rollover counter above it.
pub(crate) fn open(
    keys: &SessionKeys,
    packet: &[u8],
    body: usize,
    ssrc: u32,
    index: u64,
    plain: &mut Vec<u8>,
) -> Option<()> {
    match keys {
        SessionKeys::Gcm(cipher) => {
            let (header, sealed) = packet.split_at_checked(body)?;
            let (secret, tag) = sealed.split_last_chunk::<GCM_TAG_BYTES>()?;
            let nonce = cipher.nonce(ssrc, index);
            plain.resize(secret.len(), 0);
            let header = Aad::from(header);
            let opened = (cipher.key).open_separate_gather(nonce, header, secret, tag, plain);
            opened.ok()
        }
        SessionKeys::CounterMode(keys) => {
            let (authenticated, tag) = packet.split_last_chunk::<HMAC_TAG_BYTES>()?;
            let secret = authenticated.get(body..)?;
            let rollovers = ((index >> 16) as u32).to_be_bytes();
            if !keys.verifies([authenticated, &rollovers], tag) {
                return None;
            }
            plain.clear();
            plain.extend_from_slice(secret);
            keys.apply(ssrc, index, plain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::header::Header;
    use crate::srtp::keys::SrtpProfile;
    use crate::srtp::keys::tests::hex;
    use crate::srtp::keys::{Cipher, KeyingMaterial, Use};

    const PROFILES: [SrtpProfile; 3] = [
        SrtpProfile::Aes128CmSha1,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
    ];
    const PAYLOAD: &[u8] = b"restage";
    /// Packets with an extension, encrypted by libsrtp 2 with a master key and salt of 0, 1, 2 and so on: number 65,534
    /// before the rollover and number 1 after it.
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

    /// The remote end, here the DTLS client, has that master key and salt.
    fn keys(profile: SrtpProfile) -> SessionKeys {
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
        let (_, remote) = material.masters().unwrap();
        SessionKeys::derive(&remote, Use::Rtp).unwrap()
    }

    /// The contents of a packet with this index.
    fn opened(keys: &SessionKeys, packet: &[u8], index: u64) -> Option<Vec<u8>> {
        let header = Header::parse(packet)?;
        let mut plain = vec![1, 2, 3];
        open(keys, packet, header.body, header.ssrc, index, &mut plain)?;
        Some(plain)
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
            let keys = SessionKeys::Gcm(cipher);
            assert_eq!(
                opened(&keys, &packet, 0xf17b).as_deref(),
                Some(&b"Gallia est omnis divisa in partes tres"[..]),
                "{profile:?}"
            );
            assert_eq!(opened(&keys, &packet, 0x1_f17b), None);
        }
    }

    #[test]
    fn packets_of_another_implementation_verify_with_their_rollover_counter() {
        for (profile, [before, behind]) in PROFILES.into_iter().zip(SEALED) {
            let keys = keys(profile);
            for (packet, index) in [(hex(before), 0xfffe), (hex(behind), 0x1_0001)] {
                let payload = opened(&keys, &packet, index);
                assert_eq!(payload.as_deref(), Some(PAYLOAD), "{profile:?}");
                assert_eq!(opened(&keys, &packet, index ^ 0x1_0000), None);
            }
        }
    }

    #[test]
    fn no_length_and_no_flipped_bit_gets_through() {
        for (profile, [packet, _]) in PROFILES.into_iter().zip(SEALED) {
            let keys = keys(profile);
            let packet = hex(packet);
            let verifies = |bytes: &[u8]| {
                let seq = Header::parse(bytes).map_or(0, |header| header.seq);
                opened(&keys, bytes, u64::from(seq)).is_some()
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
