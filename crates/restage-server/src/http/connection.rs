//! The WebSocket of a connection token: `GET /connection` with the token as sub-protocol. It lives as long as the client's
//! connection, whichever stages that is in, and tells the client when its token is revoked. Its text frames are JSON. The server
//! begins with CONNECTION_STATE, answers PING with PONG and a message of an unknown type with ERROR. Messages whose names begin with
//! RECEIVE are about the one connection by which the token's participants receive, in all their stages.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::request::Parts;
use restage_core::ConnectionTokenClaims;
use restage_node::control::{ConnectionClose, ConnectionSocket, JoinError};
use tokio::time::{Instant, interval_at};

use super::App;
use super::bearer::{CONNECTION, SocketBearer};
use super::events::{self, RESTART, TOKEN_REVOKED};
use super::receive;
use super::refusal::Refusal;
use super::socket::{self, Handshake, Message, Socket};
use super::socket_message::{
    BINARY, ClientMessage, PING_EVERY, SILENCE_MAX, close_code, frame, understand, unknown_type,
};
use super::socket_place::SocketPlace;
use super::token_check::{self, TokenRefused};

/// The types of messages that clients may send.
const KNOWN: &str = "PING, RECEIVE_CONFIGURE, RECEIVE_ANSWER, RECEIVE_RESTART or RECEIVE_CLOSE";

/// The route of the sockets of connection tokens.
pub(super) fn routes() -> Router<App> {
    Router::new().route(CONNECTION, get(upgrade))
}

async fn upgrade(
    State(app): State<App>,
    handshake: Handshake,
    SocketBearer(token): SocketBearer,
    parts: Parts,
) -> Result<Response, Refusal> {
    let token = token?.text;
    let place = SocketPlace::take(&app, &parts)?;
    // A browser sees a close code but never an HTTP status, so a bad token is refused after the upgrade.
    let claims = match token_check::connection_claims(&app, &parts.extensions, &token).await {
        Ok(claims) => Ok(claims),
        Err(TokenRefused::Token(error)) => Err(error),
        Err(refused) => return Err(refused.into()),
    };
    let protocol = events::offered(&parts.headers, &token);
    Ok(handshake.grant(protocol, move |mut socket| async move {
        let told = serve(&app, &mut socket, claims).await;
        if let Some((code, reason)) = told {
            socket.close(code, reason).await;
            socket.farewell().await;
        }
        drop(place);
    }))
}

/// Serves the socket until one side ends it. Returns the close code and reason to send, if any.
async fn serve(
    app: &App,
    socket: &mut Socket,
    claims: Result<ConnectionTokenClaims, JoinError>,
) -> Option<(u16, &'static str)> {
    let opened = match claims {
        Ok(claims) => app.control.open_connection_socket(&claims).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(opened) => run(app, socket, opened).await,
        Err(error) => Some(events::refusal(&error)),
    }
}

async fn run(
    app: &App,
    socket: &mut Socket,
    mut opened: ConnectionSocket,
) -> Option<(u16, &'static str)> {
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut last_received = Instant::now();
    let state = serde_json::json!({ "connectionTokenId": opened.id.as_str() });
    let state = frame("CONNECTION_STATE", Some(state));
    socket.send(Message::text(state)).await?;
    loop {
        tokio::select! {
            message = socket.recv() => {
                last_received = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        let message = match understand(text.as_str()) {
                            Ok(message) => message,
                            Err(refused) => return Some(refused),
                        };
                        if let Some(answer) = answer(app, &mut opened, &message).await {
                            socket.send(Message::text(answer)).await?;
                        }
                    }
                    Some(Ok(Message::Binary(_))) => return Some(BINARY),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return None,
                    Some(Err(error)) => return socket::fault(&error),
                }
            }
            (id, news) = opened.receiving.next() => {
                let relay = app.control.relay_of_connection(&opened);
                let whose = (&id, receive::Scope::Token);
                let (kind, payload) = receive::news(whose, &news, &app.ice_servers, relay.as_ref());
                socket.send(Message::text(frame(kind, Some(payload)))).await?;
            }
            _ = opened.close.changed() => {
                return Some(match *opened.close.borrow_and_update() {
                    Some(ConnectionClose::Revoked) => (close_code::NOT_ALLOWED, TOKEN_REVOKED),
                    Some(ConnectionClose::Replaced) => (close_code::REPLACED, "REPLACED"),
                    Some(ConnectionClose::Restart) | None => RESTART,
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

/// The answer to a message, if it has one.
async fn answer(
    app: &App,
    opened: &mut ConnectionSocket,
    message: &ClientMessage,
) -> Option<String> {
    if let Some(kind) = receive::Kind::of(&message.r#type) {
        let asking = receive::Asking::Token(opened);
        let answer = receive::answer(app, asking, kind, &message.payload).await;
        return answer.map(|(kind, told)| frame(kind, Some(told)));
    }
    Some(match message.r#type.as_str() {
        "PING" => frame("PONG", None),
        unknown => frame("ERROR", Some(unknown_type(unknown, KNOWN))),
    })
}
