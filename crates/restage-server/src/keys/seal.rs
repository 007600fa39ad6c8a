//! Encrypts the secrets of access keys at rest: AES-256-GCM with a key of the data directory.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyFileError;
use crate::data_dir::write_secret;

/// Bytes of the sealing key.
const KEY_LEN: usize = 32;

/// Encrypts and decrypts. The key is created at first use, readable by its owner only.
pub(super) struct Seal {
    key: RandomizedNonceKey,
}

impl Seal {
    /// Uses the key in this file, which is created if it does not exist.
    pub(super) fn at(path: &Path) -> Result<Self, KeyFileError> {
        let damaged = || KeyFileError::SealKey {
            path: path.to_owned(),
        };
        if !path.exists() {
            let fresh: [u8; KEY_LEN] = rand::random();
            write_secret(path, hex::encode(fresh).as_bytes())?;
        }
        let text = std::fs::read_to_string(path).map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        let bytes = hex::decode(text.trim()).map_err(|_| damaged())?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| damaged())?;
        Ok(Self { key })
    }

    /// Encrypts a secret and authenticates `about`, the properties of its key: neither can be changed alone.
    pub(super) fn seal(&self, secret: &str, about: &str) -> Option<String> {
        let mut text = secret.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(about.as_bytes()), &mut text)
            .ok()?;
        let sealed = [nonce.as_ref().as_slice(), &text].concat();
        Some(STANDARD.encode(sealed))
    }

    /// Decrypts a secret, if it was sealed with this key and the same `about`.
    pub(super) fn open(&self, sealed: &str, about: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(about.as_bytes()), &mut text)
            .ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_subject_only() {
        let dir = tempfile::tempdir().unwrap();
        let seal = Seal::at(&dir.path().join("one")).unwrap();
        let sealed = seal.seal("a secret", "AKIA1").unwrap();
        assert!(!sealed.contains("secret"));
        assert_eq!(seal.open(&sealed, "AKIA1").as_deref(), Some("a secret"));
        assert_eq!(seal.open(&sealed, "AKIA2"), None);
        let again = Seal::at(&dir.path().join("one")).unwrap();
        assert_eq!(again.open(&sealed, "AKIA1").as_deref(), Some("a secret"));
        let other = Seal::at(&dir.path().join("two")).unwrap();
        assert_eq!(other.open(&sealed, "AKIA1"), None);
        for bad in ["", "AAAA", "not base64", &sealed[4..]] {
            assert_eq!(seal.open(bad, "AKIA1"), None, "{bad}");
        }
    }

    #[test]
    fn the_key_is_private_and_a_damaged_one_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        Seal::at(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "abcd").unwrap();
        assert!(matches!(Seal::at(&path), Err(KeyFileError::SealKey { .. })));
    }
}
