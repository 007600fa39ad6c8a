//! Reading requests: what `requests.json` says is inside of a rule is read, what is outside is refused by name.

use std::fmt::Write as _;

use restage_api::shape::*;
use restage_api::{ApiError, ErrorCode, Operation};
use serde_json::{Map, Value, json};

/// Stands in a body where the value goes.
const MARK: &str = "\"@\"";

fn table() -> Value {
    serde_json::from_str(include_str!("requests.json")).expect("a table")
}

/// Reads the members of a request; those that travel in the path or the query are put there.
fn parse(operation: Operation, members: &str) -> Result<(), ApiError> {
    fn read<R: Request>(body: &[u8]) -> Result<(), ApiError> {
        R::parse(body).map(drop)
    }
    let body = members.as_bytes();
    use Operation::*;
    match operation {
        CreateEncoderConfiguration => read::<CreateEncoderConfigurationRequest>(body),
        CreateIngestConfiguration => read::<CreateIngestConfigurationRequest>(body),
        CreateParticipantToken => read::<CreateParticipantTokenRequest>(body),
        CreateStage => read::<CreateStageRequest>(body),
        CreateStorageConfiguration => read::<CreateStorageConfigurationRequest>(body),
        DeleteEncoderConfiguration => read::<DeleteEncoderConfigurationRequest>(body),
        DeleteIngestConfiguration => read::<DeleteIngestConfigurationRequest>(body),
        DeletePublicKey => read::<DeletePublicKeyRequest>(body),
        DeleteStage => read::<DeleteStageRequest>(body),
        DeleteStorageConfiguration => read::<DeleteStorageConfigurationRequest>(body),
        DisconnectParticipant => read::<DisconnectParticipantRequest>(body),
        GetComposition => read::<GetCompositionRequest>(body),
        GetEncoderConfiguration => read::<GetEncoderConfigurationRequest>(body),
        GetIngestConfiguration => read::<GetIngestConfigurationRequest>(body),
        GetParticipant => read::<GetParticipantRequest>(body),
        GetPublicKey => read::<GetPublicKeyRequest>(body),
        GetStage => read::<GetStageRequest>(body),
        GetStageSession => read::<GetStageSessionRequest>(body),
        GetStorageConfiguration => read::<GetStorageConfigurationRequest>(body),
        ImportPublicKey => read::<ImportPublicKeyRequest>(body),
        ListCompositions => read::<ListCompositionsRequest>(body),
        ListEncoderConfigurations => read::<ListEncoderConfigurationsRequest>(body),
        ListIngestConfigurations => read::<ListIngestConfigurationsRequest>(body),
        ListParticipantEvents => read::<ListParticipantEventsRequest>(body),
        ListParticipantReplicas => read::<ListParticipantReplicasRequest>(body),
        ListParticipants => read::<ListParticipantsRequest>(body),
        ListPublicKeys => read::<ListPublicKeysRequest>(body),
        ListStageSessions => read::<ListStageSessionsRequest>(body),
        ListStages => read::<ListStagesRequest>(body),
        ListStorageConfigurations => read::<ListStorageConfigurationsRequest>(body),
        RevokeConnectionToken => read::<RevokeConnectionTokenRequest>(body),
        StartComposition => read::<StartCompositionRequest>(body),
        StartParticipantReplication => read::<StartParticipantReplicationRequest>(body),
        StopComposition => read::<StopCompositionRequest>(body),
        StopParticipantReplication => read::<StopParticipantReplicationRequest>(body),
        UpdateIngestConfiguration => read::<UpdateIngestConfigurationRequest>(body),
        UpdateStage => read::<UpdateStageRequest>(body),
        TagResource | UntagResource | ListTagsForResource => about_tags(operation, members),
    }
}

fn about_tags(operation: Operation, members: &str) -> Result<(), ApiError> {
    let mut members: Map<String, Value> = serde_json::from_str(members).expect("members");
    let arn = members.remove("resourceArn").unwrap_or_default();
    let path = format!("/tags/{}", encoded(arn.as_str().unwrap_or_default()));
    let body = Value::Object(members.clone()).to_string();
    match operation {
        Operation::TagResource => TagResourceRequest::parse(&path, body.as_bytes()).map(drop),
        Operation::UntagResource => {
            let keys = members["tagKeys"].as_array().expect("keys");
            let pairs = keys.iter().map(|key| key.as_str().expect("a text"));
            let pairs: Vec<_> = pairs
                .map(|key| format!("tagKeys={}", encoded(key)))
                .collect();
            UntagResourceRequest::parse(&path, &pairs.join("&")).map(drop)
        }
        _ => ListTagsForResourceRequest::parse(&path).map(drop),
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        write!(out, "%{byte:02X}").expect("a String takes everything");
    }
    out
}

fn values<'a>(table: &'a Value, place: &Value, which: &str) -> &'a [Value] {
    let shape = place["shape"].as_str().expect("a shape");
    table["shapes"][shape][which].as_array().expect("values")
}

/// What stands outside of the body is a text, or a list of texts that is not empty.
fn is_sendable(place: &Value, value: &Value) -> bool {
    place["in"] == "body"
        || match value {
            Value::String(_) => true,
            Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
            _ => false,
        }
}

#[track_caller]
fn refused(operation: Operation, members: &str, place: &Value) {
    let name = place["names"].as_str().expect("a name");
    match parse(operation, members) {
        Ok(()) => panic!("{operation} {}: {members} was read", place["place"]),
        Err(error) => assert!(
            error.code == ErrorCode::Validation && error.message.contains(name),
            "{operation} {}: {members}: {error}",
            place["place"]
        ),
    }
}

#[track_caller]
fn read(operation: Operation, members: &str) {
    if let Err(error) = parse(operation, members) {
        panic!("{operation}: {members}: {error}");
    }
}

/// Every operation with its entry of the table and the places of its input.
fn each(table: &Value, mut check: impl FnMut(Operation, &Value, &Value)) {
    let mut places = 0;
    for &operation in Operation::ALL {
        let entry = &table["operations"][operation.name()];
        for place in entry["places"].as_array().expect("places") {
            check(operation, entry, place);
            places += 1;
        }
    }
    assert!(places > 200, "{places} places");
}

#[test]
fn the_least_request_of_every_operation_is_read() {
    let table = table();
    for &operation in Operation::ALL {
        read(
            operation,
            &table["operations"][operation.name()]["least"].to_string(),
        );
    }
}

#[test]
fn what_keeps_a_rule_is_read() {
    let table = table();
    let mut count = 0;
    each(&table, |operation, _, place| {
        let body = place["body"].to_string();
        for value in values(&table, place, "inside") {
            if is_sendable(place, value) {
                read(operation, &body.replace(MARK, &value.to_string()));
                count += 1;
            }
        }
    });
    assert!(count > 500, "{count} cases");
}

#[test]
fn what_breaks_a_rule_is_refused_by_name() {
    let table = table();
    let mut count = 0;
    each(&table, |operation, _, place| {
        let body = place["body"].to_string();
        for value in values(&table, place, "outside") {
            if is_sendable(place, value) {
                refused(operation, &body.replace(MARK, &value.to_string()), place);
                count += 1;
            }
        }
    });
    assert!(count > 1_000, "{count} cases");
}

#[test]
fn what_is_of_another_type_is_refused_by_name() {
    let table = table();
    each(&table, |operation, _, place| {
        let body = place["body"].to_string();
        let is_key = body.contains("\"@\":");
        if place["in"] != "body" || is_key {
            return;
        }
        for value in values(&table, place, "wrong") {
            refused(operation, &body.replace(MARK, &value.to_string()), place);
        }
    });
}

#[test]
fn what_is_required_must_be_there() {
    let table = table();
    let mut count = 0;
    each(&table, |operation, _, place| {
        if place["in"] != "body" {
            return;
        }
        let absent = &place["without"];
        let null = place["body"].to_string().replace(MARK, "null");
        if !absent.is_null() {
            refused(operation, &absent.to_string(), place);
            refused(operation, &null, place);
            count += 1;
        }
    });
    assert!(count > 40, "{count} members");
}

#[test]
fn members_that_nobody_knows_are_ignored() {
    let table = table();
    for &operation in Operation::ALL {
        let mut members = table["operations"][operation.name()]["least"].clone();
        members["memberNobodyKnows"] = json!({"deep": [1, null, {"x": "y"}]});
        read(operation, &members.to_string());
    }
}
