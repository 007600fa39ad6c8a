//! What the peers of one receiver have in common, on whichever workers they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::table::{Allotment, News, Table};

/// One receiver: what it gets through all its peers together, on whichever [`Sfu`](crate::Sfu)s they are.
/// The caller creates it and passes it in with each peer ([`Control::OpenSubscriber`](crate::Control::OpenSubscriber)).
///
/// What its network carries is allotted to its peers by their wishes and priorities: each is shown the layer for which there is
/// room. No packet waits for this: each peer comes here at its own timer.
///
/// A hard limit is another thing. When the sum exceeds it, the newest of the peers whose part has grown is shown a smaller layer, or is
/// ended if there is none. The other peers are left alone.
#[derive(Debug)]
pub struct Download {
    limit: Option<u64>,
    /// The sum of what its peers have reported.
    bits_per_s: AtomicU64,
    /// Peers so far. Numbers them from 1.
    peers: AtomicU64,
    /// Number of the newest peer whose part has grown while the sum exceeds the limit; 0 if there is none.
    grown: AtomicU64,
    table: Mutex<Table>,
}

impl Download {
    /// A limit of this many bits per second.
    pub fn new(bits_per_s_max: u64) -> Self {
        Self {
            limit: Some(bits_per_s_max),
            ..Self::unlimited()
        }
    }

    /// No limit but what the network carries.
    pub fn unlimited() -> Self {
        Self {
            limit: None,
            bits_per_s: AtomicU64::new(0),
            peers: AtomicU64::new(0),
            grown: AtomicU64::new(0),
            table: Mutex::default(),
        }
    }

    /// The present rate, in bits per second. 0 without a limit: then nothing is counted.
    pub fn bits_per_s(&self) -> u64 {
        self.bits_per_s.load(Ordering::Relaxed)
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// A number that no other peer has.
    pub(super) fn next_number(&self) -> u64 {
        self.peers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A part has changed from `before` to `after`. Returns the sum.
    pub(super) fn change(&self, before: u64, after: u64) -> u64 {
        // Additions wrap, so this also subtracts.
        let by = after.wrapping_sub(before);
        self.bits_per_s
            .fetch_add(by, Ordering::Relaxed)
            .wrapping_add(by)
    }

    /// Number of the newest peer whose part has grown; this peer counts if it `has_grown`.
    pub(super) fn newest(&self, number: u64, has_grown: bool) -> u64 {
        if has_grown {
            self.grown.fetch_max(number, Ordering::Relaxed).max(number)
        } else {
            self.grown.load(Ordering::Relaxed)
        }
    }

    /// This peer has given way, or need not any more.
    pub(super) fn withdraw(&self, number: u64) {
        let order = Ordering::Relaxed;
        self.grown.compare_exchange(number, 0, order, order).ok();
    }

    /// Held for a few microseconds, by a peer at its timer. A panic of another peer leaves a table that is whole enough.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one peer among those of its receiver.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Download>,
    number: u64,
}

impl Place {
    pub(crate) fn new(of: &Arc<Download>) -> Self {
        Self {
            of: Arc::clone(of),
            number: of.next_number(),
        }
    }

    /// Reports what the peer knows of its flow, and takes what it is allotted.
    pub(crate) fn turn(&self, now: Instant, news: &News<'_>) -> Allotment {
        self.of.table().turn(now, self.number, news, None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.table().leave(self.number);
    }
}
