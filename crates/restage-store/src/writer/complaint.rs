//! An error that the writer meets again and again is logged now and then, so that a disk that is full for a night does not
//! fill another one with the log.

use std::time::{Duration, Instant};

/// How often the same error is logged.
const EVERY: Duration = Duration::from_secs(10);

/// What was logged last.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    last: Option<(String, Instant)>,
    kept_back: u64,
}

impl Complaint {
    /// Whether this error is to be logged: one that is new, or that was not logged for a while; then how often it was kept
    /// back since.
    pub(super) fn admit(&mut self, error: String, now: Instant) -> Option<u64> {
        let is_known = self
            .last
            .as_ref()
            .is_some_and(|(said, at)| *said == error && now.saturating_duration_since(*at) < EVERY);
        if is_known {
            self.kept_back += 1;
            return None;
        }
        self.last = Some((error, now));
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_said_now_and_then_and_what_is_new_at_once() {
        let mut complaint = Complaint::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut said = |error: &str, seconds| complaint.admit(error.to_owned(), after(seconds));
        assert_eq!(said("full", 0), Some(0));
        assert_eq!(said("full", 1), None);
        assert_eq!(said("full", 9), None);
        assert_eq!(said("full", 10), Some(2));
        assert_eq!(said("locked", 11), Some(0));
        assert_eq!(said("full", 12), Some(0));
        assert_eq!(said("full", 13), None);
    }
}
