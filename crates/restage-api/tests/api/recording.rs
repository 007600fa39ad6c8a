//! The recording block: defaults, resets, and the form in the store.

use restage_api::Request;
use restage_api::shape::*;

use crate::common::STORAGE;

#[test]
fn blocks_are_filled_with_defaults_and_survive_the_store() {
    let block = |text: &str| {
        let body = format!(r#"{{"autoParticipantRecordingConfiguration":{text}}}"#);
        CreateStageRequest::parse(body.as_bytes())
            .expect("valid")
            .recording
    };
    let defaults = RecordingConfiguration::default();
    assert_eq!(block("null"), defaults);
    assert_eq!(block(r#"{"storageConfigurationArn":""}"#), defaults);
    // Recording is off, so everything else has its default.
    let off = r#"{"storageConfigurationArn":"","mediaTypes":["NONE"],"recordParticipantReplicas":false,
        "hlsConfiguration":{"targetSegmentDurationSeconds":2},"recordingReconnectWindowSeconds":9,
        "thumbnailConfiguration":{"recordingMode":"INTERVAL"}}"#;
    assert_eq!(block(off), defaults);

    let with_storage = RecordingConfiguration {
        storage_configuration_arn: STORAGE.into(),
        ..defaults.clone()
    };
    for sparse in [
        format!(r#"{{"storageConfigurationArn":"{STORAGE}"}}"#),
        format!(
            r#"{{"storageConfigurationArn":"{STORAGE}","mediaTypes":[],"thumbnailConfiguration":{{}},
            "hlsConfiguration":{{}}}}"#
        ),
        format!(
            r#"{{"storageConfigurationArn":"{STORAGE}","thumbnailConfiguration":{{"storage":[]}}}}"#
        ),
    ] {
        assert_eq!(block(&sparse), with_storage, "{sparse}");
    }

    let full = RecordingConfiguration {
        media_types: vec![MediaType::None],
        thumbnail_configuration: ThumbnailConfiguration {
            recording_mode: ThumbnailRecordingMode::Interval,
            storage: vec![ThumbnailStorage::Latest, ThumbnailStorage::Sequential],
            target_interval_seconds: 86_400,
        },
        recording_reconnect_window_seconds: 300,
        hls_configuration: HlsConfiguration {
            target_segment_duration_seconds: 10,
        },
        record_participant_replicas: false,
        ..with_storage.clone()
    };
    for configuration in [defaults, with_storage, full] {
        let text = configuration.to_canonical_json();
        assert_eq!(
            RecordingConfiguration::from_canonical_json(&text),
            Ok(configuration.clone())
        );
        assert_eq!(
            block(&text),
            configuration,
            "what an answer shows may be sent back"
        );
    }
    for bad in [
        "",
        "{}",
        "[]",
        "not JSON",
        r#"{"storageConfigurationArn":"x"}"#,
    ] {
        RecordingConfiguration::from_canonical_json(bad).expect_err(bad);
    }
}
