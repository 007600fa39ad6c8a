//! Answers of every operation, with all members and with the fewest.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use restage_api::Timestamp;
use restage_api::shape::*;

use crate::{map, written};

#[test]
fn create_encoder_configuration() {
    written(
        &CreateEncoderConfigurationResponse {
            encoder_configuration: EncoderConfigurationShape {
                arn: "EncoderConfigurationArn".into(),
                name: "EncoderConfigurationName".into(),
                video: Video {
                    width: 7,
                    height: 7,
                    framerate: 29.97,
                    bitrate: 7,
                },
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"encoderConfiguration": {"arn": "EncoderConfigurationArn", "name": "EncoderConfigurationName", "video": {"width": 7, "height": 7, "framerate": 29.97, "bitrate": 7}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &CreateEncoderConfigurationResponse {
            encoder_configuration: EncoderConfigurationShape {
                arn: "EncoderConfigurationArn".into(),
                name: "EncoderConfigurationName".into(),
                video: Video {
                    width: 7,
                    height: 7,
                    framerate: 29.97,
                    bitrate: 7,
                },
                tags: map(&[]),
            },
        },
        r#"{"encoderConfiguration": {"arn": "EncoderConfigurationArn", "name": "EncoderConfigurationName", "video": {"width": 7, "height": 7, "framerate": 29.97, "bitrate": 7}, "tags": {}}}"#,
    );
}

#[test]
fn create_ingest_configuration() {
    written(
        &CreateIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: Some(vec![RedundantIngestCredential {
                    participant_id: "ParticipantId".into(),
                    stream_key: "StreamKey".into(),
                }]),
                attributes: map(&[("team", "blue")]),
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "redundantIngestCredentials": [{"participantId": "ParticipantId", "streamKey": "StreamKey"}], "attributes": {"team": "blue"}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &CreateIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: None,
                attributes: map(&[]),
                tags: map(&[]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "attributes": {}, "tags": {}}}"#,
    );
}

#[test]
fn create_participant_token() {
    written(
        &CreateParticipantTokenResponse {
            participant_token: ParticipantToken {
                participant_id: "ParticipantTokenId".into(),
                token: "ParticipantTokenString".into(),
                user_id: Some("ParticipantTokenUserId".into()),
                attributes: Some(map(&[("team", "blue")])),
                duration: Some(7),
                capabilities: Some(vec![Capability::Subscribe]),
                expiration_time: Timestamp(1_790_932_504_000_000),
            },
        },
        r#"{"participantToken": {"participantId": "ParticipantTokenId", "token": "ParticipantTokenString", "userId": "ParticipantTokenUserId", "attributes": {"team": "blue"}, "duration": 7, "capabilities": ["SUBSCRIBE"], "expirationTime": "2026-10-02T09:15:04Z"}}"#,
    );
    written(
        &CreateParticipantTokenResponse {
            participant_token: ParticipantToken {
                participant_id: "ParticipantTokenId".into(),
                token: "ParticipantTokenString".into(),
                user_id: None,
                attributes: None,
                duration: None,
                capabilities: None,
                expiration_time: Timestamp(1_790_932_504_000_000),
            },
        },
        r#"{"participantToken": {"participantId": "ParticipantTokenId", "token": "ParticipantTokenString", "expirationTime": "2026-10-02T09:15:04Z"}}"#,
    );
}

#[test]
fn create_stage() {
    written(
        &CreateStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: Some("StageSessionId".into()),
                tags: map(&[("team", "blue")]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![MediaType::None],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![ThumbnailStorage::Latest],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: Some("StageEndpoint".into()),
                    rtmps: Some("StageEndpoint".into()),
                },
            },
            participant_tokens: vec![ParticipantToken {
                participant_id: "ParticipantTokenId".into(),
                token: "ParticipantTokenString".into(),
                user_id: Some("ParticipantTokenUserId".into()),
                attributes: Some(map(&[("team", "blue")])),
                duration: Some(7),
                capabilities: Some(vec![Capability::Subscribe]),
                expiration_time: Timestamp(1_790_932_504_000_000),
            }],
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "activeSessionId": "StageSessionId", "tags": {"team": "blue"}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": ["NONE"], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": ["LATEST"], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint", "rtmp": "StageEndpoint", "rtmps": "StageEndpoint"}}, "participantTokens": [{"participantId": "ParticipantTokenId", "token": "ParticipantTokenString", "userId": "ParticipantTokenUserId", "attributes": {"team": "blue"}, "duration": 7, "capabilities": ["SUBSCRIBE"], "expirationTime": "2026-10-02T09:15:04Z"}]}"#,
    );
    written(
        &CreateStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: None,
                tags: map(&[]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: None,
                    rtmps: None,
                },
            },
            participant_tokens: vec![],
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "tags": {}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": [], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": [], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint"}}, "participantTokens": []}"#,
    );
}

#[test]
fn create_storage_configuration() {
    written(
        &CreateStorageConfigurationResponse {
            storage_configuration: StorageConfigurationShape {
                arn: "StorageConfigurationArn".into(),
                name: "StorageConfigurationName".into(),
                s3: S3StorageConfiguration {
                    bucket_name: "S3BucketName".into(),
                },
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"storageConfiguration": {"arn": "StorageConfigurationArn", "name": "StorageConfigurationName", "s3": {"bucketName": "S3BucketName"}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &CreateStorageConfigurationResponse {
            storage_configuration: StorageConfigurationShape {
                arn: "StorageConfigurationArn".into(),
                name: "StorageConfigurationName".into(),
                s3: S3StorageConfiguration {
                    bucket_name: "S3BucketName".into(),
                },
                tags: map(&[]),
            },
        },
        r#"{"storageConfiguration": {"arn": "StorageConfigurationArn", "name": "StorageConfigurationName", "s3": {"bucketName": "S3BucketName"}, "tags": {}}}"#,
    );
}

#[test]
fn get_composition() {
    written(
        &GetCompositionResponse {
            composition: CompositionShape {
                arn: "CompositionArn".into(),
                stage_arn: "StageArn".into(),
                state: CompositionState::Stopped,
                layout: LayoutConfiguration {
                    grid: Some(GridConfiguration {
                        featured_participant_attribute: Some("AttributeKey".into()),
                        omit_stopped_video: Some(true),
                        video_aspect_ratio: Some(VideoAspectRatio::Portrait),
                        video_fill_mode: Some(VideoFillMode::Contain),
                        grid_gap: Some(7),
                        participant_order_attribute: Some("AttributeKey".into()),
                    }),
                    pip: Some(PipConfiguration {
                        featured_participant_attribute: Some("AttributeKey".into()),
                        omit_stopped_video: Some(true),
                        video_fill_mode: Some(VideoFillMode::Contain),
                        grid_gap: Some(7),
                        pip_participant_attribute: Some("AttributeKey".into()),
                        pip_behavior: Some(PipBehavior::Dynamic),
                        pip_offset: Some(7),
                        pip_position: Some(PipPosition::BottomRight),
                        pip_width: Some(7),
                        pip_height: Some(7),
                        participant_order_attribute: Some("AttributeKey".into()),
                    }),
                },
                destinations: vec![Destination {
                    id: "String".into(),
                    state: DestinationState::Stopped,
                    start_time: Some(Timestamp(1_790_932_504_000_000)),
                    end_time: Some(Timestamp(1_790_932_504_000_000)),
                    configuration: DestinationConfiguration {
                        name: Some("DestinationConfigurationName".into()),
                        channel: Some(ChannelDestinationConfiguration {
                            channel_arn: "ChannelArn".into(),
                            encoder_configuration_arn: Some("EncoderConfigurationArn".into()),
                        }),
                        s3: Some(S3DestinationConfiguration {
                            storage_configuration_arn: "StorageConfigurationArn".into(),
                            encoder_configuration_arns: vec!["EncoderConfigurationArn".into()],
                            recording_configuration: Some(CompositionRecordingConfiguration {
                                hls_configuration: Some(CompositionRecordingHlsConfiguration {
                                    target_segment_duration_seconds: Some(7),
                                }),
                                format: Some(CompositionRecordingFormat::Hls),
                            }),
                            thumbnail_configurations: Some(vec![
                                CompositionThumbnailConfiguration {
                                    target_interval_seconds: Some(7),
                                    storage: Some(vec![ThumbnailStorage::Latest]),
                                },
                            ]),
                        }),
                    },
                    detail: Some(DestinationDetail {
                        s3: Some(S3Detail {
                            recording_prefix: "String".into(),
                        }),
                    }),
                }],
                tags: map(&[("team", "blue")]),
                start_time: Some(Timestamp(1_790_932_504_000_000)),
                end_time: Some(Timestamp(1_790_932_504_000_000)),
            },
        },
        r#"{"composition": {"arn": "CompositionArn", "stageArn": "StageArn", "state": "STOPPED", "layout": {"grid": {"featuredParticipantAttribute": "AttributeKey", "omitStoppedVideo": true, "videoAspectRatio": "PORTRAIT", "videoFillMode": "CONTAIN", "gridGap": 7, "participantOrderAttribute": "AttributeKey"}, "pip": {"featuredParticipantAttribute": "AttributeKey", "omitStoppedVideo": true, "videoFillMode": "CONTAIN", "gridGap": 7, "pipParticipantAttribute": "AttributeKey", "pipBehavior": "DYNAMIC", "pipOffset": 7, "pipPosition": "BOTTOM_RIGHT", "pipWidth": 7, "pipHeight": 7, "participantOrderAttribute": "AttributeKey"}}, "destinations": [{"id": "String", "state": "STOPPED", "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z", "configuration": {"name": "DestinationConfigurationName", "channel": {"channelArn": "ChannelArn", "encoderConfigurationArn": "EncoderConfigurationArn"}, "s3": {"storageConfigurationArn": "StorageConfigurationArn", "encoderConfigurationArns": ["EncoderConfigurationArn"], "recordingConfiguration": {"hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "format": "HLS"}, "thumbnailConfigurations": [{"targetIntervalSeconds": 7, "storage": ["LATEST"]}]}}, "detail": {"s3": {"recordingPrefix": "String"}}}], "tags": {"team": "blue"}, "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}}"#,
    );
    written(
        &GetCompositionResponse {
            composition: CompositionShape {
                arn: "CompositionArn".into(),
                stage_arn: "StageArn".into(),
                state: CompositionState::Stopped,
                layout: LayoutConfiguration {
                    grid: None,
                    pip: None,
                },
                destinations: vec![],
                tags: map(&[]),
                start_time: None,
                end_time: None,
            },
        },
        r#"{"composition": {"arn": "CompositionArn", "stageArn": "StageArn", "state": "STOPPED", "layout": {}, "destinations": [], "tags": {}}}"#,
    );
}

#[test]
fn get_encoder_configuration() {
    written(
        &GetEncoderConfigurationResponse {
            encoder_configuration: EncoderConfigurationShape {
                arn: "EncoderConfigurationArn".into(),
                name: "EncoderConfigurationName".into(),
                video: Video {
                    width: 7,
                    height: 7,
                    framerate: 29.97,
                    bitrate: 7,
                },
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"encoderConfiguration": {"arn": "EncoderConfigurationArn", "name": "EncoderConfigurationName", "video": {"width": 7, "height": 7, "framerate": 29.97, "bitrate": 7}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &GetEncoderConfigurationResponse {
            encoder_configuration: EncoderConfigurationShape {
                arn: "EncoderConfigurationArn".into(),
                name: "EncoderConfigurationName".into(),
                video: Video {
                    width: 7,
                    height: 7,
                    framerate: 29.97,
                    bitrate: 7,
                },
                tags: map(&[]),
            },
        },
        r#"{"encoderConfiguration": {"arn": "EncoderConfigurationArn", "name": "EncoderConfigurationName", "video": {"width": 7, "height": 7, "framerate": 29.97, "bitrate": 7}, "tags": {}}}"#,
    );
}

#[test]
fn get_ingest_configuration() {
    written(
        &GetIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: Some(vec![RedundantIngestCredential {
                    participant_id: "ParticipantId".into(),
                    stream_key: "StreamKey".into(),
                }]),
                attributes: map(&[("team", "blue")]),
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "redundantIngestCredentials": [{"participantId": "ParticipantId", "streamKey": "StreamKey"}], "attributes": {"team": "blue"}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &GetIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: None,
                attributes: map(&[]),
                tags: map(&[]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "attributes": {}, "tags": {}}}"#,
    );
}

#[test]
fn get_participant() {
    written(
        &GetParticipantResponse {
            participant: ParticipantShape {
                participant_id: "ParticipantId".into(),
                user_id: "UserId".into(),
                state: ParticipantState::Disconnected,
                first_join_time: Timestamp(1_790_932_504_000_000),
                attributes: map(&[("team", "blue")]),
                published: true,
                isp_name: "ParticipantClientAttribute".into(),
                os_name: "ParticipantClientAttribute".into(),
                os_version: "ParticipantClientAttribute".into(),
                browser_name: "ParticipantClientAttribute".into(),
                browser_version: "ParticipantClientAttribute".into(),
                sdk_version: "ParticipantClientAttribute".into(),
                recording_s3_bucket_name: "ParticipantRecordingS3BucketName".into(),
                recording_s3_prefix: "ParticipantRecordingS3Prefix".into(),
                recording_state: RecordingState::Disabled,
                protocol: ParticipantProtocol::Rtmps,
                replication: ParticipantReplication {
                    replication_type: ReplicationType::None,
                    replication_state: Some(ReplicationState::Stopped),
                    source_stage_arn: Some("StageArn".into()),
                    source_session_id: Some("StageSessionId".into()),
                },
                redundant_ingest: true,
                ingest_configuration_arn: Some("IngestConfigurationArn".into()),
            },
        },
        r#"{"participant": {"participantId": "ParticipantId", "userId": "UserId", "state": "DISCONNECTED", "firstJoinTime": "2026-10-02T09:15:04Z", "attributes": {"team": "blue"}, "published": true, "ispName": "ParticipantClientAttribute", "osName": "ParticipantClientAttribute", "osVersion": "ParticipantClientAttribute", "browserName": "ParticipantClientAttribute", "browserVersion": "ParticipantClientAttribute", "sdkVersion": "ParticipantClientAttribute", "recordingS3BucketName": "ParticipantRecordingS3BucketName", "recordingS3Prefix": "ParticipantRecordingS3Prefix", "recordingState": "DISABLED", "protocol": "RTMPS", "replicationType": "NONE", "replicationState": "STOPPED", "sourceStageArn": "StageArn", "sourceSessionId": "StageSessionId", "redundantIngest": true, "ingestConfigurationArn": "IngestConfigurationArn"}}"#,
    );
    written(
        &GetParticipantResponse {
            participant: ParticipantShape {
                participant_id: "ParticipantId".into(),
                user_id: "UserId".into(),
                state: ParticipantState::Disconnected,
                first_join_time: Timestamp(1_790_932_504_000_000),
                attributes: map(&[]),
                published: true,
                isp_name: "ParticipantClientAttribute".into(),
                os_name: "ParticipantClientAttribute".into(),
                os_version: "ParticipantClientAttribute".into(),
                browser_name: "ParticipantClientAttribute".into(),
                browser_version: "ParticipantClientAttribute".into(),
                sdk_version: "ParticipantClientAttribute".into(),
                recording_s3_bucket_name: "ParticipantRecordingS3BucketName".into(),
                recording_s3_prefix: "ParticipantRecordingS3Prefix".into(),
                recording_state: RecordingState::Disabled,
                protocol: ParticipantProtocol::Rtmps,
                replication: ParticipantReplication {
                    replication_type: ReplicationType::None,
                    replication_state: None,
                    source_stage_arn: None,
                    source_session_id: None,
                },
                redundant_ingest: true,
                ingest_configuration_arn: None,
            },
        },
        r#"{"participant": {"participantId": "ParticipantId", "userId": "UserId", "state": "DISCONNECTED", "firstJoinTime": "2026-10-02T09:15:04Z", "attributes": {}, "published": true, "ispName": "ParticipantClientAttribute", "osName": "ParticipantClientAttribute", "osVersion": "ParticipantClientAttribute", "browserName": "ParticipantClientAttribute", "browserVersion": "ParticipantClientAttribute", "sdkVersion": "ParticipantClientAttribute", "recordingS3BucketName": "ParticipantRecordingS3BucketName", "recordingS3Prefix": "ParticipantRecordingS3Prefix", "recordingState": "DISABLED", "protocol": "RTMPS", "replicationType": "NONE", "redundantIngest": true}}"#,
    );
}

#[test]
fn get_public_key() {
    written(
        &GetPublicKeyResponse {
            public_key: PublicKeyShape {
                arn: "PublicKeyArn".into(),
                name: "PublicKeyName".into(),
                public_key_material: "PublicKeyMaterial".into(),
                fingerprint: "PublicKeyFingerprint".into(),
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"publicKey": {"arn": "PublicKeyArn", "name": "PublicKeyName", "publicKeyMaterial": "PublicKeyMaterial", "fingerprint": "PublicKeyFingerprint", "tags": {"team": "blue"}}}"#,
    );
    written(
        &GetPublicKeyResponse {
            public_key: PublicKeyShape {
                arn: "PublicKeyArn".into(),
                name: "PublicKeyName".into(),
                public_key_material: "PublicKeyMaterial".into(),
                fingerprint: "PublicKeyFingerprint".into(),
                tags: map(&[]),
            },
        },
        r#"{"publicKey": {"arn": "PublicKeyArn", "name": "PublicKeyName", "publicKeyMaterial": "PublicKeyMaterial", "fingerprint": "PublicKeyFingerprint", "tags": {}}}"#,
    );
}

#[test]
fn get_stage() {
    written(
        &GetStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: Some("StageSessionId".into()),
                tags: map(&[("team", "blue")]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![MediaType::None],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![ThumbnailStorage::Latest],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: Some("StageEndpoint".into()),
                    rtmps: Some("StageEndpoint".into()),
                },
            },
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "activeSessionId": "StageSessionId", "tags": {"team": "blue"}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": ["NONE"], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": ["LATEST"], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint", "rtmp": "StageEndpoint", "rtmps": "StageEndpoint"}}}"#,
    );
    written(
        &GetStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: None,
                tags: map(&[]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: None,
                    rtmps: None,
                },
            },
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "tags": {}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": [], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": [], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint"}}}"#,
    );
}

#[test]
fn get_stage_session() {
    written(
        &GetStageSessionResponse {
            stage_session: StageSessionShape {
                session_id: "StageSessionId".into(),
                start_time: Timestamp(1_790_932_504_000_000),
                end_time: Some(Timestamp(1_790_932_504_000_000)),
            },
        },
        r#"{"stageSession": {"sessionId": "StageSessionId", "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}}"#,
    );
    written(
        &GetStageSessionResponse {
            stage_session: StageSessionShape {
                session_id: "StageSessionId".into(),
                start_time: Timestamp(1_790_932_504_000_000),
                end_time: None,
            },
        },
        r#"{"stageSession": {"sessionId": "StageSessionId", "startTime": "2026-10-02T09:15:04Z"}}"#,
    );
}

#[test]
fn get_storage_configuration() {
    written(
        &GetStorageConfigurationResponse {
            storage_configuration: StorageConfigurationShape {
                arn: "StorageConfigurationArn".into(),
                name: "StorageConfigurationName".into(),
                s3: S3StorageConfiguration {
                    bucket_name: "S3BucketName".into(),
                },
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"storageConfiguration": {"arn": "StorageConfigurationArn", "name": "StorageConfigurationName", "s3": {"bucketName": "S3BucketName"}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &GetStorageConfigurationResponse {
            storage_configuration: StorageConfigurationShape {
                arn: "StorageConfigurationArn".into(),
                name: "StorageConfigurationName".into(),
                s3: S3StorageConfiguration {
                    bucket_name: "S3BucketName".into(),
                },
                tags: map(&[]),
            },
        },
        r#"{"storageConfiguration": {"arn": "StorageConfigurationArn", "name": "StorageConfigurationName", "s3": {"bucketName": "S3BucketName"}, "tags": {}}}"#,
    );
}

#[test]
fn import_public_key() {
    written(
        &ImportPublicKeyResponse {
            public_key: PublicKeyShape {
                arn: "PublicKeyArn".into(),
                name: "PublicKeyName".into(),
                public_key_material: "PublicKeyMaterial".into(),
                fingerprint: "PublicKeyFingerprint".into(),
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"publicKey": {"arn": "PublicKeyArn", "name": "PublicKeyName", "publicKeyMaterial": "PublicKeyMaterial", "fingerprint": "PublicKeyFingerprint", "tags": {"team": "blue"}}}"#,
    );
    written(
        &ImportPublicKeyResponse {
            public_key: PublicKeyShape {
                arn: "PublicKeyArn".into(),
                name: "PublicKeyName".into(),
                public_key_material: "PublicKeyMaterial".into(),
                fingerprint: "PublicKeyFingerprint".into(),
                tags: map(&[]),
            },
        },
        r#"{"publicKey": {"arn": "PublicKeyArn", "name": "PublicKeyName", "publicKeyMaterial": "PublicKeyMaterial", "fingerprint": "PublicKeyFingerprint", "tags": {}}}"#,
    );
}

#[test]
fn list_compositions() {
    written(
        &ListCompositionsResponse {
            compositions: vec![CompositionSummary {
                arn: "CompositionArn".into(),
                stage_arn: "StageArn".into(),
                destinations: vec![DestinationSummary {
                    id: "String".into(),
                    state: DestinationState::Stopped,
                    start_time: Some(Timestamp(1_790_932_504_000_000)),
                    end_time: Some(Timestamp(1_790_932_504_000_000)),
                }],
                state: CompositionState::Stopped,
                tags: map(&[("team", "blue")]),
                start_time: Some(Timestamp(1_790_932_504_000_000)),
                end_time: Some(Timestamp(1_790_932_504_000_000)),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"compositions": [{"arn": "CompositionArn", "stageArn": "StageArn", "destinations": [{"id": "String", "state": "STOPPED", "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}], "state": "STOPPED", "tags": {"team": "blue"}, "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListCompositionsResponse {
            compositions: vec![],
            next_token: None,
        },
        r#"{"compositions": []}"#,
    );
}

#[test]
fn list_encoder_configurations() {
    written(
        &ListEncoderConfigurationsResponse {
            encoder_configurations: vec![EncoderConfigurationSummary {
                arn: "EncoderConfigurationArn".into(),
                name: "EncoderConfigurationName".into(),
                tags: map(&[("team", "blue")]),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"encoderConfigurations": [{"arn": "EncoderConfigurationArn", "name": "EncoderConfigurationName", "tags": {"team": "blue"}}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListEncoderConfigurationsResponse {
            encoder_configurations: vec![],
            next_token: None,
        },
        r#"{"encoderConfigurations": []}"#,
    );
}

#[test]
fn list_ingest_configurations() {
    written(
        &ListIngestConfigurationsResponse {
            ingest_configurations: vec![IngestConfigurationSummary {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"ingestConfigurations": [{"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListIngestConfigurationsResponse {
            ingest_configurations: vec![],
            next_token: None,
        },
        r#"{"ingestConfigurations": []}"#,
    );
}

#[test]
fn list_participant_events() {
    written(
        &ListParticipantEventsResponse {
            events: vec![EventShape {
                name: EventName::TokenExchanged,
                participant_id: "ParticipantId".into(),
                event_time: Timestamp(1_790_932_504_000_000),
                remote_participant_id: Some("ParticipantId".into()),
                error_code: Some(EventErrorCode::InternalServerException),
                destination_stage_arn: Some("StageArn".into()),
                destination_session_id: Some("StageSessionId".into()),
                replica: true,
                previous_token: Some(ExchangedParticipantToken {
                    capabilities: vec![Capability::Subscribe],
                    attributes: map(&[("team", "blue")]),
                    user_id: "ParticipantTokenUserId".into(),
                    expiration_time: Timestamp(1_790_932_504_000_000),
                }),
                new_token: Some(ExchangedParticipantToken {
                    capabilities: vec![Capability::Subscribe],
                    attributes: map(&[("team", "blue")]),
                    user_id: "ParticipantTokenUserId".into(),
                    expiration_time: Timestamp(1_790_932_504_000_000),
                }),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"events": [{"name": "TOKEN_EXCHANGED", "participantId": "ParticipantId", "eventTime": "2026-10-02T09:15:04Z", "remoteParticipantId": "ParticipantId", "errorCode": "INTERNAL_SERVER_EXCEPTION", "destinationStageArn": "StageArn", "destinationSessionId": "StageSessionId", "replica": true, "previousToken": {"capabilities": ["SUBSCRIBE"], "attributes": {"team": "blue"}, "userId": "ParticipantTokenUserId", "expirationTime": "2026-10-02T09:15:04Z"}, "newToken": {"capabilities": ["SUBSCRIBE"], "attributes": {"team": "blue"}, "userId": "ParticipantTokenUserId", "expirationTime": "2026-10-02T09:15:04Z"}}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListParticipantEventsResponse {
            events: vec![],
            next_token: None,
        },
        r#"{"events": []}"#,
    );
}

#[test]
fn list_participant_replicas() {
    written(
        &ListParticipantReplicasResponse {
            replicas: vec![ParticipantReplica {
                source_stage_arn: "StageArn".into(),
                participant_id: "ParticipantId".into(),
                source_session_id: "StageSessionId".into(),
                destination_stage_arn: "StageArn".into(),
                destination_session_id: "StageSessionId".into(),
                replication_state: ReplicationState::Stopped,
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"replicas": [{"sourceStageArn": "StageArn", "participantId": "ParticipantId", "sourceSessionId": "StageSessionId", "destinationStageArn": "StageArn", "destinationSessionId": "StageSessionId", "replicationState": "STOPPED"}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListParticipantReplicasResponse {
            replicas: vec![],
            next_token: None,
        },
        r#"{"replicas": []}"#,
    );
}

#[test]
fn list_participants() {
    written(
        &ListParticipantsResponse {
            participants: vec![ParticipantSummary {
                participant_id: "ParticipantId".into(),
                user_id: "UserId".into(),
                state: ParticipantState::Disconnected,
                first_join_time: Timestamp(1_790_932_504_000_000),
                published: true,
                recording_state: RecordingState::Disabled,
                replication: ParticipantReplication {
                    replication_type: ReplicationType::None,
                    replication_state: Some(ReplicationState::Stopped),
                    source_stage_arn: Some("StageArn".into()),
                    source_session_id: Some("StageSessionId".into()),
                },
                redundant_ingest: true,
                ingest_configuration_arn: Some("IngestConfigurationArn".into()),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"participants": [{"participantId": "ParticipantId", "userId": "UserId", "state": "DISCONNECTED", "firstJoinTime": "2026-10-02T09:15:04Z", "published": true, "recordingState": "DISABLED", "replicationType": "NONE", "replicationState": "STOPPED", "sourceStageArn": "StageArn", "sourceSessionId": "StageSessionId", "redundantIngest": true, "ingestConfigurationArn": "IngestConfigurationArn"}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListParticipantsResponse {
            participants: vec![],
            next_token: None,
        },
        r#"{"participants": []}"#,
    );
}

#[test]
fn list_public_keys() {
    written(
        &ListPublicKeysResponse {
            public_keys: vec![PublicKeySummary {
                arn: "PublicKeyArn".into(),
                name: "PublicKeyName".into(),
                tags: map(&[("team", "blue")]),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"publicKeys": [{"arn": "PublicKeyArn", "name": "PublicKeyName", "tags": {"team": "blue"}}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListPublicKeysResponse {
            public_keys: vec![],
            next_token: None,
        },
        r#"{"publicKeys": []}"#,
    );
}

#[test]
fn list_stage_sessions() {
    written(
        &ListStageSessionsResponse {
            stage_sessions: vec![StageSessionShape {
                session_id: "StageSessionId".into(),
                start_time: Timestamp(1_790_932_504_000_000),
                end_time: Some(Timestamp(1_790_932_504_000_000)),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"stageSessions": [{"sessionId": "StageSessionId", "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListStageSessionsResponse {
            stage_sessions: vec![],
            next_token: None,
        },
        r#"{"stageSessions": []}"#,
    );
}

#[test]
fn list_stages() {
    written(
        &ListStagesResponse {
            stages: vec![StageSummary {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: Some("StageSessionId".into()),
                tags: map(&[("team", "blue")]),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"stages": [{"arn": "StageArn", "name": "StageName", "activeSessionId": "StageSessionId", "tags": {"team": "blue"}}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListStagesResponse {
            stages: vec![],
            next_token: None,
        },
        r#"{"stages": []}"#,
    );
}

#[test]
fn list_storage_configurations() {
    written(
        &ListStorageConfigurationsResponse {
            storage_configurations: vec![StorageConfigurationSummary {
                arn: "StorageConfigurationArn".into(),
                name: "StorageConfigurationName".into(),
                s3: S3StorageConfiguration {
                    bucket_name: "S3BucketName".into(),
                },
                tags: map(&[("team", "blue")]),
            }],
            next_token: Some("PaginationToken".into()),
        },
        r#"{"storageConfigurations": [{"arn": "StorageConfigurationArn", "name": "StorageConfigurationName", "s3": {"bucketName": "S3BucketName"}, "tags": {"team": "blue"}}], "nextToken": "PaginationToken"}"#,
    );
    written(
        &ListStorageConfigurationsResponse {
            storage_configurations: vec![],
            next_token: None,
        },
        r#"{"storageConfigurations": []}"#,
    );
}

#[test]
fn list_tags_for_resource() {
    written(
        &ListTagsForResourceResponse {
            tags: map(&[("team", "blue")]),
        },
        r#"{"tags": {"team": "blue"}}"#,
    );
    written(
        &ListTagsForResourceResponse { tags: map(&[]) },
        r#"{"tags": {}}"#,
    );
}

#[test]
fn start_composition() {
    written(
        &StartCompositionResponse {
            composition: CompositionShape {
                arn: "CompositionArn".into(),
                stage_arn: "StageArn".into(),
                state: CompositionState::Stopped,
                layout: LayoutConfiguration {
                    grid: Some(GridConfiguration {
                        featured_participant_attribute: Some("AttributeKey".into()),
                        omit_stopped_video: Some(true),
                        video_aspect_ratio: Some(VideoAspectRatio::Portrait),
                        video_fill_mode: Some(VideoFillMode::Contain),
                        grid_gap: Some(7),
                        participant_order_attribute: Some("AttributeKey".into()),
                    }),
                    pip: Some(PipConfiguration {
                        featured_participant_attribute: Some("AttributeKey".into()),
                        omit_stopped_video: Some(true),
                        video_fill_mode: Some(VideoFillMode::Contain),
                        grid_gap: Some(7),
                        pip_participant_attribute: Some("AttributeKey".into()),
                        pip_behavior: Some(PipBehavior::Dynamic),
                        pip_offset: Some(7),
                        pip_position: Some(PipPosition::BottomRight),
                        pip_width: Some(7),
                        pip_height: Some(7),
                        participant_order_attribute: Some("AttributeKey".into()),
                    }),
                },
                destinations: vec![Destination {
                    id: "String".into(),
                    state: DestinationState::Stopped,
                    start_time: Some(Timestamp(1_790_932_504_000_000)),
                    end_time: Some(Timestamp(1_790_932_504_000_000)),
                    configuration: DestinationConfiguration {
                        name: Some("DestinationConfigurationName".into()),
                        channel: Some(ChannelDestinationConfiguration {
                            channel_arn: "ChannelArn".into(),
                            encoder_configuration_arn: Some("EncoderConfigurationArn".into()),
                        }),
                        s3: Some(S3DestinationConfiguration {
                            storage_configuration_arn: "StorageConfigurationArn".into(),
                            encoder_configuration_arns: vec!["EncoderConfigurationArn".into()],
                            recording_configuration: Some(CompositionRecordingConfiguration {
                                hls_configuration: Some(CompositionRecordingHlsConfiguration {
                                    target_segment_duration_seconds: Some(7),
                                }),
                                format: Some(CompositionRecordingFormat::Hls),
                            }),
                            thumbnail_configurations: Some(vec![
                                CompositionThumbnailConfiguration {
                                    target_interval_seconds: Some(7),
                                    storage: Some(vec![ThumbnailStorage::Latest]),
                                },
                            ]),
                        }),
                    },
                    detail: Some(DestinationDetail {
                        s3: Some(S3Detail {
                            recording_prefix: "String".into(),
                        }),
                    }),
                }],
                tags: map(&[("team", "blue")]),
                start_time: Some(Timestamp(1_790_932_504_000_000)),
                end_time: Some(Timestamp(1_790_932_504_000_000)),
            },
        },
        r#"{"composition": {"arn": "CompositionArn", "stageArn": "StageArn", "state": "STOPPED", "layout": {"grid": {"featuredParticipantAttribute": "AttributeKey", "omitStoppedVideo": true, "videoAspectRatio": "PORTRAIT", "videoFillMode": "CONTAIN", "gridGap": 7, "participantOrderAttribute": "AttributeKey"}, "pip": {"featuredParticipantAttribute": "AttributeKey", "omitStoppedVideo": true, "videoFillMode": "CONTAIN", "gridGap": 7, "pipParticipantAttribute": "AttributeKey", "pipBehavior": "DYNAMIC", "pipOffset": 7, "pipPosition": "BOTTOM_RIGHT", "pipWidth": 7, "pipHeight": 7, "participantOrderAttribute": "AttributeKey"}}, "destinations": [{"id": "String", "state": "STOPPED", "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z", "configuration": {"name": "DestinationConfigurationName", "channel": {"channelArn": "ChannelArn", "encoderConfigurationArn": "EncoderConfigurationArn"}, "s3": {"storageConfigurationArn": "StorageConfigurationArn", "encoderConfigurationArns": ["EncoderConfigurationArn"], "recordingConfiguration": {"hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "format": "HLS"}, "thumbnailConfigurations": [{"targetIntervalSeconds": 7, "storage": ["LATEST"]}]}}, "detail": {"s3": {"recordingPrefix": "String"}}}], "tags": {"team": "blue"}, "startTime": "2026-10-02T09:15:04Z", "endTime": "2026-10-02T09:15:04Z"}}"#,
    );
    written(
        &StartCompositionResponse {
            composition: CompositionShape {
                arn: "CompositionArn".into(),
                stage_arn: "StageArn".into(),
                state: CompositionState::Stopped,
                layout: LayoutConfiguration {
                    grid: None,
                    pip: None,
                },
                destinations: vec![],
                tags: map(&[]),
                start_time: None,
                end_time: None,
            },
        },
        r#"{"composition": {"arn": "CompositionArn", "stageArn": "StageArn", "state": "STOPPED", "layout": {}, "destinations": [], "tags": {}}}"#,
    );
}

#[test]
fn update_ingest_configuration() {
    written(
        &UpdateIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: Some(vec![RedundantIngestCredential {
                    participant_id: "ParticipantId".into(),
                    stream_key: "StreamKey".into(),
                }]),
                attributes: map(&[("team", "blue")]),
                tags: map(&[("team", "blue")]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "redundantIngestCredentials": [{"participantId": "ParticipantId", "streamKey": "StreamKey"}], "attributes": {"team": "blue"}, "tags": {"team": "blue"}}}"#,
    );
    written(
        &UpdateIngestConfigurationResponse {
            ingest_configuration: IngestConfigurationShape {
                name: "IngestConfigurationName".into(),
                arn: "IngestConfigurationArn".into(),
                ingest_protocol: IngestProtocol::Rtmps,
                stream_key: "StreamKey".into(),
                stage_arn: "IngestConfigurationStageArn".into(),
                participant_id: "ParticipantId".into(),
                state: IngestConfigurationState::Inactive,
                user_id: "UserId".into(),
                redundant_ingest: true,
                redundant_ingest_credentials: None,
                attributes: map(&[]),
                tags: map(&[]),
            },
        },
        r#"{"ingestConfiguration": {"name": "IngestConfigurationName", "arn": "IngestConfigurationArn", "ingestProtocol": "RTMPS", "streamKey": "StreamKey", "stageArn": "IngestConfigurationStageArn", "participantId": "ParticipantId", "state": "INACTIVE", "userId": "UserId", "redundantIngest": true, "attributes": {}, "tags": {}}}"#,
    );
}

#[test]
fn update_stage() {
    written(
        &UpdateStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: Some("StageSessionId".into()),
                tags: map(&[("team", "blue")]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![MediaType::None],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![ThumbnailStorage::Latest],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: Some("StageEndpoint".into()),
                    rtmps: Some("StageEndpoint".into()),
                },
            },
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "activeSessionId": "StageSessionId", "tags": {"team": "blue"}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": ["NONE"], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": ["LATEST"], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint", "rtmp": "StageEndpoint", "rtmps": "StageEndpoint"}}}"#,
    );
    written(
        &UpdateStageResponse {
            stage: StageShape {
                arn: "StageArn".into(),
                name: "StageName".into(),
                active_session_id: None,
                tags: map(&[]),
                auto_participant_recording_configuration: RecordingConfiguration {
                    storage_configuration_arn: "AutoParticipantRecordingStorageConfigurationArn"
                        .into(),
                    media_types: vec![],
                    thumbnail_configuration: ThumbnailConfiguration {
                        target_interval_seconds: 7,
                        storage: vec![],
                        recording_mode: ThumbnailRecordingMode::Disabled,
                    },
                    recording_reconnect_window_seconds: 7,
                    hls_configuration: HlsConfiguration {
                        target_segment_duration_seconds: 7,
                    },
                    record_participant_replicas: true,
                },
                endpoints: StageEndpoints {
                    events: "StageEndpoint".into(),
                    whip: "StageEndpoint".into(),
                    rtmp: None,
                    rtmps: None,
                },
            },
        },
        r#"{"stage": {"arn": "StageArn", "name": "StageName", "tags": {}, "autoParticipantRecordingConfiguration": {"storageConfigurationArn": "AutoParticipantRecordingStorageConfigurationArn", "mediaTypes": [], "thumbnailConfiguration": {"targetIntervalSeconds": 7, "storage": [], "recordingMode": "DISABLED"}, "recordingReconnectWindowSeconds": 7, "hlsConfiguration": {"targetSegmentDurationSeconds": 7}, "recordParticipantReplicas": true}, "endpoints": {"events": "StageEndpoint", "whip": "StageEndpoint"}}}"#,
    );
}
