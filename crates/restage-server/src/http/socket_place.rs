//! The place of a WebSocket in the server's bounds.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::door::{Client, Slot};
use super::listener::Connection;
use super::refusal::Refusal;

/// Most open events sockets and sockets of connection tokens together; further ones are refused as STAGE_AT_CAPACITY.
pub(super) const SOCKETS_MAX: usize = 100_000;

/// What an open socket holds until it is dropped.
pub(super) struct SocketPlace {
    _permit: OwnedSemaphorePermit,
    _slot: Option<Slot>,
    /// An upgraded socket keeps its descriptor after the HTTP connection has ended.
    _descriptor: Option<Arc<OwnedSemaphorePermit>>,
}

impl SocketPlace {
    /// Takes a place for the socket of this request.
    ///
    /// # Errors
    /// The refusal, if the client's address has its share already, or all sockets together are as many as may be.
    pub(super) fn take(app: &App, parts: &Parts) -> Result<Self, Refusal> {
        let client = parts.extensions.get::<Client>().copied();
        let slot = match client.map(|client| app.door.sockets().take(client)) {
            Some(None) => {
                let max = app.door.sockets().max();
                let message =
                    format!("this address has {max} events sockets open, the most one may have");
                let status = StatusCode::TOO_MANY_REQUESTS;
                return Err(Refusal::new(status, "TOO_MANY_CONNECTIONS", message));
            }
            slot => slot.flatten(),
        };
        let connection = parts.extensions.get::<Connection>();
        let Ok(permit) = Arc::clone(&app.sockets).try_acquire_owned() else {
            let message = format!(
                "{SOCKETS_MAX} events sockets are open, the most one server has; try again later"
            );
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Refusal::new(status, "STAGE_AT_CAPACITY", message));
        };
        Ok(Self {
            _permit: permit,
            _slot: slot,
            _descriptor: connection.map(|connection| Arc::clone(&connection.descriptor)),
        })
    }
}
