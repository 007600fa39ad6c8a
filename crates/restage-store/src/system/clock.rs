//! The clocks: the wall clock, which may be set either way while the server runs, and a steady one for what lasts a
//! while. The only place that reads them for the rules.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use restage_api::Timestamp;
use restage_core::id::Time;

/// A difference between the clocks that is smaller is left to the time service, which corrects the wall clock all the
/// time.
const STEP_MIN_US: i64 = 1_000_000;

/// Now by the wall clock, in microseconds since the Unix epoch: for what is written, and for what expires.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

/// Now by the steady clock: the wall clock as it was when this was first asked, and the time that has passed since
/// then, whatever the wall clock was set to meanwhile. For durations within this process.
#[allow(clippy::disallowed_methods)]
pub fn steady() -> Time {
    static START: LazyLock<(Instant, Time)> = LazyLock::new(|| (Instant::now(), now()));
    let (start, began) = *START;
    let elapsed = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
    Time(began.0.saturating_add(elapsed))
}

/// A time as the service writes it: ISO 8601 in UTC.
pub fn iso(unix_seconds: i64) -> String {
    Timestamp::from_unix_seconds(unix_seconds).to_string()
}

/// Notices that the wall clock was set, by the steady one.
#[derive(Debug)]
pub struct StepWatch {
    wall: Time,
    steady: Time,
}

impl StepWatch {
    /// From these times on.
    pub const fn new(wall: Time, steady: Time) -> Self {
        Self { wall, steady }
    }

    /// By how many microseconds the wall clock was set ahead (or back, if negative) since the last look, if it was. Each
    /// step is told once; what a time service corrects little by little is none.
    pub fn look(&mut self, wall: Time, steady: Time) -> Option<i64> {
        let passed = steady.0.saturating_sub(self.steady.0);
        let step = wall.0.saturating_sub(self.wall.0).saturating_sub(passed);
        *self = Self { wall, steady };
        (step.saturating_abs() >= STEP_MIN_US).then_some(step)
    }
}

/// One line for the log about a step of the wall clock, in microseconds.
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
        // However long nobody looked.
        assert_eq!(after(7 * day, 0), None);
        // A time service that corrects half a second each minute.
        assert!((0..60).all(|_| after(60 * SECOND, SECOND / 2).is_none()));
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
