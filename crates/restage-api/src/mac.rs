//! HMAC-SHA256 and SHA-256 as functions.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA256 over the parts in sequence. Nothing separates the parts; a caller that
/// needs that adds lengths between them.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(data: &[u8]) -> String {
    hex_32(Sha256::digest(data).into())
}

/// Lower-case hex digits, converted in one step, because every request needs them three times.
pub(crate) fn hex_32(bytes: [u8; 32]) -> String {
    let mut digits = [0; 64];
    hex::encode_to_slice(bytes, &mut digits).expect("two digits for each byte");
    str::from_utf8(&digits)
        .expect("digits are ASCII")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_test_case_2() {
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            hex::encode(mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn sha256_of_nothing() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
