//! `--query`: JMESPath, as the AWS CLI has it.

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
            // The library draws an arrow under the expression; a usage error is one line.
            what.lines().next().unwrap_or_default().to_owned()
        };
        jmespath::compile(text).map(Self).map_err(one_line)
    }
}

impl Query {
    /// What the expression finds; `null` if that is nothing.
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
    fn a_bad_expression_is_one_line() {
        for text in ["", "replicas[", "a b", "&&&"] {
            let error = text.parse::<Query>().unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
        }
        let bad_call = "length(`1`)".parse::<Query>().unwrap();
        assert!(bad_call.search(json!({})).is_err());
    }
}
