//! The signing key of a request, derived from the secret for a day and a Region.

use std::fmt;

use crate::mac::{hex_32, hmac_sha256};
use crate::sigv4::SERVICE;

/// The scope of a signing key: part of the credential in a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyScope<'a> {
    /// The id of the access key from whose secret it is derived.
    pub access_key: &'a str,
    /// `YYYYMMDD`
    pub day: &'a str,
    /// The Region as the client writes it: lower-case letters, digits and hyphens.
    pub region: &'a str,
}

/// A derived key. For its scope it is as sensitive as the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key. This takes four rounds of HMAC, so cache it when verifying many requests of a day.
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
