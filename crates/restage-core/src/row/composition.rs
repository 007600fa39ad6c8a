//! Compositions: a stage's participants in one picture, sent to destinations.

mod destination;
mod layout;

pub use self::destination::{
    CompositionDestination, CompositionDestinationId, CompositionRecording, CompositionTarget,
    CompositionThumbnails, DEFAULT_VIDEO, DestinationState,
};
pub use self::layout::{
    AspectRatio, FillMode, GridLayout, LayoutSettings, PipBehavior, PipLayout, PipPosition,
};
use super::{EncoderConfigurationId, StorageConfigurationId, Tags};
use crate::id::{ChannelId, JobId, StageId, Time, text_id};

/// The kind of the jobs that compose.
pub const COMPOSITION_JOB: &str = "composition";

text_id! {
    /// The last part of a composition's ARN: 12 mixed-case alphanumerics, unique over all accounts and Regions. The job that
    /// composes has the same id. Never reused.
    CompositionId of "composition", "composition"
}

impl CompositionId {
    /// The job that composes.
    pub fn job(&self) -> JobId {
        JobId::new(self.as_str())
    }

    /// The composition that a job of the kind [`COMPOSITION_JOB`] makes.
    pub fn of_job(job: &JobId) -> Self {
        Self::new(job.as_str())
    }
}

/// One picture of a stage, with its sound, and where it goes. It outlives the stage, and is removed
/// [`COMPOSITION_KEPT_S`](crate::limits::COMPOSITION_KEPT_S) seconds after its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composition {
    /// The last part of its ARN, and the row's key.
    pub id: CompositionId,
    /// The owning account: 12 digits.
    pub account: String,
    /// The Region of the ARN, which is that of the stage.
    pub region: String,
    /// The stage that is composed. It may have been deleted.
    pub stage: StageId,
    /// Where each participant is in the picture.
    pub layout: LayoutSettings,
    /// Where the picture goes: one or two, at most one of each kind.
    pub destinations: Vec<CompositionDestination>,
    /// At most 50 tags.
    pub tags: Tags,
    /// What a repeated StartComposition is recognised by.
    pub idempotency: Option<Idempotency>,
    /// The progress.
    pub state: CompositionState,
    /// When it was asked for. Lists are ordered by it, then by id.
    pub created_at: Time,
    /// When the runner began to compose; `None` before.
    pub started_at: Option<Time>,
    /// When it was STOPPED or FAILED.
    pub ended_at: Option<Time>,
    /// Why it failed: in the state [`CompositionState::Failed`], and in [`CompositionState::Stopping`] if it is known then.
    pub failure: Option<CompositionFailure>,
    /// Set while nobody publishes in the stage, as the last tick has seen it: since when, by the steady clock.
    pub idle_since: Option<Time>,
    /// When it ends by itself, by the steady clock.
    pub lives_until: Time,
    /// When the row is removed, by the steady clock; set when it is STOPPED or FAILED.
    pub gone_at: Option<Time>,
}

/// The token of a StartComposition request, and what it was used for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// `idempotencyToken`: 1–64 characters, unique within the account and Region.
    pub token: String,
    /// A digest of the request's other members: equal for equal requests. Made at the edge.
    pub fingerprint: String,
}

/// The progress of a composition (`CompositionState` of the API model).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CompositionState {
    /// It is asked for, and nothing is composed yet.
    Starting,
    /// It is composed.
    Active,
    /// It is about to end, or has ended and not every destination is complete.
    Stopping,
    /// It did not start, or lost all destinations, or was ended by a fault.
    Failed,
    /// It has ended as it should.
    Stopped,
}

/// Why a composition or one of its destinations failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompositionFailure {
    /// The kind of failure.
    pub code: CompositionFailureCode,
    /// The reason, for people; at most
    /// [`COMPOSITION_TEXT_BYTES_MAX`](crate::limits::COMPOSITION_TEXT_BYTES_MAX) bytes.
    pub reason: String,
}

/// The `error_code` of the events Destination Failure and Session Failure (IVS user guide, "Using Amazon EventBridge").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CompositionFailureCode {
    /// Of a destination: the bucket is not there.
    ResourceNotFound,
    /// Of a destination: the bucket may not be written.
    AccessDenied,
    /// Of a destination: the channel has a stream already.
    Conflict,
    /// Something here went wrong.
    InternalServer,
    /// Of the composition: its stage was deleted.
    StageDeleted,
    /// Of the composition: none of its destinations works.
    DestinationFailure,
}

impl CompositionState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Active,
        Self::Stopping,
        Self::Failed,
        Self::Stopped,
    ];

    /// The word of the API model.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Active => "ACTIVE",
            Self::Stopping => "STOPPING",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
        }
    }

    /// Whether it may go on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Starting | Self::Active)
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl CompositionFailureCode {
    /// Every code.
    pub const ALL: [Self; 6] = [
        Self::ResourceNotFound,
        Self::AccessDenied,
        Self::Conflict,
        Self::InternalServer,
        Self::StageDeleted,
        Self::DestinationFailure,
    ];

    /// The word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::AccessDenied => "AccessDeniedException",
            Self::Conflict => "ConflictException",
            Self::InternalServer => "InternalServerException",
            Self::StageDeleted => "StageDeleted",
            Self::DestinationFailure => "DestinationFailure",
        }
    }
}

impl Composition {
    /// Whether it may go on.
    pub const fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// The destination with this id.
    pub fn destination(&self, id: &CompositionDestinationId) -> Option<&CompositionDestination> {
        self.destinations.iter().find(|row| row.id == *id)
    }

    /// The channel that it is sent to, unless that has ended.
    pub fn channel_in_use(&self) -> Option<&ChannelId> {
        let mut destinations = self.destinations.iter().filter(|row| !row.state.is_final());
        destinations.find_map(|row| row.target.channel())
    }

    /// The storage configuration that it is recorded with.
    pub fn storage_configuration(&self) -> Option<&StorageConfigurationId> {
        let mut destinations = self.destinations.iter();
        destinations.find_map(|row| row.target.storage_configuration())
    }

    /// Whether one of its destinations is encoded by this encoder configuration.
    pub fn uses_encoder(&self, id: &EncoderConfigurationId) -> bool {
        let mut destinations = self.destinations.iter();
        destinations.any(|row| row.encoder_configuration.as_ref() == Some(id))
    }
}
