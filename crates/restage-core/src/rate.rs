//! How often something may be done: token buckets, with the time as an argument.

use std::collections::HashMap;
use std::hash::Hash;

use crate::id::Time;

/// Buckets that are kept apart from full ones, which need not be kept.
pub const BUCKETS_MAX: usize = 100_000;
/// One call, in the unit of a bucket's level: a rate of one a second adds one of these each microsecond.
const CALL: u64 = 1_000_000;

/// So many a second over time, so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Calls a second.
    pub per_second: u32,
    /// Calls at once, after a pause.
    pub burst: u32,
}

impl Rate {
    /// As many at once as in a second.
    pub const fn per_second(calls: u32) -> Self {
        Self {
            per_second: calls,
            burst: calls,
        }
    }

    fn capacity(self) -> u64 {
        u64::from(self.burst) * CALL
    }
}

/// What is left of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bucket {
    level: u64,
    at: Time,
}

impl Bucket {
    /// What has flowed in until now. A clock that goes back adds nothing.
    fn level(self, rate: Rate, now: Time) -> u64 {
        let elapsed_us = u64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(0);
        let gained = elapsed_us.saturating_mul(u64::from(rate.per_second));
        self.level.saturating_add(gained).min(rate.capacity())
    }
}

/// One rate for many who each have it to themselves.
#[derive(Clone, Debug)]
pub struct Buckets<K> {
    held: HashMap<K, (Rate, Bucket)>,
    max: usize,
}

impl<K: Eq + Hash> Default for Buckets<K> {
    fn default() -> Self {
        Self::with_room_for(BUCKETS_MAX)
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Keeps at most so many buckets. When more are in use at a time all are forgotten, which is
    /// forgiving: a bound on memory must not lock clients out.
    pub fn with_room_for(max: usize) -> Self {
        Self {
            held: HashMap::new(),
            max,
        }
    }

    /// Whether one more call would be within the rate of `key`. Nothing is counted.
    pub fn has(&self, key: &K, rate: Rate, now: Time) -> bool {
        let held = self.held.get(key);
        held.is_none_or(|(_, bucket)| bucket.level(rate, now) >= CALL)
    }

    /// Whether one more call is within the rate of `key`; if so, it is counted.
    pub fn take(&mut self, key: K, rate: Rate, now: Time) -> bool {
        if self.held.len() >= self.max && !self.held.contains_key(&key) {
            self.held
                .retain(|_, (rate, bucket)| bucket.level(*rate, now) < rate.capacity());
            if self.held.len() >= self.max {
                self.held.clear();
            }
        }
        let full = Bucket {
            level: rate.capacity(),
            at: now,
        };
        let (_, bucket) = self.held.entry(key).or_insert((rate, full));
        let level = bucket.level(rate, now);
        bucket.at = bucket.at.max(now);
        bucket.level = level.saturating_sub(CALL);
        if level < CALL {
            bucket.level = level;
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(1_790_000_000_000_000);

    fn after(microseconds: i64) -> Time {
        Time(START.0 + microseconds)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let mut buckets = Buckets::default();
        let rate = Rate::per_second(5);
        for _ in 0..5 {
            assert!(buckets.take("a", rate, START));
        }
        assert!(!buckets.take("a", rate, START));
        assert!(!buckets.has(&"a", rate, START) && buckets.has(&"b", rate, START));
        assert!(buckets.has(&"a", rate, after(200_000)));
        assert!(
            buckets.take("b", rate, START),
            "everyone has a rate of their own"
        );
        assert!(!buckets.take("a", rate, after(199_999)));
        assert!(buckets.take("a", rate, after(200_000)));
        assert!(!buckets.take("a", rate, after(200_000)));
        // However long the pause, no more than the burst.
        let taken = (0..20)
            .filter(|_| buckets.take("a", rate, after(60_000_000)))
            .count();
        assert_eq!(taken, 5);
    }

    #[test]
    fn over_a_minute_it_is_the_rate_whatever_the_pace() {
        let mut buckets = Buckets::default();
        let rate = Rate {
            per_second: 2,
            burst: 250,
        };
        for step_us in [1_000, 33_333, 7_000_000] {
            let key = step_us;
            let calls = (0..60_000_000 / step_us)
                .filter(|step| buckets.take(key, rate, after(step * step_us)))
                .count();
            assert!(calls <= 250 + 120, "{calls} calls in steps of {step_us}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut buckets = Buckets::default();
        let rate = Rate::per_second(1);
        assert!(buckets.take("a", rate, START));
        assert!(!buckets.take("a", rate, after(-5_000_000)));
        assert!(!buckets.take("a", rate, after(999_999)));
        assert!(buckets.take("a", rate, after(1_000_000)));
    }

    #[test]
    fn room_is_bounded_and_full_buckets_go_first() {
        let mut buckets = Buckets::with_room_for(2);
        let rate = Rate::per_second(1);
        assert!(buckets.take("a", rate, START));
        assert!(buckets.take("b", rate, after(900_000)));
        // By now "a" is full again.
        assert!(buckets.take("c", rate, after(1_000_000)));
        assert!(!buckets.take("b", rate, after(1_000_000)));
        assert_eq!(buckets.held.len(), 2);
        // Nobody is locked out for want of room.
        assert!(buckets.take("d", rate, after(1_000_001)));
        assert_eq!(buckets.held.len(), 1);
    }
}
