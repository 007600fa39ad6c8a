//! The events socket of a stage: who is connected and who publishes.
//!
//! It is a WebSocket at `<events_url>/<topic>` with the participant token as sub-protocol. Text
//! frames are JSON objects `{"type": …}`; the client sends `PING` and gets `PONG`; the server
//! pushes `STAGE_STATE`. AWS's published samples use this channel. Messages of other types are
//! returned as [`StageEvent::Other`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use crate::error::{Error, chain, harmless};
use crate::signal::{RESUMPTION, parse_url, refusal, secret};
use crate::token::{ParticipantToken, TokenError};
use crate::trust::Trust;

/// How often a PING is sent.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// The socket counts as dead when nothing has arrived for this long.
const SILENCE_MAX: Duration = Duration::from_secs(35);
/// Longest handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest message accepted: a stage state of about ten thousand participants.
const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Longest wait for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Something that happened on a stage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StageEvent {
    /// `STAGE_STATE`: all participants of the stage at this moment.
    State(StageState),
    /// A message of a type that this version does not know.
    Other {
        /// The member `type`.
        kind: String,
        /// The whole message.
        message: Value,
    },
}

/// The participants of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StageState {
    /// Id of the stage.
    #[serde(default)]
    pub stage_id: String,
    /// The participants, including replicas.
    #[serde(default)]
    pub participants: Vec<StageParticipant>,
}

/// A participant as the events socket shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StageParticipant {
    /// Participant id.
    pub id: String,
    /// The user id that the token's issuer chose; empty if none.
    #[serde(default)]
    pub user_id: String,
    /// The participant's attributes.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Whether the participant publishes.
    #[serde(default)]
    pub is_publishing: bool,
    /// The participant is published in another stage and replicated into this one.
    #[serde(default)]
    pub is_replica: bool,
    /// The publisher says that it sends no sound at present.
    #[serde(default)]
    pub audio_muted: bool,
    /// The publisher says that it sends no pictures at present.
    #[serde(default)]
    pub video_stopped: bool,
}

/// The code and the reason with which a server closed an events socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventsClose {
    /// The close code (RFC 6455 §7.4): 1012 when the server restarts, 4400 to 4499 for a token that is refused.
    pub code: u16,
    /// The reason: a code in words, or a sentence.
    pub reason: String,
}

/// Close codes after which the same token is refused again, or a newer socket of the participant has replaced this one.
const REFUSED: std::ops::RangeInclusive<u16> = 4400..=4410;

impl EventsClose {
    /// True if the same token may open a socket again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !REFUSED.contains(&self.code)
    }
}

/// An open events socket.
///
/// ```no_run
/// # async fn run(token: restage_client::ParticipantToken) -> Result<(), restage_client::Error> {
/// use restage_client::{EventStream, StageEvent};
///
/// let mut events = EventStream::join(&token).await?;
/// while let Some(event) = events.next().await? {
///     if let StageEvent::State(state) = event {
///         println!("{} participants", state.participants.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct EventStream {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    closed: Option<EventsClose>,
    resumption: Option<String>,
    ping_at: Instant,
    heard_at: Instant,
}

impl EventStream {
    /// Opens the socket at `url`, which is `<events_url>/<topic>`.
    ///
    /// # Errors
    /// [`Error::Url`] for a URL that is not `ws` or `wss`, [`Error::Refused`] if the server answers
    /// the handshake with an error, [`Error::Events`] for everything else.
    pub async fn connect(url: &str, token: &str) -> Result<Self, Error> {
        Self::connect_trusting(url, token, &Trust::system()).await
    }

    /// Like [`EventStream::connect`], with a choice of the trusted certificates.
    ///
    /// # Errors
    /// As [`EventStream::connect`].
    pub async fn connect_trusting(url: &str, token: &str, trust: &Trust) -> Result<Self, Error> {
        Self::open(url, token, None, trust).await
    }

    async fn open(
        url: &str,
        token: &str,
        resumption: Option<&str>,
        trust: &Trust,
    ) -> Result<Self, Error> {
        let url = parse_url(url, ["ws", "wss"])?;
        let mut request = url.as_str().into_client_request().map_err(socket_error)?;
        let mut protocol = HeaderValue::from_str(token)
            .map_err(|_| TokenError::Payload("it cannot stand in an HTTP header".to_owned()))?;
        protocol.set_sensitive(true);
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        if let Some(secret) = resumption.and_then(secret) {
            request.headers_mut().insert(RESUMPTION, secret);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        // Boxed, because the state of a TLS handshake is about twenty kilobytes.
        let handshake = Box::pin(tokio_tungstenite::connect_async_tls_with_config(
            request,
            Some(config),
            true,
            trust.rustls_config().map(Connector::Rustls),
        ));
        let (socket, _) = tokio::time::timeout(CONNECT_TIMEOUT, handshake)
            .await
            .map_err(|_| Error::Events(format!("no handshake within {CONNECT_TIMEOUT:?}")))?
            .map_err(handshake_error)?;
        let now = Instant::now();
        Ok(Self {
            socket,
            closed: None,
            resumption: None,
            ping_at: now + PING_INTERVAL,
            heard_at: now,
        })
    }

    /// Opens the events socket of the stage a participant token is for.
    ///
    /// # Errors
    /// As [`EventStream::connect`], and [`Error::Token`] if the token names no URL or topic.
    pub async fn join(token: &ParticipantToken) -> Result<Self, Error> {
        Self::join_trusting(token, &Trust::system()).await
    }

    /// Like [`EventStream::join`], with a choice of the trusted certificates.
    ///
    /// # Errors
    /// As [`EventStream::join`].
    pub async fn join_trusting(token: &ParticipantToken, trust: &Trust) -> Result<Self, Error> {
        Self::join_resuming(token, None, trust).await
    }

    /// Like [`EventStream::join_trusting`], with the newest resumption secret of an earlier connection of the
    /// participant.
    ///
    /// # Errors
    /// As [`EventStream::join`].
    pub async fn join_resuming(
        token: &ParticipantToken,
        resumption: Option<&str>,
        trust: &Trust,
    ) -> Result<Self, Error> {
        Self::open(&token.events_url()?, token.as_str(), resumption, trust).await
    }

    /// The secret with which this participant opens connections to the stage session after its token has expired, once
    /// the server has given one. Treat it like the token.
    #[must_use]
    pub fn resumption(&self) -> Option<&str> {
        self.resumption.as_deref()
    }

    /// Waits for the next event and keeps the socket alive meanwhile. `None` once the server has
    /// closed it. Dropping the future loses no event.
    ///
    /// # Errors
    /// [`Error::Events`] if the connection breaks, is silent for 35 seconds, or carries something
    /// that is not a JSON object with a `type`.
    pub async fn next(&mut self) -> Result<Option<StageEvent>, Error> {
        loop {
            let silent_at = self.heard_at + SILENCE_MAX;
            let message = tokio::select! {
                message = self.socket.next() => message,
                () = tokio::time::sleep_until(self.ping_at.into()) => {
                    self.ping_at = Instant::now() + PING_INTERVAL;
                    let ping = Message::text(r#"{"type":"PING"}"#);
                    self.socket.send(ping).await.map_err(socket_error)?;
                    continue;
                }
                () = tokio::time::sleep_until(silent_at.into()) => {
                    return Err(Error::Events(format!("nothing came for {SILENCE_MAX:?}")));
                }
            };
            self.heard_at = Instant::now();
            match message {
                Some(Ok(Message::Close(Some(frame)))) => {
                    self.closed = Some(EventsClose {
                        code: frame.code.into(),
                        reason: harmless(&frame.reason),
                    });
                    return Ok(None);
                }
                None | Some(Ok(Message::Close(None))) => return Ok(None),
                Some(Err(SocketError::ConnectionClosed | SocketError::AlreadyClosed)) => {
                    return Ok(None);
                }
                Some(Err(error)) => return Err(socket_error(error)),
                Some(Ok(Message::Text(text))) => match parse_event(&text)? {
                    Some(StageEvent::Other { kind, message }) if kind == "RESUMPTION" => {
                        let secret = message.pointer("/payload/secret");
                        self.resumption = secret.and_then(Value::as_str).map(str::to_owned);
                    }
                    Some(event) => return Ok(Some(event)),
                    None => {}
                },
                Some(Ok(_)) => {}
            }
        }
    }

    /// The server's reason for closing the socket, if it gave one. Set once [`next`](Self::next) has returned `None`.
    #[must_use]
    pub const fn closed(&self) -> Option<&EventsClose> {
        self.closed.as_ref()
    }

    /// Closes the socket with the closing handshake.
    ///
    /// # Errors
    /// [`Error::Events`] if the closing handshake fails or takes more than two seconds.
    pub async fn close(mut self) -> Result<(), Error> {
        tokio::time::timeout(CLOSE_TIMEOUT, self.socket.close(None))
            .await
            .map_err(|_| Error::Events(format!("no close within {CLOSE_TIMEOUT:?}")))?
            .map_err(socket_error)
    }
}

/// Parses a message; `None` for messages that only keep the socket alive.
fn parse_event(text: &str) -> Result<Option<StageEvent>, Error> {
    let fail = |why: String| Error::Events(why);
    let mut message: Value = serde_json::from_str(text)
        .map_err(|error| fail(format!("a message is not JSON: {error}")))?;
    let kind = message
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| fail("a message has no \"type\" string".to_owned()))?
        .to_owned();
    match kind.as_str() {
        "PONG" => Ok(None),
        "STAGE_STATE" => {
            let payload = message
                .get_mut("payload")
                .map(Value::take)
                .unwrap_or_default();
            let state = serde_json::from_value(payload)
                .map_err(|error| fail(format!("STAGE_STATE cannot be read: {error}")))?;
            Ok(Some(StageEvent::State(state)))
        }
        _ => Ok(Some(StageEvent::Other { kind, message })),
    }
}

/// The error for a refused handshake, from the server's answer.
fn handshake_error(error: SocketError) -> Error {
    let SocketError::Http(response) = error else {
        return socket_error(error);
    };
    let code = response.headers().get("x-amzn-errortype");
    let code = code.and_then(|code| code.to_str().ok());
    let body = response.body().as_deref().unwrap_or_default();
    refusal(response.status(), code, body)
}

fn socket_error(error: SocketError) -> Error {
    Error::Events(chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_state_is_read() {
        let text = r#"{"type":"STAGE_STATE","payload":{"stageId":"hT5vN1cGy8Ud","participants":[
            {"id":"q7Rk2ZpLw0Xe","userId":"ann","attributes":{"order":"1"},"isPublishing":true,
             "more":1},{"id":"Ab3dEf6hIj9k"}]}}"#;
        let Some(StageEvent::State(state)) = parse_event(text).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(state.stage_id, "hT5vN1cGy8Ud");
        let [ann, other] = state.participants.as_slice() else {
            panic!("{state:?}")
        };
        assert_eq!((ann.user_id.as_str(), ann.is_publishing), ("ann", true));
        assert_eq!(ann.attributes["order"], "1");
        assert_eq!((other.user_id.as_str(), other.is_publishing), ("", false));
    }

    #[test]
    fn unknown_types_come_through_and_pong_does_not() {
        assert_eq!(parse_event(r#"{"type":"PONG"}"#).unwrap(), None);
        let event = parse_event(r#"{"type":"NEW","x":1}"#).unwrap().unwrap();
        assert!(matches!(event, StageEvent::Other { kind, message }
            if kind == "NEW" && message["x"] == 1));
    }

    #[test]
    fn what_is_not_an_event_is_an_error() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"STAGE_STATE"}"#,
            "\u{0}",
        ] {
            assert!(matches!(parse_event(text), Err(Error::Events(_))), "{text}");
        }
        let participants = r#"{"type":"STAGE_STATE","payload":{"participants":[{"userId":"x"}]}}"#;
        parse_event(participants).unwrap_err();
    }
}
