//! The connections of all listeners, within their bounds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restage_core::rate::{Buckets, Rate};
use restage_node::seldom::Seldom;
use restage_rtmp::limits::STREAMS_MAX;
use restage_rtmp::{Admission, ConnectionNumber, client_of};
use restage_store::system::clock;
use tokio::sync::oneshot;

/// How often wrong stream keys may come from a client. Beyond that it is refused whatever key it gives.
const WRONG_KEYS: Rate = Rate {
    per_second: 1,
    burst: 30,
};
/// Clients whose wrong keys are counted.
const CLIENTS_MAX: usize = 10_000;

/// The connections of all listeners.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Mutex<Table>>);

struct Table {
    admission: Admission,
    /// Ends a connection that makes room for another one: of those that do not publish yet.
    ends: HashMap<ConnectionNumber, oneshot::Sender<()>>,
    wrong_keys: Buckets<IpAddr>,
}

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Table {
            admission: Admission::default(),
            ends: HashMap::new(),
            wrong_keys: Buckets::with_room_for(CLIENTS_MAX),
        })))
    }
}

/// A place among the connections; it is free again when this is dropped.
pub(super) struct Place {
    connections: Connections,
    address: IpAddr,
    number: ConnectionNumber,
    publishes: bool,
}

impl Connections {
    /// Takes a connection. What is returned beside its place resolves when it is to be closed to make room.
    pub(super) fn admit(&self, address: IpAddr) -> Option<(Place, oneshot::Receiver<()>)> {
        let mut table = self.lock();
        let admitted = match table.admission.admit(address) {
            Ok(admitted) => admitted,
            Err(crowded) => {
                static CROWDED: Seldom = Seldom::new();
                if let Some(kept_back) = CROWDED.admit() {
                    tracing::warn!("an encoder was refused: {crowded}{kept_back}");
                }
                return None;
            }
        };
        if let Some(evicted) = admitted.evicted {
            // Its task ends when the sender is dropped.
            table.ends.remove(&evicted);
        }
        let number = admitted.number;
        let (end, ended) = oneshot::channel();
        table.ends.insert(number, end);
        let connections = self.clone();
        let place = Place {
            connections,
            address,
            number,
            publishes: false,
        };
        Some((place, ended))
    }

    /// The number of connections: those that do not publish yet, and those that do.
    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        let table = self.lock();
        (table.admission.waiting(), table.admission.streams())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether one more connection could publish.
    pub(super) fn has_room(&self) -> bool {
        self.connections.lock().admission.streams() < STREAMS_MAX
    }

    /// The connection publishes. `false`: as many as possible publish already.
    pub(super) fn publish(&mut self) -> bool {
        let mut table = self.connections.lock();
        self.publishes = table.admission.publish(self.address, self.number);
        self.publishes
    }

    /// Whether the client has sent too many wrong keys.
    pub(super) fn guesses_keys(&self) -> bool {
        let table = self.connections.lock();
        let client = client_of(self.address);
        !table.wrong_keys.has(&client, WRONG_KEYS, clock::steady())
    }

    /// The client has sent a wrong key.
    pub(super) fn note_wrong_key(&self) {
        let mut table = self.connections.lock();
        let client = client_of(self.address);
        table.wrong_keys.take(client, WRONG_KEYS, clock::steady());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        table.ends.remove(&self.number);
        match self.publishes {
            true => table.admission.end(),
            false => table.admission.leave(self.address, self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use restage_rtmp::limits::{WAITING_MAX, WAITING_PER_CLIENT_MAX};

    #[test]
    fn a_place_is_free_again_when_its_connection_has_ended() {
        let connections = Connections::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut places: Vec<_> = (0..WAITING_PER_CLIENT_MAX)
            .map(|_| connections.admit(address).unwrap())
            .collect();
        assert!(connections.admit(address).is_none());
        assert!(places[0].0.publish());
        let more = connections.admit(address).unwrap();
        assert_eq!(connections.counts(), (WAITING_PER_CLIENT_MAX, 1));
        drop((places, more));
        assert_eq!(connections.counts(), (0, 0));
        assert!(connections.lock().ends.is_empty());
    }

    #[test]
    fn one_that_makes_room_is_ended() {
        let connections = Connections::default();
        let address = |number: u32| IpAddr::V4(number.into());
        let mut places: Vec<_> = (0..WAITING_MAX as u32)
            .map(|number| connections.admit(address(number / 16)).unwrap())
            .collect();
        let _new = connections.admit(address(1_000)).unwrap();
        let mut ended = 0;
        for (_, end) in &mut places {
            ended += usize::from(end.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        }
        assert_eq!(ended, 1);
    }

    #[test]
    fn a_client_that_guesses_keys_is_known() {
        let connections = Connections::default();
        let guessing = connections.admit(IpAddr::from([192, 0, 2, 1])).unwrap().0;
        let other = connections.admit(IpAddr::from([192, 0, 2, 2])).unwrap().0;
        for _ in 0..WRONG_KEYS.burst {
            assert!(!guessing.guesses_keys());
            guessing.note_wrong_key();
        }
        assert!(guessing.guesses_keys());
        assert!(!other.guesses_keys());
    }
}
