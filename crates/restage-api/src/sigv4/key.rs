//! The key a request is signed with, which is derived from the secret for a day and a region.

use std::fmt;

use crate::mac::{hex_32, hmac_sha256};
use crate::sigv4::SERVICE;

/// What a key signs for: part of the credential a request names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyScope<'a> {
    /// The access key id, which says whose secret the key is derived from.
    pub access_key: &'a str,
    /// `YYYYMMDD`
    pub day: &'a str,
    /// As a client writes it; lower-case letters, digits and hyphens.
    pub region: &'a str,
}

/// A derived key. As good as the secret, for its scope.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives it. Four rounds of HMAC, so who verifies many requests of a day keeps it.
    pub fn derive(secret: &str, day: &str, region: &str) -> Self {
        let start = format!("AWS4{secret}");
        let of_day = hmac_sha256(start.as_bytes(), &[day.as_bytes()]);
        let of_region = hmac_sha256(&of_day, &[region.as_bytes()]);
        let of_service = hmac_sha256(&of_region, &[SERVICE.as_bytes()]);
        Self(hmac_sha256(&of_service, &[b"aws4_request"]))
    }

    /// The signature of a text, in lower-case hex digits.
    pub(crate) fn sign(&self, text: &str) -> String {
        hex_32(hmac_sha256(&self.0, &[text.as_bytes()]))
    }
}

/// Shows nothing of the key, so that it never reaches a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}
