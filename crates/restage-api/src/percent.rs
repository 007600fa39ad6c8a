//! Percent-encoding as SigV4 wants it: everything but RFC 3986's unreserved characters, upper-case
//! hex digits.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// The bytes that are written as `%XX`: all but letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Appends `bytes` encoded.
pub(crate) fn encode_into(out: &mut String, bytes: &[u8]) {
    out.extend(percent_encode(bytes, RESERVED));
}

/// Undoes one layer of encoding as forms do it: `+` is a space, a `%` without two hex digits stays.
pub(crate) fn decode_form(text: &str) -> Vec<u8> {
    match text.contains('+') {
        true => percent_decode(text.replace('+', " ").as_bytes()).collect(),
        false => decode_path(text).into_owned(),
    }
}

/// As [`decode_form`], but in a path, where `+` is a plus.
pub(crate) fn decode_path(text: &str) -> Cow<'_, [u8]> {
    percent_decode(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        let mut out = String::new();
        encode_into(&mut out, text.as_bytes());
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
        assert_eq!(*decode_path("a%20b+c%2B++%"), *b"a b+c+++%");
    }
}
