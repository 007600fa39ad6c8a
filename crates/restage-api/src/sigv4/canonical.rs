//! The canonical request: the one way of writing a request down that both sides hash.

use crate::percent::{decode_form, encode_into};
use crate::sigv4::Header;

/// The path as it was received, normalised and encoded once more (every service but S3 encodes
/// twice).
///
/// Normalised means RFC 3986 §5.2.4, and empty segments go as well.
pub(crate) fn path(raw: &str) -> String {
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
    let mut out = String::with_capacity(raw.len() + 16);
    for segment in &segments {
        out.push('/');
        encode_into(&mut out, segment.as_bytes(), b"");
    }
    if segments.is_empty() || matches!(last, "" | "." | "..") {
        out.push('/');
    }
    out
}

/// The query, decoded and encoded anew, sorted by name and then by value.
pub(crate) fn query(raw: &str) -> String {
    let encode = |text: &str| {
        let mut out = String::with_capacity(text.len());
        encode_into(&mut out, &decode_form(text), b"");
        out
    };
    let mut pairs: Vec<_> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// A header's canonical line: values in the order received, separated by commas, each without spaces
/// around it and with runs of spaces inside folded into one. `None` if there is no such header.
pub(crate) fn header(name: &str, headers: &[Header<'_>]) -> Option<String> {
    let values: Vec<_> = headers
        .iter()
        .filter(|(given, _)| *given == name)
        .map(|(_, value)| fold(value))
        .collect();
    (!values.is_empty()).then(|| format!("{name}:{}\n", values.join(",")))
}

/// Only spaces fold. Tabs at the ends are no part of a value in HTTP (RFC 9110 §5.5).
fn fold(value: &str) -> String {
    let words = value
        .trim_matches([' ', '\t'])
        .split(' ')
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

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
            assert_eq!(path(raw), canonical, "{raw}");
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
            assert_eq!(query(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn headers_are_folded_and_joined() {
        let headers: Vec<_> = [("x", "  a   b "), ("y", "z"), ("x", "\tc\td\t"), ("e", "")]
            .map(|(name, value)| (name, Cow::from(value)))
            .into();
        assert_eq!(header("x", &headers).as_deref(), Some("x:a b,c\td\n"));
        assert_eq!(header("e", &headers).as_deref(), Some("e:\n"));
        assert_eq!(header("X", &headers), None);
    }
}
