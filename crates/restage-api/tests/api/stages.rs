//! The recording block.

use crate::common::{STAGE, full_body, merged};
use crate::constraints::{accepted, refused};
use restage_api::Operation;
use serde_json::{Value, json};

#[test]
fn recording_blocks() {
    let name = "autoParticipantRecordingConfiguration";
    for operation in [Operation::CreateStage, Operation::UpdateStage] {
        let block =
            |changes: Value| json!({name: merged(full_body(operation)[name].clone(), changes)});
        for good in [
            json!({"storageConfigurationArn": ""}),
            json!({"mediaTypes": []}),
            json!({"mediaTypes": ["NONE"]}),
            json!({"thumbnailConfiguration": {"targetIntervalSeconds": 1}}),
            json!({"thumbnailConfiguration": {"targetIntervalSeconds": 86_400}}),
            json!({"thumbnailConfiguration": {"storage": []}}),
            json!({"recordingReconnectWindowSeconds": 0}),
            json!({"recordingReconnectWindowSeconds": 300}),
            json!({"hlsConfiguration": {"targetSegmentDurationSeconds": 2}}),
            json!({"hlsConfiguration": {"targetSegmentDurationSeconds": 10}}),
        ] {
            accepted(operation, block(good));
        }
        let storage_form = "storageConfigurationArn must be empty, or a storage configuration ARN of the form arn:aws:ivs:<region>:<account>:storage-configuration/<id>.";
        for (bad, sentence) in [
            (
                json!({"storageConfigurationArn": null}),
                "storageConfigurationArn is required.",
            ),
            (json!({"storageConfigurationArn": STAGE}), storage_form),
            (
                json!({"storageConfigurationArn": "a".repeat(129)}),
                "storageConfigurationArn must have at most 128 characters (it has 129).",
            ),
            (
                json!({"mediaTypes": ["NONE", "NONE"]}),
                "mediaTypes may have at most 1 entries (it has 2).",
            ),
            (
                json!({"mediaTypes": ["VIDEO"]}),
                "mediaTypes[0] must be one of AUDIO_VIDEO, AUDIO_ONLY, NONE.",
            ),
            (
                json!({"thumbnailConfiguration": []}),
                "thumbnailConfiguration must be an object, not a list.",
            ),
            (
                json!({"thumbnailConfiguration": {"targetIntervalSeconds": 0}}),
                "thumbnailConfiguration.targetIntervalSeconds must be between 1 and 86400.",
            ),
            (
                json!({"thumbnailConfiguration": {"targetIntervalSeconds": 86_401}}),
                "thumbnailConfiguration.targetIntervalSeconds must be between 1 and 86400.",
            ),
            (
                json!({"thumbnailConfiguration": {"storage": ["LATEST", "LATEST", "LATEST"]}}),
                "thumbnailConfiguration.storage may have at most 2 entries (it has 3).",
            ),
            (
                json!({"thumbnailConfiguration": {"storage": ["LATEST", ""]}}),
                "thumbnailConfiguration.storage[1] must be one of SEQUENTIAL, LATEST.",
            ),
            (
                json!({"thumbnailConfiguration": {"recordingMode": "ON"}}),
                "thumbnailConfiguration.recordingMode must be one of INTERVAL, DISABLED.",
            ),
            (
                json!({"recordingReconnectWindowSeconds": 301}),
                "recordingReconnectWindowSeconds must be between 0 and 300.",
            ),
            (
                json!({"hlsConfiguration": {"targetSegmentDurationSeconds": 1}}),
                "hlsConfiguration.targetSegmentDurationSeconds must be between 2 and 10.",
            ),
            (
                json!({"hlsConfiguration": {"targetSegmentDurationSeconds": 11}}),
                "hlsConfiguration.targetSegmentDurationSeconds must be between 2 and 10.",
            ),
            (
                json!({"recordParticipantReplicas": "no"}),
                "recordParticipantReplicas must be true or false, not a string.",
            ),
            // Members are checked even if an empty storage configuration resets them.
            (
                json!({"storageConfigurationArn": "", "mediaTypes": ["VIDEO"]}),
                "mediaTypes[0] must be one of AUDIO_VIDEO, AUDIO_ONLY, NONE.",
            ),
        ] {
            refused(operation, block(bad), &format!("{name}.{sentence}"));
        }
    }
}
