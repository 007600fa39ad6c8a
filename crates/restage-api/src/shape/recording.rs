//! The recording block of a stage: its defaults, and its text in the store.

use super::{
    HlsConfiguration, MediaType, RecordingConfiguration, ThumbnailConfiguration,
    ThumbnailRecordingMode, ThumbnailStorage,
};
use crate::error::ApiError;
use crate::read::{Body, Shape as _};

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
    /// An empty storage configuration resets every other member to its default. (Those must be valid all the same.)
    pub(crate) fn checked(self) -> Result<Self, ApiError> {
        Ok(match self.storage_configuration_arn.is_empty() {
            true => Self::default(),
            false => self,
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
