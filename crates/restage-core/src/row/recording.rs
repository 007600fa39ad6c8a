//! Recordings of participants.

mod calendar;
mod settings;

pub use self::settings::{
    RecordedMedia, RecordingSettings, RecordingStorage, StageRecording, ThumbnailMode,
    ThumbnailStorage, Thumbnails,
};
use super::{PublicationKey, StorageConfigurationId};
use crate::id::{JobId, ParticipantId, StageId, StageSessionId, Time, text_id};

/// The kind of the jobs that record.
pub const RECORDING_JOB: &str = "recording";

text_id! {
    /// A recording: 22 alphanumerics. The job that captures it has the same id. Never reused.
    RecordingId
}

impl RecordingId {
    /// The job that captures the recording.
    pub fn job(&self) -> JobId {
        JobId::new(self.as_str())
    }

    /// The recording that a job of the kind [`RECORDING_JOB`] captures.
    pub fn of_job(job: &JobId) -> Self {
        Self::new(job.as_str())
    }
}

/// The recording of one participant's media in one stage. It outlives the stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The row's key.
    pub id: RecordingId,
    /// The account of the stage: 12 digits.
    pub account: String,
    /// The Region of the stage.
    pub region: String,
    /// The stage in which the participant is recorded. It may have been deleted.
    pub stage: StageId,
    /// The stage session in which the recording began.
    pub session: StageSessionId,
    /// The participant that is recorded.
    pub participant: ParticipantId,
    /// For a replica, the stage that the participant joined.
    pub source: Option<StageId>,
    /// The bucket, and the storage configuration that names it.
    pub storage: RecordingStorage,
    /// The beginning of the keys of all its objects: `<stage>/<session>/<participant>/<time>`, without a slash at the end.
    /// No other recording has it.
    pub prefix: String,
    /// How the participant is recorded.
    pub settings: RecordingSettings,
    /// The progress.
    pub state: RecordingState,
    /// Whether the capture is paused.
    pub paused: bool,
    /// The publication that is captured; `None` while the publisher is away, and when the capture has ended.
    pub publication: Option<PublicationKey>,
    /// Set while the publisher is away and the recording waits for it: the recording ends at this time of the steady clock.
    pub window_ends_at: Option<Time>,
    /// When the capture began, as the runner reported; `None` before.
    pub started_at: Option<Time>,
    /// When the capture ended.
    pub ended_at: Option<Time>,
    /// The length of what was recorded, in milliseconds; known when everything is in the bucket.
    pub duration_ms: Option<u64>,
    /// Remarks for people (`recording_status_message` of the documents in the bucket).
    pub message: Option<String>,
    /// Why it failed: in the state [`RecordingState::Failed`], and in [`RecordingState::Stopping`] if the capture has failed.
    pub failure: Option<RecordingFailure>,
    /// When it was asked for; the time in its prefix. Lists are ordered by it, then by id.
    pub created_at: Time,
}

/// The progress of a recording (`ParticipantRecordingState` of the API model, without DISABLED).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RecordingState {
    /// It is asked for, and nothing is captured yet.
    Starting,
    /// It is captured, paused, or waits for its publisher.
    Active,
    /// The capture has ended or is about to; not everything is in the bucket yet.
    Stopping,
    /// Everything is in the bucket.
    Stopped,
    /// It did not start, or something is missing.
    Failed,
}

/// Why a recording failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingFailure {
    /// The kind of failure.
    pub code: RecordingFailureCode,
    /// The reason, for people; at most
    /// [`RECORDING_TEXT_BYTES_MAX`](crate::limits::RECORDING_TEXT_BYTES_MAX) bytes.
    pub reason: String,
}

/// The `error_code` of the events Recording Start Failure and Recording End Failure (IVS user guide, "Using Amazon
/// EventBridge").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum RecordingFailureCode {
    /// The bucket is not there.
    ResourceNotFound,
    /// The bucket may not be written.
    AccessDenied,
    /// The video codec cannot be recorded.
    Validation,
    InternalServer,
}

impl RecordingState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Active,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
    ];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the capture may go on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Starting | Self::Active)
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl RecordingFailureCode {
    /// The word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::AccessDenied => "AccessDeniedException",
            Self::Validation => "ValidationException",
            Self::InternalServer => "InternalServerException",
        }
    }
}

impl Recording {
    /// The prefix of a recording that begins at this time of the wall clock.
    pub(crate) fn prefix(
        stage: &StageId,
        session: &StageSessionId,
        participant: &ParticipantId,
        at: Time,
    ) -> String {
        let at = calendar::key_time(at);
        format!("{stage}/{session}/{participant}/{at}")
    }

    /// Whether it is of a replica.
    pub const fn is_replica(&self) -> bool {
        self.source.is_some()
    }

    /// Whether a request or a later publication can still change it.
    pub const fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// The storage configuration that is used.
    pub const fn storage_configuration(&self) -> &StorageConfigurationId {
        &self.storage.configuration
    }
}
