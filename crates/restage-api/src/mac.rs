//! HMAC-SHA256 and SHA-256 as functions.

use aws_lc_rs::{digest, hmac};

/// HMAC-SHA256 over the parts in sequence. Nothing separates the parts; a caller that
/// needs that adds lengths between them.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    bytes_32(context.sign().as_ref())
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(data: &[u8]) -> String {
    hex_32(bytes_32(digest::digest(&digest::SHA256, data).as_ref()))
}

/// What both functions above give.
fn bytes_32(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("SHA-256 has 32 bytes")
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
