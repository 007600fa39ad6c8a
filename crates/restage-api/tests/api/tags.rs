//! Tags: in bodies, and in the path and query of the operations about them.

use crate::common::{STAGE, TAGS_PATH};
use crate::constraints::{accepted, refused};
use restage_api::shape::{ListTagsForResourceRequest, TagResourceRequest, UntagResourceRequest};
use restage_api::{ErrorCode, Operation};
use serde_json::{Value, json};

const WITH_TAGS: [Operation; 3] = [
    Operation::CreateStage,
    Operation::ImportPublicKey,
    Operation::TagResource,
];

#[test]
fn tags_given() {
    let tags = |tags: Value| json!({"tags": tags});
    let many = |count: usize| {
        (0..count)
            .map(|i| (format!("k{i}"), json!("v")))
            .collect::<Value>()
    };
    for operation in WITH_TAGS {
        accepted(operation, tags(json!({})));
        accepted(operation, tags(many(50)));
        let long = json!({"é".repeat(128): "é".repeat(256), "awsome:x": "", "aw": ""});
        accepted(operation, tags(long));
    }
    for (bad, sentence) in [
        (many(51), "tags may have at most 50 entries (it has 51)."),
        (
            json!({"": "v"}),
            "the key of tags[\"\"] must have at least 1 character (it has 0).",
        ),
        (
            json!({"k": "é".repeat(257)}),
            "tags[\"k\"] must have at most 256 characters (it has 257).",
        ),
        (
            json!({"k": true}),
            "tags[\"k\"] must be a string, not true or false.",
        ),
        (
            json!({"aws:x": "v"}),
            "the key of tags[\"aws:x\"] may not start with aws:.",
        ),
        (
            json!({"AwS:": "v"}),
            "the key of tags[\"AwS:\"] may not start with aws:.",
        ),
        (
            json!({"é".repeat(129): "v"}),
            &format!(
                "the key of tags[\"{}\"…] must have at most 128 characters (it has 129).",
                "é".repeat(40)
            ),
        ),
    ] {
        for operation in WITH_TAGS {
            refused(operation, tags(bad.clone()), sentence);
        }
    }
}

/// The message with which a path or query is refused.
#[track_caller]
fn sentence<T: std::fmt::Debug>(result: Result<T, restage_api::ApiError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.code, ErrorCode::Validation);
    error.message
}

#[test]
fn the_arn_is_in_the_path_encoded_or_not() {
    for path in [TAGS_PATH.to_owned(), format!("/tags/{STAGE}")] {
        let request = ListTagsForResourceRequest::parse(&path).unwrap();
        assert_eq!(request.resource_arn, STAGE);
        let request = TagResourceRequest::parse(&path, br#"{"tags":{"a":"b"}}"#).unwrap();
        assert_eq!(
            (request.resource_arn.as_str(), request.tags["a"].as_str()),
            (STAGE, "b")
        );
        let request = UntagResourceRequest::parse(&path, "tagKeys=a").unwrap();
        assert_eq!(request.resource_arn, STAGE);
    }
    // Any kind of resource has the form of an ARN; which kinds exist is not checked here.
    let other = "arn:aws:ivs:eu-west-1:111122223333:storage-configuration/k2Pq8RtZ0aLm";
    ListTagsForResourceRequest::parse(&format!("/tags/{other}")).unwrap();
}

#[test]
fn paths_without_an_arn_are_refused() {
    let form = "resourceArn must be an ARN of the form arn:aws:ivs:<region>:<account>:<kind>/<id>.";
    for (path, expected) in [
        (
            "/tags/",
            "resourceArn must have at least 1 character (it has 0).",
        ),
        ("/tags/arn", form),
        ("/tags/arn%3Aaws%3Aivs%3Aeu-west-1%3A1%3Astage%2F", form),
        ("/tags/arn:aws:ivs:eu-west-1:1:Stage/a", form),
        ("/tags/arn:aws:ivs:eu-west-1:1:/a", form),
        ("/tags/arn:aws:ivs:eu-west-1:1:stage/a+b", form),
        // Encoded twice is different from encoded once.
        (
            "/tags/arn%253Aaws%253Aivs%253Aeu-west-1%253A1%253Astage%252Fa",
            form,
        ),
        ("/tags/%ff", "resourceArn must be percent-encoded UTF-8."),
    ] {
        assert_eq!(
            sentence(ListTagsForResourceRequest::parse(path)),
            expected,
            "{path}"
        );
        assert_eq!(sentence(TagResourceRequest::parse(path, b"{}")), expected);
        assert_eq!(
            sentence(UntagResourceRequest::parse(path, "tagKeys=a")),
            expected
        );
    }
    let long = format!("/tags/arn:aws:ivs:eu-west-1:1:stage/{}", "a".repeat(128));
    assert!(sentence(ListTagsForResourceRequest::parse(&long)).contains("at most 128 characters"));
}

#[test]
fn keys_to_remove_are_in_the_query_once_each() {
    let keys = |query: &str| {
        let request = UntagResourceRequest::parse(TAGS_PATH, query).unwrap();
        request.tag_keys.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(keys("tagKeys=b&tagKeys=a&other=c&tagKeys=b"), ["a", "b"]);
    assert_eq!(
        keys("tagKeys=a%20b%26c%3D&tagKeys=%C3%A4+x"),
        ["a b&c=", "ä x"]
    );
    assert_eq!(keys(&"tagKeys=k&".repeat(50)), ["k"]);
    let long = "%C3%A9".repeat(128);
    assert_eq!(keys(&format!("tagKeys={long}")), ["é".repeat(128)]);
}

#[test]
fn keys_that_cannot_be_are_refused() {
    for (query, expected) in [
        ("", "tagKeys is required."),
        ("tagkeys=a", "tagKeys is required."),
        (
            "tagKeys",
            "tagKeys[0] must have at least 1 character (it has 0).",
        ),
        (
            "tagKeys=a&tagKeys=",
            "tagKeys[1] must have at least 1 character (it has 0).",
        ),
        ("tagKeys=%ff", "tagKeys[0] must be percent-encoded UTF-8."),
        ("tagKeys=AWS%3Ax", "tagKeys[0] may not start with aws:."),
    ] {
        assert_eq!(
            sentence(UntagResourceRequest::parse(TAGS_PATH, query)),
            expected,
            "{query}"
        );
    }
    let long = format!("tagKeys={}", "a".repeat(129));
    assert_eq!(
        sentence(UntagResourceRequest::parse(TAGS_PATH, &long)),
        "tagKeys[0] must have at most 128 characters (it has 129)."
    );
    assert_eq!(
        sentence(UntagResourceRequest::parse(
            TAGS_PATH,
            &"tagKeys=k&".repeat(51)
        )),
        "tagKeys may have at most 50 entries."
    );
}
