//! How participants are recorded: the settings as JSON, with the names of the API model, and the storage in columns of its own.

use restage_core::row::{
    RecordedMedia, RecordingSettings, RecordingStorage, StageRecording, ThumbnailMode,
    ThumbnailStorage, Thumbnails,
};
use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::field::Field;
use crate::error::StoreError;
use crate::sql::Cell;

/// The text of the settings. What is not there has the default: earlier versions wrote `{}`, and members that are not read
/// here.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    media_types: Vec<Media>,
    thumbnail_configuration: ThumbnailSettings,
    recording_reconnect_window_seconds: u32,
    hls_configuration: Hls,
    record_participant_replicas: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ThumbnailSettings {
    recording_mode: Mode,
    storage: Vec<Storage>,
    target_interval_seconds: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hls {
    target_segment_duration_seconds: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Media {
    AudioVideo,
    AudioOnly,
    None,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Mode {
    Disabled,
    Interval,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Storage {
    Sequential,
    Latest,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&RecordingSettings::default())
    }
}

impl Default for ThumbnailSettings {
    fn default() -> Self {
        Self::of(&Thumbnails::default())
    }
}

impl Default for Hls {
    fn default() -> Self {
        let target_segment_duration_seconds = RecordingSettings::default().segment_s;
        Self {
            target_segment_duration_seconds,
        }
    }
}

impl ThumbnailSettings {
    fn of(thumbnails: &Thumbnails) -> Self {
        let storage = thumbnails.storage.iter().map(|storage| match storage {
            ThumbnailStorage::Sequential => Storage::Sequential,
            ThumbnailStorage::Latest => Storage::Latest,
        });
        Self {
            recording_mode: match thumbnails.mode {
                ThumbnailMode::Disabled => Mode::Disabled,
                ThumbnailMode::Interval => Mode::Interval,
            },
            storage: storage.collect(),
            target_interval_seconds: thumbnails.interval_s,
        }
    }

    fn row(self) -> Thumbnails {
        let storage = self.storage.into_iter().map(|storage| match storage {
            Storage::Sequential => ThumbnailStorage::Sequential,
            Storage::Latest => ThumbnailStorage::Latest,
        });
        Thumbnails {
            mode: match self.recording_mode {
                Mode::Disabled => ThumbnailMode::Disabled,
                Mode::Interval => ThumbnailMode::Interval,
            },
            storage: storage.collect(),
            interval_s: self.target_interval_seconds,
        }
    }
}

impl Settings {
    fn of(settings: &RecordingSettings) -> Self {
        let media = match settings.media {
            RecordedMedia::AudioVideo => Media::AudioVideo,
            RecordedMedia::AudioOnly => Media::AudioOnly,
            RecordedMedia::None => Media::None,
        };
        Self {
            media_types: vec![media],
            thumbnail_configuration: ThumbnailSettings::of(&settings.thumbnails),
            recording_reconnect_window_seconds: settings.reconnect_window_s,
            hls_configuration: Hls {
                target_segment_duration_seconds: settings.segment_s,
            },
            record_participant_replicas: settings.replicas,
        }
    }

    fn row(self) -> RecordingSettings {
        RecordingSettings {
            media: match self.media_types.first() {
                Some(Media::AudioVideo) | None => RecordedMedia::AudioVideo,
                Some(Media::AudioOnly) => RecordedMedia::AudioOnly,
                Some(Media::None) => RecordedMedia::None,
            },
            segment_s: self.hls_configuration.target_segment_duration_seconds,
            thumbnails: self.thumbnail_configuration.row(),
            reconnect_window_s: self.recording_reconnect_window_seconds,
            replicas: self.record_participant_replicas,
        }
    }
}

/// Reads the text of settings, only to see whether that works.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let read = serde_json::from_str::<Settings>(text);
    read.map(drop).map_err(|error| error.to_string())
}

impl Field for RecordingSettings {
    fn put(&self, cells: &mut Vec<Cell>) {
        let text = serde_json::to_string(&Settings::of(self));
        cells.push(Cell::Text(text.expect("plain values always serialise")));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let text = cells.str()?;
        let settings: Settings =
            serde_json::from_str(text).map_err(|error| cells.corrupt(error.to_string()))?;
        Ok(settings.row())
    }
}

impl Field for RecordingStorage {
    fn put(&self, cells: &mut Vec<Cell>) {
        let Self {
            configuration,
            bucket,
        } = self;
        cells.extend([Cell::text(configuration.as_str()), Cell::text(bucket)]);
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            configuration: cells.id()?,
            bucket: cells.text()?,
        })
    }
}

/// The settings, then the storage, or NULL for both of its columns.
impl Field for StageRecording {
    fn put(&self, cells: &mut Vec<Cell>) {
        let Self { storage, settings } = self;
        settings.put(cells);
        match storage {
            Some(storage) => storage.put(cells),
            None => cells.extend([Cell::opt_text(None), Cell::opt_text(None)]),
        }
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let settings = RecordingSettings::take(cells)?;
        let storage = match (cells.opt_id()?, cells.opt_str()?) {
            (Some(configuration), Some(bucket)) => Some(RecordingStorage {
                configuration,
                bucket: bucket.to_owned(),
            }),
            (None, None) => None,
            _ => return Err(cells.corrupt("half a storage".to_owned())),
        };
        Ok(Self { storage, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_earlier_versions_have_the_defaults() {
        let read = |text: &str| serde_json::from_str::<Settings>(text).map(Settings::row);
        let defaults = RecordingSettings::default();
        assert_eq!(read("{}").unwrap(), defaults);
        let earlier = r#"{"storageConfigurationArn":"","mediaTypes":["AUDIO_VIDEO"],
            "thumbnailConfiguration":{"recordingMode":"DISABLED","storage":["SEQUENTIAL"],"targetIntervalSeconds":60},
            "recordingReconnectWindowSeconds":0,"hlsConfiguration":{"targetSegmentDurationSeconds":6},
            "recordParticipantReplicas":true}"#;
        assert_eq!(read(earlier).unwrap(), defaults);
        assert!(read(r#"{"mediaTypes":["SMELL"]}"#).is_err());
    }
}
