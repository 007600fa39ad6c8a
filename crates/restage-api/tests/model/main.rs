//! Every operation of the service against its model, built or not: requests just inside and just outside of each rule,
//! and answers with each member. The tables are written by `scripts/generate_shapes.py`.

mod answers;
mod requests;

use restage_api::shape::{StringMap, to_json};
use serde::Serialize;
use serde_json::Value;

/// A response is this JSON.
#[track_caller]
pub(crate) fn written<T: Serialize>(response: &T, expected: &str) {
    let text = to_json(response);
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(parse(&text), parse(expected));
}

pub(crate) fn map(entries: &[(&str, &str)]) -> StringMap {
    let owned = entries
        .iter()
        .map(|&(key, value)| (key.into(), value.into()));
    owned.collect()
}
