//! Whether the media plane has the processor time for one more connection. Those who are in must not suffer from those who come.

use restage_core::command::Claims;
use restage_core::row::ConnectionKind;

use super::Control;
use super::join::JoinError;
use super::tell::About;
use super::trouble::Trouble;

impl Control {
    /// Refuses a connection while no media worker has room. Two are let in all the same: one that takes the place of another, and one
    /// of a participant that publishes, or did a moment ago: its viewers are in already.
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
