//! The clocks: the wall clock, which may be set while the server runs, and a steady one for durations.
//! The rules get the time only from here.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use restage_api::Timestamp;
use restage_core::id::Time;

/// A smaller difference between the clocks is ignored, because a time service corrects the wall clock continuously.
const STEP_MIN_US: i64 = 1_000_000;

/// The wall clock, in microseconds since the Unix epoch: for rows and for expiry.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

/// The steady clock: the wall clock at the first call plus the time elapsed since
/// then, even if the wall clock is set meanwhile. For durations within this process.
#[allow(clippy::disallowed_methods)]
pub fn steady() -> Time {
    static START: LazyLock<(Instant, Time)> = LazyLock::new(|| (Instant::now(), now()));
    let (start, began) = *START;
    let elapsed = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
    Time(began.0.saturating_add(elapsed))
}

/// A time in the service's format: ISO 8601 in UTC.
pub fn iso(unix_seconds: i64) -> String {
    Timestamp::from_unix_seconds(unix_seconds).to_string()
}

/// Detects that the wall clock was set, by comparing it with the steady clock.
#[derive(Debug)]
pub struct StepWatch {
    wall: Time,
    steady: Time,
}

impl StepWatch {
    /// Starts with these times.
    pub const fn new(wall: Time, steady: Time) -> Self {
        Self { wall, steady }
    }

    /// By how many microseconds the wall clock was set ahead (or back, if negative) since the last call. Each
    /// step is reported once; gradual corrections by a time service are not steps.
    pub fn look(&mut self, wall: Time, steady: Time) -> Option<i64> {
        let passed = steady.0.saturating_sub(self.steady.0);
        let step = wall.0.saturating_sub(self.wall.0).saturating_sub(passed);
        *self = Self { wall, steady };
        (step.saturating_abs() >= STEP_MIN_US).then_some(step)
    }
}

/// Logs one line about a step of the wall clock, given in microseconds.
pub fn log_step(step: i64) {
    let seconds = step as f64 / 1e6;
    let wall = iso(now().0 / 1_000_000);
    let size = format!("{:.1} s", seconds.abs());
    if step < 0 {
        tracing::warn!(
            step_s = seconds,
            "the clock of this machine was set back by {size}, to {wall}: tokens and signatures are judged by it from now \
             on; windows and idle sessions go by the time that passes; rows are written with times that follow those \
             before, until the clock has caught up with them. If it was right before, look at its time service \
             (timedatectl)"
        );
    } else {
        tracing::warn!(
            step_s = seconds,
            "the clock of this machine was set ahead by {size}, to {wall}, or the machine slept: tokens and signatures \
             are judged by it from now on; windows and idle sessions go by the time that passes. If it was right before, \
             look at its time service (timedatectl)"
        );
    }
}

/// A process that waits so much longer than it wanted to has stood still.
const STANDSTILL: Duration = Duration::from_secs(3);

/// Logs one line if a wait took much longer than was wanted, because the process, or the machine, stood still.
pub fn log_standstill(waited: Duration, wanted: Duration) -> bool {
    let late = waited.saturating_sub(wanted);
    if late < STANDSTILL {
        return false;
    }
    tracing::warn!(
        "this process stood still for {:.1} s: it was stopped (SIGSTOP, a debugger), the machine was paused, or there was no \
         processor time for it. Clients that gave up meanwhile come back by themselves. If it happens again, look at what \
         else runs, and at the limits of the control group",
        late.as_secs_f64()
    );
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn each_step_of_the_wall_clock_is_told_once_with_its_size() {
        let mut watch = StepWatch::new(Time(0), Time(0));
        let day = 86_400 * SECOND;
        let (mut wall, mut steady) = (0, 0);
        let mut after = |passed: i64, set: i64| {
            steady += passed;
            wall += passed + set;
            watch.look(Time(wall), Time(steady))
        };
        assert_eq!(after(SECOND / 4, 0), None);
        assert_eq!(after(SECOND / 4, day), Some(day));
        assert_eq!(after(SECOND / 4, 0), None);
        assert_eq!(after(3 * SECOND, -2 * day), Some(-2 * day));
        assert_eq!(after(SECOND / 4, 0), None);
        // However long the interval between two calls was.
        assert_eq!(after(7 * day, 0), None);
        // A time service that corrects half a second each minute.
        assert!((0..60).all(|_| after(60 * SECOND, SECOND / 2).is_none()));
    }

    #[test]
    fn a_wait_that_is_a_little_late_is_no_standstill() {
        let tick = Duration::from_millis(250);
        for (waited_ms, is_one) in [(250, false), (3_249, false), (3_250, true), (20_000, true)] {
            let waited = Duration::from_millis(waited_ms);
            assert_eq!(log_standstill(waited, tick), is_one, "{waited_ms}");
        }
    }

    #[test]
    fn the_steady_clock_does_not_go_back() {
        let mut last = steady();
        for _ in 0..1_000 {
            let next = steady();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn times_at_the_ends_of_what_can_be_said_are_no_fault() {
        let mut watch = StepWatch::new(Time(i64::MIN), Time(i64::MAX));
        for (wall, steady) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (0, 0)] {
            watch.look(Time(wall), Time(steady));
        }
    }
}
