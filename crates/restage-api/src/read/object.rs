//! Reads members of a request body, and describes every fault.

use serde_json::{Map, Value};

use super::rule::{Count, Decimals, Entries, MAX_ATTRIBUTES_BYTES, Range, Text};
use super::wire_enum::WireEnum;
use super::{Shape, StringMap};
use crate::error::ApiError;

/// Largest body any request may have. The largest valid CreateStage (12 tokens with full attributes,
/// 50 tags at full length, every character written as a `\u` escape) stays below it.
pub const MAX_BODY_BYTES: usize = 512 * 1_024;
/// Most characters of a map key that a message repeats.
const MAX_SHOWN_KEY: usize = 40;

type Result<T> = std::result::Result<T, ApiError>;

/// A request body as a JSON object.
pub(crate) struct Body(Map<String, Value>);

impl Body {
    pub(crate) fn parse(body: &[u8]) -> Result<Self> {
        if body.len() > MAX_BODY_BYTES {
            return Err(ApiError::request_entity_too_large(format!(
                "The request body has {} bytes; at most {MAX_BODY_BYTES} are allowed.",
                body.len()
            )));
        }
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(other) => Err(ApiError::serialization(format!(
                "The request body must be a JSON object, not {}.",
                kind(&other)
            ))),
            Err(error) => Err(ApiError::serialization(format!(
                "The request body is not valid JSON: line {}, column {}.",
                error.line(),
                error.column()
            ))),
        }
    }

    pub(crate) fn members(&self) -> Object<'_> {
        Object {
            path: String::new(),
            members: &self.0,
        }
    }
}

/// An object within a body, with its path.
pub(crate) struct Object<'a> {
    /// Empty, or ends in a dot.
    path: String,
    members: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// A member that is present and not null.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Turns an absent member into an error.
    pub(crate) fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| fail(&self.path_of(name), "is required"))
    }

    /// Reads a text; `None` if the member is absent or null.
    pub(crate) fn text(&self, name: &str, rule: &Text) -> Result<Option<String>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        let text = value
            .as_str()
            .ok_or_else(|| wrong_kind(&path, "a string", value))?;
        check_text(&path, text, rule)?;
        Ok(Some(text.to_owned()))
    }

    /// Reads a text that must be there.
    pub(crate) fn required_text(&self, name: &str, rule: &Text) -> Result<String> {
        self.required(name, self.text(name, rule)?)
    }

    /// A page token. An empty one requests the first page, like an absent one, because some
    /// loops start with `""`.
    pub(crate) fn page_token(&self, rule: &Text) -> Result<Option<String>> {
        Ok(self
            .text("nextToken", rule)?
            .filter(|token| !token.is_empty()))
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str, range: Range) -> Result<Option<u32>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        if !value.is_number() {
            return Err(wrong_kind(&path, "a whole number", value));
        }
        if value.as_f64().is_some_and(|number| number.fract() != 0.0) {
            return Err(fail(&path, "must be a whole number, without a fraction"));
        }
        whole(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (range.min..=range.max).contains(number))
            .map(Some)
            .ok_or_else(|| {
                fail(
                    &path,
                    &format!("must be between {} and {}", range.min, range.max),
                )
            })
    }

    /// A number that may have a fraction.
    pub(crate) fn decimal(&self, name: &str, range: Decimals) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        if !value.is_number() {
            return Err(wrong_kind(&path, "a number", value));
        }
        value
            .as_f64()
            .filter(|number| (range.min..=range.max).contains(number))
            .map(Some)
            .ok_or_else(|| {
                fail(
                    &path,
                    &format!("must be between {} and {}", range.min, range.max),
                )
            })
    }

    /// `maxResults`, or its default.
    pub(crate) fn max_results(&self, default: u32, range: Range) -> Result<u32> {
        Ok(self.number("maxResults", range)?.unwrap_or(default))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| wrong_kind(&path, "true or false", value))
    }

    /// One word of an enumeration.
    pub(crate) fn word<E: WireEnum>(&self, name: &str) -> Result<Option<E>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        word(&self.path_of(name), value).map(Some)
    }

    /// A list of words of an enumeration.
    pub(crate) fn words<E: WireEnum>(&self, name: &str, count: Count) -> Result<Option<Vec<E>>> {
        self.list(name, count, word)
    }

    /// A list of texts.
    pub(crate) fn texts(
        &self,
        name: &str,
        count: Count,
        rule: &Text,
    ) -> Result<Option<Vec<String>>> {
        self.list(name, count, |path, value| {
            let text = value
                .as_str()
                .ok_or_else(|| wrong_kind(path, "a string", value))?;
            check_text(path, text, rule)?;
            Ok(text.to_owned())
        })
    }

    /// A list of structures.
    pub(crate) fn shapes<T: Shape>(&self, name: &str, count: Count) -> Result<Option<Vec<T>>> {
        self.list(name, count, |path, value| {
            T::read(&object(path.to_owned(), value)?)
        })
    }

    /// Reads a structure; `None` if the member is absent or null.
    pub(crate) fn shape<T: Shape>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        T::read(&object(self.path_of(name), value)?).map(Some)
    }

    fn list<T>(
        &self,
        name: &str,
        count: Count,
        read: impl Fn(&str, &Value) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        let items = value
            .as_array()
            .ok_or_else(|| wrong_kind(&path, "a list", value))?;
        check_count(&path, items.len(), count)?;
        items
            .iter()
            .enumerate()
            .map(|(i, item)| read(&format!("{path}[{i}]"), item))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// A map from texts to texts. A null value counts as absent.
    fn map(&self, name: &str) -> Result<Option<StringMap>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let path = self.path_of(name);
        let entries = value
            .as_object()
            .ok_or_else(|| wrong_kind(&path, "a map", value))?;
        entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.clone(), text.clone())),
                other => Err(wrong_kind(&entry(&path, key), "a string", other)),
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// An attribute map of a token, participant or replica.
    pub(crate) fn attributes(&self, name: &str) -> Result<Option<StringMap>> {
        let Some(map) = self.map(name)? else {
            return Ok(None);
        };
        let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_ATTRIBUTES_BYTES {
            let rule = format!(
                "may have at most {MAX_ATTRIBUTES_BYTES} bytes of UTF-8, all keys and values \
                 together (it has {bytes})"
            );
            return Err(fail(&self.path_of(name), &rule));
        }
        Ok(Some(map))
    }

    /// Tags to put on a resource.
    pub(crate) fn tags(&self, name: &str, rule: &Entries) -> Result<Option<StringMap>> {
        let Some(map) = self.map(name)? else {
            return Ok(None);
        };
        let path = self.path_of(name);
        check_count(&path, map.len(), rule.count)?;
        for (key, value) in &map {
            let path = entry(&path, key);
            check_tag_key(&format!("the key of {path}"), key, &rule.key)?;
            check_text(&path, value, &rule.value)?;
        }
        Ok(Some(map))
    }
}

fn object(path: String, value: &Value) -> Result<Object<'_>> {
    match value {
        Value::Object(members) => Ok(Object {
            path: format!("{path}."),
            members,
        }),
        other => Err(wrong_kind(&path, "an object", other)),
    }
}

fn word<E: WireEnum>(path: &str, value: &Value) -> Result<E> {
    let text = value
        .as_str()
        .ok_or_else(|| wrong_kind(path, "a string", value))?;
    E::VALUES
        .iter()
        .copied()
        .find(|value| value.word() == text)
        .ok_or_else(|| {
            let words: Vec<_> = E::VALUES.iter().map(|value| value.word()).collect();
            fail(path, &format!("must be one of {}", words.join(", ")))
        })
}

/// Checks the key of a tag. Keys that start with `aws:` are reserved for the service.
pub(crate) fn check_tag_key(path: &str, key: &str, rule: &Text) -> Result<()> {
    check_text(path, key, rule)?;
    let reserved = key
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    if reserved {
        return Err(fail(path, "may not start with aws:"));
    }
    Ok(())
}

fn check_count(path: &str, given: usize, count: Count) -> Result<()> {
    if given < count.min {
        let entries = if count.min == 1 { "entry" } else { "entries" };
        let rule = format!(
            "must have at least {} {entries} (it has {given})",
            count.min
        );
        return Err(fail(path, &rule));
    }
    if given > count.max {
        let rule = format!("may have at most {} entries (it has {given})", count.max);
        return Err(fail(path, &rule));
    }
    Ok(())
}

pub(crate) fn check_text(path: &str, text: &str, rule: &Text) -> Result<()> {
    let length = text.chars().count();
    if !(rule.min..=rule.max).contains(&length) {
        let bound = match (rule.min, rule.max) {
            (min, max) if min == max => format!("exactly {min}"),
            (min, _) if length < min => format!("at least {min}"),
            (_, max) => format!("at most {max}"),
        };
        let characters = match bound.ends_with(" 1") {
            true => "character",
            false => "characters",
        };
        return Err(fail(
            path,
            &format!("must have {bound} {characters} (it has {length})"),
        ));
    }
    if !rule.pattern.matches(text) {
        return Err(fail(path, &rule.pattern.rule()));
    }
    Ok(())
}

/// The number, if it is whole and a 64-bit integer or an exact float.
fn whole(value: &Value) -> Option<i64> {
    // Above this value, floats cannot represent every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        // In range and without a fraction, so the conversion is exact.
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The path of a map entry. Keys come from the client, so they are shortened and escaped.
fn entry(path: &str, key: &str) -> String {
    let shown: String = key.chars().take(MAX_SHOWN_KEY).collect();
    let more = if shown.len() < key.len() { "…" } else { "" };
    format!("{path}[{shown:?}{more}]")
}

fn wrong_kind(path: &str, wanted: &str, value: &Value) -> ApiError {
    fail(path, &format!("must be {wanted}, not {}", kind(value)))
}

/// A ValidationException about one member.
pub(crate) fn fail(path: &str, rule: &str) -> ApiError {
    ApiError::validation(format!("{path} {rule}."))
}
