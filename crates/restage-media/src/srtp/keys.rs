//! Session keys of SRTP, derived from the keying material of DTLS (RFC 5764 §4.2, RFC 3711 §4.3, RFC 7714 §11).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

/// Bytes of the salt of AES-GCM.
const SALT_BYTES: usize = 12;
pub(crate) const GCM_TAG_BYTES: usize = 16;
/// Bytes of the tag of HMAC-SHA1-80: the first ten of twenty (RFC 3711 §4.2.1).
pub(crate) const HMAC_TAG_BYTES: usize = 10;
/// Bytes of the key of HMAC-SHA1 (RFC 3711 §5.2).
const HMAC_KEY_BYTES: usize = 20;

/// What a derived key is for (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    RtpKey = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The SRTP profile that DTLS negotiated (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SrtpProfile {
    AeadAes256Gcm,
    AeadAes128Gcm,
    Aes128CmSha1,
}

impl SrtpProfile {
    /// Bytes that DTLS exports for both ends.
    pub(crate) fn keying_material_bytes(self) -> usize {
        2 * (self.key_bytes() + self.salt_bytes())
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            Self::AeadAes128Gcm | Self::Aes128CmSha1 => 16,
        }
    }

    fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => SALT_BYTES,
            Self::Aes128CmSha1 => 14,
        }
    }
}

/// The keying material that DTLS exports (RFC 5764 §4.2). It is overwritten once keys are derived.
pub(crate) struct KeyingMaterial {
    pub(crate) profile: SrtpProfile,
    /// Client key, server key, client salt, server salt.
    pub(crate) bytes: Vec<u8>,
    /// Whether this end was the DTLS client.
    pub(crate) is_client: bool,
}

impl Drop for KeyingMaterial {
    fn drop(&mut self) {
        self.bytes.fill(0);
    }
}

/// One end's master key and salt.
#[derive(Clone, Copy)]
pub(crate) struct Master<'a> {
    pub(crate) profile: SrtpProfile,
    pub(crate) key: &'a [u8],
    pub(crate) salt: &'a [u8],
}

impl KeyingMaterial {
    /// Master keys of our end and of the remote end. `None`: the material is not as long as its profile requires.
    pub(crate) fn masters(&self) -> Option<(Master<'_>, Master<'_>)> {
        let (key_bytes, salt_bytes) = (self.profile.key_bytes(), self.profile.salt_bytes());
        if self.bytes.len() != self.profile.keying_material_bytes() {
            return None;
        }
        let (keys, salts) = self.bytes.split_at(2 * key_bytes);
        let (client_key, server_key) = keys.split_at(key_bytes);
        let (client_salt, server_salt) = salts.split_at(salt_bytes);
        let master = |key, salt| Master {
            profile: self.profile,
            key,
            salt,
        };
        let client = master(client_key, client_salt);
        let server = master(server_key, server_salt);
        Some(if self.is_client {
            (client, server)
        } else {
            (server, client)
        })
    }
}

impl Master<'_> {
    /// The key derivation function of RFC 3711 §4.3 with a derivation rate of zero: AES in counter mode over the salt
    /// with the label in its eighth byte. A salt of twelve bytes is padded with zeros (RFC 7714 §11).
    pub(crate) fn derive(&self, label: Label, out: &mut [u8]) -> Option<()> {
        let mut counter = [0; 16];
        counter
            .get_mut(..self.salt.len())?
            .copy_from_slice(self.salt);
        counter[7] ^= label as u8;
        let algorithm = match self.profile {
            SrtpProfile::AeadAes256Gcm => &AES_256,
            SrtpProfile::AeadAes128Gcm | SrtpProfile::Aes128CmSha1 => &AES_128,
        };
        let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, self.key).ok()?).ok()?;
        out.fill(0);
        key.less_safe_encrypt(out, EncryptionContext::Iv128(counter.into()))
            .ok()?;
        Some(())
    }
}

/// A session key of AES-GCM with its salt.
pub(crate) struct Cipher {
    pub(crate) key: LessSafeKey,
    /// The salt as a number.
    pub(crate) salt: u128,
}

impl Cipher {
    /// `None`: the profile does not use AES-GCM.
    fn derive(master: &Master<'_>, key: Label, salt: Label) -> Option<Self> {
        let mut session_key = vec![0; master.profile.key_bytes()];
        master.derive(key, &mut session_key)?;
        let mut session_salt = [0; SALT_BYTES];
        master.derive(salt, &mut session_salt)?;
        let cipher = Self::new(master.profile, &session_key, session_salt);
        session_key.fill(0);
        cipher
    }

    pub(crate) fn new(profile: SrtpProfile, key: &[u8], salt: [u8; SALT_BYTES]) -> Option<Self> {
        let algorithm = match profile {
            SrtpProfile::AeadAes128Gcm => &AES_128_GCM,
            SrtpProfile::AeadAes256Gcm => &AES_256_GCM,
            SrtpProfile::Aes128CmSha1 => return None,
        };
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?),
            salt: salt
                .iter()
                .fold(0, |salt, byte| salt << 8 | u128::from(*byte)),
        })
    }

    /// The nonce of RFC 7714 §8.1 and §9.1: two zero bytes, SSRC and a six-byte index, combined with the salt.
    #[inline]
    pub(crate) fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let index = u128::from(index & 0xffff_ffff_ffff);
        let nonce = (u128::from(ssrc) << 48 | index) ^ self.salt;
        let bytes = nonce.to_be_bytes();
        let unique = bytes.last_chunk::<NONCE_LEN>().copied();
        Nonce::assume_unique_for_key(unique.unwrap_or_default())
    }
}

/// The use of session keys.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Use {
    Rtp,
    Rtcp,
}

/// One end's session keys for its profile.
pub(crate) enum SessionKeys {
    Gcm(Cipher),
    /// Boxed: it is forty times as large.
    CounterMode(Box<CounterMode>),
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeys")
    }
}

impl SessionKeys {
    pub(crate) fn derive(master: &Master<'_>, of: Use) -> Option<Self> {
        let (key, authentication, salt) = match of {
            Use::Rtp => (Label::RtpKey, Label::RtpAuthentication, Label::RtpSalt),
            Use::Rtcp => (Label::RtcpKey, Label::RtcpAuthentication, Label::RtcpSalt),
        };
        if master.profile == SrtpProfile::Aes128CmSha1 {
            let keys = CounterMode::derive(master, key, authentication, salt)?;
            return Some(Self::CounterMode(Box::new(keys)));
        }
        Cipher::derive(master, key, salt).map(Self::Gcm)
    }
}

/// Session keys of AES in counter mode and HMAC-SHA1-80.
pub(crate) struct CounterMode {
    key: EncryptingKey,
    /// The salt as a number.
    salt: u128,
    hmac: hmac::Key,
}

impl CounterMode {
    fn derive(master: &Master<'_>, key: Label, authentication: Label, salt: Label) -> Option<Self> {
        let mut session_key = vec![0; master.profile.key_bytes()];
        master.derive(key, &mut session_key)?;
        let mut hmac_key = [0; HMAC_KEY_BYTES];
        master.derive(authentication, &mut hmac_key)?;
        let mut session_salt = vec![0; master.profile.salt_bytes()];
        master.derive(salt, &mut session_salt)?;
        let unbound = UnboundCipherKey::new(&AES_128, &session_key).ok()?;
        let derived = Self {
            key: EncryptingKey::ctr(unbound).ok()?,
            salt: session_salt
                .iter()
                .fold(0, |salt, byte| salt << 8 | u128::from(*byte)),
            hmac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &hmac_key),
        };
        session_key.fill(0);
        hmac_key.fill(0);
        Some(derived)
    }

    /// Encrypts or decrypts, which is the same operation (RFC 3711 §4.1.1).
    pub(crate) fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) -> Option<()> {
        let counter = self.salt << 16 ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        let context = EncryptionContext::Iv128(counter.to_be_bytes().into());
        self.key.less_safe_encrypt(bytes, context).ok()?;
        Some(())
    }

    /// The tag of these parts one after the other.
    pub(crate) fn tag(&self, authenticated: [&[u8]; 2]) -> [u8; HMAC_TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.hmac);
        for part in authenticated {
            context.update(part);
        }
        let full = context.sign();
        full.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Reads the memory that encryption needs first: see [`Sender::touch`](crate::send::Sender::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.salt as u64
    }

    /// Whether `tag` is the tag of these parts, in constant time.
    pub(crate) fn verifies(&self, authenticated: [&[u8]; 2], tag: &[u8]) -> bool {
        verify_slices_are_equal(&self.tag(authenticated), tag).is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    pub(crate) fn material(is_client: bool, profile: SrtpProfile) -> KeyingMaterial {
        let length = 2 * (profile.key_bytes() + profile.salt_bytes());
        KeyingMaterial {
            profile,
            bytes: (0..length as u8).collect(),
            is_client,
        }
    }

    /// RFC 3711, appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_rfc() {
        let master = Master {
            profile: SrtpProfile::Aes128CmSha1,
            key: &hex("e1f97a0d3e018be0d64fa32c06de4139"),
            salt: &hex("0ec675ad498afeebb6960b3aabe6"),
        };
        for (label, expected) in [
            (Label::RtpKey, "c61e7a93744f39ee10734afe3ff7a087"),
            (Label::RtpSalt, "30cbbc08863d8c85d49db34a9ae1"),
            (
                Label::RtpAuthentication,
                "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
            ),
        ] {
            let expected = hex(expected);
            let mut out = vec![0; expected.len()];
            master.derive(label, &mut out).unwrap();
            assert_eq!(out, expected, "{label:?}");
        }
    }

    #[test]
    fn each_end_has_its_own_key_and_salt_and_other_lengths_are_refused() {
        let ours = material(true, SrtpProfile::Aes128CmSha1);
        let (own, remote) = ours.masters().unwrap();
        assert_eq!((own.key[0], own.salt[0]), (0, 32));
        assert_eq!((remote.key[0], remote.salt[0]), (16, 46));
        let theirs = material(false, SrtpProfile::Aes128CmSha1);
        let (own, _) = theirs.masters().unwrap();
        assert_eq!((own.key[0], own.salt[0]), (16, 46));
        let mut short = material(true, SrtpProfile::AeadAes256Gcm);
        short.bytes.pop();
        assert!(short.masters().is_none());
    }
}
