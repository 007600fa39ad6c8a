//! Bitrates: what a publisher sends and what a receiver is sent, and whether that exceeds the limit.
//!
//! Only RTP payload counts, because that is the rate encoders are set to. Headers, retransmissions and padding do not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{BITRATE_BURST, BITRATE_OVERSHOOT_PERCENT, BITRATE_WINDOW, CLIMB_INTERVAL_MIN};

/// The window is divided into this many steps and moves on by one step at a time.
const STEPS: usize = 6;
const STEP: Duration = Duration::from_millis(BITRATE_WINDOW.as_millis() as u64 / STEPS as u64);

/// How long the sum must exceed the limit before a peer has to give way: longer than a burst stays in the window, and until each
/// peer has reported its part, which it does about once a second.
const LASTS_MIN: Duration = Duration::from_millis(BITRATE_WINDOW.as_millis() as u64 + 1_000);
/// How long the expected rate of a new layer counts instead of the measured one: one window until the key frame has come and
/// earlier packets have left the window, and one to measure.
const EXPECTED_FOR: Duration = Duration::from_millis(2 * BITRATE_WINDOW.as_millis() as u64);

/// The limit plus what encoders may overshoot it by.
fn at_most(limit: u64) -> u64 {
    limit.saturating_add(limit / 100 * BITRATE_OVERSHOOT_PERCENT)
}

/// The average rate over the last [`BITRATE_WINDOW`]. Time before the first packet counts as silence.
#[derive(Debug)]
struct Meter {
    /// When the present step ends.
    ends_at: Instant,
    bytes: u64,
    /// Bytes of the earlier steps, newest first: those of this window and of the one before it.
    steps: [u64; 2 * STEPS],
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self {
            ends_at: now + STEP,
            bytes: 0,
            steps: [0; 2 * STEPS],
        }
    }

    fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        self.bytes += bytes as u64;
    }

    fn advance(&mut self, now: Instant) {
        if now >= self.ends_at + 2 * BITRATE_WINDOW {
            *self = Self::new(now);
        }
        while now >= self.ends_at {
            self.steps.rotate_right(1);
            self.steps[0] = std::mem::take(&mut self.bytes);
            self.ends_at += STEP;
        }
    }

    fn bits_per_s(&self) -> u64 {
        let window = &self.steps[..STEPS];
        window.iter().sum::<u64>() * 8 * 1_000 / BITRATE_WINDOW.as_millis() as u64
    }

    /// Whether clearly more came in this window than in the one before it.
    fn has_grown(&self) -> bool {
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

/// The limit on what one receiver gets through all its peers together, on whichever [`Sfu`](crate::Sfu)s they are.
/// The caller creates it and passes it in with each peer ([`Control::OpenSubscriber`](crate::Control::OpenSubscriber)).
///
/// When the sum exceeds the limit, the newest of the peers whose part has grown is shown a smaller layer, or is ended if there is
/// none. The other peers are left alone.
#[derive(Debug)]
pub struct Download {
    limit: u64,
    /// The sum of what its peers have reported.
    bits_per_s: AtomicU64,
    /// Peers so far. Numbers them from 1.
    peers: AtomicU64,
    /// Number of the newest peer whose part has grown while the sum exceeds the limit; 0 if there is none.
    grown: AtomicU64,
}

impl Download {
    /// A limit of this many bits per second.
    pub fn new(bits_per_s_max: u64) -> Self {
        Self {
            limit: bits_per_s_max,
            bits_per_s: AtomicU64::new(0),
            peers: AtomicU64::new(0),
            grown: AtomicU64::new(0),
        }
    }

    /// The present rate, in bits per second.
    pub fn bits_per_s(&self) -> u64 {
        self.bits_per_s.load(Ordering::Relaxed)
    }

    /// A part has changed from `before` to `after`. Returns the sum.
    fn change(&self, before: u64, after: u64) -> u64 {
        // Additions wrap, so this also subtracts.
        let by = after.wrapping_sub(before);
        self.bits_per_s
            .fetch_add(by, Ordering::Relaxed)
            .wrapping_add(by)
    }

    /// Number of the newest peer whose part has grown; this peer counts if it `has_grown`.
    fn newest(&self, number: u64, has_grown: bool) -> u64 {
        if has_grown {
            self.grown.fetch_max(number, Ordering::Relaxed).max(number)
        } else {
            self.grown.load(Ordering::Relaxed)
        }
    }

    /// This peer has given way, or need not any more.
    fn withdraw(&self, number: u64) {
        let order = Ordering::Relaxed;
        self.grown.compare_exchange(number, 0, order, order).ok();
    }
}

/// The part of one peer in a [`Download`].
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Download>,
    number: u64,
    meter: Meter,
    /// Its part of the sum, as reported last.
    reported: u64,
    /// Since when the sum exceeds the limit.
    over_since: Option<Instant>,
    /// The rate of the layer that it was changed to, and when. It counts instead of the measured rate for [`EXPECTED_FOR`].
    expected: Option<(u64, Instant)>,
}

/// What a [`Download`] means for one of its peers. Rates are in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// This peer need not do anything.
    Fine,
    /// Bits per second that this peer may use in total.
    Room { bits_per_s: u64 },
    /// The sum exceeds the limit and this peer has to give way: it is the newest whose part has grown, or no other peer has given
    /// way for a while. `rest` is what it may use.
    Over { sum: u64, rest: u64 },
}

impl Share {
    pub(crate) fn new(now: Instant, of: &Arc<Download>) -> Self {
        Self {
            of: Arc::clone(of),
            number: of.peers.fetch_add(1, Ordering::Relaxed) + 1,
            meter: Meter::new(now),
            reported: 0,
            over_since: None,
            expected: None,
        }
    }

    /// Counts what was sent. Touches nothing that is shared.
    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        self.meter.add(now, bytes);
    }

    /// Reports its part, and returns what this peer must do.
    pub(crate) fn report(&mut self, now: Instant) -> Usage {
        self.meter.advance(now);
        let within = |time| self.expected.filter(|(_, since)| now < *since + time);
        let expected = within(EXPECTED_FOR);
        let may_climb = within(CLIMB_INTERVAL_MIN).is_none();
        let rate = expected.map_or_else(|| self.meter.bits_per_s(), |(rate, _)| rate);
        let sum = self
            .of
            .change(std::mem::replace(&mut self.reported, rate), rate);
        let rest = self.of.limit.saturating_sub(sum.saturating_sub(rate));
        if rate == 0 || sum <= at_most(self.of.limit) {
            self.over_since = None;
            self.of.withdraw(self.number);
            return if may_climb {
                Usage::Room { bits_per_s: rest }
            } else {
                Usage::Fine
            };
        }
        let waited = now.saturating_duration_since(*self.over_since.get_or_insert(now));
        let has_grown = expected.is_none() && self.meter.has_grown();
        let newest = self.of.newest(self.number, has_grown);
        let is_this = newest == self.number && waited >= LASTS_MIN;
        let is_nobody = newest == 0 && waited >= 2 * BITRATE_WINDOW;
        if is_this || is_nobody || waited >= 3 * BITRATE_WINDOW {
            Usage::Over { sum, rest }
        } else {
            Usage::Fine
        }
    }

    /// A layer of this rate is sent from now on. What was measured before does not count any more.
    pub(crate) fn expect(&mut self, now: Instant, bits_per_s: u64) {
        self.meter = Meter::new(now);
        self.over_since = None;
        self.of.withdraw(self.number);
        self.expected = Some((bits_per_s, now));
        self.of.change(
            std::mem::replace(&mut self.reported, bits_per_s),
            bits_per_s,
        );
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.withdraw(self.number);
        self.of.change(self.reported, 0);
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

    /// Sends at these rates, one second each, and reports each second. Returns the position of the share that must be
    /// reduced first, and when.
    fn first_to_go(limit: u64, seconds: &[&[u64]]) -> Option<(usize, usize)> {
        let epoch = epoch();
        let download = Arc::new(Download::new(limit));
        let mut shares: Vec<_> = (seconds[0].iter())
            .map(|_| Share::new(epoch, &download))
            .collect();
        for (second, rates) in seconds.iter().enumerate() {
            for tick in 0..100 {
                let now = epoch + Duration::from_millis(second as u64 * 1_000 + tick * 10);
                for (share, rate) in shares.iter_mut().zip(*rates) {
                    share.add(now, at_rate(*rate));
                }
            }
            let now = epoch + Duration::from_secs(second as u64 + 1);
            for (place, share) in shares.iter_mut().enumerate() {
                if matches!(share.report(now), Usage::Over { .. }) {
                    return Some((place, second));
                }
            }
        }
        None
    }

    #[test]
    fn the_share_that_has_grown_goes() {
        let calm: &[u64] = &[3 * MBIT, 3 * MBIT, 0];
        let late: &[u64] = &[3 * MBIT, 3 * MBIT, 3 * MBIT];
        let steps = [[calm; 6], [late; 6], [late; 6]].concat();
        assert!(matches!(first_to_go(8 * MBIT, &steps), Some((2, 10..18))));
        assert_eq!(first_to_go(9 * MBIT, &steps), None);
        let risen: &[u64] = &[6 * MBIT, 3 * MBIT, 0];
        let steps = [[calm; 6], [risen; 6], [risen; 6]].concat();
        assert!(matches!(first_to_go(8 * MBIT, &steps), Some((0, 10..18))));
    }

    #[test]
    fn the_burst_an_encoder_begins_with_ends_nothing() {
        let burst: &[u64] = &[16 * MBIT];
        let calm: &[u64] = &[8 * MBIT];
        let steps = [[burst; 1].as_slice(), &[calm; 30]].concat();
        assert_eq!(first_to_go(8 * MBIT, &steps), None);
    }

    #[test]
    fn of_several_that_have_grown_the_newest_goes() {
        let all: &[u64] = &[3 * MBIT, 3 * MBIT, 3 * MBIT];
        assert!(matches!(first_to_go(8 * MBIT, &[all; 12]), Some((2, _))));
        let mixed: &[u64] = &[2 * MBIT, 7 * MBIT, 0];
        assert!(matches!(first_to_go(8 * MBIT, &[mixed; 12]), Some((1, _))));
    }

    #[test]
    fn where_none_has_grown_clearly_one_goes_after_a_window() {
        let seconds: Vec<Vec<u64>> = (0..60)
            .map(|second| vec![4 * MBIT + second * MBIT / 40; 2])
            .collect();
        let seconds: Vec<&[u64]> = seconds.iter().map(Vec::as_slice).collect();
        assert!(first_to_go(8 * MBIT, &seconds).is_some());
    }

    #[test]
    fn a_share_that_ends_is_counted_no_more() {
        let epoch = epoch();
        let download = Arc::new(Download::new(MBIT));
        let mut share = Share::new(epoch, &download);
        share.add(epoch, 300_000);
        assert!(!matches!(share.report(epoch + STEP), Usage::Over { .. }));
        assert_eq!(download.bits_per_s(), 800_000);
        drop(share);
        assert_eq!(download.bits_per_s(), 0);
    }
}
