//! What the relays of TURN have in common: those of the workers, for clients that use UDP, and those of connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use restage_turn::{Credentials, Peers, Quota, Server, Time};

/// The settings and the bounds of all relays.
pub(super) struct Relay {
    pub(super) credentials: Credentials,
    pub(super) quota: Arc<Quota>,
    peers: Arc<Peers>,
    /// An instant, and the time since 1970 then.
    epoch: (Instant, Duration),
}

impl Relay {
    pub(super) fn new(credentials: Credentials, peers: Peers, epoch: (Instant, Duration)) -> Self {
        Self {
            credentials,
            quota: Arc::default(),
            peers: Arc::new(peers),
            epoch,
        }
    }

    /// A relay without allocations.
    pub(super) fn server(&self) -> Server {
        let (quota, peers) = (Arc::clone(&self.quota), Arc::clone(&self.peers));
        Server::new(self.credentials.clone(), quota, peers)
    }

    pub(super) fn time(&self, now: Instant) -> Time {
        let (then, since_1970) = self.epoch;
        let unix = since_1970 + now.saturating_duration_since(then);
        Time {
            now,
            unix_s: unix.as_secs(),
        }
    }
}
