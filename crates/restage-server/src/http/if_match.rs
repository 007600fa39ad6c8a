//! `If-Match` (RFC 9110 §13.1.1): a list of entity tags, or `*` for any.

use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};
use restage_node::control::IfMatch;

use super::refusal::Refusal;

/// Parses all lines of the header; `None` if there are none.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Refusal> {
    let lines: Option<Vec<&str>> = headers
        .get_all(IF_MATCH)
        .iter()
        .map(|line| line.to_str().ok())
        .collect();
    let parsed = match lines {
        Some(lines) if lines.is_empty() => return Ok(None),
        Some(lines) => IfMatch::parse(&lines.join(",")),
        None => None,
    };
    parsed.map(Some).ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "INVALID",
            "If-Match must be * or a list of entity tags, each in double quotes",
        )
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<IfMatch>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        if_match(&headers).map_err(|_| ())
    }

    #[test]
    fn lists_are_read_and_weak_tags_never_match() {
        assert_eq!(read(&[]), Ok(None));
        for any in ["*", " * ", "\"*\""] {
            assert_eq!(read(&[any]), Ok(Some(IfMatch::Any)), "{any}");
        }
        for (lines, fits) in [
            (&["\"a\""][..], true),
            (&["\"b\", \"a\""][..], true),
            (&["\"b\",\"a\",W/\"c\""][..], true),
            (&[", ,\t\"a\" ,, \"b\" ,"][..], true),
            (&["\"b\"", "\"a\""][..], true),
            (&["\"x,y\", \"a\""][..], true),
            (&["W/\"a\""][..], false),
            (&["W/\"a\", \"b\""][..], false),
            (&["\"b\""][..], false),
            (&["\"A\""][..], false),
            (&["\"b,a\""][..], false),
            (&["\"\""][..], false),
            (&[""][..], false),
            (&[" , "][..], false),
        ] {
            let parsed = read(lines).unwrap().unwrap();
            assert_eq!(parsed.allows("\"a\""), fits, "{lines:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for lines in [
            &["a"][..],
            &["\"a"][..],
            &["a\""][..],
            &["\"a\" \"b\""][..],
            &["\"a\"b"][..],
            &["w/\"a\""][..],
            &["W/a"][..],
            &["W/"][..],
            &["\"a b\""][..],
            &["*, \"a\""][..],
            &["\"a\"", "*"][..],
            &["\"\u{e9}\""][..],
        ] {
            assert_eq!(read(lines), Err(()), "{lines:?}");
        }
        let long = "\"a\",".repeat(10_000);
        assert!(read(&[&long]).unwrap().unwrap().allows("\"a\""));
    }
}
