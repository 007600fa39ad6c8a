//! A number that approaches another one slowly.

/// Most change: microseconds per second.
const RATE_US_PER_S: u64 = 5_000;
/// Time for a change of one microsecond.
const STEP_US: u64 = 1_000_000 / RATE_US_PER_S;

/// A correction in microseconds that approaches its target at [`RATE_US_PER_S`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slew {
    value_us: i64,
    target_us: i64,
    at_us: u64,
}

impl Slew {
    /// What holds.
    pub(crate) fn value_us(&self) -> i64 {
        self.value_us
    }

    /// What is approached.
    pub(crate) fn target_us(&self) -> i64 {
        self.target_us
    }

    pub(crate) fn set_target(&mut self, target_us: i64) {
        self.target_us = target_us;
    }

    /// The target holds at once: nothing of the media depends on what held before.
    pub(crate) fn jump(&mut self) {
        self.value_us = self.target_us;
    }

    /// Goes on with time.
    pub(crate) fn advance(&mut self, now_us: u64) {
        let steps = now_us.saturating_sub(self.at_us) / STEP_US;
        self.at_us += steps * STEP_US;
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        let left = self.target_us.saturating_sub(self.value_us);
        self.value_us += left.clamp(-steps, steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_approached_by_five_milliseconds_a_second() {
        let mut slew = Slew::default();
        slew.advance(1_000_000);
        slew.set_target(12_000);
        for us in (1_000_000..=2_000_000).step_by(70) {
            slew.advance(us);
        }
        assert!((4_990..=5_000).contains(&slew.value_us()), "{slew:?}");
        slew.advance(9_000_000);
        assert_eq!(slew.value_us(), 12_000);
        slew.set_target(-1);
        slew.advance(10_000_000);
        assert_eq!(slew.value_us(), 7_000);
        slew.jump();
        assert_eq!(slew.value_us(), -1);
    }
}
