//! The recording block of a stage: how its participants are recorded.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

use serde::Serialize;

use crate::error::ApiError;
use crate::generated::constraint::{
    AUTO_PARTICIPANT_RECORDING_STORAGE_CONFIGURATION_ARN, PARTICIPANT_RECORDING_MEDIA_TYPE_LIST,
    PARTICIPANT_RECORDING_RECONNECT_WINDOW_SECONDS,
    PARTICIPANT_RECORDING_TARGET_SEGMENT_DURATION_SECONDS, THUMBNAIL_INTERVAL_SECONDS,
    THUMBNAIL_STORAGE_TYPE_LIST,
};
use crate::read::{Object, Shape, wire_enum};

wire_enum! {
    /// The media of a participant that are recorded.
    MediaType {
        AudioVideo = "AUDIO_VIDEO",
        AudioOnly = "AUDIO_ONLY",
        None = "NONE",
    }
}

wire_enum! {
    /// The switch for thumbnails: made at an interval, or not.
    ThumbnailRecordingMode {
        Interval = "INTERVAL",
        Disabled = "DISABLED",
    }
}

wire_enum! {
    /// The storage of thumbnails: one file each, or one file that is overwritten.
    ThumbnailStorage {
        Sequential = "SEQUENTIAL",
        Latest = "LATEST",
    }
}

/// The recording block with every default filled in, as stage answers carry it.
/// `AutoParticipantRecordingConfiguration` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingConfiguration {
    /// `storageConfigurationArn`: empty, or the ARN of a storage configuration, 0–128 characters.
    pub storage_configuration_arn: String,
    /// `mediaTypes`: 0–1 entries.
    pub media_types: Vec<MediaType>,
    /// `thumbnailConfiguration`.
    pub thumbnail_configuration: ThumbnailConfiguration,
    /// `recordingReconnectWindowSeconds`: 0–300.
    pub recording_reconnect_window_seconds: u32,
    /// `hlsConfiguration`.
    pub hls_configuration: HlsConfiguration,
    /// `recordParticipantReplicas`.
    pub record_participant_replicas: bool,
}

impl Shape for RecordingConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        Self {
            storage_configuration_arn: members.required_text(
                "storageConfigurationArn",
                &AUTO_PARTICIPANT_RECORDING_STORAGE_CONFIGURATION_ARN,
            )?,
            media_types: members
                .words("mediaTypes", PARTICIPANT_RECORDING_MEDIA_TYPE_LIST)?
                .filter(|list| !list.is_empty())
                .unwrap_or(defaults.media_types),
            thumbnail_configuration: members
                .shape("thumbnailConfiguration")?
                .unwrap_or(defaults.thumbnail_configuration),
            recording_reconnect_window_seconds: members
                .number(
                    "recordingReconnectWindowSeconds",
                    PARTICIPANT_RECORDING_RECONNECT_WINDOW_SECONDS,
                )?
                .unwrap_or(defaults.recording_reconnect_window_seconds),
            hls_configuration: members
                .shape("hlsConfiguration")?
                .unwrap_or(defaults.hls_configuration),
            record_participant_replicas: members
                .flag("recordParticipantReplicas")?
                .unwrap_or(defaults.record_participant_replicas),
        }
        .checked()
    }
}

/// Segments of a recording.
/// `ParticipantRecordingHlsConfiguration` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HlsConfiguration {
    /// `targetSegmentDurationSeconds`: 2–10.
    pub target_segment_duration_seconds: u32,
}

impl Shape for HlsConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        Ok(Self {
            target_segment_duration_seconds: members
                .number(
                    "targetSegmentDurationSeconds",
                    PARTICIPANT_RECORDING_TARGET_SEGMENT_DURATION_SECONDS,
                )?
                .unwrap_or(defaults.target_segment_duration_seconds),
        })
    }
}

/// Thumbnails of a recording.
/// `ParticipantThumbnailConfiguration` in the model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThumbnailConfiguration {
    /// `recordingMode`.
    pub recording_mode: ThumbnailRecordingMode,
    /// `storage`: 0–2 entries.
    pub storage: Vec<ThumbnailStorage>,
    /// `targetIntervalSeconds`: 1–86,400.
    pub target_interval_seconds: u32,
}

impl Shape for ThumbnailConfiguration {
    fn read(members: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        Ok(Self {
            target_interval_seconds: members
                .number("targetIntervalSeconds", THUMBNAIL_INTERVAL_SECONDS)?
                .unwrap_or(defaults.target_interval_seconds),
            storage: members
                .words("storage", THUMBNAIL_STORAGE_TYPE_LIST)?
                .filter(|list| !list.is_empty())
                .unwrap_or(defaults.storage),
            recording_mode: members
                .word("recordingMode")?
                .unwrap_or(defaults.recording_mode),
        })
    }
}
