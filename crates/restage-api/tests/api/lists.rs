//! Page sizes, page tokens and filters.

use crate::common::merged;
use crate::constraints::{accepted, refused};
use restage_api::Operation;
use serde_json::{Value, json};

#[test]
fn lists_have_default_and_largest_page_sizes() {
    use Operation::*;
    for (operation, default, max) in [
        (ListStages, 50, 100),
        (ListStageSessions, 50, 100),
        (ListParticipants, 50, 100),
        (ListParticipantEvents, 50, 100),
        (ListParticipantReplicas, 50, 50),
        (ListPublicKeys, 50, 100),
        (ListEncoderConfigurations, 100, 100),
        (ListStorageConfigurations, 100, 100),
        (ListIngestConfigurations, 50, 100),
        (ListCompositions, 100, 100),
    ] {
        let size = |value: Value| accepted(operation, json!({"maxResults": value}));
        assert!(
            size(Value::Null).contains(&format!("max_results: {default}")),
            "{operation}"
        );
        assert!(size(json!(1)).contains("max_results: 1 "), "{operation}");
        assert!(
            size(json!(max)).contains(&format!("max_results: {max} ")),
            "{operation}"
        );
        let sentence = format!("maxResults must be between 1 and {max}.");
        for bad in [
            json!(0),
            json!(-1),
            json!(max + 1),
            json!(1e300),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(4_294_967_297u64),
        ] {
            refused(operation, json!({"maxResults": bad}), &sentence);
        }
        // A whole number may be written as a float, but a fraction is none.
        assert!(size(json!(2.0)).contains("max_results: 2 "), "{operation}");
        refused(
            operation,
            json!({"maxResults": 2.5}),
            "maxResults must be a whole number, without a fraction.",
        );
    }
}

#[test]
fn page_tokens() {
    use Operation::*;
    for operation in [
        ListStages,
        ListStageSessions,
        ListParticipants,
        ListParticipantEvents,
        ListParticipantReplicas,
        ListPublicKeys,
        ListEncoderConfigurations,
        ListStorageConfigurations,
        ListIngestConfigurations,
    ] {
        let token = |text: &str| json!({"nextToken": text});
        // A token that asks for the first page.
        assert_eq!(
            accepted(operation, token("")),
            accepted(operation, json!({"nextToken": null}))
        );
        assert!(accepted(operation, token("aZ09+/=_-")).contains("Some(\"aZ09+/=_-\")"));
        accepted(operation, token(&"a".repeat(1_024)));
        refused(
            operation,
            token(&"a".repeat(1_025)),
            "nextToken must have at most 1024 characters (it has 1025).",
        );
        for bad in ["a b", "a\n", "é", "{}"] {
            refused(
                operation,
                token(bad),
                "nextToken must be a token from an earlier page, as it came.",
            );
        }
    }
}

#[test]
fn participant_filters() {
    let operation = Operation::ListParticipants;
    let only = |filter: Value| merged(json!({"filterByState": null}), filter);
    for (good, debug) in [
        (json!({"filterByUserId": ""}), "Some(UserId(\"\"))"),
        (
            json!({"filterByUserId": "é".repeat(128)}),
            "Some(UserId(\"é",
        ),
        (
            json!({"filterByPublished": false}),
            "Some(Published(false))",
        ),
        (json!({"filterByPublished": true}), "Some(Published(true))"),
        (
            json!({"filterByState": "DISCONNECTED"}),
            "Some(State(Disconnected))",
        ),
        (
            json!({"filterByRecordingState": "STOPPING"}),
            "Some(RecordingState(Stopping))",
        ),
        (json!({}), "filter: None"),
    ] {
        let request = accepted(operation, only(good));
        assert!(request.contains(debug), "{request}");
    }
    for (bad, sentence) in [
        (
            json!({"filterByUserId": "a".repeat(129)}),
            "filterByUserId must have at most 128 characters (it has 129).",
        ),
        (
            json!({"filterByPublished": "true"}),
            "filterByPublished must be true or false, not a string.",
        ),
        (
            json!({"filterByState": "connected"}),
            "filterByState must be one of CONNECTED, DISCONNECTED.",
        ),
        (
            json!({"filterByRecordingState": "DISABLED"}),
            "filterByRecordingState must be one of STARTING, ACTIVE, STOPPING, STOPPED, FAILED.",
        ),
        (
            json!({"filterByRecordingState": 1}),
            "filterByRecordingState must be a string, not a number.",
        ),
    ] {
        refused(operation, only(bad), sentence);
    }
    let rule = "cannot be combined: at most one filter may be given per request.";
    refused(
        operation,
        json!({"filterByPublished": false}),
        &format!("filterByPublished and filterByState {rule}"),
    );
    refused(
        operation,
        json!({"filterByUserId": "", "filterByPublished": true, "filterByRecordingState": "ACTIVE"}),
        &format!(
            "filterByUserId and filterByPublished and filterByState and filterByRecordingState {rule}"
        ),
    );
}
