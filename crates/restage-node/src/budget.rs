//! A bound on what several threads take together, such as bytes that wait in queues.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// An amount that is taken. The orderings are relaxed: the number guards no other memory, and changes of one number have one order.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    taken: AtomicUsize,
}

impl Budget {
    /// Takes so much, unless it would be more than `max` then. Two callers cannot both take the last of it.
    pub(crate) fn take(&self, count: usize, max: usize) -> bool {
        let more = |taken: usize| taken.checked_add(count).filter(|sum| *sum <= max);
        let order = Ordering::Relaxed;
        self.taken.fetch_update(order, order, more).is_ok()
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, count: usize) {
        self.taken.fetch_sub(count, Ordering::Relaxed);
    }

    /// The amount that is taken now.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}
