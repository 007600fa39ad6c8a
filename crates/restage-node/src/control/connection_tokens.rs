//! Connection tokens: verifies them, and knows the sockets that stand for one each.
//!
//! What else was opened with a connection token is among the connections, whose rows name it, so the rules end it. The sockets
//! here have no rows. A revocation reaches each of them all the same: a socket is in the table before the store is asked whether
//! its token was revoked, and the effect of a revocation looks into the table after the revocation was committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restage_core::id::{ConnectionId, Time};
use restage_core::row::{ConnectionTokenId, ConnectionTokenKey};
use restage_core::{CloseReason, ConnectionTokenClaims, ConnectionTokenFault, Error, Fault};
use restage_store::system::{clock, ids};
use tokio::sync::watch;

use super::ended::Ending;
use super::receive::ReceiveLink;
use super::{Control, Failure, JoinError};
use crate::media::RelayCredential;
use crate::token::TokenError;

/// Why the server ends the socket of a connection token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionClose {
    /// A newer socket of the same token took its place.
    Replaced,
    /// The token was revoked.
    Revoked,
    /// The server is stopping.
    Restart,
}

/// An open socket of a connection token. It is forgotten when this is dropped.
#[derive(Debug)]
pub struct ConnectionSocket {
    /// The token's identity.
    pub id: ConnectionTokenId,
    /// The socket ends when a reason is set here.
    pub close: watch::Receiver<Option<ConnectionClose>>,
    /// The receiving connection of this token, once it has one.
    pub receiving: ReceiveLink,
    /// When the token expires.
    pub(super) expires_at: Time,
    pub(super) connection: ConnectionId,
    pub(super) key: ConnectionTokenKey,
    number: u64,
    table: ConnectionSockets,
}

impl Drop for ConnectionSocket {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        let is_own = |entry: &Entry| entry.number == self.number;
        if table.open.get(&self.key).is_some_and(is_own) {
            table.open.remove(&self.key);
        }
        drop(table);
        // Its receiving connection waits for another socket of the token, unless there can be none.
        let is_revoked = *self.close.borrow() == Some(ConnectionClose::Revoked);
        let ending = is_revoked.then(|| Ending::of_rules(CloseReason::ConnectionTokenRevoked));
        self.receiving.left(&self.connection, ending);
    }
}

/// The open sockets of connection tokens, at most one of each. Their number is bounded by the HTTP listener's sockets.
#[derive(Clone, Default, Debug)]
pub(super) struct ConnectionSockets(Arc<Mutex<Table>>);

#[derive(Default, Debug)]
struct Table {
    open: HashMap<ConnectionTokenKey, Entry>,
    /// Number of sockets so far, by which two of one token are told apart.
    opened: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    close: watch::Sender<Option<ConnectionClose>>,
}

impl ConnectionSockets {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a socket in. The earlier one of the same token ends.
    fn open(&self, key: ConnectionTokenKey, expires_at: Time) -> ConnectionSocket {
        let (sender, close) = watch::channel(None);
        let mut table = self.lock();
        table.opened += 1;
        let number = table.opened;
        let entry = Entry {
            number,
            close: sender,
        };
        if let Some(earlier) = table.open.insert(key.clone(), entry) {
            earlier.close.send_replace(Some(ConnectionClose::Replaced));
        }
        drop(table);
        ConnectionSocket {
            id: key.id.clone(),
            close,
            receiving: ReceiveLink::default(),
            expires_at,
            connection: ids::connection(),
            key,
            number,
            table: self.clone(),
        }
    }

    /// Ends the socket of a token.
    pub(super) fn revoke(&self, key: &ConnectionTokenKey) {
        if let Some(entry) = self.lock().open.remove(key) {
            entry.close.send_replace(Some(ConnectionClose::Revoked));
        }
    }

    /// Ends all of them, because the server stops.
    pub(super) fn stop(&self) {
        for (_, entry) in self.lock().open.drain() {
            entry.close.send_replace(Some(ConnectionClose::Restart));
        }
    }
}

/// The code by which clients are told what is wrong with a connection token.
pub const fn code_of(fault: ConnectionTokenFault) -> &'static str {
    match fault {
        ConnectionTokenFault::Malformed => "TOKEN_MALFORMED",
        ConnectionTokenFault::Expired => "TOKEN_EXPIRED",
        ConnectionTokenFault::NotAllowed => "TOKEN_NOT_ALLOWED",
        ConnectionTokenFault::Revoked => "TOKEN_REVOKED",
    }
}

/// The refusal of a connection token whose form or signature is wrong.
fn malformed(error: &TokenError) -> JoinError {
    let fault = Fault::ConnectionToken(ConnectionTokenFault::Malformed);
    let message = format!("connection token: {error}");
    Failure::Refused(Error::new(fault, message)).into()
}

/// The token's name at the relay, which no participant has: that of a participant begins with the id of its stage.
pub(super) fn relay_name(key: &ConnectionTokenKey) -> String {
    let ConnectionTokenKey {
        account,
        region,
        id,
    } = key;
    format!("/{account}/{region}/{id}")
}

impl Control {
    /// The claims of a connection token, if its signature is valid. Its times and its revocation are looked at where it is used.
    ///
    /// # Errors
    /// [`JoinError::Control`]: a fault of the token, or the store fails.
    pub async fn verify_connection_token(
        &self,
        token: &str,
    ) -> Result<ConnectionTokenClaims, JoinError> {
        let tokens = &self.inner.tokens;
        let unverified = tokens
            .read_connection(token)
            .map_err(|error| malformed(&error))?;
        if tokens.is_known_wrong(token) {
            return Err(malformed(&TokenError::Signature));
        }
        let Some(point) = self.point_of(&unverified.key).await? else {
            let unknown = TokenError::UnknownKey(unverified.key.clone());
            return Err(malformed(&unknown));
        };
        let claims = tokens.verify(token, unverified, &point);
        claims.map_err(|error| malformed(&error))
    }

    /// Opens the socket of a verified connection token.
    ///
    /// # Errors
    /// [`JoinError::Control`]: the token has expired or was revoked, or the store fails. [`JoinError::Restarting`].
    pub async fn open_connection_socket(
        &self,
        claims: &ConnectionTokenClaims,
    ) -> Result<ConnectionSocket, JoinError> {
        let key = claims.key();
        let revoked = self.inner.store.is_revoked(&key).await;
        // A token that is no good does not end the socket of one with the same id.
        self.check_connection_token(claims, revoked)?;
        let sockets = &self.inner.connection_sockets;
        let socket = sockets.open(key.clone(), claims.expires_at);
        let revoked = self.inner.store.is_revoked(&key).await;
        self.check_connection_token(claims, revoked)?;
        self.check_running()?;
        Ok(socket)
    }

    /// A credential of the relay for whoever has this socket, if there is a relay.
    pub fn relay_of_connection(&self, socket: &ConnectionSocket) -> Option<RelayCredential> {
        let expires_s = u64::try_from(socket.expires_at.0 / 1_000_000).unwrap_or(0);
        let name = relay_name(&socket.key);
        self.inner.media.relay_credential(&name, expires_s)
    }

    fn check_connection_token(
        &self,
        claims: &ConnectionTokenClaims,
        revoked: Result<bool, restage_store::StoreError>,
    ) -> Result<(), JoinError> {
        let is_revoked = revoked.map_err(Failure::from)?;
        let checked = claims.check(clock::now(), is_revoked);
        checked.map_err(|refused| Failure::Refused(refused).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, region: &str) -> ConnectionTokenKey {
        ConnectionTokenKey {
            account: "000000000000".to_owned(),
            region: region.to_owned(),
            id: id.into(),
        }
    }

    fn open(table: &ConnectionSockets, id: &str, region: &str) -> ConnectionSocket {
        table.open(key(id, region), Time(1))
    }

    fn told(socket: &ConnectionSocket) -> Option<ConnectionClose> {
        *socket.close.borrow()
    }

    #[test]
    fn a_newer_socket_of_a_token_takes_the_place_of_the_earlier_one_only() {
        let table = ConnectionSockets::default();
        let first = open(&table, "t1", "eu-west-1");
        let other = open(&table, "t2", "eu-west-1");
        let elsewhere = open(&table, "t1", "us-east-1");
        let second = open(&table, "t1", "eu-west-1");
        assert_eq!(told(&first), Some(ConnectionClose::Replaced));
        for socket in [&other, &elsewhere, &second] {
            assert_eq!(told(socket), None, "{socket:?}");
        }
        // The end of the earlier one is not that of the newer one.
        drop(first);
        table.revoke(&key("t1", "eu-west-1"));
        assert_eq!(told(&second), Some(ConnectionClose::Revoked));
        assert_eq!((told(&other), told(&elsewhere)), (None, None));
    }

    #[test]
    fn what_is_closed_is_forgotten() {
        let table = ConnectionSockets::default();
        drop(open(&table, "t1", "eu-west-1"));
        assert!(table.lock().open.is_empty());
        let sockets = ["t1", "t2"].map(|id| open(&table, id, "eu-west-1"));
        table.stop();
        assert!(table.lock().open.is_empty());
        for socket in &sockets {
            assert_eq!(told(socket), Some(ConnectionClose::Restart));
        }
        table.revoke(&key("t1", "eu-west-1"));
    }
}
