//! Destinations of a composition.

use super::CompositionFailure;
use crate::id::{ChannelId, StageId, Time, text_id};
use crate::row::{
    CompositionId, EncoderConfigurationId, RecordingStorage, StorageConfigurationId,
    ThumbnailStorage,
};

text_id! {
    /// A destination of a composition: 12 mixed-case alphanumerics.
    CompositionDestinationId
}

/// The video of a destination that names no encoder configuration, as canonical JSON: the defaults of the API model.
pub const DEFAULT_VIDEO: &str = r#"{"width":1280,"height":720,"framerate":30.0,"bitrate":2500000}"#;

/// One place that the picture of a composition goes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompositionDestination {
    /// Its id within the composition.
    pub id: CompositionDestinationId,
    /// The customer's name for it. May be empty.
    pub name: String,
    /// The channel or the bucket.
    pub target: CompositionTarget,
    /// The encoder configuration; `None` for the defaults.
    pub encoder_configuration: Option<EncoderConfigurationId>,
    /// Size, frame rate and bit rate, as canonical JSON, copied from the encoder configuration at the start. The rules do
    /// not read it.
    pub video: String,
    /// The progress.
    pub state: DestinationState,
    /// When it first received something, as the runner reported; `None` before.
    pub started_at: Option<Time>,
    /// When it was STOPPED or FAILED.
    pub ended_at: Option<Time>,
    /// The length of what was recorded, in milliseconds; known when everything is in the bucket, or will never be.
    pub duration_ms: Option<u64>,
    /// Why it failed: in the state [`DestinationState::Failed`], and in [`DestinationState::Stopping`] if it is known then.
    pub failure: Option<CompositionFailure>,
}

/// What kind of place a destination is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CompositionTarget {
    /// A channel: an RTMP server that the configuration names by the ARN of a channel.
    Channel(ChannelId),
    /// A recording in a bucket.
    S3(CompositionRecording),
}

/// How a composition is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompositionRecording {
    /// The bucket, and the storage configuration that names it.
    pub storage: RecordingStorage,
    /// The beginning of the keys of all its objects: `<stage>/<composition>/<destination>/composite`, without a slash at
    /// the end.
    pub prefix: String,
    /// `targetSegmentDurationSeconds`: 2–10 seconds.
    pub segment_s: u32,
    /// `thumbnailConfigurations`: `None` for no thumbnails.
    pub thumbnails: Option<CompositionThumbnails>,
}

/// Pictures beside the recording of a composition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompositionThumbnails {
    /// `storage`: the forms in which they are stored, one or both, as the request has them.
    pub storage: Vec<ThumbnailStorage>,
    /// `targetIntervalSeconds`: from one picture to the next, 1–86,400 seconds.
    pub interval_s: u32,
}

impl Default for CompositionThumbnails {
    /// The defaults of the API model.
    fn default() -> Self {
        Self {
            storage: vec![ThumbnailStorage::Sequential],
            interval_s: 60,
        }
    }
}

/// The progress of a destination (`DestinationState` of the API model).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DestinationState {
    /// It has received nothing yet.
    Starting,
    /// It receives the picture.
    Active,
    /// It is about to end, or has ended and not everything is in the bucket yet.
    Stopping,
    /// It was ACTIVE, and is to be again.
    Reconnecting,
    /// It does not work, or something is missing.
    Failed,
    /// It has ended as it should.
    Stopped,
}

impl DestinationState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Active,
        Self::Stopping,
        Self::Reconnecting,
        Self::Failed,
        Self::Stopped,
    ];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Stopping => "STOPPING",
            Self::Reconnecting => "RECONNECTING",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
        }
    }

    /// Whether the picture still goes there, or is to.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Starting | Self::Active | Self::Reconnecting)
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl CompositionTarget {
    /// The channel, if it is one.
    pub const fn channel(&self) -> Option<&ChannelId> {
        match self {
            Self::Channel(id) => Some(id),
            Self::S3(_) => None,
        }
    }

    /// The recording, if it is one.
    pub const fn recording(&self) -> Option<&CompositionRecording> {
        match self {
            Self::S3(recording) => Some(recording),
            Self::Channel(_) => None,
        }
    }

    /// The storage configuration, if it is a recording.
    pub fn storage_configuration(&self) -> Option<&StorageConfigurationId> {
        Some(&self.recording()?.storage.configuration)
    }
}

impl CompositionRecording {
    /// The prefix of the recording of this destination.
    pub(crate) fn prefix(
        stage: &StageId,
        composition: &CompositionId,
        destination: &CompositionDestinationId,
    ) -> String {
        format!("{stage}/{composition}/{destination}/composite")
    }
}

impl CompositionDestination {
    /// Whether the picture still goes there, or is to.
    pub const fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether there is something of it to be brought to its bucket, as far as the rows know.
    pub const fn is_unfinished(&self) -> bool {
        self.target.recording().is_some() && self.duration_ms.is_none()
    }
}
