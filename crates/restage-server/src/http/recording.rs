//! Converts the recording block of a stage between its shape and its row.

use restage_api::ApiError;
use restage_api::shape::{
    FilterableRecordingState, HlsConfiguration, MediaType, RecordingConfiguration,
    RecordingState as RecordingStateShape, ThumbnailConfiguration, ThumbnailRecordingMode,
    ThumbnailStorage as ThumbnailStorageShape,
};
use restage_core::Arn;
use restage_core::command::NewStageRecording;
use restage_core::row::{
    RecordedMedia, RecordingSettings, RecordingState, Stage, StageRecording, ThumbnailMode,
    ThumbnailStorage, Thumbnails,
};

/// The block as a command has it.
///
/// # Errors
/// ValidationException if the storage configuration is not named by the ARN of one.
pub(super) fn command(shape: &RecordingConfiguration) -> Result<NewStageRecording, ApiError> {
    let arn = &shape.storage_configuration_arn;
    let storage = match arn.is_empty() {
        true => None,
        false => Some(Arn::parse(arn).ok_or_else(|| {
            ApiError::validation(
                "autoParticipantRecordingConfiguration.storageConfigurationArn must be empty, or the ARN of a storage configuration",
            )
        })?),
    };
    Ok(NewStageRecording {
        storage,
        settings: settings(shape),
    })
}

fn settings(shape: &RecordingConfiguration) -> RecordingSettings {
    let thumbnails = &shape.thumbnail_configuration;
    let storage = thumbnails.storage.iter().map(|storage| match storage {
        ThumbnailStorageShape::Sequential => ThumbnailStorage::Sequential,
        ThumbnailStorageShape::Latest => ThumbnailStorage::Latest,
    });
    RecordingSettings {
        media: match shape.media_types.first() {
            Some(MediaType::AudioVideo) | None => RecordedMedia::AudioVideo,
            Some(MediaType::AudioOnly) => RecordedMedia::AudioOnly,
            Some(MediaType::None) => RecordedMedia::None,
        },
        segment_s: shape.hls_configuration.target_segment_duration_seconds,
        thumbnails: Thumbnails {
            mode: match thumbnails.recording_mode {
                ThumbnailRecordingMode::Disabled => ThumbnailMode::Disabled,
                ThumbnailRecordingMode::Interval => ThumbnailMode::Interval,
            },
            storage: storage.collect(),
            interval_s: thumbnails.target_interval_seconds,
        },
        reconnect_window_s: shape.recording_reconnect_window_seconds,
        replicas: shape.record_participant_replicas,
    }
}

/// The block as answers have it.
pub(super) fn shape(stage: &Stage) -> RecordingConfiguration {
    let StageRecording { storage, settings } = &stage.recording;
    let arn = storage.as_ref().map(|storage| Arn {
        region: stage.region.clone(),
        account: stage.account.clone(),
        id: storage.configuration.clone(),
    });
    RecordingConfiguration {
        storage_configuration_arn: arn.map(|arn| arn.to_string()).unwrap_or_default(),
        media_types: vec![media_type(settings.media)],
        thumbnail_configuration: ThumbnailConfiguration {
            recording_mode: match settings.thumbnails.mode {
                ThumbnailMode::Disabled => ThumbnailRecordingMode::Disabled,
                ThumbnailMode::Interval => ThumbnailRecordingMode::Interval,
            },
            storage: thumbnail_storage(&settings.thumbnails),
            target_interval_seconds: settings.thumbnails.interval_s,
        },
        recording_reconnect_window_seconds: settings.reconnect_window_s,
        hls_configuration: HlsConfiguration {
            target_segment_duration_seconds: settings.segment_s,
        },
        record_participant_replicas: settings.replicas,
    }
}

/// The API's word for what is recorded.
pub(super) const fn media_type(media: RecordedMedia) -> MediaType {
    match media {
        RecordedMedia::AudioVideo => MediaType::AudioVideo,
        RecordedMedia::AudioOnly => MediaType::AudioOnly,
        RecordedMedia::None => MediaType::None,
    }
}

/// How thumbnails are stored, if there are any.
pub(super) fn thumbnail_storage(thumbnails: &Thumbnails) -> Vec<ThumbnailStorageShape> {
    let kinds = thumbnails.storage.iter().map(|storage| match storage {
        ThumbnailStorage::Sequential => ThumbnailStorageShape::Sequential,
        ThumbnailStorage::Latest => ThumbnailStorageShape::Latest,
    });
    kinds.collect()
}

/// A participant's `recordingState`.
pub(super) const fn state(state: RecordingState) -> RecordingStateShape {
    match state {
        RecordingState::Starting => RecordingStateShape::Starting,
        RecordingState::Active => RecordingStateShape::Active,
        RecordingState::Stopping => RecordingStateShape::Stopping,
        RecordingState::Stopped => RecordingStateShape::Stopped,
        RecordingState::Failed => RecordingStateShape::Failed,
    }
}

/// The state that `filterByRecordingState` asks for.
pub(super) const fn filtered(state: FilterableRecordingState) -> RecordingState {
    match state {
        FilterableRecordingState::Starting => RecordingState::Starting,
        FilterableRecordingState::Active => RecordingState::Active,
        FilterableRecordingState::Stopping => RecordingState::Stopping,
        FilterableRecordingState::Stopped => RecordingState::Stopped,
        FilterableRecordingState::Failed => RecordingState::Failed,
    }
}
