//! Tokens, attributes, disconnecting and replicating.

use crate::common::OTHER_STAGE;
use crate::constraints::{accepted, refused};
use restage_api::Operation;
use serde_json::{Value, json};

/// An operation, the path of its token members, and a function that makes a body with the given ones.
type Place = (Operation, &'static str, fn(Value) -> Value);

/// Both operations that make tokens.
fn token_places() -> [Place; 2] {
    [
        (Operation::CreateParticipantToken, "", |members| members),
        (
            Operation::CreateStage,
            "participantTokenConfigurations[3].",
            |members| json!({"participantTokenConfigurations": [{}, {}, {}, members]}),
        ),
    ]
}

#[test]
fn token_members() {
    for (operation, at, place) in token_places() {
        for good in [
            json!({"duration": 1}),
            json!({"duration": 20_160}),
            json!({"userId": "\u{1F600}".repeat(128)}),
            json!({"userId": ""}),
            json!({"capabilities": []}),
            json!({"capabilities": ["PUBLISH", "PUBLISH"]}),
            json!({"attributes": {}}),
        ] {
            accepted(operation, place(good));
        }
        for (bad, sentence) in [
            (
                json!({"duration": 0}),
                "duration must be between 1 and 20160.",
            ),
            (
                json!({"duration": 20_161}),
                "duration must be between 1 and 20160.",
            ),
            (
                json!({"duration": "30"}),
                "duration must be a whole number, not a string.",
            ),
            (
                json!({"userId": "é".repeat(129)}),
                "userId must have at most 128 characters (it has 129).",
            ),
            (
                json!({"capabilities": ["PUBLISH", "SUBSCRIBE", "PUBLISH"]}),
                "capabilities may have at most 2 entries (it has 3).",
            ),
            (
                json!({"capabilities": ["PUBLISH", "publish"]}),
                "capabilities[1] must be one of PUBLISH, SUBSCRIBE.",
            ),
            (
                json!({"capabilities": [1]}),
                "capabilities[0] must be a string, not a number.",
            ),
            (
                json!({"capabilities": [null]}),
                "capabilities[0] must be a string, not null.",
            ),
            (
                json!({"attributes": {"order": 1}}),
                "attributes[\"order\"] must be a string, not a number.",
            ),
            (
                json!({"attributes": {"x".repeat(41): []}}),
                &format!(
                    "attributes[\"{}\"…] must be a string, not a list.",
                    "x".repeat(40)
                ),
            ),
        ] {
            refused(operation, place(bad), &format!("{at}{sentence}"));
        }
    }
}

#[test]
fn token_lists() {
    let name = "participantTokenConfigurations";
    let tokens = |count| json!({name: vec![json!({}); count]});
    accepted(Operation::CreateStage, tokens(0));
    accepted(Operation::CreateStage, tokens(12));
    refused(
        Operation::CreateStage,
        tokens(13),
        &format!("{name} may have at most 12 entries (it has 13)."),
    );
    refused(
        Operation::CreateStage,
        json!({name: [{}, null]}),
        &format!("{name}[1] must be an object, not null."),
    );
    refused(
        Operation::CreateStage,
        json!({name: [[]]}),
        &format!("{name}[0] must be an object, not a list."),
    );
}

#[test]
fn attributes_have_a_kilobyte_in_all() {
    let replication: Place = (Operation::StartParticipantReplication, "", |members| {
        members
    });
    let places = token_places().into_iter().chain([replication]);
    for (operation, at, place) in places {
        // 2 + 3 + 1019 bytes; "é" has two.
        let attributes =
            |bytes: usize| json!({"attributes": {"é": "abc", "": "x".repeat(bytes - 5)}});
        accepted(operation, place(attributes(1_024)));
        refused(
            operation,
            place(attributes(1_025)),
            &format!(
                "{at}attributes may have at most 1024 bytes of UTF-8, all keys and values together (it has 1025)."
            ),
        );
        // A null value is no attribute.
        let with_null = accepted(
            operation,
            place(json!({"attributes": {"a": null, "b": "c"}})),
        );
        assert_eq!(
            with_null,
            accepted(operation, place(json!({"attributes": {"b": "c"}})))
        );
    }
}

#[test]
fn disconnect_reasons() {
    let reason = |text: &str| json!({"reason": text});
    accepted(Operation::DisconnectParticipant, reason(""));
    accepted(Operation::DisconnectParticipant, reason(&"ß".repeat(128)));
    refused(
        Operation::DisconnectParticipant,
        reason(&"ß".repeat(129)),
        "reason must have at most 128 characters (it has 129).",
    );
}

#[test]
fn replication_windows() {
    let operation = Operation::StartParticipantReplication;
    let window = |value: Value| json!({"reconnectWindowSeconds": value});
    assert!(accepted(operation, window(Value::Null)).contains("reconnect_window_seconds: 0"));
    assert!(accepted(operation, window(json!(0))).contains("reconnect_window_seconds: 0"));
    assert!(accepted(operation, window(json!(300))).contains("reconnect_window_seconds: 300"));
    for bad in [json!(-1), json!(301)] {
        refused(
            operation,
            window(bad),
            "reconnectWindowSeconds must be between 0 and 300.",
        );
    }
    // Whether the two stages may be the same is decided by the rules, not here.
    accepted(operation, json!({"sourceStageArn": OTHER_STAGE}));
}
