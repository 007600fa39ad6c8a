//! The events WebSocket: `GET /events/{stageId}` with the participant token as sub-protocol, and in a further one the
//! connection token that it belongs to, if it does. Its text frames are JSON. The server answers the client's PING with
//! PONG, its TOKEN_EXCHANGE with TOKEN_EXCHANGED or TOKEN_EXCHANGE_ERROR, and its SUBSCRIBE_CONFIGURE with
//! SUBSCRIBE_CONFIGURED or SUBSCRIBE_CONFIGURE_ERROR; likewise PUBLISH_CONFIGURE and STATS_CONFIGURE. A message of any other
//! type is answered with ERROR. It pushes STAGE_STATE, STAGE_ACTIVE_SPEAKER_CHANGED, about the participant's own
//! subscriptions the messages whose names begin with STAGE_STREAM, about its own publishing connection
//! PUBLISH_LAYERS_WANTED, and STATS as often as it has asked for. Messages whose names begin with RECEIVE are about its receiving
//! connection. After the first state and after an exchange it sends RESUMPTION, with the secret by which the client reconnects after its
//! token has expired.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::header::{SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use restage_core::id::StageId;
use restage_core::{CloseReason, ConnectionTokenFault, Fault};
use restage_node::control::{EventsSocket, JoinError, SocketClose, client_of, code_of};
use tokio::time::{Instant, interval_at};

use super::App;
use super::address::Id;
use super::bearer::{self, SocketBearer};
use super::muting;
use super::receive;
use super::refusal::Refusal;
use super::socket::{self, Handshake, Message, Socket};
use super::socket_message::{
    BINARY, ClientMessage, PING_EVERY, SILENCE_MAX, close_code, frame, understand, unknown_type,
};
use super::socket_place::SocketPlace;
use super::statistics::{self, Schedule};
use super::token_check::{self, TokenRefused};
use super::view;
use super::whip::RESUMPTION;
use super::wishes;

/// The types of messages that clients may send.
const KNOWN: &str = "PING, TOKEN_EXCHANGE, SUBSCRIBE_CONFIGURE, PUBLISH_CONFIGURE, STATS_CONFIGURE, RECEIVE_CONFIGURE, RECEIVE_ANSWER, RECEIVE_RESTART or \
     RECEIVE_CLOSE";
/// Prefix of the secret in a sub-protocol.
const RESUMPTION_PROTOCOL: &str = "restage-resumption.";
/// The reason when a connection token is revoked.
pub(super) const TOKEN_REVOKED: &str = code_of(ConnectionTokenFault::Revoked);
/// Close code and reason when the server stops; clients reconnect to its successor.
pub(super) const RESTART: (u16, &str) = (close_code::SERVICE_RESTART, "SERVER_RESTART");

/// Routes of the events socket.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/events/{stage}", get(upgrade))
}

async fn upgrade(
    State(app): State<App>,
    Id(stage): Id,
    handshake: Handshake,
    SocketBearer(token): SocketBearer,
    parts: Parts,
) -> Result<Response, Refusal> {
    let token = token?.text;
    let claims = match token_check::claims(&app, &parts.extensions, &token).await {
        Ok(claims) => claims,
        Err(TokenRefused::Token(JoinError::Token(error))) => {
            let message = format!("offer the participant token as WebSocket sub-protocol: {error}");
            let status = StatusCode::UNAUTHORIZED;
            return Err(Refusal::new(status, "TOKEN_MALFORMED", message));
        }
        Err(error) => return Err(error.into()),
    };
    let place = SocketPlace::take(&app, &parts)?;
    let connection_token = match bearer::connection_token(&parts.headers)? {
        Some(token) => match token_check::connection_claims(&app, &parts.extensions, token).await {
            Ok(claims) => Some(Ok(claims)),
            Err(TokenRefused::Token(error)) => Some(Err(error)),
            Err(refused) => return Err(refused.into()),
        },
        None => None,
    };
    let headers = parts.headers;
    let client = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(client_of)
        .unwrap_or_default();
    let protocol = offered(&headers, &token);
    let resumption = resumption(&headers);
    // The join happens after the upgrade, because a browser sees a close code but never an HTTP status.
    Ok(handshake.grant(protocol, move |socket| async move {
        let join = match connection_token.transpose() {
            Ok(connection_token) => {
                app.control
                    .join_events(
                        &token,
                        resumption.as_deref(),
                        (claims, connection_token),
                        &StageId::new(stage),
                        client,
                    )
                    .await
            }
            Err(error) => Err(error),
        };
        serve(&app, socket, join).await;
        drop(place);
    }))
}

/// The token's sub-protocol, if it was offered: browsers expect the server to confirm it.
pub(super) fn offered(headers: &HeaderMap, token: &str) -> Option<HeaderValue> {
    let all = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let is_offered = all.split(',').any(|one| one.trim() == token);
    is_offered.then(|| HeaderValue::from_str(token).ok())?
}

/// The resumption secret: in the header or, because browsers cannot set that, in a further sub-protocol.
fn resumption(headers: &HeaderMap) -> Option<String> {
    let in_header = headers
        .get(RESUMPTION)
        .and_then(|value| value.to_str().ok());
    let found = in_header.or_else(|| beside(headers, RESUMPTION_PROTOCOL));
    found.map(str::to_owned)
}

/// What a sub-protocol beside the token's says after this prefix.
fn beside<'a>(headers: &'a HeaderMap, prefix: &str) -> Option<&'a str> {
    let all = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut protocols = all.split(',').map(str::trim);
    protocols.find_map(|one| one.strip_prefix(prefix))
}

async fn serve(app: &App, mut socket: Socket, join: Result<EventsSocket, JoinError>) {
    let mut joined = match join {
        Ok(joined) => joined,
        Err(error) => {
            let (code, reason) = refusal(&error);
            socket.close(code, reason).await;
            socket.farewell().await;
            return;
        }
    };
    app.control.events_established(&joined).await;
    let told = run(app, &mut socket, &mut joined).await;
    if let Some((code, reason)) = told {
        socket.close(code, reason).await;
    }
    app.control.leave_events(joined).await;
    if told.is_some() {
        socket.farewell().await;
    }
}

/// Runs the socket until one side ends it. Returns the close code and reason to send, if any.
async fn run(
    app: &App,
    socket: &mut Socket,
    joined: &mut EventsSocket,
) -> Option<(u16, &'static str)> {
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut last_received = Instant::now();
    let mut told = None;
    let mut secret = None;
    let mut stats = Schedule::default();
    loop {
        // Clients expect STAGE_STATE as the first message.
        if told.is_some() && secret.as_ref() != Some(&joined.resumption) {
            let text = resumption_of(joined);
            socket.send(Message::text(text)).await?;
            secret = Some(joined.resumption.clone());
        }
        tokio::select! {
            message = socket.recv() => {
                last_received = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        let message = match understand(text.as_str()) {
                            Ok(message) => message,
                            Err(refused) => return Some(refused),
                        };
                        if let Some(answer) = answer(app, joined, &mut stats, message).await {
                            socket.send(Message::text(answer)).await?;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => {
                        return Some(BINARY);
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return None,
                    Some(Err(error)) => return socket::fault(&error),
                }
            }
            changed = joined.states.changed() => {
                if changed.is_err() {
                    return Some(RESTART);
                }
                let state = joined.states.borrow_and_update().clone();
                if state != told {
                    if let Some(state) = &state {
                        socket.send(Message::text(&**state)).await?;
                    }
                    told = state;
                }
            }
            changed = joined.speakers.changed(), if told.is_some() => {
                if changed.is_err() {
                    return Some(RESTART);
                }
                let speaker = joined.speakers.borrow_and_update().clone();
                if let Some(speaker) = speaker {
                    socket.send(Message::text(&*speaker)).await?;
                }
            }
            () = stats.due(), if told.is_some() => {
                let payload = statistics::of_socket(&app.control, joined).await;
                socket.send(Message::text(frame("STATS", Some(payload)))).await?;
            }
            news = joined.streams.next(), if told.is_some() => {
                for message in news {
                    socket.send(Message::text(message)).await?;
                }
            }
            (id, news) = joined.receiving.next(), if told.is_some() => {
                let relay = app.control.relay_of(joined);
                let whose = (&id, receive::Scope::Participant);
                let (kind, payload) = receive::news(whose, &news, &app.ice_servers, relay.as_ref());
                socket.send(Message::text(frame(kind, Some(payload)))).await?;
            }
            Some(message) = joined.messages.recv() => {
                socket.send(Message::text(&*message)).await?;
            }
            _ = joined.close.changed() => {
                let reason = *joined.close.borrow_and_update();
                return Some(match reason {
                    Some(SocketClose::Rules(reason)) => closing(reason),
                    Some(SocketClose::Restart) => RESTART,
                    None => (close_code::GOING_AWAY, "closed"),
                });
            }
            _ = ping.tick() => {
                if last_received.elapsed() > SILENCE_MAX {
                    return None;
                }
                socket.send(Message::Ping(Default::default())).await?;
            }
        }
    }
}

/// Handles a message and returns the answer. The socket stays open after a message of an unknown type, because a client may know later
/// messages than this server does.
async fn answer(
    app: &App,
    joined: &mut EventsSocket,
    stats: &mut Schedule,
    message: ClientMessage,
) -> Option<String> {
    if let Some(kind) = receive::Kind::of(&message.r#type) {
        let asking = receive::Asking::Participant(joined);
        let answer = receive::answer(app, asking, kind, &message.payload).await;
        return answer.map(|(kind, told)| frame(kind, Some(told)));
    }
    Some(match message.r#type.as_str() {
        "PING" => frame("PONG", None),
        "TOKEN_EXCHANGE" => {
            let token = message
                .payload
                .get("token")
                .and_then(|token| token.as_str());
            exchange(app, joined, token).await
        }
        "SUBSCRIBE_CONFIGURE" => {
            let (kind, told) = wishes::configure(app, joined, &message.payload).await;
            frame(kind, Some(told))
        }
        "PUBLISH_CONFIGURE" => {
            let (kind, told) = muting::configure(&app.control, joined, &message.payload);
            frame(kind, Some(told))
        }
        "STATS_CONFIGURE" => {
            let (kind, told) = stats.configure(&message.payload);
            frame(kind, Some(told))
        }
        unknown => frame("ERROR", Some(unknown_type(unknown, KNOWN))),
    })
}

/// Exchanges the token of the socket's participant. Returns the claims now in force, or a refusal.
async fn exchange(app: &App, joined: &mut EventsSocket, token: Option<&str>) -> String {
    let outcome = match token {
        Some(token) => app.control.exchange_events(joined, token).await,
        None => Err(JoinError::Token(
            "payload.token must be the new token".into(),
        )),
    };
    match outcome {
        Ok(exchanged) => {
            let said = serde_json::to_value(view::claims(&exchanged.claims)).unwrap_or_default();
            if let Some(secret) = exchanged.resumption {
                joined.resumption = secret;
            }
            frame("TOKEN_EXCHANGED", Some(said))
        }
        Err(error) => {
            let said = Refusal::from(error).to_json();
            frame("TOKEN_EXCHANGE_ERROR", Some(said))
        }
    }
}

/// The RESUMPTION message: sent after the first state, and again with a new secret after a token
/// exchange.
fn resumption_of(joined: &EventsSocket) -> String {
    frame(
        "RESUMPTION",
        Some(serde_json::json!({ "secret": joined.resumption })),
    )
}

fn closing(reason: CloseReason) -> (u16, &'static str) {
    match reason {
        CloseReason::Replaced => (
            close_code::REPLACED,
            "a newer connection took this one's place",
        ),
        CloseReason::Disconnected => (close_code::DISCONNECTED, "PARTICIPANT_DISCONNECTED"),
        CloseReason::StageDeleted => (close_code::NOT_FOUND, "STAGE_DELETED"),
        CloseReason::CapabilityLost => (close_code::NOT_ALLOWED, "TOKEN_NOT_ALLOWED"),
        CloseReason::ConnectionTokenRevoked => (close_code::NOT_ALLOWED, TOKEN_REVOKED),
        CloseReason::SessionEnded => (close_code::GOING_AWAY, "the stage session ended"),
        CloseReason::PublisherLeft
        | CloseReason::ReplicationStopped
        | CloseReason::LimitExceeded => (close_code::GOING_AWAY, "closed"),
    }
}

/// The close code for what is wrong with a connection token.
const fn code_of_close(fault: ConnectionTokenFault) -> u16 {
    match fault {
        ConnectionTokenFault::Malformed | ConnectionTokenFault::Expired => close_code::TOKEN,
        ConnectionTokenFault::NotAllowed | ConnectionTokenFault::Revoked => close_code::NOT_ALLOWED,
    }
}

pub(super) fn refusal(error: &JoinError) -> (u16, &'static str) {
    match error.fault() {
        Some(Fault::TokenRevoked) => (close_code::DISCONNECTED, "PARTICIPANT_DISCONNECTED"),
        Some(Fault::TokenExpired) => (close_code::TOKEN, "TOKEN_EXPIRED"),
        Some(Fault::TokenInvalid) => (close_code::TOKEN, "TOKEN_MALFORMED"),
        Some(Fault::MissingCapability | Fault::Denied) => {
            (close_code::NOT_ALLOWED, "TOKEN_NOT_ALLOWED")
        }
        Some(Fault::ConnectionToken(fault)) => (code_of_close(fault), code_of(fault)),
        Some(Fault::NotFound) => (close_code::NOT_FOUND, "STAGE_DELETED"),
        Some(Fault::LimitExceeded) => (close_code::CAPACITY, "STAGE_AT_CAPACITY"),
        Some(Fault::Conflict | Fault::Invalid) => (close_code::NOT_ALLOWED, "not possible now"),
        None if matches!(error, JoinError::Token(_)) => {
            (close_code::TOKEN, "the token is not for this stage")
        }
        None if matches!(error, JoinError::Restarting) => RESTART,
        None if matches!(error, JoinError::TooOften(_)) => (close_code::CAPACITY, "TOO_OFTEN"),
        None => (
            close_code::INTERNAL,
            "the server could not write the join; try again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumption_secret_is_in_its_header_or_beside_the_token() {
        let of = |name: http::HeaderName, value: &'static str| {
            resumption(&HeaderMap::from_iter([(
                name,
                HeaderValue::from_static(value),
            )]))
        };
        let secret = Some("st-1.mac".to_owned());
        assert_eq!(of(RESUMPTION, "st-1.mac"), secret);
        let protocols = "a.b.c, restage-resumption.st-1.mac";
        assert_eq!(of(SEC_WEBSOCKET_PROTOCOL, protocols), secret);
        assert_eq!(of(SEC_WEBSOCKET_PROTOCOL, "a.b.c"), None);
        assert_eq!(resumption(&HeaderMap::new()), None);
    }

    #[test]
    fn closes_say_why_in_few_bytes() {
        let revoked = closing(CloseReason::ConnectionTokenRevoked);
        assert_eq!(revoked, (4403, "TOKEN_REVOKED"));
        let refused = |fault| {
            let fault = Fault::ConnectionToken(fault);
            let error = restage_core::Error::new(fault, "a sentence");
            refusal(&restage_node::control::Failure::Refused(error).into())
        };
        for (fault, told) in [
            (ConnectionTokenFault::Malformed, (4401, "TOKEN_MALFORMED")),
            (ConnectionTokenFault::Expired, (4401, "TOKEN_EXPIRED")),
            (
                ConnectionTokenFault::NotAllowed,
                (4403, "TOKEN_NOT_ALLOWED"),
            ),
            (ConnectionTokenFault::Revoked, (4403, "TOKEN_REVOKED")),
        ] {
            assert_eq!(refused(fault), told, "{fault:?}");
        }
    }
}
