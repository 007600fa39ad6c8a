//! Valid bodies for every operation, and one function for every `parse`.

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use restage_api::shape::*;
use restage_api::{ApiError, Operation, Request};
use serde_json::{Value, json};

pub(crate) const STAGE: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";
pub(crate) const OTHER_STAGE: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/Bz3mKq9WfA6j";
pub(crate) const STORAGE: &str =
    "arn:aws:ivs:eu-west-1:111122223333:storage-configuration/k2Pq8RtZ0aLm";
pub(crate) const SESSION: &str = "st-4Hc9sTnV2bQ7x";
pub(crate) const PARTICIPANT: &str = "q7Rk2ZpLw0Xe";

pub(crate) const KEY: &str = "arn:aws:ivs:eu-west-1:111122223333:public-key/Vw2xYz5aBc8D";
pub(crate) const ENCODER: &str =
    "arn:aws:ivs:eu-west-1:111122223333:encoder-configuration/Nd6uRf3GpQ9s";
pub(crate) const INGEST: &str =
    "arn:aws:ivs:eu-west-1:111122223333:ingest-configuration/Fj7kYt2WmC4s";
pub(crate) const CHANNEL: &str = "arn:aws:ivs:eu-west-1:111122223333:channel/Qw3eRt5yUi7o";
pub(crate) const COMPOSITION: &str = "arn:aws:ivs:eu-west-1:111122223333:composition/Cx4nRt7PqZ1s";
/// A P-384 key in PEM, as `openssl ec -pubout` writes one.
pub(crate) const MATERIAL: &str = "-----BEGIN PUBLIC KEY-----\n\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEzGmbdR55vy5k60IpUprUDqSbRTLB9OB2\n\
    EUgEDC/momVhkxwz73AK6IavOXlBukLgJ0g761ytTILKueGJPo7tyF4WsxNwJ90x\n\
    Gu4X9UXT3XnjmIaFgStHTGsmvXyZou5K\n\
    -----END PUBLIC KEY-----\n";
/// The path of TagResource in these tests.
pub(crate) const TAGS_PATH: &str =
    "/tags/arn%3Aaws%3Aivs%3Aeu-west-1%3A111122223333%3Astage%2FhT5vN1cGy8Ud";

/// The operations that read a body: all but two.
pub(crate) fn with_body() -> Vec<Operation> {
    use Operation::*;
    let mut operations = Operation::BUILT.to_vec();
    operations.retain(|operation| !matches!(operation, UntagResource | ListTagsForResource));
    operations
}

/// A body with every member the operation has.
pub(crate) fn full_body(operation: Operation) -> Value {
    use Operation::*;
    let list = json!({"nextToken": "abc", "maxResults": 7});
    let token = json!({
        "duration": 30,
        "userId": "ann",
        "attributes": {"order": "1", "team": "blue"},
        "capabilities": ["PUBLISH", "SUBSCRIBE"],
    });
    let recording = json!({
        "storageConfigurationArn": STORAGE,
        "mediaTypes": ["AUDIO_ONLY"],
        "thumbnailConfiguration": {
            "targetIntervalSeconds": 5,
            "storage": ["SEQUENTIAL", "LATEST"],
            "recordingMode": "INTERVAL",
        },
        "recordingReconnectWindowSeconds": 20,
        "hlsConfiguration": {"targetSegmentDurationSeconds": 4},
        "recordParticipantReplicas": false,
    });
    match operation {
        CreateStage => json!({
            "name": "lobby",
            "participantTokenConfigurations": [token, {}],
            "tags": {"team": "blue"},
            "autoParticipantRecordingConfiguration": recording,
        }),
        GetStage | DeleteStage => json!({"arn": STAGE}),
        ListStages => list,
        UpdateStage => json!({
            "arn": STAGE, "name": "hall", "autoParticipantRecordingConfiguration": recording,
        }),
        CreateParticipantToken => merged(token, json!({"stageArn": STAGE})),
        DisconnectParticipant => json!({
            "stageArn": STAGE, "participantId": PARTICIPANT, "reason": "time is up",
        }),
        ListStageSessions => merged(list, json!({"stageArn": STAGE})),
        GetStageSession => json!({"stageArn": STAGE, "sessionId": SESSION}),
        ListParticipants => merged(
            list,
            json!({"stageArn": STAGE, "sessionId": SESSION, "filterByState": "CONNECTED"}),
        ),
        GetParticipant => json!({
            "stageArn": STAGE, "sessionId": SESSION, "participantId": PARTICIPANT,
        }),
        ListParticipantEvents => merged(
            list,
            json!({"stageArn": STAGE, "sessionId": SESSION, "participantId": PARTICIPANT}),
        ),
        StartParticipantReplication => json!({
            "sourceStageArn": STAGE,
            "destinationStageArn": OTHER_STAGE,
            "participantId": PARTICIPANT,
            "reconnectWindowSeconds": 60,
            "attributes": {"order": "2"},
        }),
        StopParticipantReplication => json!({
            "sourceStageArn": STAGE,
            "destinationStageArn": OTHER_STAGE,
            "participantId": PARTICIPANT,
        }),
        ListParticipantReplicas => merged(
            list,
            json!({"sourceStageArn": STAGE, "participantId": PARTICIPANT}),
        ),
        ImportPublicKey => json!({
            "publicKeyMaterial": MATERIAL, "name": "deploy-1", "tags": {"team": "blue"},
        }),
        GetPublicKey | DeletePublicKey => json!({"arn": KEY}),
        ListPublicKeys => list,
        CreateEncoderConfiguration => json!({
            "name": "hd",
            "video": {"width": 1_920, "height": 1_080, "framerate": 29.97, "bitrate": 6_000_000},
            "tags": {"team": "blue"},
        }),
        GetEncoderConfiguration | DeleteEncoderConfiguration => json!({"arn": ENCODER}),
        ListEncoderConfigurations => list,
        CreateStorageConfiguration => json!({
            "name": "vods",
            "s3": {"bucketName": "my-vods"},
            "tags": {"team": "blue"},
        }),
        GetStorageConfiguration | DeleteStorageConfiguration => json!({"arn": STORAGE}),
        ListStorageConfigurations => list,
        CreateIngestConfiguration => json!({
            "name": "studio",
            "stageArn": STAGE,
            "userId": "ann",
            "attributes": {"order": "1"},
            "ingestProtocol": "RTMPS",
            "insecureIngest": true,
            "redundantIngest": true,
            "tags": {"team": "blue"},
        }),
        GetIngestConfiguration => json!({"arn": INGEST}),
        ListIngestConfigurations => merged(list, json!({"filterByStageArn": STAGE})),
        UpdateIngestConfiguration => json!({
            "arn": INGEST, "stageArn": STAGE, "redundantIngest": true,
        }),
        DeleteIngestConfiguration => json!({"arn": INGEST, "force": true}),
        StartComposition => json!({
            "stageArn": STAGE,
            "idempotencyToken": "once-1",
            "layout": {"grid": {
                "featuredParticipantAttribute": "host",
                "omitStoppedVideo": true,
                "videoAspectRatio": "SQUARE",
                "videoFillMode": "CONTAIN",
                "gridGap": 8,
                "participantOrderAttribute": "order",
            }},
            "destinations": [
                {"name": "live", "channel": {"channelArn": CHANNEL, "encoderConfigurationArn": ENCODER}},
                {"name": "vod", "s3": {
                    "storageConfigurationArn": STORAGE,
                    "encoderConfigurationArns": [ENCODER],
                    "recordingConfiguration": {
                        "format": "HLS",
                        "hlsConfiguration": {"targetSegmentDurationSeconds": 4},
                    },
                    "thumbnailConfigurations": [
                        {"targetIntervalSeconds": 5, "storage": ["SEQUENTIAL", "LATEST"]},
                    ],
                }},
            ],
            "tags": {"team": "blue"},
        }),
        GetComposition | StopComposition => json!({"arn": COMPOSITION}),
        ListCompositions => merged(
            list,
            json!({"filterByStageArn": STAGE, "filterByEncoderConfigurationArn": ENCODER}),
        ),
        TagResource => json!({"tags": {"team": "blue"}}),
        UntagResource | ListTagsForResource => json!({}),
        RevokeConnectionToken => json!({"tokenId": "c9Xk2ZpLw0Xe"}),
    }
}

/// `base` with the members of `changes` replaced or added.
pub(crate) fn merged(mut base: Value, changes: Value) -> Value {
    let (Value::Object(members), Value::Object(changes)) = (&mut base, changes) else {
        panic!("both must be objects");
    };
    members.extend(changes);
    base
}

/// Parses a body as the operation's request; the request comes back as its `Debug` text.
pub(crate) fn parse(operation: Operation, body: &[u8]) -> Result<String, ApiError> {
    fn debug<R: Request + std::fmt::Debug>(body: &[u8]) -> Result<String, ApiError> {
        R::parse(body).map(|request| format!("{request:?}"))
    }
    match operation {
        Operation::CreateStage => debug::<CreateStageRequest>(body),
        Operation::GetStage => debug::<GetStageRequest>(body),
        Operation::ListStages => debug::<ListStagesRequest>(body),
        Operation::UpdateStage => debug::<UpdateStageRequest>(body),
        Operation::DeleteStage => debug::<DeleteStageRequest>(body),
        Operation::CreateParticipantToken => debug::<CreateParticipantTokenRequest>(body),
        Operation::RevokeConnectionToken => debug::<RevokeConnectionTokenRequest>(body),
        Operation::DisconnectParticipant => debug::<DisconnectParticipantRequest>(body),
        Operation::ListStageSessions => debug::<ListStageSessionsRequest>(body),
        Operation::GetStageSession => debug::<GetStageSessionRequest>(body),
        Operation::ListParticipants => debug::<ListParticipantsRequest>(body),
        Operation::GetParticipant => debug::<GetParticipantRequest>(body),
        Operation::ListParticipantEvents => debug::<ListParticipantEventsRequest>(body),
        Operation::StartParticipantReplication => debug::<StartParticipantReplicationRequest>(body),
        Operation::StopParticipantReplication => debug::<StopParticipantReplicationRequest>(body),
        Operation::ListParticipantReplicas => debug::<ListParticipantReplicasRequest>(body),
        Operation::ImportPublicKey => debug::<ImportPublicKeyRequest>(body),
        Operation::GetPublicKey => debug::<GetPublicKeyRequest>(body),
        Operation::ListPublicKeys => debug::<ListPublicKeysRequest>(body),
        Operation::DeletePublicKey => debug::<DeletePublicKeyRequest>(body),
        Operation::CreateEncoderConfiguration => debug::<CreateEncoderConfigurationRequest>(body),
        Operation::GetEncoderConfiguration => debug::<GetEncoderConfigurationRequest>(body),
        Operation::ListEncoderConfigurations => debug::<ListEncoderConfigurationsRequest>(body),
        Operation::DeleteEncoderConfiguration => debug::<DeleteEncoderConfigurationRequest>(body),
        Operation::CreateStorageConfiguration => debug::<CreateStorageConfigurationRequest>(body),
        Operation::GetStorageConfiguration => debug::<GetStorageConfigurationRequest>(body),
        Operation::ListStorageConfigurations => debug::<ListStorageConfigurationsRequest>(body),
        Operation::DeleteStorageConfiguration => debug::<DeleteStorageConfigurationRequest>(body),
        Operation::CreateIngestConfiguration => debug::<CreateIngestConfigurationRequest>(body),
        Operation::GetIngestConfiguration => debug::<GetIngestConfigurationRequest>(body),
        Operation::ListIngestConfigurations => debug::<ListIngestConfigurationsRequest>(body),
        Operation::UpdateIngestConfiguration => debug::<UpdateIngestConfigurationRequest>(body),
        Operation::DeleteIngestConfiguration => debug::<DeleteIngestConfigurationRequest>(body),
        Operation::StartComposition => debug::<StartCompositionRequest>(body),
        Operation::GetComposition => debug::<GetCompositionRequest>(body),
        Operation::ListCompositions => debug::<ListCompositionsRequest>(body),
        Operation::StopComposition => debug::<StopCompositionRequest>(body),
        Operation::TagResource => {
            TagResourceRequest::parse(TAGS_PATH, body).map(|request| format!("{request:?}"))
        }
        Operation::UntagResource | Operation::ListTagsForResource => {
            panic!("{operation} reads no body")
        }
    }
}

/// Property tests run the same cases every time, so that a failure can be reproduced.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_200_714),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
