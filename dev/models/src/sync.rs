//! What `crate::sync` is in the crates, with the types of loom.

pub(crate) use loom::sync::{Mutex, MutexGuard};
pub(crate) use std::sync::{PoisonError, TryLockError};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
}

/// Instead of the channel of tokio that keeps the newest value.
pub(crate) mod watch {
    use loom::sync::{Condvar, Mutex};

    #[derive(Debug)]
    pub(crate) struct Sender<T> {
        newest: Mutex<(u64, T)>,
        changed: Condvar,
    }

    impl<T> Sender<T> {
        pub(crate) fn new(value: T) -> Self {
            Self {
                newest: Mutex::new((0, value)),
                changed: Condvar::new(),
            }
        }

        pub(crate) fn send_replace(&self, value: T) {
            let mut newest = self.newest.lock().unwrap();
            *newest = (newest.0 + 1, value);
            self.changed.notify_all();
        }

        /// The number of the newest value.
        pub(crate) fn version(&self) -> u64 {
            self.newest.lock().unwrap().0
        }

        /// Waits for a newer value than this one.
        pub(crate) fn after(&self, version: u64) {
            let mut newest = self.newest.lock().unwrap();
            while newest.0 <= version {
                newest = self.changed.wait(newest).unwrap();
            }
        }
    }
}
