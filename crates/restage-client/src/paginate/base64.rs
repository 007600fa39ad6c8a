//! Base64 decoding as lenient as Python's `base64.b64decode` (module `binascii`, not strict):
//! characters outside the alphabet are skipped, padding is required but may be too long, and
//! whatever follows complete padding is ignored. The crate base64 has no such mode.

use base64::Engine as _;

/// Encodes with the standard alphabet and padding, as `base64.b64encode` does.
pub(super) fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Decodes; `None` where Python raises `binascii.Error`: characters are left over that padding
/// does not complete.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits: u32 = 0;
    // Characters of the current group of four, and the `=` characters since the last of them.
    let (mut group, mut padding) = (0, 0);
    for &character in text {
        if character == b'=' {
            if group >= 2 {
                padding += 1;
                if group + padding >= 4 {
                    return Some(bytes);
                }
            }
            continue;
        }
        let Some(value) = value(character) else {
            continue;
        };
        padding = 0;
        bits = bits << 6 | u32::from(value);
        group += 1;
        if group > 1 {
            // Bits that have not been output yet: 4 after the second character, 2 after the third.
            let left = (4 - group) * 2;
            bytes.push((bits >> left) as u8);
            bits &= (1 << left) - 1;
        }
        group %= 4;
    }
    (group == 0).then_some(bytes)
}

fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in 0..50 {
            let bytes: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(37)).collect();
            assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
        }
    }

    /// Results are those of CPython 3.11.
    #[test]
    fn it_is_as_lenient_as_python() {
        let cases: [(&str, Option<&[u8]>); 19] = [
            ("", Some(b"")),
            ("=", Some(b"")),
            ("====", Some(b"")),
            ("YWJj", Some(b"abc")),
            ("YWI=", Some(b"ab")),
            ("YQ==", Some(b"a")),
            ("YQ=", None),
            ("YQ", None),
            ("Y", None),
            ("Y===", None),
            ("YWI", None),
            ("YWI==", Some(b"ab")),
            ("YQ====", Some(b"a")),
            ("Y\nW-J_j\u{e4}", Some(b"abc")),
            ("YQ==YWJj", Some(b"a")),
            ("YQ=WJj", None),
            ("=YWJj", Some(b"abc")),
            ("Y=WJj", Some(b"abc")),
            ("YWJj=", Some(b"abc")),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
    }
}
