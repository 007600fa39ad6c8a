//! Answers, byte by byte: which members are left out, which are empty, and their names.

use std::collections::BTreeMap;

use restage_api::shape::*;
use restage_api::{Request, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::common::{KEY, MATERIAL, OTHER_STAGE, PARTICIPANT, SESSION, STAGE};

const OTHER_SESSION: &str = "st-Lp8wE3dYr6K1m";
/// 2026-10-02T09:15:04Z
const JOINED: Timestamp = Timestamp(1_790_932_504_000_000);

#[track_caller]
fn written<T: Serialize>(response: &T, expected: Value) {
    let text = to_json(response);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value, expected, "{text}");
}

fn map(entries: &[(&str, &str)]) -> StringMap {
    entries
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn stage(active_session_id: Option<&str>) -> StageShape {
    StageShape {
        arn: STAGE.into(),
        name: String::new(),
        active_session_id: active_session_id.map(Into::into),
        tags: map(&[]),
        auto_participant_recording_configuration: RecordingConfiguration::default(),
        endpoints: StageEndpoints {
            events: "ws://127.0.0.1:4080/events".into(),
            whip: "http://127.0.0.1:4080/whip".into(),
            rtmp: None,
            rtmps: None,
        },
    }
}

fn stage_json() -> Value {
    json!({
        "arn": STAGE,
        "name": "",
        "tags": {},
        "autoParticipantRecordingConfiguration": {
            "storageConfigurationArn": "",
            "mediaTypes": ["AUDIO_VIDEO"],
            "thumbnailConfiguration": {
                "recordingMode": "DISABLED",
                "storage": ["SEQUENTIAL"],
                "targetIntervalSeconds": 60,
            },
            "recordingReconnectWindowSeconds": 0,
            "hlsConfiguration": {"targetSegmentDurationSeconds": 6},
            "recordParticipantReplicas": true,
        },
        "endpoints": {
            "events": "ws://127.0.0.1:4080/events",
            "whip": "http://127.0.0.1:4080/whip",
        },
    })
}

#[test]
fn stages() {
    written(
        &GetStageResponse { stage: stage(None) },
        json!({"stage": stage_json()}),
    );
    let mut active = stage_json();
    active["activeSessionId"] = json!(SESSION);
    written(
        &UpdateStageResponse {
            stage: stage(Some(SESSION)),
        },
        json!({"stage": active}),
    );
    let mut with_rtmp = stage(None);
    with_rtmp.endpoints.rtmp = Some("rtmp://h/app/".into());
    with_rtmp.endpoints.rtmps = Some("rtmps://h:443/app/".into());
    let mut expected = stage_json();
    expected["endpoints"]["rtmp"] = json!("rtmp://h/app/");
    expected["endpoints"]["rtmps"] = json!("rtmps://h:443/app/");
    written(
        &CreateStageResponse {
            stage: with_rtmp,
            participant_tokens: vec![],
        },
        json!({"stage": expected, "participantTokens": []}),
    );
    let summary = |name: &str, session: Option<&str>| StageSummary {
        arn: STAGE.into(),
        name: name.into(),
        active_session_id: session.map(Into::into),
        tags: map(&[("team", "blue")]),
    };
    written(
        &ListStagesResponse {
            stages: vec![summary("", None), summary("lobby", Some(SESSION))],
            next_token: Some("p00".into()),
        },
        json!({
            "stages": [
                {"arn": STAGE, "name": "", "tags": {"team": "blue"}},
                {"arn": STAGE, "name": "lobby", "activeSessionId": SESSION, "tags": {"team": "blue"}},
            ],
            "nextToken": "p00",
        }),
    );
    written(&EmptyResponse {}, json!({}));
}

#[test]
fn tokens_repeat_what_was_asked_for() {
    let body = format!(
        r#"{{"stageArn":"{STAGE}","duration":30,"userId":"ann","attributes":{{"order":"1"}},"capabilities":["PUBLISH"]}}"#
    );
    let full = CreateParticipantTokenRequest::parse(body.as_bytes())
        .expect("valid")
        .configuration;
    assert_eq!(full.duration_minutes(), 30);
    assert!(full.allows(Capability::Publish) && !full.allows(Capability::Subscribe));
    let bare = ParticipantTokenConfiguration::default();
    assert_eq!(bare.duration_minutes(), 720);
    assert!(bare.allows(Capability::Publish) && bare.allows(Capability::Subscribe));
    let none = ParticipantTokenConfiguration {
        capabilities: Some(vec![]),
        ..Default::default()
    };
    assert!(!none.allows(Capability::Publish) && !none.allows(Capability::Subscribe));

    let issued = full.issued(PARTICIPANT.into(), "secret".into(), JOINED);
    assert!(!format!("{issued:?}").contains("secret"));
    written(
        &CreateParticipantTokenResponse {
            participant_token: issued,
        },
        json!({"participantToken": {
            "participantId": PARTICIPANT,
            "token": "secret",
            "userId": "ann",
            "attributes": {"order": "1"},
            "duration": 30,
            "capabilities": ["PUBLISH"],
            "expirationTime": "2026-10-02T09:15:04Z",
        }}),
    );
    written(
        &bare.issued(PARTICIPANT.into(), "secret".into(), JOINED),
        json!({
            "participantId": PARTICIPANT,
            "token": "secret",
            "expirationTime": "2026-10-02T09:15:04Z",
        }),
    );
}

#[test]
fn sessions() {
    let active = StageSessionShape {
        session_id: SESSION.into(),
        start_time: JOINED,
        end_time: None,
    };
    let ended = StageSessionShape {
        end_time: Some(Timestamp(JOINED.0 + 1)),
        ..active.clone()
    };
    written(
        &ListStageSessionsResponse {
            stage_sessions: vec![active.clone(), ended],
            next_token: None,
        },
        json!({"stageSessions": [
            {"sessionId": SESSION, "startTime": "2026-10-02T09:15:04Z"},
            {
                "sessionId": SESSION,
                "startTime": "2026-10-02T09:15:04Z",
                "endTime": "2026-10-02T09:15:04.000001Z",
            },
        ]}),
    );
    written(
        &GetStageSessionResponse {
            stage_session: active,
        },
        json!({"stageSession": {"sessionId": SESSION, "startTime": "2026-10-02T09:15:04Z"}}),
    );
}

#[test]
fn participants_in_a_list() {
    let summary = |replication| ParticipantSummary {
        participant_id: PARTICIPANT.into(),
        user_id: "ann".into(),
        state: ParticipantState::Connected,
        first_join_time: JOINED,
        published: true,
        recording_state: RecordingState::Disabled,
        replication,
        redundant_ingest: false,
        ingest_configuration_arn: None,
    };
    let with = |replication: Value| {
        crate::common::merged(
            json!({
                "participantId": PARTICIPANT,
                "userId": "ann",
                "state": "CONNECTED",
                "firstJoinTime": "2026-10-02T09:15:04Z",
                "published": true,
                "recordingState": "DISABLED",
                "redundantIngest": false,
            }),
            replication,
        )
    };
    written(
        &ListParticipantsResponse {
            participants: vec![
                summary(ParticipantReplication::none()),
                summary(ParticipantReplication::source(ReplicationState::Active)),
                summary(ParticipantReplication::replica(
                    ReplicationState::Stopped,
                    OTHER_STAGE.into(),
                    OTHER_SESSION.into(),
                )),
            ],
            next_token: None,
        },
        json!({"participants": [
            with(json!({"replicationType": "NONE"})),
            with(json!({
                "replicationType": "SOURCE",
                "replicationState": "ACTIVE",
                "sourceStageArn": "",
                "sourceSessionId": "",
            })),
            with(json!({
                "replicationType": "REPLICA",
                "replicationState": "STOPPED",
                "sourceStageArn": OTHER_STAGE,
                "sourceSessionId": OTHER_SESSION,
            })),
        ]}),
    );
}

#[test]
fn a_participant_has_empty_texts_for_what_is_not_known() {
    let participant = ParticipantShape {
        participant_id: PARTICIPANT.into(),
        user_id: String::new(),
        state: ParticipantState::Disconnected,
        first_join_time: JOINED,
        attributes: map(&[]),
        published: false,
        isp_name: String::new(),
        os_name: String::new(),
        os_version: String::new(),
        browser_name: "Chromium".into(),
        browser_version: String::new(),
        sdk_version: String::new(),
        recording_s3_bucket_name: String::new(),
        recording_s3_prefix: String::new(),
        recording_state: RecordingState::Disabled,
        protocol: ParticipantProtocol::Whip,
        replication: ParticipantReplication::none(),
        redundant_ingest: false,
        ingest_configuration_arn: Some(String::new()),
    };
    written(
        &GetParticipantResponse { participant },
        json!({"participant": {
            "participantId": PARTICIPANT,
            "userId": "",
            "state": "DISCONNECTED",
            "firstJoinTime": "2026-10-02T09:15:04Z",
            "attributes": {},
            "published": false,
            "ispName": "",
            "osName": "",
            "osVersion": "",
            "browserName": "Chromium",
            "browserVersion": "",
            "sdkVersion": "",
            "recordingS3BucketName": "",
            "recordingS3Prefix": "",
            "recordingState": "DISABLED",
            "protocol": "WHIP",
            "replicationType": "NONE",
            "redundantIngest": false,
            "ingestConfigurationArn": "",
        }}),
    );
}

#[test]
fn events() {
    let event = |name| EventShape {
        name,
        participant_id: PARTICIPANT.into(),
        event_time: JOINED,
        remote_participant_id: None,
        error_code: None,
        destination_stage_arn: None,
        destination_session_id: None,
        replica: false,
        previous_token: None,
        new_token: None,
    };
    let token = ExchangedParticipantToken {
        capabilities: vec![Capability::Subscribe],
        attributes: map(&[("role", "viewer")]),
        user_id: "ann".into(),
        expiration_time: JOINED,
    };
    let token_json = json!({
        "capabilities": ["SUBSCRIBE"],
        "attributes": {"role": "viewer"},
        "userId": "ann",
        "expirationTime": "2026-10-02T09:15:04Z",
    });
    let events = vec![
        event(EventName::Joined),
        EventShape {
            remote_participant_id: Some("Bz3mKq9WfA6j".into()),
            error_code: Some(EventErrorCode::PublisherNotFound),
            replica: true,
            ..event(EventName::SubscribeError)
        },
        EventShape {
            destination_stage_arn: Some(OTHER_STAGE.into()),
            destination_session_id: Some(OTHER_SESSION.into()),
            ..event(EventName::ReplicationStarted)
        },
        EventShape {
            previous_token: Some(token.clone()),
            new_token: Some(token),
            ..event(EventName::TokenExchanged)
        },
    ];
    let with = |changes: Value| {
        let base = json!({
            "participantId": PARTICIPANT, "eventTime": "2026-10-02T09:15:04Z", "replica": false,
        });
        crate::common::merged(base, changes)
    };
    written(
        &ListParticipantEventsResponse {
            events,
            next_token: None,
        },
        json!({"events": [
            with(json!({"name": "JOINED"})),
            with(json!({
                "name": "SUBSCRIBE_ERROR",
                "remoteParticipantId": "Bz3mKq9WfA6j",
                "errorCode": "PUBLISHER_NOT_FOUND",
                "replica": true,
            })),
            with(json!({
                "name": "REPLICATION_STARTED",
                "destinationStageArn": OTHER_STAGE,
                "destinationSessionId": OTHER_SESSION,
            })),
            with(json!({
                "name": "TOKEN_EXCHANGED", "previousToken": token_json, "newToken": token_json,
            })),
        ]}),
    );
}

#[test]
fn replicas() {
    let replica = ParticipantReplica {
        source_stage_arn: STAGE.into(),
        participant_id: PARTICIPANT.into(),
        source_session_id: SESSION.into(),
        destination_stage_arn: OTHER_STAGE.into(),
        destination_session_id: OTHER_SESSION.into(),
        replication_state: ReplicationState::Active,
    };
    written(
        &ListParticipantReplicasResponse {
            replicas: vec![replica],
            next_token: None,
        },
        json!({"replicas": [{
            "sourceStageArn": STAGE,
            "participantId": PARTICIPANT,
            "sourceSessionId": SESSION,
            "destinationStageArn": OTHER_STAGE,
            "destinationSessionId": OTHER_SESSION,
            "replicationState": "ACTIVE",
        }]}),
    );
    let empty = ListParticipantReplicasResponse {
        replicas: vec![],
        next_token: None,
    };
    written(&empty, json!({"replicas": []}));
}

#[test]
fn words_are_those_of_the_model() {
    fn words<E: Copy>(all: &[E], word: fn(E) -> &'static str) -> String {
        all.iter()
            .map(|&value| word(value))
            .collect::<Vec<_>>()
            .join(" ")
    }
    assert_eq!(
        words(EventName::ALL, EventName::as_str),
        "JOINED LEFT PUBLISH_STARTED PUBLISH_STOPPED SUBSCRIBE_STARTED SUBSCRIBE_STOPPED \
         PUBLISH_ERROR SUBSCRIBE_ERROR JOIN_ERROR REPLICATION_STARTED REPLICATION_STOPPED \
         TOKEN_EXCHANGED"
    );
    assert_eq!(
        words(EventErrorCode::ALL, EventErrorCode::as_str),
        "INSUFFICIENT_CAPABILITIES QUOTA_EXCEEDED PUBLISHER_NOT_FOUND BITRATE_EXCEEDED \
         RESOLUTION_EXCEEDED STREAM_DURATION_EXCEEDED INVALID_AUDIO_CODEC INVALID_VIDEO_CODEC \
         INVALID_PROTOCOL INVALID_STREAM_KEY REUSE_OF_STREAM_KEY B_FRAME_PRESENT INVALID_INPUT \
         INTERNAL_SERVER_EXCEPTION"
    );
    assert_eq!(
        words(RecordingState::ALL, RecordingState::as_str),
        "STARTING ACTIVE STOPPING STOPPED FAILED DISABLED"
    );
    let protocols = words(ParticipantProtocol::ALL, ParticipantProtocol::as_str);
    assert_eq!(protocols, "UNKNOWN WHIP RTMP RTMPS");
    assert_eq!(
        words(ReplicationType::ALL, ReplicationType::as_str),
        "SOURCE REPLICA NONE"
    );
    assert_eq!(
        words(ReplicationState::ALL, ReplicationState::as_str),
        "ACTIVE STOPPED"
    );
    assert_eq!(
        words(ParticipantState::ALL, ParticipantState::as_str),
        "CONNECTED DISCONNECTED"
    );
}

#[test]
fn requests_name_what_their_page_tokens_are_bound_to() {
    let list = |members: Value| members.to_string().into_bytes();
    let base = json!({"stageArn": STAGE, "sessionId": SESSION, "participantId": PARTICIPANT,
        "sourceStageArn": STAGE});
    let body = list(base.clone());
    let stages = ListStagesRequest::parse(&body).expect("valid");
    assert!(stages.filters().is_empty());
    let sessions = ListStageSessionsRequest::parse(&body).expect("valid");
    assert_eq!(sessions.filters(), [("stageArn", STAGE)]);
    let events = ListParticipantEventsRequest::parse(&body).expect("valid");
    assert_eq!(
        events.filters(),
        [
            ("stageArn", STAGE),
            ("sessionId", SESSION),
            ("participantId", PARTICIPANT)
        ]
    );
    let replicas = ListParticipantReplicasRequest::parse(&body).expect("valid");
    assert_eq!(
        replicas.filters(),
        [("sourceStageArn", STAGE), ("participantId", PARTICIPANT)]
    );

    let mut seen = BTreeMap::new();
    for filter in [
        json!({}),
        json!({"filterByUserId": "true"}),
        json!({"filterByPublished": true}),
        json!({"filterByPublished": false}),
        json!({"filterByState": "CONNECTED"}),
        json!({"filterByRecordingState": "ACTIVE"}),
    ] {
        let body = list(crate::common::merged(base.clone(), filter.clone()));
        let request = ListParticipantsRequest::parse(&body).expect("valid");
        let filters = format!("{:?}", request.filters());
        assert_eq!(
            seen.insert(filters, filter),
            None,
            "each filter binds differently"
        );
    }
}

#[test]
fn public_keys_and_tags() {
    let key = PublicKeyShape {
        arn: KEY.into(),
        name: String::new(),
        public_key_material: MATERIAL.into(),
        fingerprint: "00:ff".into(),
        tags: map(&[]),
    };
    let expected = json!({"publicKey": {
        "arn": KEY, "name": "", "publicKeyMaterial": MATERIAL, "fingerprint": "00:ff", "tags": {},
    }});
    let public_key = key.clone();
    written(&ImportPublicKeyResponse { public_key }, expected.clone());
    written(&GetPublicKeyResponse { public_key: key }, expected);
    let summary = PublicKeySummary {
        arn: KEY.into(),
        name: "deploy-1".into(),
        tags: map(&[("team", "blue")]),
    };
    written(
        &ListPublicKeysResponse {
            public_keys: vec![summary],
            next_token: None,
        },
        json!({"publicKeys": [{"arn": KEY, "name": "deploy-1", "tags": {"team": "blue"}}]}),
    );
    let tags = map(&[("a", "")]);
    written(
        &ListTagsForResourceResponse { tags },
        json!({"tags": {"a": ""}}),
    );
}
