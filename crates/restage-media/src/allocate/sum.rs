//! What the peers of a receiver get together, and which of them has to give way. Each number stands by itself and guards no other memory, so
//! relaxed orderings suffice: the changes of one number have one order that all threads agree on.

use crate::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(super) struct Sum {
    /// The sum of what the peers have reported.
    bits_per_s: AtomicU64,
    /// Peers so far. Numbers them from 1.
    peers: AtomicU64,
    /// Number of the newest peer whose part has grown while the sum exceeds the limit; 0 if there is none.
    grown: AtomicU64,
}

impl Sum {
    pub(super) fn bits_per_s(&self) -> u64 {
        self.bits_per_s.load(Ordering::Relaxed)
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

    /// This peer has given way, or need not any more. The claim of another one stays.
    pub(super) fn withdraw(&self, number: u64) {
        let order = Ordering::Relaxed;
        self.grown.compare_exchange(number, 0, order, order).ok();
    }
}
