//! Reports why a connection failed: to the operator by a log line and a counter, to the participant on its
//! events socket and at the URL of its session. The rules write the history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use restage_core::command::{Claims, Command};
use restage_core::id::{ConnectionId, ParticipantId, StageId};
use restage_core::limits::GIVEN_UP_AFTER_S;
use restage_core::row::ConnectionKind;
use restage_media::{GoneReason, PeerId};
use serde::Serialize;

use super::connections::Live;
use super::ended::Ending;
use super::trouble::Trouble;
use super::{Control, media_limits};

/// Most messages that wait for one events socket. A client that reads none is closed soon.
pub(super) const SOCKET_MESSAGES_MAX: usize = 16;
/// The constant of core as a duration.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(GIVEN_UP_AFTER_S as u64);

/// Labels of the counter; both have values of the program only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    kind: &'static str,
    reason: &'static str,
}

/// Counts failed connections by reason. Clones share the numbers.
pub type Failures = Family<FailureLabels, Counter>;

/// The counter at the start. One label combination exists from the start, so that an alert finds the metric.
pub(super) fn no_failures() -> Failures {
    let failures = Failures::default();
    for kind in ["publish", "subscribe"] {
        let reason = restage_media::ConnectFailure::NoStun.name();
        drop(failures.get_or_create(&FailureLabels { kind, reason }));
    }
    failures
}

/// The connection that a report is about.
pub(super) struct About<'a> {
    pub(super) stage: &'a StageId,
    pub(super) participant: &'a ParticipantId,
    pub(super) kind: &'a ConnectionKind,
    /// `None` if the offer was refused, so that there is no connection.
    pub(super) connection: Option<&'a ConnectionId>,
}

impl<'a> About<'a> {
    pub(super) fn live(connection: &'a ConnectionId, live: &'a Live) -> Self {
        Self {
            stage: &live.stage,
            participant: &live.participant,
            kind: &live.kind,
            connection: Some(connection),
        }
    }

    /// A refused join.
    pub(super) fn join(claims: &'a Claims, kind: &'a ConnectionKind) -> Self {
        Self {
            stage: &claims.stage.id,
            participant: &claims.participant,
            kind,
            connection: None,
        }
    }

    fn publisher(&self) -> Option<&str> {
        match self.kind {
            ConnectionKind::Subscribe { publisher } => Some(publisher.as_str()),
            ConnectionKind::Publish | ConnectionKind::Events => None,
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(flatten)]
    trouble: &'a Trouble,
    stage_id: &'a str,
    participant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_participant_id: Option<&'a str>,
    /// The last part of the WHIP or WHEP session's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    /// Whether the connection has ended; otherwise it continues.
    is_over: bool,
}

/// The text of a PUBLISH_ERROR or SUBSCRIBE_ERROR.
fn message(about: &About<'_>, trouble: &Trouble, is_over: bool) -> Arc<str> {
    let payload = Payload {
        trouble,
        stage_id: about.stage.as_str(),
        participant_id: about.participant.as_str(),
        remote_participant_id: about.publisher(),
        session: about.connection.map(ConnectionId::as_str),
        is_over,
    };
    let r#type = match about.kind {
        ConnectionKind::Publish => "PUBLISH_ERROR",
        ConnectionKind::Subscribe { .. } => "SUBSCRIBE_ERROR",
        ConnectionKind::Events => "JOIN_ERROR",
    };
    let message = Message { r#type, payload };
    serde_json::to_string(&message).unwrap_or_default().into()
}

const fn kind_name(kind: &ConnectionKind) -> &'static str {
    match kind {
        ConnectionKind::Publish => "publish",
        ConnectionKind::Subscribe { .. } => "subscribe",
        ConnectionKind::Events => "events",
    }
}

impl Control {
    /// The counter of failed connections.
    pub fn failures(&self) -> &Failures {
        &self.inner.failures
    }

    /// Counts the failure and sends it to the participant's events sockets. A socket whose queue is full misses it.
    pub(super) fn announce(&self, about: &About<'_>, trouble: &Trouble, is_over: bool) {
        let labels = FailureLabels {
            kind: kind_name(about.kind),
            reason: trouble.reason,
        };
        self.inner.failures.get_or_create(&labels).inc();
        let connections = self.connections();
        let mut sockets = connections
            .sockets_of(about.stage, about.participant)
            .peekable();
        if sockets.peek().is_some() {
            let text = message(about, trouble, is_over);
            for socket in sockets {
                socket.messages.try_send(Arc::clone(&text)).ok();
            }
        }
    }

    /// Reports it with a log line, a counter, and a message to the participant.
    pub(super) fn tell(&self, about: &About<'_>, trouble: &Trouble, is_over: bool) {
        tracing::info!(
            stage = %about.stage,
            participant = %about.participant,
            publisher = about.publisher(),
            session = about.connection.map(ConnectionId::as_str),
            reason = trouble.reason,
            "{} {}: {}",
            match about.kind {
                ConnectionKind::Publish => "publishing",
                ConnectionKind::Subscribe { .. } => "subscribing",
                ConnectionKind::Events => "listening",
            },
            if is_over { "did not come about" } else { "goes on with a fault" },
            trouble.message,
        );
        self.announce(about, trouble, is_over);
    }

    /// Remembers why a connection ended, for its client.
    pub(super) fn remember(&self, connection: &ConnectionId, live: &Live, ending: Ending) {
        if let Some(receiving) = &live.receiving {
            receiving.ended(connection, ending.clone());
        }
        self.inner
            .endings()
            .remember(now(), connection, live, ending);
    }

    /// A peer has ended by itself: reports the reason, and informs the rules.
    pub(super) fn lost(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        live: &Live,
        reason: &GoneReason,
    ) -> Command {
        let (stage, participant) = (live.stage.clone(), live.participant.clone());
        let place = self.inner.media.destination_of(peer);
        let Some(trouble) = Trouble::of_peer(reason, &place) else {
            self.remember(&connection, live, Ending::of_peer(reason));
            return Command::ConnectionClosed {
                connection,
                stage,
                participant,
            };
        };
        let about = About::live(&connection, live);
        let error = trouble.error;
        if let GoneReason::Exceeded(excess) = reason {
            let limit = media_limits::named(*excess, &self.inner.rules.limits);
            tracing::warn!(%participant, %stage, "a connection was ended: {excess}. {limit}");
            self.announce(&about, &trouble, true);
            self.remember(&connection, live, trouble.into());
            return Command::ConnectionExceeded {
                connection,
                stage,
                participant,
                error,
            };
        }
        self.tell(&about, &trouble, true);
        self.remember(&connection, live, trouble.into());
        Command::ConnectionFailed {
            connection,
            stage,
            participant,
            error,
            is_over: true,
        }
    }

    /// Ends the peer of a connection that its client has left or replaced. If it was still waiting for media,
    /// returns how far it came; if it had been waiting for a while, also reports it.
    pub(super) async fn let_go(
        &self,
        peer: PeerId,
        connection: &ConnectionId,
        live: &Live,
    ) -> Option<Trouble> {
        if live.is_connected {
            self.close_peer(peer).await;
            return None;
        }
        let place = self.inner.media.destination_of(peer);
        let failure = self.inner.media.close_unconnected(peer).await?;
        let trouble = Trouble::never_connected(&failure, &place);
        if now().saturating_duration_since(live.opened_at) >= GIVEN_UP_AFTER {
            self.tell(&About::live(connection, live), &trouble, true);
        }
        Some(trouble)
    }
}

#[allow(clippy::disallowed_methods)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use restage_media::ConnectFailure;

    use super::*;
    use crate::media::Audience;
    use crate::media::Destination;

    #[test]
    fn the_message_says_which_connection_and_why() {
        let place = Destination {
            port: 4081,
            addresses: Vec::new(),
            audience: Audience::Anybody,
        };
        let trouble = Trouble::never_connected(&ConnectFailure::WrongPassword, &place);
        let (stage, ann) = (StageId::new("A"), ParticipantId::new("ann"));
        let (kind, connection) = (
            ConnectionKind::Subscribe {
                publisher: ParticipantId::new("bob"),
            },
            ConnectionId::new("c1"),
        );
        let mut about = About {
            stage: &stage,
            participant: &ann,
            kind: &kind,
            connection: Some(&connection),
        };
        let text = message(&about, &trouble, true);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "type": "SUBSCRIBE_ERROR",
            "payload": {
                "code": "ICE_FAILED",
                "reason": "wrong-password",
                "message": trouble.message,
                "stageId": "A",
                "participantId": "ann",
                "remoteParticipantId": "bob",
                "session": "c1",
                "isOver": true,
            }
        });
        assert_eq!(told, expected);
        about.kind = &ConnectionKind::Publish;
        about.connection = None;
        let text = message(&about, &trouble, false);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["type"], "PUBLISH_ERROR");
        let payload = told["payload"].as_object().unwrap();
        assert!(!payload.contains_key("session") && !payload.contains_key("remoteParticipantId"));
        assert_eq!(payload["isOver"], false);
    }
}
