//! The canonical request: the form of a request that both sides hash.

use crate::percent::{decode_form, encode_into};
use crate::sigv4::Header;

/// The path as it was received, normalised and encoded again (every service except S3 encodes
/// twice).
///
/// Normalised means RFC 3986 §5.2.4; empty segments are removed as well.
pub(crate) fn path(out: &mut String, raw: &str) {
    let mut segments: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let last = raw.rsplit('/').next().unwrap_or_default();
    for segment in &segments {
        out.push('/');
        encode_into(out, segment.as_bytes());
    }
    if segments.is_empty() || matches!(last, "" | "." | "..") {
        out.push('/');
    }
}

/// The query, decoded and encoded again, sorted by name and then by value.
pub(crate) fn query(out: &mut String, raw: &str) {
    let encode = |text: &str| {
        let mut out = String::with_capacity(text.len());
        encode_into(&mut out, &decode_form(text));
        out
    };
    let mut pairs: Vec<_> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        let and = if at == 0 { "" } else { "&" };
        out.extend([and, name, "=", value]);
    }
}

/// A header's canonical line: values in the order received, separated by commas, each without surrounding spaces
/// and with inner runs of spaces reduced to one. `None` if there is no such header.
pub(crate) fn header(out: &mut String, name: &str, headers: &[Header<'_>]) -> Option<()> {
    let mut values = headers
        .iter()
        .filter(|(given, _)| *given == name)
        .map(|(_, value)| value);
    out.extend([name, ":"]);
    fold(out, values.next()?);
    for value in values {
        out.push(',');
        fold(out, value);
    }
    out.push('\n');
    Some(())
}

/// Only spaces are reduced. Tabs at the ends are not part of a value in HTTP (RFC 9110 §5.5).
fn fold(out: &mut String, value: &str) {
    let value = value.trim_matches([' ', '\t']);
    if !value.contains("  ") {
        out.push_str(value);
        return;
    }
    let words = value.split(' ').filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        out.extend([if at == 0 { "" } else { " " }, word]);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn written<T>(write: impl FnOnce(&mut String) -> T) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn paths_are_normalised_and_encoded_twice() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/ListStages", "/ListStages"),
            ("/a//b/", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/../../a/.", "/a/"),
            ("/tags/arn%3Aaws", "/tags/arn%253Aaws"),
            ("/a b~é", "/a%20b~%C3%A9"),
            ("relative", "/relative"),
        ] {
            assert_eq!(written(|out| path(out, raw)), canonical, "{raw}");
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        for (raw, canonical) in [
            ("", ""),
            ("&&", ""),
            ("b&a=", "a=&b="),
            ("a=b=c", "a=b%3Dc"),
            ("a=2&a=10&A=1", "A=1&a=10&a=2"),
            ("k=a+b%20c%2B", "k=a%20b%20c%2B"),
            ("%6b=%7e%zz", "k=~%25zz"),
            // Encoded, the lower-case umlaut sorts before any letter.
            ("a=1&%C3%A4=2", "%C3%A4=2&a=1"),
        ] {
            assert_eq!(written(|out| query(out, raw)), canonical, "{raw}");
        }
    }

    #[test]
    fn headers_are_folded_and_joined() {
        let headers: Vec<_> = [("x", "  a   b "), ("y", "z"), ("x", "\tc\td\t"), ("e", "")]
            .map(|(name, value)| (name, Cow::from(value)))
            .into();
        for (name, canonical) in [("x", "x:a b,c\td\n"), ("e", "e:\n"), ("y", "y:z\n")] {
            let found = written(|out| header(out, name, &headers).unwrap());
            assert_eq!(found, canonical);
        }
        assert_eq!(header(&mut String::new(), "X", &headers), None);
    }
}
