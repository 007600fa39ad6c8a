//! The Range header (RFC 9110 §14.2).

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};
use restage_storage::bucket::Asked;

/// The bytes that a request asks for. All, if the header is not understood, if it has several ranges, or if it is for a version
/// of the object (`If-Range`), because no answer names one: RFC 9110 lets a server ignore it.
pub(super) fn asked(headers: &HeaderMap) -> Asked {
    if headers.contains_key(IF_RANGE) {
        return Asked::Whole;
    }
    let mut ranges = headers.get_all(RANGE).iter();
    let (first, others) = (ranges.next(), ranges.next());
    let text = first.and_then(|range| range.to_str().ok());
    match (text.and_then(parsed), others) {
        (Some(asked), None) => asked,
        _ => Asked::Whole,
    }
}

fn parsed(text: &str) -> Option<Asked> {
    let (unit, range) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (from, to) = range.trim().split_once('-')?;
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Some(Asked::Between(from, to.saturating_add(1))),
        (Some(from), None) if to.is_empty() => Some(Asked::From(from)),
        (None, Some(count)) if from.is_empty() => Some(Asked::Last(count)),
        _ => None,
    }
}

/// Digits alone, which Rust's own parser does not insist on.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true => Some(text.parse().unwrap_or(u64::MAX)),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        for (text, expected) in [
            ("bytes=0-0", Asked::Between(0, 1)),
            ("bytes=5-9", Asked::Between(5, 10)),
            ("Bytes= 5-9 ", Asked::Between(5, 10)),
            ("BYTES=5-9", Asked::Between(5, 10)),
            ("bytes=5-", Asked::From(5)),
            ("bytes=-7", Asked::Last(7)),
            ("bytes=-0", Asked::Last(0)),
            ("bytes=0-99999999999999999999", Asked::Between(0, u64::MAX)),
            ("bytes=9-5", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=1-2,4-5", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("", Asked::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, text.parse().unwrap());
            assert_eq!(asked(&headers), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_understood_asks_for_all() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked(&headers), Asked::Whole);
        headers.append(RANGE, "bytes=0-1".parse().unwrap());
        headers.insert(IF_RANGE, "\"x\"".parse().unwrap());
        assert_eq!(asked(&headers), Asked::Whole);
        headers.remove(IF_RANGE);
        headers.append(RANGE, "bytes=2-3".parse().unwrap());
        assert_eq!(asked(&headers), Asked::Whole);
    }
}
