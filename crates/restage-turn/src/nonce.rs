//! Nonces without state: the time and a MAC over it and the client's address.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::NONCE_LIFETIME;

/// Bytes of the time, and of the MAC. Together 16 characters, so that the answer to the smallest request is at most
/// three times as long.
const TIME_BYTES: usize = 4;
const MAC_BYTES: usize = 8;

/// A nonce for this client, made at this time in seconds since 1970.
pub(crate) fn make(key: &hmac::Key, client: SocketAddr, unix_s: u64) -> String {
    let time = (unix_s as u32).to_be_bytes();
    let mut bytes = Vec::with_capacity(TIME_BYTES + MAC_BYTES);
    bytes.extend(time);
    bytes.extend(&mac(key, client, time).as_ref()[..MAC_BYTES]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether it was made for this client, and not too long ago.
pub(crate) fn is_valid(key: &hmac::Key, client: SocketAddr, unix_s: u64, nonce: &[u8]) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else {
        return false;
    };
    let Some((time, rest)) = bytes.split_first_chunk::<TIME_BYTES>() else {
        return false;
    };
    let tag = mac(key, client, *time);
    if verify_slices_are_equal(&tag.as_ref()[..MAC_BYTES], rest).is_err() {
        return false;
    }
    // The difference of two times modulo 2^32, which passes the year 2106.
    let age = (unix_s as u32).wrapping_sub(u32::from_be_bytes(*time));
    u64::from(age) <= NONCE_LIFETIME.as_secs()
}

fn mac(key: &hmac::Key, client: SocketAddr, time: [u8; TIME_BYTES]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&time);
    match client.ip() {
        IpAddr::V4(ip) => context.update(&ip.octets()),
        IpAddr::V6(ip) => context.update(&ip.octets()),
    }
    context.update(&client.port().to_be_bytes());
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_for_one_client_and_a_while() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let client: SocketAddr = "198.51.100.1:5000".parse().unwrap();
        let nonce = make(&key, client, 1_000_000);
        assert_eq!(nonce.len(), 16);
        let life = NONCE_LIFETIME.as_secs();
        for (at, is_accepted) in [
            (1_000_000, true),
            (1_000_000 + life, true),
            (1_000_001 + life, false),
            (999_999, false),
        ] {
            let found = is_valid(&key, client, at, nonce.as_bytes());
            assert_eq!(found, is_accepted, "{at}");
        }
        let other = "198.51.100.1:5001".parse().unwrap();
        assert!(!is_valid(&key, other, 1_000_000, nonce.as_bytes()));
        let wrong = hmac::Key::new(hmac::HMAC_SHA256, b"kez");
        assert!(!is_valid(&wrong, client, 1_000_000, nonce.as_bytes()));
        for text in ["", "AAAA", "????", &nonce[..15], &format!("{nonce}AAAA")] {
            assert!(
                !is_valid(&key, client, 1_000_000, text.as_bytes()),
                "{text}"
            );
        }
    }
}
