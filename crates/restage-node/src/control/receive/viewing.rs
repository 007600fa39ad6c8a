//! What a receiving connection receives for one viewer: a participant in its stage.

use std::sync::Arc;
use std::time::Duration;

use restage_core::id::{ConnectionId, ParticipantId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::ReceiveWant;
use super::members::Members;
use super::outbox::ViewerState;
use super::table::{Owner, Viewer};
use crate::control::hub::Shown;

/// How long a client waits for the first state of its stage before it is told that all are awaited.
const FIRST_STATE_MAX: Duration = Duration::from_secs(1);

/// Who is shown in a stage.
pub(super) type Stage = watch::Receiver<Option<Arc<[Shown]>>>;

pub(super) struct Viewing {
    pub(super) viewer: Viewer,
    pub(super) owner: Owner,
    pub(super) members: Members,
    shown: Stage,
    /// How many states of the stage were seen.
    pub(super) seen: u64,
    /// Set while the viewer has no events socket.
    pub(super) orphaned_until: Option<Instant>,
}

impl Viewing {
    pub(super) fn new(owner: Owner, shown: Stage) -> Self {
        Self {
            viewer: owner.viewer(),
            owner,
            members: Members::default(),
            shown,
            seen: 0,
            orphaned_until: None,
        }
    }

    /// Waits until it is known who publishes, but not for long: a stage whose state is late is received as soon as that comes.
    pub(super) async fn begin(&mut self) {
        let known = self.shown.wait_for(Option::is_some);
        timeout(FIRST_STATE_MAX, known).await.ok();
    }

    /// Waits for another state of the stage. False: there will be none. Cancel-safe.
    pub(super) async fn changed(&mut self) -> bool {
        let changed = self.shown.changed().await.is_ok();
        self.seen += 1;
        changed
    }

    /// Those that wait and are publishing.
    pub(super) fn due(&mut self) -> Vec<ReceiveWant> {
        let shown = self.shown.borrow_and_update().clone().unwrap_or_default();
        let is_publishing = |who: &ParticipantId| {
            let mut shown = shown.iter();
            shown.any(|one| one.participant.id == *who && one.participant.publishing)
        };
        self.members.to_attach(self.seen, is_publishing)
    }

    pub(super) fn is_of_socket(&self, socket: &ConnectionId) -> bool {
        self.owner.socket == *socket
    }

    pub(super) fn state(&self) -> ViewerState {
        ViewerState {
            viewer: self.viewer.clone(),
            received: self.members.states(),
            refused: None,
        }
    }
}
