//! The three settings of a pagination.

use serde_json::Value;

use super::error::PaginateError;
use super::pyint;

/// How many items to deliver, in pages of which size, from where; botocore's `PaginationConfig`.
///
/// ```
/// use restage_client::paginate::PaginationConfig;
///
/// let config = PaginationConfig::default().max_items(7).page_size(2);
/// assert_eq!(config, PaginationConfig::from_json(
///     &serde_json::json!({"MaxItems": "7", "PageSize": 2})
/// )?);
/// # Ok::<(), restage_client::paginate::PaginateError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaginationConfig {
    /// Items to deliver altogether; `None` for all. Zero still makes one request, and a negative
    /// number counts from the end of the first page, as in Python.
    pub max_items: Option<i64>,
    /// Items to ask for in each request, at least 1. It overrides `maxResults` of the request and
    /// is not lowered when fewer items are wanted. `None` leaves the size to the service.
    pub page_size: Option<i32>,
    /// Where to continue: a resume token of this crate or of botocore, or a `nextToken` of the
    /// service.
    pub starting_token: Option<String>,
}

impl PaginationConfig {
    /// Delivers at most this many items.
    #[must_use]
    pub fn max_items(mut self, max_items: i64) -> Self {
        self.max_items = Some(max_items);
        self
    }

    /// Requests this many items at a time.
    #[must_use]
    pub fn page_size(mut self, page_size: i32) -> Self {
        self.page_size = Some(page_size);
        self
    }

    /// Continues where an earlier pagination stopped.
    #[must_use]
    pub fn starting_token(mut self, token: impl Into<String>) -> Self {
        self.starting_token = Some(token.into());
        self
    }

    /// Reads the object that botocore takes: `MaxItems`, `PageSize` and `StartingToken`, each
    /// absent or null for unset. Numbers go through Python's `int()`: `"5"`, `2.9` and `true` are
    /// fine. Other members are ignored.
    ///
    /// # Errors
    /// [`PaginateError::Config`] for what `int()` refuses, numbers that do not fit, a starting
    /// token that is not a string, and a value that is not an object.
    pub fn from_json(value: &Value) -> Result<Self, PaginateError> {
        let Value::Object(members) = value else {
            return Err(PaginateError::Config(
                "the pagination config is not an object".to_owned(),
            ));
        };
        let page_size = match integer(members.get("PageSize"), "PageSize")? {
            Some(size) => Some(i32::try_from(size).map_err(|_| {
                PaginateError::Config(format!("PageSize is {size}; it must fit in 32 bits"))
            })?),
            None => None,
        };
        let starting_token = match members.get("StartingToken") {
            None | Some(Value::Null) => None,
            Some(Value::String(token)) => Some(token.clone()),
            Some(_) => {
                return Err(PaginateError::Config(
                    "StartingToken is not a string".to_owned(),
                ));
            }
        };
        let max_items = integer(members.get("MaxItems"), "MaxItems")?;
        Ok(Self {
            max_items,
            page_size,
            starting_token,
        })
    }
}

fn integer(value: Option<&Value>, name: &str) -> Result<Option<i64>, PaginateError> {
    let fail = |why: &str| PaginateError::Config(format!("{name} {why}"));
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(one)) => Ok(Some(i64::from(*one))),
        Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Some(integer)),
            // Python rounds towards zero; 2⁶³ is the first value that does not fit.
            (None, Some(real)) if real.abs() < 9_223_372_036_854_775_808.0 => Ok(Some(real as i64)),
            _ => Err(fail("does not fit in 64 bits")),
        },
        Some(Value::String(text)) => match pyint::parse(text) {
            Some(pyint::Integer::Small(integer)) => Ok(Some(integer)),
            Some(pyint::Integer::Big) => Err(fail("does not fit in 64 bits")),
            None => Err(fail(&format!("is {text:?}, which is not an integer"))),
        },
        Some(_) => Err(fail("is not an integer")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_go_through_int() {
        let cases = [
            (json!({}), None, None),
            (
                json!({"MaxItems": null, "PageSize": null, "Other": 1}),
                None,
                None,
            ),
            (json!({"MaxItems": 5, "PageSize": "10"}), Some(5), Some(10)),
            (
                json!({"MaxItems": 2.9, "PageSize": -2.9}),
                Some(2),
                Some(-2),
            ),
            (
                json!({"MaxItems": " -7 ", "PageSize": true}),
                Some(-7),
                Some(1),
            ),
        ];
        for (value, max_items, page_size) in cases {
            let config = PaginationConfig::from_json(&value).unwrap();
            assert_eq!(
                (config.max_items, config.page_size),
                (max_items, page_size),
                "{value}"
            );
        }
        for value in [
            json!([]),
            json!({"MaxItems": "abc"}),
            json!({"MaxItems": "2.9"}),
            json!({"MaxItems": []}),
            json!({"MaxItems": 1e300}),
            json!({"MaxItems": "9999999999999999999"}),
            json!({"PageSize": 4_294_967_296_i64}),
            json!({"StartingToken": 5}),
        ] {
            let error = PaginationConfig::from_json(&value).unwrap_err();
            assert!(matches!(error, PaginateError::Config(_)), "{value}");
        }
    }
}
