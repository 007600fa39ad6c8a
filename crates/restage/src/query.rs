//! `--query`: JMESPath, as in the AWS CLI.

use anyhow::Context as _;
use serde_json::Value;

use crate::exit::Failure;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Query(jmespath::Expression<'static>);

impl std::str::FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let one_line = |error: jmespath::JmespathError| {
            let what = error.to_string();
            // The library's message draws an arrow under the expression; a usage error is one line.
            what.lines().next().unwrap_or_default().to_owned()
        };
        jmespath::compile(&with_json_literals(text))
            .map(Self)
            .map_err(one_line)
    }
}

/// Converts bare words between backticks to JSON strings: users write `` [?name==`lobby`] ``,
/// and the AWS CLI accepts it.
fn with_json_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['`', '\'', '"']) {
        let quote = rest.as_bytes()[start];
        let (before, quoted) = rest.split_at(start + 1);
        out.push_str(before);
        let Some(end) = closing(quoted.as_bytes(), quote) else {
            rest = quoted;
            break;
        };
        let (inside, after) = quoted.split_at(end);
        match quote == b'`' && serde_json::from_str::<Value>(&inside.replace("\\`", "`")).is_err() {
            true => out.push_str(&format!("\"{}\"", inside.trim_start())),
            false => out.push_str(inside),
        }
        rest = after;
        // The closing quote.
        out.push_str(&rest[..1]);
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// The end of a quoted part; a backslash escapes the next byte.
fn closing(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

impl Query {
    /// The result of the expression; `null` if it matches nothing.
    pub(crate) fn search(&self, answer: Value) -> anyhow::Result<Value> {
        let found = self.0.search(answer).map_err(|error| {
            Failure::usage(format!("--query {}: {}", self.0.as_str(), error.reason))
        })?;
        serde_json::to_value(found).context("the result of --query cannot be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_expression_finds_or_is_null() {
        let answer = json!({"replicas": [{"a": 1}, {"a": 2}]});
        let found = |text: &str| {
            text.parse::<Query>()
                .unwrap()
                .search(answer.clone())
                .unwrap()
        };
        assert_eq!(found("replicas[].a"), json!([1, 2]));
        assert_eq!(found("length(replicas)"), json!(2));
        assert_eq!(found("nothing.here"), Value::Null);
        assert_eq!(found("replicas[?a > `1`] | [0]"), json!({"a": 2}));
    }

    #[test]
    fn bare_words_between_backticks_are_strings() {
        let cases = [
            ("[?n==`a`]", "[?n==`\"a\"`]"),
            ("[?n==`1`]", "[?n==`1`]"),
            ("[?n==`\"a\"`]", "[?n==`\"a\"`]"),
            ("[?n==` a b` && m==`[1]`]", "[?n==`\"a b\"` && m==`[1]`]"),
            ("[?n=='`a`']", "[?n=='`a`']"),
            (r#""`a`"."b\"`""#, r#""`a`"."b\"`""#),
            ("`a", "`a"),
            ("`\\", "`\\"),
            ("é`ü`", "é`\"ü\"`"),
        ];
        for (written, read) in cases {
            assert_eq!(with_json_literals(written), read);
        }
        let found = "[?n==`a`].m"
            .parse::<Query>()
            .unwrap()
            .search(json!([{"n": "a", "m": 1}]));
        assert_eq!(found.unwrap(), json!([1]));
    }

    #[test]
    fn a_bad_expression_is_one_line() {
        for text in ["", "replicas[", "a b", "&&&"] {
            let error = text.parse::<Query>().unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
        }
        let bad_call = "length(`1`)".parse::<Query>().unwrap();
        assert!(bad_call.search(json!({})).is_err());
    }
}
