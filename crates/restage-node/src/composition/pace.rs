//! When pictures were captured, by their timestamps, though they arrive in bursts.
//!
//! The media plane takes capture times from sender reports, or from arrival where there are none or where they say more than that. Pictures
//! that arrive together (an encoder that waits for sound, a wireless network) would then have one capture time, and only one of them would be shown.
//! Their timestamps say how far apart they are. The picture that arrived earliest for its timestamp gives the time of the others.

/// A picture that is further from where its timestamp has it was sent by another clock, or after a pause.
const APART_MAX_US: u64 = 300_000;
/// Of the time by which pictures come later than their timestamps say, this part is taken over with each: clocks drift.
const FOLLOWED: u64 = 64;
/// Ticks of a timestamp of pictures a second (RFC 6184 §8.2.1, RFC 7741 §4.1).
const CLOCK_RATE: u64 = 90_000;

/// The capture times of one encoding.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Timestamp and capture time of the newest picture.
    newest: Option<(u64, u64)>,
}

impl Pace {
    /// Returns the capture time of a picture in microseconds. `told_us` is the media plane's.
    pub(super) fn captured_us(&mut self, timestamp: u64, told_us: u64) -> u64 {
        let expected = self.newest.and_then(|(before, at_us)| {
            let ticks = timestamp.checked_sub(before)?;
            at_us.checked_add(ticks.checked_mul(1_000_000)? / CLOCK_RATE)
        });
        let at_us = match expected {
            Some(expected) if told_us.abs_diff(expected) > APART_MAX_US => told_us,
            Some(expected) if told_us < expected => told_us,
            Some(expected) => expected + (told_us - expected) / FOLLOWED,
            None => told_us,
        };
        self.newest = Some((timestamp, at_us));
        at_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 3_000;
    const LASTS_US: u64 = 33_333;

    fn steps(times: &[u64]) -> Vec<u64> {
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn pictures_that_come_together_are_as_far_apart_as_their_timestamps() {
        let mut pace = Pace::default();
        // Three at a time, each time when the last of them was captured.
        let times: Vec<u64> = (0..90)
            .map(|number| {
                let arrived = (number / 3 * 3 + 2) * LASTS_US + 1_000_000;
                pace.captured_us(number * STEP, arrived)
            })
            .collect();
        // The first ones show how early pictures can be.
        let apart = steps(&times[3..]);
        assert!(
            apart.iter().all(|step| step.abs_diff(LASTS_US) < 2_000),
            "{apart:?}"
        );
    }

    #[test]
    fn times_of_reports_are_kept() {
        let mut pace = Pace::default();
        for number in 0..100 {
            let told = 5_000_000 + number * 100_000 / 3;
            assert!(pace.captured_us(number * STEP, told).abs_diff(told) < 50);
        }
    }

    #[test]
    fn a_clock_that_is_slower_or_faster_is_followed() {
        for ppm in [999_000, 1_001_000] {
            let mut pace = Pace::default();
            let mut apart = 0;
            for number in 0..3_000 {
                let told = 1_000_000 + number * LASTS_US * ppm / 1_000_000;
                apart = pace.captured_us(number * STEP, told).abs_diff(told);
            }
            assert!(apart < 5_000, "{apart} us at {ppm}");
        }
    }

    #[test]
    fn what_comes_after_a_pause_or_from_another_clock_begins_anew() {
        let mut pace = Pace::default();
        assert_eq!(pace.captured_us(0, 1_000_000), 1_000_000);
        assert_eq!(pace.captured_us(STEP, 9_000_000), 9_000_000);
        // Timestamps that go back.
        assert_eq!(pace.captured_us(0, 9_033_333), 9_033_333);
        assert_eq!(pace.captured_us(u64::MAX, 9_066_666), 9_066_666);
    }
}
