//! The bitrate of a stream, against a limit.

use std::time::{Duration, Instant};

use crate::limits::{BITRATE_OVERSHOOT_PERCENT, BITRATE_WINDOW};

/// Windows of arrival are so much longer than those of the stream's own time, because what a stalled path held back counts to the
/// time in which it arrives.
const ARRIVAL_FACTOR: u32 = 6;
/// What arrives may exceed the limit by so much more, for the same reason.
const ARRIVAL_OVERSHOOT_PERCENT: u64 = 25;

/// Measures the bits of a stream in windows. By the stream's own timestamps the measure is exact; by its arrival it holds also for an
/// encoder whose timestamps run too fast.
#[derive(Debug)]
pub(super) struct Rate {
    began_at: Instant,
    by_timestamp: Meter,
    by_arrival: Meter,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began_at: now,
            by_timestamp: Meter::new(BITRATE_WINDOW),
            by_arrival: Meter::new(BITRATE_WINDOW * ARRIVAL_FACTOR),
        }
    }

    /// Counts bytes. Returns the bits per second, if they exceed the limit by more than encoders overshoot.
    pub(super) fn add(
        &mut self,
        now: Instant,
        timestamp_us: i64,
        bytes: usize,
        limit: u64,
    ) -> Option<u64> {
        let arrived = now.saturating_duration_since(self.began_at);
        let arrived_us = i64::try_from(arrived.as_micros()).unwrap_or(i64::MAX);
        let exceeds =
            |rate: &u64, percent: u64| *rate > limit.saturating_add(limit / 100 * percent);
        let by_timestamp = self.by_timestamp.add(timestamp_us, bytes);
        let by_arrival = self.by_arrival.add(arrived_us, bytes);
        by_timestamp
            .filter(|rate| exceeds(rate, BITRATE_OVERSHOOT_PERCENT))
            .or_else(|| by_arrival.filter(|rate| exceeds(rate, ARRIVAL_OVERSHOOT_PERCENT)))
    }
}

/// Steps that a window is divided into.
const STEPS: usize = 10;

/// The average over a window, which moves on step by step.
#[derive(Debug)]
struct Meter {
    step_us: i64,
    /// The present step, counted from time 0.
    step: i64,
    bytes: u64,
    /// Bytes of earlier steps, newest first.
    steps: [u64; STEPS],
}

impl Meter {
    fn new(window: Duration) -> Self {
        Self {
            step_us: window.as_micros() as i64 / STEPS as i64,
            step: i64::MIN,
            bytes: 0,
            steps: [0; STEPS],
        }
    }

    /// Counts bytes. Returns the bits per second of the last window, whenever a step is over. Time before the first bytes counts as
    /// silence. Bytes that come late count to the present step.
    fn add(&mut self, time_us: i64, bytes: usize) -> Option<u64> {
        let step = (time_us / self.step_us).max(self.step);
        let passed = step.saturating_sub(self.step);
        if self.step == i64::MIN {
            self.step = step;
        }
        let mut rate = None;
        if passed > 0 && step != self.step {
            let shift = usize::try_from(passed).unwrap_or(STEPS).min(STEPS);
            for _ in 0..shift {
                self.steps.rotate_right(1);
                self.steps[0] = std::mem::take(&mut self.bytes);
            }
            self.bytes = 0;
            self.step = step;
            let window_us = (self.step_us * STEPS as i64) as u64;
            rate = Some(self.steps.iter().sum::<u64>() * 8 * 1_000_000 / window_us);
        }
        self.bytes += bytes as u64;
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 8_000_000;

    /// When a stream exceeds the limit, in milliseconds: a picture each 10 ms of arrival, `step_us` apart by its timestamps.
    #[allow(clippy::disallowed_methods)]
    fn exceeds(
        bits_per_s: u64,
        step_us: i64,
        stall_ms: Option<std::ops::Range<i64>>,
    ) -> Option<i64> {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        (0..18_000_i64).map(|picture| picture * 10).find(|ms| {
            let arrived = match &stall_ms {
                Some(stall) if stall.contains(ms) => stall.end,
                _ => *ms,
            };
            let now = begin + Duration::from_millis(arrived as u64);
            let bytes = (bits_per_s / 800) as usize;
            rate.add(now, ms / 10 * step_us, bytes, LIMIT).is_some()
        })
    }

    #[test]
    fn the_limit_may_be_used_and_not_exceeded() {
        assert_eq!(exceeds(LIMIT, 10_000, None), None);
        assert_eq!(exceeds(LIMIT * 109 / 100, 10_000, None), None);
        let excess = exceeds(LIMIT * 12 / 10, 10_000, None).unwrap();
        assert!((9_000..=11_000).contains(&excess), "{excess}");
        let excess = exceeds(LIMIT * 3, 10_000, None).unwrap();
        assert!((3_000..=5_000).contains(&excess), "{excess}");
    }

    #[test]
    fn a_stalled_path_is_no_excess() {
        assert_eq!(exceeds(LIMIT, 10_000, Some(20_000..29_000)), None);
    }

    #[test]
    fn timestamps_that_run_too_fast_hide_nothing() {
        assert!(exceeds(LIMIT * 3 / 2, 20_000, None).is_some());
    }
}
