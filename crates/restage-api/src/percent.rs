//! Percent-encoding as SigV4 wants it: everything but RFC 3986's unreserved characters, upper-case
//! hex digits.

use std::fmt::Write as _;

/// Appends `bytes` encoded; bytes in `keep` stay as they are.
pub(crate) fn encode_into(out: &mut String, bytes: &[u8], keep: &[u8]) {
    for &byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Undoes one layer of encoding as forms do it: `+` is a space, a `%` without two hex digits stays.
pub(crate) fn decode_form(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let pair = match bytes.get(i..i + 3) {
            Some([b'%', high, low]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = pair {
            out.push(high << 4 | low);
            i += 3;
        } else {
            out.push(if bytes[i] == b'+' { b' ' } else { bytes[i] });
            i += 1;
        }
    }
    out
}

/// As [`decode_form`], but in a path, where `+` is a plus.
pub(crate) fn decode_path(text: &str) -> Vec<u8> {
    text.split('+')
        .map(decode_form)
        .collect::<Vec<_>>()
        .join(&b'+')
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        let mut out = String::new();
        encode_into(&mut out, text.as_bytes(), b"");
        out
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("AZaz09-._~"), "AZaz09-._~");
        assert_eq!(encode("a b/c%ü+*"), "a%20b%2Fc%25%C3%BC%2B%2A");
    }

    #[test]
    fn decoding_is_lenient() {
        assert_eq!(decode_form("a%20b+c%2f%zz%1"), b"a b c/%zz%1");
        assert_eq!(decode_form("%"), b"%");
        assert_eq!(decode_form("%%41"), b"%A");
        assert_eq!(decode_form("%+1"), b"% 1");
        assert_eq!(decode_form("%ff"), [0xff]);
        assert_eq!(decode_path("a%20b+c%2B++%"), b"a b+c+++%");
    }
}
