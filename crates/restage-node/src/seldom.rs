//! Limits the rate of log lines that could be written many times a second, and counts the suppressed ones.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest interval between two lines of one kind.
const EVERY: Duration = Duration::from_secs(10);

/// Decides whether a line of one kind is written. Each place that writes such a line has its own, as a `static`.
#[derive(Debug)]
pub struct Seldom(Mutex<Option<Said>>);

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    kept_back: u64,
}

/// The number of lines that were suppressed before the present one: the end of its sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptBack {
    count: u64,
    within: Duration,
}

impl Default for Seldom {
    fn default() -> Self {
        Self::new()
    }
}

impl Seldom {
    /// A limiter that has written no line yet.
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether to write the line now.
    pub fn admit(&self) -> Option<KeptBack> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<KeptBack> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = held.as_mut()
            && now < said.at + EVERY
        {
            said.kept_back += 1;
            return None;
        }
        let kept_back = held.map_or(
            KeptBack {
                count: 0,
                within: Duration::ZERO,
            },
            |said| KeptBack {
                count: said.kept_back,
                within: now - said.at,
            },
        );
        *held = Some(Said {
            at: now,
            kept_back: 0,
        });
        Some(kept_back)
    }
}

impl fmt::Display for KeptBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => Ok(()),
            count => write!(
                f,
                " (and {count} times more in the last {} s)",
                self.within.as_secs()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_in_a_while_and_counts_the_others() {
        let seldom = Seldom::new();
        let start = Instant::now();
        let line = |after| seldom.admit_at(start + after).map(|line| line.to_string());
        assert_eq!(line(Duration::ZERO).as_deref(), Some(""));
        for _ in 0..7 {
            assert_eq!(line(EVERY / 2), None);
        }
        let said = line(EVERY);
        assert_eq!(
            said.as_deref(),
            Some(" (and 7 times more in the last 10 s)")
        );
        assert_eq!(line(EVERY), None);
        let said = line(EVERY * 4);
        assert_eq!(
            said.as_deref(),
            Some(" (and 1 times more in the last 30 s)")
        );
    }
}
