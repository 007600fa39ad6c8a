//! Writes bodies of answers as JSON.

use serde::Serialize;

/// Serialises a response body. The shapes here are trees of strings, numbers and string-keyed maps,
/// which always serialise.
pub fn to_json<T: Serialize>(shape: &T) -> String {
    serde_json::to_string(shape).expect("shapes have string keys and no fallible parts")
}
