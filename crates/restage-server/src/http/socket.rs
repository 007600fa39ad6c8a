//! A WebSocket (RFC 6455): its handshake, messages of bounded size, and a close that the client receives.

use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::refusal::Refusal;

pub(super) use tokio_tungstenite::tungstenite::Message;

/// Longest message from a client: an SDP answer to an offer of many streams. Each section of Chromium's has about 1.5 kB.
const MESSAGE_LEN_MAX: usize = 512 * 1024;
/// The buffer that each open socket has for reading.
const READ_BUFFER_LEN: usize = 4 * 1024;
/// A client that does not accept data for this long is gone.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Time limit for the client to close its side after our close frame. Closing ours while data of the client is
/// unread would reset the connection and discard the reason.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// Close codes of RFC 6455 §7.4.1.
mod close_code {
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const NOT_TEXT: u16 = 1007;
    pub(super) const TOO_BIG: u16 = 1009;
}

/// A request to open a socket that can be accepted.
pub(super) struct Handshake {
    response: Response,
    upgrade: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut request = Request::new(());
        request.method_mut().clone_from(&parts.method);
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        let response = create_response_with_body(&request, Body::empty);
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        match (response, upgrade) {
            (Ok(response), Some(upgrade)) => Ok(Self { response, upgrade }),
            (Err(Error::Protocol(ProtocolError::MissingSecWebSocketKey)), _) => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "INVALID",
                "a WebSocket handshake has a Sec-WebSocket-Key",
            )),
            _ => Err(Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                "UPGRADE_REQUIRED",
                "this is a WebSocket, version 13: open it with ws:// or wss://, and let proxies pass Upgrade on",
            )
            .with(UPGRADE, "websocket")
            .with(SEC_WEBSOCKET_VERSION, "13")),
        }
    }
}

impl Handshake {
    /// Accepts it and confirms the sub-protocol, if the client offered one.
    pub(super) fn grant<F>(
        self,
        protocol: Option<HeaderValue>,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let Self {
            mut response,
            upgrade,
        } = self;
        tokio::spawn(async move {
            // An error means that the client is already gone.
            if let Ok(upgraded) = upgrade.await {
                serve(Socket::over(upgraded).await).await;
            }
        });
        if let Some(protocol) = protocol {
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

/// Most bytes that wait for the client, including answers to its pings. A client that exceeds this is gone. The
/// state of a stage with thousands of publishers fits.
const WRITE_BUFFER_LEN_MAX: usize = 4 << 20;

/// An open socket.
pub(super) struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    async fn over(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_LEN)
            .max_write_buffer_size(WRITE_BUFFER_LEN_MAX)
            .max_message_size(Some(MESSAGE_LEN_MAX))
            .max_frame_size(Some(MESSAGE_LEN_MAX));
        let stream = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
    }

    /// The client's next message; `None` at the end. After an error nothing more follows.
    pub(super) async fn recv(&mut self) -> Option<Result<Message, Error>> {
        self.0.next().await
    }

    /// Sends a message; `None` if the client does not accept it.
    pub(super) async fn send(&mut self, message: Message) -> Option<()> {
        tokio::time::timeout(SEND_MAX, self.0.send(message))
            .await
            .ok()?
            .ok()
    }

    /// Sends the reason for the end to the client.
    pub(super) async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.send(Message::Close(Some(frame))).await;
    }

    /// Reads until the client has closed its side, or until the time limit. Messages and then raw bytes are discarded,
    /// because the client may be sending a message of any length.
    pub(super) async fn farewell(&mut self) {
        let closed = async {
            while let Some(Ok(_)) = self.0.next().await {}
            let stream = self.0.get_mut();
            stream.shutdown().await.ok();
            let mut scratch = [0; READ_BUFFER_LEN];
            while stream
                .read(&mut scratch)
                .await
                .is_ok_and(|length| length > 0)
            {}
        };
        // A client that takes longer is disconnected.
        let _ = tokio::time::timeout(FAREWELL_MAX, closed).await;
    }
}

/// The close code and reason for bytes that were not a message; `None` if the client has disconnected.
pub(super) fn fault(error: &Error) -> Option<(u16, &'static str)> {
    match error {
        Error::Capacity(_) => Some((
            close_code::TOO_BIG,
            "a message may have at most 524288 bytes",
        )),
        Error::Utf8(_) => Some((close_code::NOT_TEXT, "text frames are UTF-8")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((close_code::PROTOCOL, "this is no frame of RFC 6455")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_limit() {
        let error = Error::Capacity(
            tokio_tungstenite::tungstenite::error::CapacityError::MessageTooLong {
                size: 20_000,
                max_size: MESSAGE_LEN_MAX,
            },
        );
        let (code, reason) = fault(&error).unwrap();
        assert_eq!(code, 1009);
        assert!(reason.contains(&MESSAGE_LEN_MAX.to_string()), "{reason}");
        assert_eq!(fault(&Error::ConnectionClosed), None);
    }
}
