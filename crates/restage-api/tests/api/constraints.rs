//! What all operations have in common: required, optional and unknown members, and JSON types. Also the two
//! helpers with which the other files check single constraints.

use crate::common::{full_body, merged, parse, with_body};
use restage_api::{ErrorCode, Operation};
use serde_json::{Value, json};

/// The operation's full body with some members changed is refused with this sentence.
#[track_caller]
pub(crate) fn refused(operation: Operation, changes: Value, sentence: &str) {
    let body = merged(full_body(operation), changes).to_string();
    let error = parse(operation, body.as_bytes()).expect_err(sentence);
    assert_eq!(
        (error.code, &*error.message),
        (ErrorCode::Validation, sentence),
        "{operation}"
    );
}

#[track_caller]
pub(crate) fn accepted(operation: Operation, changes: Value) -> String {
    let body = merged(full_body(operation), changes).to_string();
    parse(operation, body.as_bytes()).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

/// Member names by operation: those that are required.
fn required(operation: Operation) -> &'static [&'static str] {
    use Operation::*;
    match operation {
        CreateStage
        | ListStages
        | ListPublicKeys
        | CreateEncoderConfiguration
        | ListEncoderConfigurations
        | ListStorageConfigurations
        | ListIngestConfigurations
        | ListCompositions => &[],
        StartComposition => &["stageArn", "destinations"],
        CreateIngestConfiguration => &["ingestProtocol"],
        CreateStorageConfiguration => &["s3"],
        GetStage
        | UpdateStage
        | DeleteStage
        | GetPublicKey
        | DeletePublicKey
        | GetEncoderConfiguration
        | DeleteEncoderConfiguration
        | GetStorageConfiguration
        | DeleteStorageConfiguration
        | GetIngestConfiguration
        | UpdateIngestConfiguration
        | DeleteIngestConfiguration
        | GetComposition
        | StopComposition => &["arn"],
        ImportPublicKey => &["publicKeyMaterial"],
        TagResource => &["tags"],
        UntagResource | ListTagsForResource => unreachable!("{operation} reads no body"),
        CreateParticipantToken | ListStageSessions => &["stageArn"],
        DisconnectParticipant => &["stageArn", "participantId"],
        GetStageSession | ListParticipants => &["stageArn", "sessionId"],
        GetParticipant | ListParticipantEvents => &["stageArn", "sessionId", "participantId"],
        StartParticipantReplication | StopParticipantReplication => {
            &["sourceStageArn", "destinationStageArn", "participantId"]
        }
        ListParticipantReplicas => &["sourceStageArn", "participantId"],
        RevokeConnectionToken => &["tokenId"],
    }
}

#[test]
fn a_full_body_is_accepted_and_so_is_a_minimal_one() {
    for operation in with_body() {
        let full = full_body(operation);
        accepted(operation, json!({}));
        // Unknown members are ignored, wherever they are.
        accepted(operation, json!({"anything": {"at": ["all", null, 1]}}));
        let minimal: serde_json::Map<_, _> = required(operation)
            .iter()
            .map(|&name| (name.to_owned(), full[name].clone()))
            .collect();
        let body = Value::Object(minimal).to_string();
        parse(operation, body.as_bytes()).unwrap_or_else(|e| panic!("{operation}: {e}"));
    }
}

#[test]
fn required_members_must_be_there() {
    for operation in with_body() {
        for name in required(operation) {
            // Null is the same as absent.
            refused(
                operation,
                json!({*name: null}),
                &format!("{name} is required."),
            );
        }
        let empty = parse(operation, b"");
        assert_eq!(empty, parse(operation, b"{}"));
        assert_eq!(empty, parse(operation, b" \r\n\t"));
        assert_eq!(empty.is_ok(), required(operation).is_empty(), "{operation}");
    }
}

#[test]
fn optional_members_may_be_null() {
    for operation in with_body() {
        let full = full_body(operation);
        let members = full.as_object().expect("an object");
        for name in members
            .keys()
            .filter(|name| !required(operation).contains(&name.as_str()))
        {
            let mut without = members.clone();
            without.remove(name);
            let without = Value::Object(without).to_string();
            let nulled = accepted(operation, json!({name: null}));
            assert_eq!(
                Ok(nulled),
                parse(operation, without.as_bytes()),
                "{operation} {name}"
            );
        }
    }
}

#[test]
fn every_member_must_have_its_json_type() {
    /// The name of a member in messages, given a value that it accepts.
    fn wanted(name: &str, value: &Value) -> &'static str {
        match value {
            Value::String(_) => "a string",
            Value::Number(_) => "a whole number",
            Value::Bool(_) => "true or false",
            Value::Array(_) => "a list",
            Value::Object(_) if ["tags", "attributes"].contains(&name) => "a map",
            Value::Object(_) => "an object",
            Value::Null => unreachable!("no such value in the bodies"),
        }
    }
    let others = [
        (json!("5"), "a string"),
        (json!(5), "a number"),
        (json!(true), "true or false"),
        (json!([]), "a list"),
        (json!({}), "an object"),
    ];
    for operation in with_body() {
        for (name, value) in full_body(operation).as_object().expect("an object") {
            let wanted = wanted(name, value);
            for (other, kind) in &others {
                if std::mem::discriminant(other) != std::mem::discriminant(value) {
                    let sentence = format!("{name} must be {wanted}, not {kind}.");
                    refused(operation, json!({name: other}), &sentence);
                }
            }
        }
    }
}

#[test]
fn requests_know_their_operations() {
    use restage_api::{Request, shape::*};
    let named = [
        CreateStageRequest::OPERATION,
        GetStageRequest::OPERATION,
        ListStagesRequest::OPERATION,
        UpdateStageRequest::OPERATION,
        DeleteStageRequest::OPERATION,
        CreateParticipantTokenRequest::OPERATION,
        RevokeConnectionTokenRequest::OPERATION,
        DisconnectParticipantRequest::OPERATION,
        ListStageSessionsRequest::OPERATION,
        GetStageSessionRequest::OPERATION,
        ListParticipantsRequest::OPERATION,
        GetParticipantRequest::OPERATION,
        ListParticipantEventsRequest::OPERATION,
        StartParticipantReplicationRequest::OPERATION,
        StopParticipantReplicationRequest::OPERATION,
        ListParticipantReplicasRequest::OPERATION,
        ImportPublicKeyRequest::OPERATION,
        GetPublicKeyRequest::OPERATION,
        ListPublicKeysRequest::OPERATION,
        DeletePublicKeyRequest::OPERATION,
        CreateEncoderConfigurationRequest::OPERATION,
        GetEncoderConfigurationRequest::OPERATION,
        ListEncoderConfigurationsRequest::OPERATION,
        DeleteEncoderConfigurationRequest::OPERATION,
        CreateStorageConfigurationRequest::OPERATION,
        GetStorageConfigurationRequest::OPERATION,
        ListStorageConfigurationsRequest::OPERATION,
        DeleteStorageConfigurationRequest::OPERATION,
        CreateIngestConfigurationRequest::OPERATION,
        GetIngestConfigurationRequest::OPERATION,
        ListIngestConfigurationsRequest::OPERATION,
        UpdateIngestConfigurationRequest::OPERATION,
        DeleteIngestConfigurationRequest::OPERATION,
        StartCompositionRequest::OPERATION,
        GetCompositionRequest::OPERATION,
        ListCompositionsRequest::OPERATION,
        StopCompositionRequest::OPERATION,
    ];
    // Operations about tags are not read from a body alone.
    assert_eq!(named, Operation::BUILT[..named.len()]);
    assert_eq!(Operation::BUILT.len(), named.len() + 3);
}
