//! What names a publication.

use crate::id::{ParticipantId, StageSessionId};

/// The tracks of one publisher, wherever they are watched: named by where the participant joined.
/// Replicas share the source's key, because a replica is a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublicationKey {
    /// The session the publisher joined (the source session for a replica).
    pub session: StageSessionId,
    /// The participant that publishes.
    pub participant: ParticipantId,
}
