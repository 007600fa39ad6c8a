//! How the participants of a stage are recorded (`AutoParticipantRecordingConfiguration` of the API model).

use crate::row::StorageConfigurationId;

/// The recording block of a stage.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StageRecording {
    /// Where recordings go; `None` if participants are not recorded.
    pub storage: Option<RecordingStorage>,
    /// How participants are recorded. The defaults where they are not.
    pub settings: RecordingSettings,
}

/// A storage configuration that a stage refers to, with its bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingStorage {
    /// The storage configuration.
    pub configuration: StorageConfigurationId,
    /// The name of its bucket.
    pub bucket: String,
}

/// How a participant is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingSettings {
    /// `mediaTypes`: what is recorded.
    pub media: RecordedMedia,
    /// `targetSegmentDurationSeconds`: 2–10 seconds.
    pub segment_s: u32,
    /// `thumbnailConfiguration`.
    pub thumbnails: Thumbnails,
    /// `recordingReconnectWindowSeconds`: how long a recording waits for its publisher, 0–300 seconds; 0 is not at all.
    pub reconnect_window_s: u32,
    /// `recordParticipantReplicas`: whether replicas are recorded, too.
    pub replicas: bool,
}

/// Pictures beside a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thumbnails {
    /// `recordingMode`: whether there are any.
    pub mode: ThumbnailMode,
    /// `storage`: the forms in which they are stored, one or both, as the request has them.
    pub storage: Vec<ThumbnailStorage>,
    /// `targetIntervalSeconds`: from one picture to the next, 1–86,400 seconds.
    pub interval_s: u32,
}

/// What of a participant's media is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum RecordedMedia {
    AudioVideo,
    AudioOnly,
    /// Thumbnails alone.
    None,
}

/// Whether thumbnails are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum ThumbnailMode {
    Disabled,
    Interval,
}

/// How thumbnails are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThumbnailStorage {
    /// A file for each.
    Sequential,
    /// One file, which is overwritten.
    Latest,
}

impl Default for RecordingSettings {
    /// The defaults of the API model.
    fn default() -> Self {
        Self {
            media: RecordedMedia::AudioVideo,
            segment_s: 6,
            thumbnails: Thumbnails::default(),
            reconnect_window_s: 0,
            replicas: true,
        }
    }
}

impl Default for Thumbnails {
    /// The defaults of the API model.
    fn default() -> Self {
        Self {
            mode: ThumbnailMode::Disabled,
            storage: vec![ThumbnailStorage::Sequential],
            interval_s: 60,
        }
    }
}

impl RecordingSettings {
    /// Whether thumbnails are made. Sound alone has none.
    pub fn has_thumbnails(&self) -> bool {
        self.thumbnails.mode == ThumbnailMode::Interval && self.media != RecordedMedia::AudioOnly
    }
}

impl RecordedMedia {
    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AudioVideo => "AUDIO_VIDEO",
            Self::AudioOnly => "AUDIO_ONLY",
            Self::None => "NONE",
        }
    }
}

impl ThumbnailMode {
    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::Interval => "INTERVAL",
        }
    }
}

impl ThumbnailStorage {
    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sequential => "SEQUENTIAL",
            Self::Latest => "LATEST",
        }
    }
}
