//! The body as a whole.

use crate::common::{parse, with_body};
use restage_api::{ErrorCode, Operation};

#[test]
fn bodies_that_are_no_json_object() {
    for operation in with_body() {
        for (body, sentence) in [
            (
                &b"[]"[..],
                "The request body must be a JSON object, not a list.",
            ),
            (b"null", "The request body must be a JSON object, not null."),
            (
                b"\"{}\"",
                "The request body must be a JSON object, not a string.",
            ),
            (
                b"{",
                "The request body is not valid JSON: line 1, column 1.",
            ),
            (
                b"{}{}",
                "The request body is not valid JSON: line 1, column 3.",
            ),
            (
                b"{\"name\":\"\xff\"}",
                "The request body is not valid JSON: line 1, column 10.",
            ),
            (
                b"{\"name\":\"\\ud800\"}",
                "The request body is not valid JSON: line 1, column 16.",
            ),
            (
                b"\xef\xbb\xbf{}",
                "The request body is not valid JSON: line 1, column 1.",
            ),
        ] {
            let error = parse(operation, body).expect_err(sentence);
            assert_eq!(
                (error.code, &*error.message),
                (ErrorCode::Serialization, sentence)
            );
        }
        let deep = "[".repeat(100_000);
        let error = parse(operation, deep.as_bytes()).expect_err("too deep");
        assert_eq!(error.code, ErrorCode::Serialization);
        let long = vec![b' '; restage_api::shape::MAX_BODY_BYTES + 1];
        let error = parse(operation, &long).expect_err("too long");
        assert_eq!(error.code, ErrorCode::RequestEntityTooLarge);
    }
}

#[test]
fn the_largest_valid_body_fits() {
    /// A JSON text of this many characters, each written in the longest way.
    fn longest(characters: usize) -> String {
        format!("\"{}\"", "\\ud83d\\ude00".repeat(characters))
    }
    let attributes = format!("{{\"\":\"{}\"}}", "\\u0001".repeat(1_024));
    let token = format!(
        "{{\"duration\":20160,\"userId\":{},\"attributes\":{attributes},\"capabilities\":[\"PUBLISH\",\"SUBSCRIBE\"]}}",
        longest(128),
    );
    let tokens = vec![token; 12].join(",");
    let tags: Vec<_> = (0..50)
        .map(|i| format!("\"k{i:03}{}:{}", &longest(124)[1..], longest(256)))
        .collect();
    let body = format!(
        "{{\"participantTokenConfigurations\":[{tokens}],\"tags\":{{{}}}}}",
        tags.join(",")
    );
    assert!(body.len() > 300_000);
    parse(Operation::CreateStage, body.as_bytes()).expect("valid");
}

#[test]
fn of_a_member_given_twice_the_last_counts() {
    let body = br#"{"name":"not allowed!","name":"second"}"#;
    let request = parse(Operation::CreateStage, body).expect("the last is valid");
    assert!(request.contains("name: \"second\""), "{request}");
}
