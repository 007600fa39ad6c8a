//! What is counted of connections, for operators and for the participant that has them.

use std::collections::HashMap;
use std::time::Duration;

use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::row::ConnectionKind;
use restage_media::{PeerId, PeerStats};

use super::Control;
use super::connections::{Live, Reach};
use super::join::EventsSocket;
use super::report::now;

/// Most connections of which a participant is told by its own events socket: those with the smallest ids.
pub const OWN_CONNECTIONS_MAX: usize = 64;

/// Most requests for statistics that the media workers are asked to answer at a time. Further ones wait.
pub(super) const MEASUREMENTS_MAX: usize = 4;

/// What is counted of one media connection.
#[derive(Debug, Clone)]
pub struct ConnectionStats {
    /// The last part of the path of its WHIP or WHEP session.
    pub session: ConnectionId,
    /// Whose connection it is.
    pub participant: ParticipantId,
    /// Whom it watches; `None` if it publishes.
    pub publisher: Option<ParticipantId>,
    /// How long it has been there.
    pub age: Duration,
    /// What the media plane counts.
    pub stats: PeerStats,
}

/// Some of the media connections of a stage.
#[derive(Debug, Clone)]
pub struct StatsPage {
    /// In the order of their sessions.
    pub connections: Vec<ConnectionStats>,
    /// The session after which the next page begins, if there are more.
    pub next: Option<ConnectionId>,
}

impl Control {
    /// What is counted of the media connections of a stage, or of one of its participants: those after the session `after`, at most
    /// `count`. Those are left out that end meanwhile.
    pub async fn stats_of(
        &self,
        stage: &StageId,
        participant: Option<&ParticipantId>,
        after: Option<&ConnectionId>,
        count: usize,
    ) -> StatsPage {
        let found = self
            .connections()
            .media_of(stage, participant, after, count.saturating_add(1));
        let has_more = found.len() > count;
        let some = &found[..found.len().min(count)];
        let next = some.last().filter(|_| has_more).map(|(id, _)| id.clone());
        StatsPage {
            connections: self.measured(some).await,
            next,
        }
    }

    /// What is counted of the media connections of a socket's own participant.
    pub async fn own_stats(&self, socket: &EventsSocket) -> Vec<ConnectionStats> {
        let own = {
            let connections = self.connections();
            let (stage, participant) = (&socket.stage, &socket.participant);
            let publishing = connections.publishing_of(stage, participant);
            let subscribing = connections.subscriptions_of(stage, participant);
            let all = publishing.chain(subscribing).take(OWN_CONNECTIONS_MAX);
            let all = all.map(|(id, live)| (id.clone(), live.clone()));
            all.collect::<Vec<_>>()
        };
        self.measured(&own).await
    }

    async fn measured(&self, connections: &[(ConnectionId, Live)]) -> Vec<ConnectionStats> {
        let peers: Vec<PeerId> = connections
            .iter()
            .filter_map(|(_, live)| peer(live))
            .collect();
        // It is never closed.
        let turn = self.inner.measurements.acquire().await;
        let stats = self.inner.media.measure(&peers).await;
        drop(turn);
        let mut stats: HashMap<PeerId, PeerStats> =
            stats.into_iter().map(|one| (one.peer, one)).collect();
        let found = connections.iter().filter_map(|(session, live)| {
            Some(ConnectionStats {
                session: session.clone(),
                participant: live.participant.clone(),
                publisher: match &live.kind {
                    ConnectionKind::Subscribe { publisher } => Some(publisher.clone()),
                    ConnectionKind::Publish | ConnectionKind::Events => None,
                },
                age: now().saturating_duration_since(live.opened_at),
                stats: stats.remove(&peer(live)?)?,
            })
        });
        found.collect()
    }
}

fn peer(live: &Live) -> Option<PeerId> {
    match live.reach {
        Reach::Peer(peer) => Some(peer),
        Reach::Socket(_) | Reach::Inlet(_) => None,
    }
}

impl EventsSocket {
    /// Whose socket it is, and in which stage.
    pub fn whose(&self) -> (&StageId, &ParticipantId) {
        (&self.stage, &self.participant)
    }
}
