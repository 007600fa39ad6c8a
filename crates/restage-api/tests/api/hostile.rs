//! Every request has an answer: no panic, no secret, no endless message.

use proptest::prelude::*;
use std::borrow::Cow;

use restage_api::sigv4::{SignedRequest, SigningKey, verify};
use restage_api::{ApiError, ErrorCode, Operation};
use serde_json::Value;

use crate::common::{cases, full_body, parse, with_body};

/// Longest message that any request may cause, in bytes.
const MAX_MESSAGE: usize = 1_000;

fn operations() -> impl Strategy<Value = Operation> {
    prop::sample::select(with_body())
}

fn check(result: Result<String, ApiError>) -> Result<(), TestCaseError> {
    if let Err(error) = result {
        prop_assert!(matches!(
            error.code,
            ErrorCode::Validation | ErrorCode::Serialization
        ));
        prop_assert!(error.message.len() <= MAX_MESSAGE, "{}", error);
        let body: Value = serde_json::from_str(&error.to_json()).expect("JSON");
        prop_assert_eq!(&body["message"], &error.message);
        prop_assert_eq!(&body["exceptionMessage"], &error.message);
    }
    Ok(())
}

/// Any JSON, including words and numbers that have a meaning here.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1i64..400).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "(arn:aws:ivs:|st-|[a-z]{1,3}|:stage/|[0-9]{1,3}|aws:){0,5}".prop_map(Value::from),
        (".", 0usize..2_000).prop_map(|(text, times)| Value::from(text.repeat(times))),
        prop::sample::select(vec!["PUBLISH", "CONNECTED", "ACTIVE", "NONE", "LATEST", ""])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        let key = prop_oneof![
            Just("attributes".to_owned()),
            Just("aws:x".to_owned()),
            ".{0,60}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces a value somewhere in the tree.
fn replace(value: &mut Value, walk: &[prop::sample::Index], replacement: Value) {
    if let Some((step, rest)) = walk.split_first() {
        let child = match value {
            Value::Object(members) if !members.is_empty() => {
                let at = step.index(members.len());
                members.values_mut().nth(at)
            }
            Value::Array(items) if !items.is_empty() => {
                let at = step.index(items.len());
                items.get_mut(at)
            }
            _ => None,
        };
        if let Some(child) = child {
            return replace(child, rest, replacement);
        }
    }
    *value = replacement;
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn bodies_of_any_bytes(operation in operations(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(parse(operation, &body))?;
    }

    #[test]
    fn bodies_of_any_json(operation in operations(), body in json()) {
        check(parse(operation, body.to_string().as_bytes()))?;
    }

    #[test]
    fn valid_bodies_with_a_part_replaced(
        operation in operations(),
        changes in prop::collection::vec(
            (prop::collection::vec(any::<prop::sample::Index>(), 1..5), json()),
            1..4,
        ),
    ) {
        let mut body = full_body(operation);
        for (walk, replacement) in changes {
            replace(&mut body, &walk, replacement);
        }
        check(parse(operation, body.to_string().as_bytes()))?;
    }

    #[test]
    fn valid_bodies_with_bytes_changed(
        operation in operations(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<Option<u8>>()), 1..6),
    ) {
        let mut body = full_body(operation).to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(body.len());
            match byte {
                Some(byte) => body[at] = byte,
                None => { body.remove(at); }
            }
        }
        check(parse(operation, &body))?;
    }

    #[test]
    fn tags_of_any_path_and_query(
        path in "(/tags/)?(arn(:|%3[aA])aws(:|%3A)ivs:|%|/|\\+|%2F|stage|[ -~]{1,4}|\u{e9}|%ff){0,12}",
        query in "(tagKeys|=|&|%|aws:|%C3%A4|%ff|[ -~]{1,3}){0,40}",
    ) {
        use restage_api::shape::{ListTagsForResourceRequest, UntagResourceRequest};
        check(ListTagsForResourceRequest::parse(&path).map(|request| format!("{request:?}")))?;
        check(UntagResourceRequest::parse(&path, &query).map(|request| format!("{request:?}")))?;
    }

    #[test]
    fn requests_signed_with_anything(
        method in ".{0,5}",
        path in ".{0,30}",
        query in ".{0,30}",
        headers in prop::collection::vec(
            (
                prop_oneof![Just("authorization"), Just("host"), Just("x-amz-date"), Just("date"), Just("x-amz-content-sha256")],
                prop_oneof![
                    ".{0,60}",
                    "(AWS4-HMAC-SHA256 |Credential=|AKID|/20260921|/eu-west-1|/ivs|/aws4_request|, ?|\
                     SignedHeaders=|host|;x-amz-date|Signature=|[0-9a-f]{8}){1,14}",
                    "2026[0-9]{4}T[0-9]{6}Z",
                ],
            ),
            0..6,
        ),
        body in prop::collection::vec(any::<u8>(), 0..40),
        now: i64,
    ) {
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name, Cow::from(value))).collect();
        let request = SignedRequest {
            method: &method,
            path: &path,
            path_prefix: "",
            query: &query,
            headers: &headers,
        };
        let error = verify(&request, &body, now, |scope| Some(SigningKey::derive("secret", scope.day, scope.region))).expect_err("not signed");
        prop_assert_eq!(error.code.status(), 403);
        prop_assert!(error.message.len() <= MAX_MESSAGE);
    }

    #[test]
    fn well_formed_headers_around_a_guess(
        path in "/[ -~]{0,20}",
        query in "[ -~]{0,20}",
        signature in "[0-9a-f]{64}",
        second in 0i64..60,
    ) {
        let headers = [
            ("host", Cow::from("h")),
            ("x-amz-date", Cow::from(format!("20260921T1413{second:02}Z"))),
            (
                "authorization",
                Cow::from(format!(
                    "AWS4-HMAC-SHA256 Credential=AKID/20260921/r/ivs/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                )),
            ),
        ];
        let request =
            SignedRequest { method: "POST", path: &path, path_prefix: "/v", query: &query, headers: &headers };
        let error = verify(&request, b"", 1_790_000_000, |scope| Some(SigningKey::derive("secret", scope.day, scope.region))).expect_err("a guess");
        prop_assert_eq!(error.code, ErrorCode::InvalidSignature);
    }
}
