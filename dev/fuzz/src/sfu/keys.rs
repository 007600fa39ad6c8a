//! SRTP and SRTCP (RFC 3711, RFC 7714) of a client: written from the standard for the fuzzer, so that what the `Sfu` sends is opened by
//! other code than its own.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

const SALT_BYTES: usize = 12;
/// The flag of an encrypted SRTCP packet.
const ENCRYPTED: u32 = 1 << 31;
/// Bytes of SRTCP that are not encrypted.
const CLEAR_BYTES: usize = 8;

/// One end's keys.
struct End {
    rtp: LessSafeKey,
    rtp_salt: u128,
    rtcp: LessSafeKey,
    rtcp_salt: u128,
}

/// The keys of a connection.
pub(crate) struct Keys {
    ours: End,
    theirs: End,
    rtcp_index: u32,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Of a DTLS client, out of what DTLS exports: client key, server key, client salt, server salt.
    pub(crate) fn of_client(material: &[u8]) -> Self {
        let key_bytes = material.len() / 2 - SALT_BYTES;
        let (keys, salts) = material.split_at(2 * key_bytes);
        Self {
            ours: End::derive(&keys[..key_bytes], &salts[..SALT_BYTES]),
            theirs: End::derive(&keys[key_bytes..], &salts[SALT_BYTES..]),
            rtcp_index: 0,
        }
    }

    /// Encrypts an RTP packet whose header has `body` bytes. `index` is its number without wrap-around.
    pub(crate) fn seal_rtp(&self, packet: &[u8], body: usize, index: u64) -> Vec<u8> {
        let (header, payload) = packet.split_at(body);
        let mut sealed = payload.to_vec();
        let nonce = nonce(self.ours.rtp_salt, word(&packet[8..]), index);
        let tag = self
            .ours
            .rtp
            .seal_in_place_separate_tag(nonce, Aad::from(header), &mut sealed);
        [header, &sealed, tag.expect("it is short").as_ref()].concat()
    }

    /// Decrypts an RTP packet with this number; `None` if it does not verify.
    pub(crate) fn open_rtp(&self, packet: &[u8], body: usize, index: u64) -> Option<Vec<u8>> {
        let (header, sealed) = packet.split_at_checked(body)?;
        let mut payload = sealed.to_vec();
        let nonce = nonce(self.theirs.rtp_salt, word(&packet[8..]), index);
        let opened = self
            .theirs
            .rtp
            .open_in_place(nonce, Aad::from(header), &mut payload)
            .ok()?
            .len();
        payload.truncate(opened);
        Some(payload)
    }

    /// Encrypts an RTCP packet of eight bytes or more.
    pub(crate) fn seal_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        let (clear, secret) = packet.split_at(CLEAR_BYTES);
        let trailer = (self.rtcp_index | ENCRYPTED).to_be_bytes();
        let nonce = nonce(
            self.ours.rtcp_salt,
            word(&packet[4..]),
            u64::from(self.rtcp_index),
        );
        self.rtcp_index += 1;
        let mut sealed = secret.to_vec();
        let aad = Aad::from([clear, &trailer].concat());
        let tag = self
            .ours
            .rtcp
            .seal_in_place_separate_tag(nonce, aad, &mut sealed);
        [clear, &sealed, tag.expect("it is short").as_ref(), &trailer].concat()
    }

    /// Decrypts an RTCP packet, and says its index.
    pub(crate) fn open_rtcp(&self, packet: &[u8]) -> Option<(u32, Vec<u8>)> {
        let (sealed, trailer) = packet.split_last_chunk::<4>()?;
        let (clear, secret) = sealed.split_at_checked(CLEAR_BYTES)?;
        let index = u32::from_be_bytes(*trailer).checked_sub(ENCRYPTED)?;
        let nonce = nonce(self.theirs.rtcp_salt, word(&packet[4..]), u64::from(index));
        let aad = Aad::from([clear, trailer].concat());
        let mut plain = secret.to_vec();
        let length = self
            .theirs
            .rtcp
            .open_in_place(nonce, aad, &mut plain)
            .ok()?
            .len();
        plain.truncate(length);
        Some((index, [clear, &plain].concat()))
    }
}

impl End {
    fn derive(key: &[u8], salt: &[u8]) -> Self {
        let derived = |label, bytes| derive(key, salt, label, bytes);
        let cipher = |label| {
            let algorithm = if key.len() == 16 {
                &AES_128_GCM
            } else {
                &AES_256_GCM
            };
            LessSafeKey::new(UnboundKey::new(algorithm, &derived(label, key.len())).expect("a key"))
        };
        let salt = |label| {
            derived(label, SALT_BYTES)
                .iter()
                .fold(0, |salt, byte| salt << 8 | u128::from(*byte))
        };
        Self {
            rtp: cipher(0),
            rtp_salt: salt(2),
            rtcp: cipher(3),
            rtcp_salt: salt(5),
        }
    }
}

/// RFC 3711 §4.3: AES in counter mode over the salt, with the label in its eighth byte.
fn derive(key: &[u8], salt: &[u8], label: u8, bytes: usize) -> Vec<u8> {
    let mut counter = [0; 16];
    counter[..SALT_BYTES].copy_from_slice(salt);
    counter[7] ^= label;
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).expect("a key"))
        .expect("a cipher");
    let mut out = vec![0; bytes];
    let context = EncryptionContext::Iv128(counter.into());
    key.less_safe_encrypt(&mut out, context)
        .expect("it is short");
    out
}

fn nonce(salt: u128, ssrc: u32, index: u64) -> Nonce {
    let unique = (u128::from(ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff)) ^ salt;
    let bytes = unique.to_be_bytes();
    Nonce::assume_unique_for_key(*bytes.last_chunk().expect("twelve of sixteen bytes"))
}

/// The first four bytes as a number.
pub(crate) fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().expect("four bytes"))
}
