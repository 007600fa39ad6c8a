//! What a publisher says that it does not send: told to its subscribers, and to the listeners of every stage that shows it.

use restage_core::id::ParticipantId;

use super::Control;
use super::connections::Muted;
use super::join::EventsSocket;
use super::wishes::WishError;

/// Why a publisher's word is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MuteError {
    /// The participant does not publish.
    #[error("participant {0} publishes nothing; publish first")]
    NotPublishing(ParticipantId),
    /// Too many changes.
    #[error("{0}")]
    TooOften(WishError),
}

impl Control {
    /// The participant of this socket says what it does not send. It holds as long as its publishing connection. Returns all that holds
    /// now.
    pub fn mute(
        &self,
        socket: &EventsSocket,
        change: impl FnOnce(&mut Muted),
    ) -> Result<Muted, MuteError> {
        self.count_wish(socket).map_err(MuteError::TooOften)?;
        let muted = self
            .connections()
            .mute(&socket.stage, &socket.participant, change);
        let (publication, muted) =
            muted.ok_or_else(|| MuteError::NotPublishing(socket.participant.clone()))?;
        self.inner.hub.mark_publication(&publication);
        Ok(muted)
    }
}
