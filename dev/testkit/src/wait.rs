//! Waiting for a state.

use std::time::{Duration, Instant};

/// Longest wait for anything: a busy machine is slow, a broken program waits for ever.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Calls `check` until it gives something, and returns that. `what` is what is waited for, in the words of the failure.
///
/// # Panics
/// When that takes longer than [`DEADLINE`].
#[allow(clippy::disallowed_methods)]
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let ends_at = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < ends_at, "not within {DEADLINE:?}: {what}");
        std::thread::park_timeout(POLL);
    }
}
