//! Counts panics in all threads. Each panic ends a part of the server (a request, a connection), never all of it.

use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts one panic; called by the panic hook.
pub fn note() {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// Panics since the start of the process.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}
