//! Signs events, so that a receiver can recognise ours and reject recorded ones that are sent again.
//!
//! The scheme is that of Standard Webhooks (standardwebhooks.com), so that its libraries verify it:
//! HMAC-SHA256 over id, timestamp and body, joined by dots; the timestamp is that of the attempt.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The header of the event's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header of the time of the attempt, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header of the signature.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// Shortest secret in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// The key of a secret: base64 after `whsec_`, or any text.
pub fn key(secret: &str) -> Option<hmac::Key> {
    let bytes = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.as_bytes().to_vec(),
    };
    (bytes.len() >= SECRET_BYTES_MIN).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The value of [`SIGNATURE_HEADER`].
pub fn sign(key: &hmac::Key, id: &str, timestamp: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    let tag = hmac::sign(key, signed.as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac module.
    #[test]
    fn a_signature_is_what_others_compute() {
        let plain = key("a secret of some length").unwrap();
        assert_eq!(
            sign(&plain, "id-1", 1_790_000_000, "{\"a\":1}"),
            "v1,31/fWLaVvLcVEEIQ3AcRhesc2iCMFfCq5z/6gKI6mO8="
        );
        let encoded = key("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").unwrap();
        assert_eq!(
            sign(&encoded, "id-1", 1_790_000_000, "{\"a\":1}"),
            "v1,jvR3UR+MBv9EhNC40cCsEphpWEBqsvfRP7y1WrI9DIQ="
        );
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        for secret in ["", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!"] {
            assert!(key(secret).is_none(), "{secret}");
        }
    }
}
