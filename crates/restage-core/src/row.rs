//! The rows of the store, as the rules see them. A row is a value: the rules return new ones.
//!
//! Times are microseconds of the wall clock since the Unix epoch, unless a field names the steady clock.

mod composition;
mod connection;
mod connection_token;
mod encoder_configuration;
mod event;
mod ingest_configuration;
mod job;
mod participant;
mod plain;
mod public_key;
mod publication;
mod recording;
mod replica;
mod session;
mod stage;
mod storage_configuration;
mod token;

use std::collections::BTreeMap;

pub use self::composition::{
    AspectRatio, COMPOSITION_JOB, Composition, CompositionDestination, CompositionDestinationId,
    CompositionFailure, CompositionFailureCode, CompositionId, CompositionRecording,
    CompositionState, CompositionTarget, CompositionThumbnails, DEFAULT_VIDEO, DestinationState,
    FillMode, GridLayout, Idempotency, LayoutSettings, PipBehavior, PipLayout, PipPosition,
};
pub use self::connection::{Connection, ConnectionKind};
pub use self::connection_token::{ConnectionTokenId, ConnectionTokenKey, RevokedConnectionToken};
pub use self::encoder_configuration::{EncoderConfiguration, EncoderConfigurationId};
pub use self::event::{StageEvent, StageEventError, StageEventName, TokenExchange};
pub use self::ingest_configuration::{
    IngestConfiguration, IngestConfigurationId, IngestCredential, IngestLink, IngestProtocol,
    RedundantIngest, StreamKey,
};
pub use self::job::{Job, JobState, Lease};
pub use self::participant::{Client, Participant, Protocol, Recorded, Replication};
pub use self::plain::Plain;
pub use self::public_key::PublicKey;
pub use self::publication::PublicationKey;
pub use self::recording::{
    RECORDING_JOB, RecordedMedia, Recording, RecordingFailure, RecordingFailureCode, RecordingId,
    RecordingSettings, RecordingState, RecordingStorage, StageRecording, ThumbnailMode,
    ThumbnailStorage, Thumbnails,
};
pub use self::replica::{Replica, ReplicaKey};
pub use self::session::StageSession;
pub use self::stage::Stage;
pub use self::storage_configuration::{StorageConfiguration, StorageConfigurationId};
pub use self::token::{Capabilities, Token, TokenGrant};
use crate::id::PublicKeyId;

/// String-to-string attributes of a token or participant, at most 1 KB of UTF-8 in total, keys and values together.
pub type Attributes = BTreeMap<String, String>;

/// Tags of a resource, key to value, at most 50 (`TAGS_MAX`).
pub type Tags = BTreeMap<String, String>;

plain::kinds! {
    PublicKey {
        id: PublicKeyId,
        limit: public_keys (open 100, aws 3),
        title: "Public keys",
        operations: "ImportPublicKey", "DeletePublicKey",
    }
    EncoderConfiguration {
        id: EncoderConfigurationId,
        limit: encoder_configurations (open 1_000, aws 20),
        title: "Encoder configurations",
        operations: "CreateEncoderConfiguration", "DeleteEncoderConfiguration",
    }
    StorageConfiguration {
        id: StorageConfigurationId,
        limit: storage_configurations (open 1_000, aws 5),
        title: "Storage configurations",
        operations: "CreateStorageConfiguration", "DeleteStorageConfiguration",
    }
    IngestConfiguration {
        id: IngestConfigurationId,
        limit: ingest_configurations (open 1_000, aws 100),
        title: "Ingest configurations",
        operations: "CreateIngestConfiguration", "DeleteIngestConfiguration",
    }
}
