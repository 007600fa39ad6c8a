//! ARNs, ids and names.

use crate::common::STAGE;
use crate::constraints::{accepted, refused};
use restage_api::Operation;
use serde_json::json;

#[test]
fn stage_arns() {
    use Operation::*;
    let form = "must be a stage ARN of the form arn:aws:ivs:<region>:<account>:stage/<id>.";
    let longest = format!("arn:aws:ivs:x:1:stage/{}", "a".repeat(106));
    assert_eq!(longest.len(), 128);
    for (operation, name) in [
        (GetStage, "arn"),
        (UpdateStage, "arn"),
        (DeleteStage, "arn"),
        (CreateParticipantToken, "stageArn"),
        (DisconnectParticipant, "stageArn"),
        (ListStageSessions, "stageArn"),
        (GetStageSession, "stageArn"),
        (ListParticipants, "stageArn"),
        (GetParticipant, "stageArn"),
        (ListParticipantEvents, "stageArn"),
        (StartParticipantReplication, "sourceStageArn"),
        (StartParticipantReplication, "destinationStageArn"),
        (StopParticipantReplication, "sourceStageArn"),
        (StopParticipantReplication, "destinationStageArn"),
        (ListParticipantReplicas, "sourceStageArn"),
    ] {
        accepted(operation, json!({name: longest}));
        let change = |text: &str| json!({name: text});
        refused(
            operation,
            change(&format!("{longest}a")),
            &format!("{name} must have at most 128 characters (it has 129)."),
        );
        refused(
            operation,
            change(""),
            &format!("{name} must have at least 1 character (it has 0)."),
        );
        for bad in [
            "x",
            &STAGE[1..],
            &format!("{STAGE}/x"),
            &format!("{STAGE}\n"),
            &STAGE.replace("stage", "channel"),
        ] {
            refused(operation, change(bad), &format!("{name} {form}"));
        }
    }
}

#[test]
fn session_and_participant_ids() {
    use Operation::*;
    for operation in [
        GetStageSession,
        ListParticipants,
        GetParticipant,
        ListParticipantEvents,
    ] {
        let change = |text: &str| json!({"sessionId": text});
        accepted(operation, change("st-ABCDEFGHabcd1"));
        refused(
            operation,
            change(""),
            "sessionId must have exactly 16 characters (it has 0).",
        );
        refused(
            operation,
            change("st-ABCDEFGHabcd"),
            "sessionId must have exactly 16 characters (it has 15).",
        );
        refused(
            operation,
            change("st-ABCDEFGHabcd12"),
            "sessionId must have exactly 16 characters (it has 17).",
        );
        let form = "sessionId must be a session id: st- and then ASCII letters and digits.";
        for bad in [
            "st_ABCDEFGHabcd1",
            "st-ABCDEFGHabc-1",
            "ST-ABCDEFGHabcd1",
            "st-ABCDEFGHabcdé",
        ] {
            refused(operation, change(bad), form);
        }
    }
    for operation in [
        DisconnectParticipant,
        GetParticipant,
        ListParticipantEvents,
        StartParticipantReplication,
        StopParticipantReplication,
        ListParticipantReplicas,
    ] {
        let change = |text: &str| json!({"participantId": text});
        accepted(operation, change(""));
        accepted(operation, change("with_underscore-and-hyphen"));
        accepted(operation, change(&"a".repeat(64)));
        refused(
            operation,
            change(&"a".repeat(65)),
            "participantId must have at most 64 characters (it has 65).",
        );
        let form = "participantId may contain only ASCII letters, digits, hyphens and underscores.";
        for bad in ["a b", "a.b", "é", "a\n", "a\u{0}"] {
            refused(operation, change(bad), form);
        }
    }
}

#[test]
fn stage_names() {
    for operation in [Operation::CreateStage, Operation::UpdateStage] {
        accepted(operation, json!({"name": ""}));
        accepted(operation, json!({"name": "Az09-_".repeat(21)}));
        refused(
            operation,
            json!({"name": "a".repeat(129)}),
            "name must have at most 128 characters (it has 129).",
        );
        refused(
            operation,
            json!({"name": "my lobby"}),
            "name may contain only ASCII letters, digits, hyphens and underscores.",
        );
    }
}
