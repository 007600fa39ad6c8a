//! What the control plane says, in words for the person at the encoder.

use restage_core::row::StageEventError;
use restage_core::{CloseReason, Limits};
use restage_node::control::{IngestClose, IngestError};
use restage_rtmp::Refusal;

/// Why an encoder may not publish.
pub(super) fn of_start(error: IngestError) -> Refusal {
    let reason = error.message;
    match error.code {
        Some(StageEventError::InvalidStreamKey) => Refusal::InvalidStreamKey,
        Some(StageEventError::InvalidProtocol) => Refusal::InvalidProtocol,
        Some(StageEventError::ReuseOfStreamKey) => Refusal::ReuseOfStreamKey,
        Some(StageEventError::QuotaExceeded) => Refusal::QuotaExceeded { reason },
        Some(StageEventError::InternalServerException) => Refusal::InternalServerException,
        Some(_) => Refusal::InvalidInput { reason },
        None => Refusal::Ended { reason },
    }
}

/// Why a stream is ended.
pub(super) fn of_close(reason: &IngestClose, limits: &Limits) -> Refusal {
    let ended = |reason: &str| Refusal::Ended {
        reason: reason.to_owned(),
    };
    match reason {
        IngestClose::Rules(reason) => match reason {
            CloseReason::LimitExceeded => Refusal::StreamDurationExceeded {
                seconds: limits.connection_seconds.into(),
            },
            CloseReason::Replaced => ended("another stream took its place"),
            CloseReason::Disconnected => ended(
                "the participant was disconnected by DisconnectParticipant, or its ingest configuration was deleted",
            ),
            CloseReason::StageDeleted => ended("the stage was deleted"),
            CloseReason::SessionEnded => ended("the stage session has ended"),
            CloseReason::PublisherLeft
            | CloseReason::ReplicationStopped
            | CloseReason::CapabilityLost
            | CloseReason::ConnectionTokenRevoked => ended("it may not publish any more"),
        },
        IngestClose::Media(_) => Refusal::InternalServerException,
        IngestClose::Restart => ended("the server restarts; connect again in a moment"),
    }
}
