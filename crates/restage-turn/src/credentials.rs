//! Names and passwords of participants, in the scheme of draft-uberti-behave-turn-rest: the name is
//! `<expiry>:<participant>` and the password follows from it, so that nothing has to be stored.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::limits::USERNAME_BYTES_MAX;

/// The realm of all credentials. Short, so that an answer that names it stays small.
pub const REALM: &str = "restage";

/// A name and its password, for a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `<seconds since 1970 until which it can be used>:<participant>`.
    pub username: String,
    /// 28 characters of base64.
    pub password: String,
}

impl Credential {
    /// The key that signs messages of this user, and answers to them (RFC 8489 §9.2.2).
    pub fn key(&self) -> [u8; 16] {
        key(&self.username, &self.password)
    }
}

/// MD5 of name, realm and password.
fn key(username: &str, password: &str) -> [u8; 16] {
    Md5::digest(format!("{username}:{REALM}:{password}")).into()
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Makes and verifies credentials with a secret. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    passwords: hmac::Key,
    nonces: hmac::Key,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Credentials by this secret, which must be unpredictable.
    pub fn new(secret: &[u8]) -> Self {
        let derived = |purpose: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::sign(&key, purpose)
        };
        let passwords = derived(b"restage turn passwords");
        let nonces = derived(b"restage turn nonces");
        Self {
            passwords: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, passwords.as_ref()),
            nonces: hmac::Key::new(hmac::HMAC_SHA256, nonces.as_ref()),
        }
    }

    /// A credential that can be used for new allocations until `expires_s`, in seconds since 1970.
    pub fn issue(&self, participant: &str, expires_s: u64) -> Credential {
        let username = format!("{expires_s}:{participant}");
        let password = self.password(&username);
        Credential { username, password }
    }

    /// The key that signs messages of this user.
    pub(crate) fn key(&self, username: &str) -> [u8; 16] {
        key(username, &self.password(username))
    }

    pub(crate) fn nonces(&self) -> &hmac::Key {
        &self.nonces
    }

    fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.passwords, username.as_bytes()))
    }
}

/// The expiry and the participant in a name. `None`: it has another form.
pub(crate) fn parts(username: &str) -> Option<(u64, &str)> {
    if username.len() > USERNAME_BYTES_MAX {
        return None;
    }
    let (expires_s, participant) = username.split_once(':')?;
    let expires_s = expires_s.parse().ok()?;
    (!participant.is_empty()).then_some((expires_s, participant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_belongs_to_one_name_and_one_secret() {
        let (one, two) = (Credentials::new(b"one"), Credentials::new(b"two"));
        let credential = one.issue("p1", 7);
        assert_eq!(credential.username, "7:p1");
        assert_eq!(credential.password.len(), 28);
        assert_eq!(credential, one.issue("p1", 7));
        assert_ne!(credential.password, one.issue("p1", 8).password);
        assert_ne!(credential.password, one.issue("p2", 7).password);
        assert_ne!(credential.password, two.issue("p1", 7).password);
        assert_ne!(one.key("7:p1"), two.key("7:p1"));
        assert!(!format!("{credential:?}").contains(&credential.password));
    }

    #[test]
    fn a_name_has_an_expiry_and_a_participant() {
        assert_eq!(parts("17:abc"), Some((17, "abc")));
        assert_eq!(parts("17:a:b"), Some((17, "a:b")));
        let long = format!("1:{}", "x".repeat(USERNAME_BYTES_MAX));
        for other in ["", "17", "17:", ":abc", "x:abc", "-1:abc", &long] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
