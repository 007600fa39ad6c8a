//! Remembers media connections that have ended, with the reason, for clients that ask at the URL of their session.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use restage_core::CloseReason;
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::ConnectionKind;
use restage_media::GoneReason;
use serde::Serialize;

use super::connections::{Live, TokenDigest};
use super::trouble::Trouble;

/// Most endings that are remembered.
const ENDED_MAX: usize = 4096;
const ENDED_KEPT: Duration = Duration::from_secs(300);

/// Message to clients when the server stops.
pub(super) const RESTARTING: &str =
    "the server restarts; the same token opens a new connection as soon as it is back";

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ending {
    /// The code of the [`Trouble`], or of another ending.
    pub code: &'static str,
    /// A more precise reason.
    pub reason: &'static str,
    /// A message for people.
    pub message: String,
}

impl From<Trouble> for Ending {
    fn from(trouble: Trouble) -> Self {
        Self {
            code: trouble.code,
            reason: trouble.reason,
            message: trouble.message,
        }
    }
}

impl Ending {
    fn new(code: &'static str, reason: &'static str, message: &str) -> Self {
        Self {
            code,
            reason,
            message: message.to_owned(),
        }
    }

    /// The ending of a peer that was connected before.
    pub(super) fn of_peer(reason: &GoneReason) -> Self {
        let message = reason.to_string();
        match reason {
            GoneReason::Silent => Self::new("SILENT", "silent", &message),
            _ => Self::new("CLOSED", "closed", &message),
        }
    }

    /// The client ended it.
    pub(super) fn of_client() -> Self {
        Self::new("CLOSED", "left", "its client ended it")
    }

    /// The server is stopping. The client may reconnect to its successor.
    pub(super) fn of_restart() -> Self {
        Self::new("SERVER_RESTART", "server-restart", RESTARTING)
    }

    /// The rules closed it.
    pub(super) fn of_rules(reason: CloseReason) -> Self {
        let (code, reason, message) = match reason {
            CloseReason::Replaced => (
                "REPLACED",
                "replaced",
                "a newer connection of the same participant took its place",
            ),
            CloseReason::Disconnected => (
                "PARTICIPANT_DISCONNECTED",
                "disconnected",
                "the participant was disconnected; its token opens nothing more",
            ),
            CloseReason::StageDeleted => {
                ("STAGE_DELETED", "stage-deleted", "the stage was deleted")
            }
            CloseReason::PublisherLeft => (
                "PUBLISHER_LEFT",
                "publisher-left",
                "the publisher it watched is gone",
            ),
            CloseReason::ReplicationStopped => (
                "REPLICATION_STOPPED",
                "replication-stopped",
                "the replication it watched was stopped",
            ),
            CloseReason::CapabilityLost => (
                "TOKEN_NOT_ALLOWED",
                "capability-lost",
                "the token was exchanged for one that does not allow it",
            ),
            CloseReason::SessionEnded => (
                "SESSION_ENDED",
                "session-ended",
                "the stage session ended because nobody was publishing",
            ),
            CloseReason::ConnectionTokenRevoked => (
                "TOKEN_REVOKED",
                "connection-token-revoked",
                "its connection token was revoked; the participant token may open another connection, without it or with another one",
            ),
            CloseReason::LimitExceeded => (
                "STREAM_DURATION_EXCEEDED",
                "duration",
                "it lasted as long as a connection may; a new one may begin",
            ),
        };
        Self::new(code, reason, message)
    }
}

struct Kept {
    stage: StageId,
    participant: ParticipantId,
    has_published: bool,
    token: TokenDigest,
    ending: Ending,
}

/// The newest endings; the oldest are dropped to make room.
#[derive(Default)]
pub(super) struct Endings {
    all: HashMap<ConnectionId, Kept>,
    /// Ids, oldest first.
    order: VecDeque<(Instant, ConnectionId)>,
}

impl Endings {
    pub(super) fn remember(
        &mut self,
        now: Instant,
        id: &ConnectionId,
        live: &Live,
        ending: Ending,
    ) {
        self.forget_old(now, ENDED_MAX - 1);
        let kept = Kept {
            stage: live.stage.clone(),
            participant: live.participant.clone(),
            has_published: live.kind == ConnectionKind::Publish,
            token: live.token.clone(),
            ending,
        };
        self.order.push_back((now, id.clone()));
        self.all.insert(id.clone(), kept);
    }

    /// The ending, if the request has the connection's own token.
    pub(super) fn by_token(&self, id: &ConnectionId, token: &str) -> Option<Ending> {
        let kept = self.all.get(id)?;
        kept.token.is_of(token).then(|| kept.ending.clone())
    }

    /// The ending, if the request has another token of the same participant.
    pub(super) fn by_participant(
        &self,
        id: &ConnectionId,
        stage: &StageId,
        participant: &ParticipantId,
    ) -> Option<Ending> {
        let kept = self.all.get(id)?;
        let is_own = kept.stage == *stage && kept.participant == *participant;
        is_own.then(|| kept.ending.clone())
    }

    /// Whether an ended publishing connection of this participant is remembered.
    pub(super) fn has_published(&self, stage: &StageId, participant: &ParticipantId) -> bool {
        let mut all = self.all.values();
        all.any(|kept| {
            kept.has_published && kept.participant == *participant && kept.stage == *stage
        })
    }

    pub(super) fn forget_old(&mut self, now: Instant, most: usize) {
        while let Some((at, id)) = self.order.front() {
            let is_old = now.saturating_duration_since(*at) >= ENDED_KEPT;
            if !is_old && self.order.len() <= most {
                break;
            }
            self.all.remove(id);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use restage_media::PeerId;

    use super::super::connections::Reach;
    use super::*;

    fn live(token: &str) -> Live {
        let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
        Live::new(
            stage,
            ann,
            ConnectionKind::Publish,
            Reach::Peer(PeerId(1)),
            token,
        )
    }

    #[test]
    fn an_ending_is_told_to_its_participant_and_to_nobody_else() {
        let (mut endings, id) = (Endings::default(), ConnectionId::new("c"));
        let ending = Ending::of_peer(&GoneReason::Silent);
        endings.remember(Instant::now(), &id, &live("token"), ending.clone());
        assert_eq!(endings.by_token(&id, "token"), Some(ending.clone()));
        assert_eq!(endings.by_token(&id, "other"), None);
        let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
        assert_eq!(endings.by_participant(&id, &stage, &ann), Some(ending));
        let bob = ParticipantId::new("bob");
        assert_eq!(endings.by_participant(&id, &stage, &bob), None);
        assert_eq!(endings.by_participant(&id, &StageId::new("B"), &ann), None);
        assert!(endings.has_published(&stage, &ann));
        assert!(!endings.has_published(&stage, &bob));
        assert!(!endings.has_published(&StageId::new("B"), &ann));
    }

    #[test]
    fn endings_are_few_and_do_not_last() {
        let (mut endings, start) = (Endings::default(), Instant::now());
        let ending = Ending::of_rules(CloseReason::PublisherLeft);
        for number in 0..2 * ENDED_MAX {
            let id = ConnectionId::new(number.to_string());
            endings.remember(start, &id, &live("token"), ending.clone());
        }
        assert_eq!(
            (endings.all.len(), endings.order.len()),
            (ENDED_MAX, ENDED_MAX)
        );
        let newest = ConnectionId::new((2 * ENDED_MAX - 1).to_string());
        assert!(endings.by_token(&newest, "token").is_some());
        endings.forget_old(start + ENDED_KEPT, ENDED_MAX);
        assert!(endings.all.is_empty() && endings.order.is_empty());
    }
}
