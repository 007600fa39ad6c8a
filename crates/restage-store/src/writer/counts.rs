//! Counters of changes, in slots that several subjects may share.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The counters. The writer adds after its commit: whoever reads a count and then the database finds what was counted there
/// (release and acquire).
#[derive(Debug)]
pub(crate) struct Counts {
    of_all: AtomicU64,
    of_slots: Box<[AtomicU64]>,
}

impl Counts {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            of_all: AtomicU64::new(0),
            of_slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Counts a change in a slot.
    pub(crate) fn add(&self, slot: usize) {
        self.of_slots[slot].fetch_add(1, Ordering::Release);
    }

    /// Counts a change in every slot.
    pub(crate) fn add_to_all(&self) {
        self.of_all.fetch_add(1, Ordering::Release);
    }

    /// The sum of these slots; it grows with every change in any of them.
    pub(crate) fn sum(&self, slots: [usize; 2]) -> u64 {
        let of_slots = slots.map(|slot| self.of_slots[slot].load(Ordering::Acquire));
        let of_all = self.of_all.load(Ordering::Acquire);
        of_slots.into_iter().fold(of_all, u64::wrapping_add)
    }
}
