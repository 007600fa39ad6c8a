//! Participant tokens: the defaults of a configuration, and the token that is issued for it.

use super::{Capability, ParticipantToken, ParticipantTokenConfiguration};
use crate::time::Timestamp;

/// How long a token lives, in minutes, when the request does not say: 12 hours.
pub const DEFAULT_TOKEN_DURATION_MINUTES: u32 = 720;

impl ParticipantTokenConfiguration {
    /// Minutes the token lives.
    pub fn duration_minutes(&self) -> u32 {
        self.duration.unwrap_or(DEFAULT_TOKEN_DURATION_MINUTES)
    }

    /// Whether the token allows this. A request that does not say gets both capabilities; one that
    /// gives an empty list asked for neither.
    pub fn allows(&self, capability: Capability) -> bool {
        self.capabilities
            .as_ref()
            .is_none_or(|given| given.contains(&capability))
    }

    /// The token as the answer shows it: what was asked for, and what was made of it.
    pub fn issued(
        self,
        participant_id: String,
        token: String,
        expiration_time: Timestamp,
    ) -> ParticipantToken {
        ParticipantToken {
            participant_id,
            token,
            user_id: self.user_id,
            attributes: self.attributes,
            duration: self.duration,
            capabilities: self.capabilities,
            expiration_time,
        }
    }
}
