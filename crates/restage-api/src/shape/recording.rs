//! The individual participant recording block of a stage.

use serde::Serialize;

use crate::error::ApiError;
use crate::shape::read::{Body, Object};
use crate::shape::rule::{
    RECONNECT_WINDOW, SEGMENT_DURATION, STORAGE_CONFIGURATION_ARN, THUMBNAIL_INTERVAL,
};
use crate::shape::wire_enum::wire_enum;

wire_enum! {
    /// What of a participant is recorded.
    MediaType {
        AudioVideo = "AUDIO_VIDEO",
        AudioOnly = "AUDIO_ONLY",
        None = "NONE",
    }
}

wire_enum! {
    /// Where thumbnails go: one file each, or one file overwritten.
    ThumbnailStorage {
        Sequential = "SEQUENTIAL",
        Latest = "LATEST",
    }
}

wire_enum! {
    /// Whether thumbnails are made.
    ThumbnailRecordingMode {
        Interval = "INTERVAL",
        Disabled = "DISABLED",
    }
}

/// `AutoParticipantRecordingConfiguration` with every default filled in, as stage answers carry it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingConfiguration {
    /// Empty: participants are not recorded.
    pub storage_configuration_arn: String,
    /// Exactly one.
    pub media_types: Vec<MediaType>,
    /// Thumbnails.
    pub thumbnail_configuration: ThumbnailConfiguration,
    /// 0–300 s; 0 does not merge recordings.
    pub recording_reconnect_window_seconds: u32,
    /// Segments.
    pub hls_configuration: HlsConfiguration,
    /// Whether replicas that appear in this stage are recorded too.
    pub record_participant_replicas: bool,
}

/// Thumbnails of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThumbnailConfiguration {
    /// Whether there are any.
    pub recording_mode: ThumbnailRecordingMode,
    /// One or two.
    pub storage: Vec<ThumbnailStorage>,
    /// 1–86,400 s; of no effect unless the mode is INTERVAL.
    pub target_interval_seconds: u32,
}

/// Segments of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HlsConfiguration {
    /// 2–10 s.
    pub target_segment_duration_seconds: u32,
}

impl Default for RecordingConfiguration {
    fn default() -> Self {
        Self {
            storage_configuration_arn: String::new(),
            media_types: vec![MediaType::AudioVideo],
            thumbnail_configuration: ThumbnailConfiguration::default(),
            recording_reconnect_window_seconds: 0,
            hls_configuration: HlsConfiguration::default(),
            record_participant_replicas: true,
        }
    }
}

impl Default for ThumbnailConfiguration {
    fn default() -> Self {
        Self {
            recording_mode: ThumbnailRecordingMode::Disabled,
            storage: vec![ThumbnailStorage::Sequential],
            target_interval_seconds: 60,
        }
    }
}

impl Default for HlsConfiguration {
    fn default() -> Self {
        Self {
            target_segment_duration_seconds: 6,
        }
    }
}

impl RecordingConfiguration {
    /// Reads the block. Members left out, and empty lists, take their defaults; an empty storage
    /// configuration resets every other member to its default, but those must be valid all the same.
    pub(crate) fn read(block: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        let storage_configuration_arn =
            block.required_text("storageConfigurationArn", &STORAGE_CONFIGURATION_ARN)?;
        let media_types = block
            .words("mediaTypes", 1)?
            .filter(|types| !types.is_empty());
        let thumbnails = block
            .object("thumbnailConfiguration")?
            .map(|block| ThumbnailConfiguration::read(&block))
            .transpose()?;
        let window = block.number("recordingReconnectWindowSeconds", RECONNECT_WINDOW)?;
        let hls = block
            .object("hlsConfiguration")?
            .map(|block| block.number("targetSegmentDurationSeconds", SEGMENT_DURATION))
            .transpose()?
            .flatten()
            .map(|seconds| HlsConfiguration {
                target_segment_duration_seconds: seconds,
            });
        let replicas = block.flag("recordParticipantReplicas")?;
        if storage_configuration_arn.is_empty() {
            return Ok(defaults);
        }
        Ok(Self {
            storage_configuration_arn,
            media_types: media_types.unwrap_or(defaults.media_types),
            thumbnail_configuration: thumbnails.unwrap_or_default(),
            recording_reconnect_window_seconds: window
                .unwrap_or(defaults.recording_reconnect_window_seconds),
            hls_configuration: hls.unwrap_or_default(),
            record_participant_replicas: replicas.unwrap_or(defaults.record_participant_replicas),
        })
    }

    /// One text per value, for the store. It is the block's wire form.
    pub fn to_canonical_json(&self) -> String {
        crate::shape::to_json(self)
    }

    /// Reads what [`Self::to_canonical_json`] wrote; text that lacks members is completed with
    /// defaults.
    ///
    /// # Errors
    /// As for a request, if the text breaks a rule.
    pub fn from_canonical_json(text: &str) -> Result<Self, ApiError> {
        Self::read(&Body::parse(text.as_bytes())?.members())
    }
}

impl ThumbnailConfiguration {
    fn read(block: &Object<'_>) -> Result<Self, ApiError> {
        let defaults = Self::default();
        let interval = block.number("targetIntervalSeconds", THUMBNAIL_INTERVAL)?;
        let storage = block
            .words("storage", 2)?
            .filter(|storage| !storage.is_empty());
        let mode = block.word("recordingMode")?;
        Ok(Self {
            recording_mode: mode.unwrap_or(defaults.recording_mode),
            storage: storage.unwrap_or(defaults.storage),
            target_interval_seconds: interval.unwrap_or(defaults.target_interval_seconds),
        })
    }
}
