//! Bitrates: a meter, and whether what a publisher sends exceeds its limit.
//!
//! Only RTP payload counts, because that is the rate encoders are set to. Headers, retransmissions and padding do not count.

use std::time::{Duration, Instant};

use crate::limits::{BITRATE_BURST, BITRATE_OVERSHOOT_PERCENT, BITRATE_WINDOW};

/// The window is divided into this many steps and moves on by one step at a time.
const STEPS: usize = 6;
pub(crate) const STEP: Duration =
    Duration::from_millis(BITRATE_WINDOW.as_millis() as u64 / STEPS as u64);

/// The limit plus what encoders may overshoot it by.
pub(crate) fn at_most(limit: u64) -> u64 {
    limit.saturating_add(limit / 100 * BITRATE_OVERSHOOT_PERCENT)
}

/// The average rate over the last [`BITRATE_WINDOW`]. Time before the first packet counts as silence.
#[derive(Debug)]
pub(crate) struct Meter {
    /// When the present step ends.
    ends_at: Instant,
    bytes: u64,
    /// Bytes of the earlier steps, newest first: those of this window and of the one before it.
    steps: [u64; 2 * STEPS],
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ends_at: now + STEP,
            bytes: 0,
            steps: [0; 2 * STEPS],
        }
    }

    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        self.bytes += bytes as u64;
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        if now >= self.ends_at + 2 * BITRATE_WINDOW {
            *self = Self::new(now);
        }
        while now >= self.ends_at {
            self.steps.rotate_right(1);
            self.steps[0] = std::mem::take(&mut self.bytes);
            self.ends_at += STEP;
        }
    }

    pub(crate) fn bits_per_s(&self) -> u64 {
        let window = &self.steps[..STEPS];
        window.iter().sum::<u64>() * 8 * 1_000 / BITRATE_WINDOW.as_millis() as u64
    }

    /// Whether clearly more came in this window than in the one before it.
    pub(crate) fn has_grown(&self) -> bool {
        let (newer, older) = self.steps.split_at(STEPS);
        let (newer, older): (u64, u64) = (newer.iter().sum(), older.iter().sum());
        newer > older + older / 4
    }
}

/// A leaky bucket for what one publisher sends. It leaks at the limit plus the allowed overshoot and holds [`BITRATE_BURST`] of
/// it, like the rate buffer of an encoder.
#[derive(Debug)]
pub(crate) struct Upload {
    limit: u64,
    /// Bits in the bucket at the time `at`.
    level: u64,
    at: Instant,
    /// When it was empty last, and the bits that came since.
    full_since: Instant,
    bits: u64,
}

impl Upload {
    pub(crate) fn new(now: Instant, limit: u64) -> Self {
        Self {
            limit,
            level: 0,
            at: now,
            full_since: now,
            bits: 0,
        }
    }

    /// Counts a packet. If the bucket overflows, returns the average rate in bits per second since it was empty last.
    pub(crate) fn add(&mut self, now: Instant, bytes: usize) -> Option<u64> {
        let micros = |time: Duration| time.as_micros() as u64;
        let leaked =
            micros(now.saturating_duration_since(self.at)) * at_most(self.limit) / 1_000_000;
        self.at = now;
        self.level = self.level.saturating_sub(leaked);
        if self.level == 0 {
            (self.full_since, self.bits) = (now, 0);
        }
        let bits = bytes as u64 * 8;
        self.level += bits;
        self.bits += bits;
        if self.level <= self.limit * micros(BITRATE_BURST) / 1_000_000 {
            return None;
        }
        let time = now.saturating_duration_since(self.full_since);
        Some(self.bits * 1_000_000 / micros(time.max(STEP)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::test::epoch;

    const MBIT: u64 = 1_000_000;

    /// When an upload of these bytes every 10 ms exceeds the limit, in milliseconds.
    fn exceeds(limit: u64, seconds: u64, bytes: impl Fn(u64) -> usize) -> Option<u64> {
        let epoch = epoch();
        let mut upload = Upload::new(epoch, limit);
        (0..seconds * 100).map(|tick| tick * 10).find(|ms| {
            let now = epoch + Duration::from_millis(*ms);
            upload.add(now, bytes(*ms)).is_some()
        })
    }

    /// Bytes in 10 ms.
    fn at_rate(bits_per_s: u64) -> usize {
        (bits_per_s / 800) as usize
    }

    #[test]
    fn exactly_the_limit_stays_and_a_fifth_more_goes() {
        assert_eq!(exceeds(8 * MBIT, 60, |_| at_rate(8 * MBIT)), None);
        let excess = exceeds(8 * MBIT, 60, |_| at_rate(8 * MBIT * 6 / 5));
        assert!(
            excess.is_some_and(|ms| (12_000..=18_000).contains(&ms)),
            "{excess:?}"
        );
    }

    #[test]
    fn the_more_it_is_the_sooner_it_goes() {
        let twice = exceeds(MBIT, 60, |_| at_rate(2 * MBIT));
        assert!(
            twice.is_some_and(|ms| (1_500..=1_800).contains(&ms)),
            "{twice:?}"
        );
        let tenfold = exceeds(MBIT, 60, |_| at_rate(10 * MBIT));
        assert!(tenfold.is_some_and(|ms| ms < 200), "{tenfold:?}");
    }

    #[test]
    fn an_encoder_that_empties_its_buffer_at_once_and_then_keeps_to_the_limit_stays() {
        let bytes = |ms| match ms {
            0 => 8_500_000 / 8,
            _ => at_rate(8_500_000 + 128_000),
        };
        assert_eq!(exceeds(8_500_000, 60, bytes), None);
    }

    #[test]
    fn what_is_told_is_what_came_while_it_was_too_much() {
        let epoch = epoch();
        let mut upload = Upload::new(epoch, MBIT);
        let ticks = (0..60_000).map(|tick| tick * 10);
        let told = ticks.filter_map(|ms| {
            // A low rate for ten seconds, then three times the limit.
            let rate = if ms < 10_000 { MBIT / 10 } else { 3 * MBIT };
            upload.add(epoch + Duration::from_millis(ms), at_rate(rate))
        });
        let told = told.take(1).last().unwrap();
        assert!((3 * MBIT..=3 * MBIT + MBIT / 10).contains(&told), "{told}");
    }

    #[test]
    fn key_frames_of_fifteen_pictures_each_two_seconds_stay() {
        // 25 pictures per second that reach the limit on average.
        let picture = 2 * MBIT / 8 / 25 * 50 / (49 + 15);
        let bytes = |ms: u64| match ms {
            _ if !ms.is_multiple_of(40) => 0,
            _ if ms.is_multiple_of(2_000) => picture as usize * 15,
            _ => picture as usize,
        };
        assert_eq!(exceeds(2 * MBIT, 120, bytes), None);
    }

    #[test]
    fn what_lies_back_further_than_the_window_is_forgotten() {
        let epoch = epoch();
        let mut meter = Meter::new(epoch);
        meter.add(epoch, 3_000_000);
        meter.advance(epoch + STEP);
        assert_eq!(meter.bits_per_s(), 8 * MBIT);
        meter.advance(epoch + BITRATE_WINDOW);
        assert_eq!(meter.bits_per_s(), 8 * MBIT);
        meter.advance(epoch + BITRATE_WINDOW + STEP);
        assert_eq!(meter.bits_per_s(), 0);
        meter.add(epoch + BITRATE_WINDOW + STEP, 3_000_000);
        meter.advance(epoch + Duration::from_secs(3_600));
        assert_eq!(meter.bits_per_s(), 0);
    }
}
