//! Why the rules end a stream, in words for the person at the encoder.

use restage_core::CloseReason;

pub(super) const fn of_rules(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Replaced => "another stream took its place",
        CloseReason::Disconnected => "the participant was disconnected by DisconnectParticipant",
        CloseReason::StageDeleted => "the stage was deleted",
        CloseReason::SessionEnded => "the stage session has ended",
        CloseReason::LimitExceeded => "it lasted as long as a stream may",
        CloseReason::PublisherLeft
        | CloseReason::ReplicationStopped
        | CloseReason::CapabilityLost => "it may not publish any more",
    }
}
