//! Resume tokens: written exactly as botocore writes them, and read as leniently as botocore reads
//! them (`botocore/paginate.py`, class `PageIterator`).
//!
//! A token is the base64 of a JSON object with the service's own token and the number of items of
//! its page that were already delivered. An older form is `<service token>___<count>`,
//! and a bare service token is accepted too.

use super::error::PaginateError;
use super::pyjson::{self, Failure, Value};
use super::{base64, pyint};

const NEXT_TOKEN: &str = "nextToken";
const TRUNCATE_AMOUNT: &str = "boto_truncate_amount";
const ENCODED_KEYS: &str = "boto_encoded_keys";
/// Python's `None` as text, which botocore treats as no token.
const NONE: &str = "None";
const LEGACY_SEPARATOR: &str = "___";

/// Where a pagination starts, according to its starting token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The service's token in the starting token; `None` if the starting token has no such member.
    pub(super) member: Option<Option<String>>,
    /// Items of the first page to leave out, counted from its end if negative.
    pub(super) index: i64,
    /// Whether a token for the same page can be written: only if this one had `nextToken` and
    /// nothing unknown.
    pub(super) is_regular: bool,
}

/// The token that continues after `amount` items of the page that `service_token` fetches; without
/// an amount, at its start.
pub(super) fn write(service_token: Option<&str>, amount: Option<i128>) -> String {
    let mut json = format!("{{\"{NEXT_TOKEN}\": ");
    match service_token {
        Some(token) => pyjson::write_text(&mut json, token),
        None => json.push_str("null"),
    }
    if let Some(amount) = amount {
        json.push_str(&format!(", \"{TRUNCATE_AMOUNT}\": {amount}"));
    }
    json.push('}');
    base64::encode(json.as_bytes())
}

/// The service's token to send: botocore leaves `None` and the text `"None"` out.
pub(super) fn to_send(service_token: Option<&str>) -> Option<&str> {
    service_token.filter(|token| *token != NONE)
}

pub(super) fn parse(text: &str) -> Result<Start, PaginateError> {
    let Some(json) =
        base64::decode(text.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return parse_legacy(text);
    };
    match pyjson::parse(&json) {
        Ok(Value::Object(members)) => parse_members(text, members),
        // For a list botocore falls back to the old form; for a bare value it crashes.
        Err(Failure::Syntax) | Ok(Value::List(_)) => parse_legacy(text),
        Ok(_) => Err(bad("it is base64 of a JSON value that is no object")),
        Err(Failure::TooDeep) => Err(bad("it is base64 of JSON nested too deep")),
    }
}

fn parse_members(text: &str, members: Vec<(String, Value)>) -> Result<Start, PaginateError> {
    let mut start = Start {
        member: None,
        index: 0,
        is_regular: true,
    };
    for (name, value) in members {
        match name.as_str() {
            TRUNCATE_AMOUNT => start.index = index(&value)?,
            NEXT_TOKEN => start.member = Some(service_token(value)?),
            ENCODED_KEYS => match value {
                Value::Null | Value::List(0) => {}
                Value::Object(members) if members.is_empty() => {}
                Value::Text(keys) if keys.is_empty() => {}
                // botocore cannot iterate over these and falls back to the old form.
                Value::Bool(_) | Value::Integer(_) | Value::Float => return parse_legacy(text),
                _ => return Err(bad("it carries encoded bytes, which no IVS token does")),
            },
            // Unset members are dropped from the request and have no effect.
            _ if value == Value::Null || value == Value::Text(NONE.to_owned()) => {
                start.is_regular = false;
            }
            _ => {
                return Err(bad(&format!(
                    "it sets {name:?}; only {NEXT_TOKEN:?} may be set"
                )));
            }
        }
    }
    start.is_regular &= start.member.is_some();
    Ok(start)
}

fn index(value: &Value) -> Result<i64, PaginateError> {
    match value {
        Value::Integer(digits) => digits
            .parse()
            .map_err(|_| bad(&format!("its {TRUNCATE_AMOUNT:?} is beyond 64 bits"))),
        Value::Bool(one) => Ok(i64::from(*one)),
        Value::Null => Ok(0),
        _ => Err(bad(&format!("its {TRUNCATE_AMOUNT:?} is not an integer"))),
    }
}

fn service_token(value: Value) -> Result<Option<String>, PaginateError> {
    match value {
        Value::Text(token) => Ok(Some(token)),
        Value::Null => Ok(None),
        Value::BrokenText => Err(bad(&format!("its {NEXT_TOKEN:?} is not valid Unicode"))),
        _ => Err(bad(&format!("its {NEXT_TOKEN:?} is not a string"))),
    }
}

fn parse_legacy(text: &str) -> Result<Start, PaginateError> {
    let regular = |token: &str, index| {
        let member = Some((token != NONE).then(|| token.to_owned()));
        Ok(Start {
            member,
            index,
            is_regular: true,
        })
    };
    let parts: Vec<&str> = text.split(LEGACY_SEPARATOR).collect();
    match parts.as_slice() {
        [token, count] => match pyint::parse(count) {
            Some(pyint::Integer::Small(index)) => regular(token, index),
            Some(pyint::Integer::Big) => Err(bad("its count is beyond 64 bits")),
            None => regular(text, 0),
        },
        [_] => regular(text, 0),
        _ => Err(bad(&format!(
            "it holds {LEGACY_SEPARATOR:?} more than once"
        ))),
    }
}

fn bad(why: &str) -> PaginateError {
    PaginateError::StartingToken(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(json: &str) -> String {
        base64::encode(json.as_bytes())
    }

    fn start(member: Option<Option<&str>>, index: i64, is_regular: bool) -> Start {
        let member = member.map(|token| token.map(str::to_owned));
        Start {
            member,
            index,
            is_regular,
        }
    }

    fn refusal(text: &str) -> String {
        match parse(text) {
            Err(PaginateError::StartingToken(why)) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn tokens_are_written_to_the_letter() {
        let cases = [
            (
                None,
                Some(2),
                "eyJuZXh0VG9rZW4iOiBudWxsLCAiYm90b190cnVuY2F0ZV9hbW91bnQiOiAyfQ==",
            ),
            (Some("t3"), None, "eyJuZXh0VG9rZW4iOiAidDMifQ=="),
        ];
        for (token, amount, expected) in cases {
            assert_eq!(write(token, amount), expected);
        }
        assert_eq!(
            write(None, Some(-1)),
            encoded(r#"{"nextToken": null, "boto_truncate_amount": -1}"#)
        );
        assert_eq!(
            write(Some("\u{e9}\"/"), None),
            encoded(r#"{"nextToken": "\u00e9\"/"}"#)
        );
    }

    #[test]
    fn written_tokens_are_read_back() {
        for token in [None, Some("t3"), Some(""), Some("ä\n___5")] {
            for amount in [None, Some(0), Some(7), Some(-3)] {
                let index = amount.unwrap_or(0) as i64;
                assert_eq!(
                    parse(&write(token, amount)),
                    Ok(start(Some(token), index, true))
                );
            }
        }
    }

    #[test]
    fn members_may_come_in_any_order_and_type_python_forgives() {
        let t3 = Some(Some("t3"));
        let cases = [
            (
                r#"{"boto_truncate_amount": 2, "nextToken": "t3"}"#,
                start(t3, 2, true),
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":-2}"#,
                start(t3, -2, true),
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":null}"#,
                start(t3, 0, true),
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":true}"#,
                start(t3, 1, true),
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":false}"#,
                start(t3, 0, true),
            ),
            (
                r#"{"nextToken":"None"}"#,
                start(Some(Some("None")), 0, true),
            ),
            (r#"{"nextToken":""}"#, start(Some(Some("")), 0, true)),
            (r#"{"nextToken":null}"#, start(Some(None), 0, true)),
            (r#"{"nextToken":"a","nextToken":"t3"}"#, start(t3, 0, true)),
            ("{}", start(None, 0, false)),
            (r#"{"boto_truncate_amount": 2}"#, start(None, 2, false)),
            (r#"{"nextToken":"t3","x":null}"#, start(t3, 0, false)),
            (r#"{"nextToken":"t3","x":"None"}"#, start(t3, 0, false)),
            (
                r#"{"nextToken":"t3","boto_encoded_keys":[]}"#,
                start(t3, 0, true),
            ),
            (
                r#"{"nextToken":"t3","boto_encoded_keys":null}"#,
                start(t3, 0, true),
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(parse(&encoded(json)), Ok(expected), "{json}");
        }
    }

    #[test]
    fn stray_characters_in_the_base64_are_forgiven() {
        let token = write(Some("t3"), Some(1));
        let expected = Ok(start(Some(Some("t3")), 1, true));
        let (head, tail) = token.split_at(9);
        for text in [
            format!("{head}\n{tail}"),
            format!(" {head}-_{tail}\u{e4} "),
            format!("{token}===="),
            format!("{token}=anything"),
        ] {
            assert_eq!(parse(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_such_token_is_the_services_own() {
        let unpadded = write(Some("t3"), None).trim_end_matches('=').to_owned();
        let list = encoded("[1]");
        for text in [
            "t3", "", "abc___", "abc___x", "a____", "___-", &unpadded, &list, "\u{e4}",
        ] {
            assert_eq!(parse(text), Ok(start(Some(Some(text)), 0, true)), "{text}");
        }
        assert_eq!(parse("None"), Ok(start(Some(None), 0, true)));
    }

    #[test]
    fn the_old_form_is_read() {
        let cases = [
            ("t3___2", start(Some(Some("t3")), 2, true)),
            ("None___2", start(Some(None), 2, true)),
            ("___2", start(Some(Some("")), 2, true)),
            ("t3___-1", start(Some(Some("t3")), -1, true)),
            ("t3___ +1_0\n", start(Some(Some("t3")), 10, true)),
            ("t3____5", start(Some(Some("t3____5")), 0, true)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        assert!(refusal("a___b___1").contains("more than once"));
        assert!(refusal("______").contains("more than once"));
        assert!(refusal("a___99999999999999999999").contains("64 bits"));
    }

    #[test]
    fn where_botocore_crashes_there_is_a_clear_error() {
        let cases = [
            ("123", "no object"),
            ("null", "no object"),
            ("true", "no object"),
            ("1.5", "no object"),
            ("\"t3\"", "no object"),
            (r#"{"nextToken":3}"#, "not a string"),
            (r#"{"nextToken":["t3"]}"#, "not a string"),
            (r#"{"nextToken":"\ud800"}"#, "Unicode"),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":1.0}"#,
                "not an integer",
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":"1"}"#,
                "not an integer",
            ),
            (
                r#"{"nextToken":"t3","boto_truncate_amount":99999999999999999999}"#,
                "64 bits",
            ),
            (r#"{"nextToken":"t3","maxResults":2}"#, "\"maxResults\""),
            (
                r#"{"nextToken":"t3","boto_encoded_keys":[["nextToken"]]}"#,
                "encoded bytes",
            ),
        ];
        for (json, why) in cases {
            let refusal = refusal(&encoded(json));
            assert!(refusal.contains(why), "{json}: {refusal}");
        }
        assert!(refusal(&encoded(&"[".repeat(300))).contains("too deep"));
    }
}
