//! `If-Match` (RFC 9110 §13.1.1): a list of entity tags, or `*` for any.

use http::header::IF_MATCH;
use http::{HeaderMap, StatusCode};

use super::refusal::Refusal;

/// The condition of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfMatch {
    /// `*`: any entity.
    Any,
    /// An entity with one of these tags, quotes included. Weak tags are dropped, because they never match here
    /// (§8.8.3.2).
    Tags(Vec<String>),
}

impl IfMatch {
    /// Parses all lines of the header; `None` if there are none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let lines: Option<Vec<&str>> = headers
            .get_all(IF_MATCH)
            .iter()
            .map(|line| line.to_str().ok())
            .collect();
        let parsed = match lines {
            Some(lines) if lines.is_empty() => return Ok(None),
            Some(lines) => Self::parse(&lines.join(",")),
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

    /// Parses one line. RFC 9725's examples write the star in quotes, which is accepted too.
    fn parse(text: &str) -> Option<Self> {
        if matches!(text.trim(), "*" | "\"*\"") {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let strong = rest.strip_prefix("W/");
            let quoted = strong.unwrap_or(rest).strip_prefix('"')?;
            let (opaque, after) = quoted.split_once('"')?;
            if opaque.contains([' ', '\t']) {
                return None;
            }
            if strong.is_none() {
                tags.push(format!("\"{opaque}\""));
            }
            let after = after.trim_start_matches([' ', '\t']);
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            rest = after.trim_start_matches([' ', '\t', ',']);
        }
        Some(Self::Tags(tags))
    }

    /// Whether the condition is true for an entity with this tag, quotes included.
    pub fn allows(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == current),
        }
    }
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
        IfMatch::of(&headers).map_err(|_| ())
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
