//! The history of participants.

use super::TokenGrant;
use crate::id::{ParticipantId, StageId, StageSessionId, Time};

/// What happened, as ListParticipantEvents names it (`EventName` in the API model).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StageEventName {
    Joined,
    Left,
    PublishStarted,
    PublishStopped,
    SubscribeStarted,
    SubscribeStopped,
    PublishError,
    SubscribeError,
    JoinError,
    ReplicationStarted,
    ReplicationStopped,
    TokenExchanged,
}

/// Why it failed: the codes of `EventErrorCode` in the API model that restage reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StageEventError {
    InsufficientCapabilities,
    QuotaExceeded,
    PublisherNotFound,
    InvalidAudioCodec,
    InvalidVideoCodec,
    StreamDurationExceeded,
    BitrateExceeded,
    ResolutionExceeded,
    InvalidProtocol,
    InvalidStreamKey,
    ReuseOfStreamKey,
    BFramePresent,
    InvalidInput,
    InternalServerException,
}

/// One line of a participant's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageEvent {
    /// The stage session it happened in.
    pub session: StageSessionId,
    /// The participant whose history this is.
    pub participant: ParticipantId,
    /// The kind of event.
    pub name: StageEventName,
    /// When it happened.
    pub at: Time,
    /// The publisher, for SUBSCRIBE_* only.
    pub remote_participant: Option<ParticipantId>,
    /// The reason, for *_ERROR only.
    pub error: Option<StageEventError>,
    /// The destination stage and session, for REPLICATION_* only.
    pub destination: Option<(StageId, StageSessionId)>,
    /// Whether the participant (for SUBSCRIBE_*: the remote participant) is a replica here.
    pub replica: bool,
    /// What the exchange changed, for TOKEN_EXCHANGED only.
    pub exchange: Option<Box<TokenExchange>>,
}

/// What an exchange of self-signed tokens changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenExchange {
    /// What the token in use until then said.
    pub previous: TokenGrant,
    /// What the new token says.
    pub new: TokenGrant,
}
