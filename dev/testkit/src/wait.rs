//! Waits for a state.

use std::time::{Duration, Instant};

/// The longest wait. A busy machine is slow; a broken program would be waited for forever.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Time between two checks.
const POLL: Duration = Duration::from_millis(20);

/// Calls `check` until it returns something, and returns that. `what` names it for the message of a failure.
///
/// # Panics
/// If that takes longer than [`DEADLINE`].
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
