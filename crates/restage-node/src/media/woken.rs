//! Whether a worker has been woken and has not looked into its queues since: it is woken once for many messages.

use crate::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, Default)]
pub(super) struct Woken {
    is_woken: AtomicBool,
}

impl Woken {
    /// Called after something was queued. `true`: the caller has to wake the worker.
    pub(super) fn must_wake(&self) -> bool {
        !self.is_woken.swap(true, Ordering::AcqRel)
    }

    /// Called before the worker reads the queues: whatever it does not find there wakes it again.
    ///
    /// Both ends exchange the value, so one of them comes second and sees what the other did before. A mere store would let the worker read
    /// its queues first and clear the flag afterwards: a message queued in between would wait until something else wakes the worker.
    pub(super) fn look(&self) {
        self.is_woken.swap(false, Ordering::AcqRel);
    }
}
