//! Decides whether the media plane has processor time for one more connection. New connections must not degrade
//! existing ones.

use restage_core::command::Claims;
use restage_core::row::ConnectionKind;

use super::Control;
use super::join::JoinError;
use super::report::About;
use super::trouble::Trouble;

impl Control {
    /// Refuses a connection while no media worker has room. Two kinds are admitted all the same: one that replaces
    /// another connection, and one of a participant that publishes or did so recently, because its viewers are
    /// already connected.
    pub(super) fn admit(&self, claims: &Claims, kind: &ConnectionKind) -> Result<(), JoinError> {
        if self.inner.media.has_room() || self.is_known(claims, kind) {
            return Ok(());
        }
        let error = JoinError::AtCapacity;
        let trouble = Trouble::overloaded(error.to_string());
        self.announce(&About::join(claims, kind), &trouble, true);
        tracing::debug!(stage = %claims.stage.id, participant = %claims.participant, %error, "refused");
        Err(error)
    }

    fn is_known(&self, claims: &Claims, kind: &ConnectionKind) -> bool {
        let (stage, participant) = (&claims.stage.id, &claims.participant);
        self.connections().has(stage, participant, kind)
            || *kind == ConnectionKind::Publish
                && self.inner.endings().has_published(stage, participant)
    }
}
