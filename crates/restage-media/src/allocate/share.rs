//! The hard limit on what a receiver is sent: which of its peers has to give way.
//!
//! Only RTP payload counts, because that is the rate encoders are set to. Headers, retransmissions and padding do not count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::download::Download;
use crate::bitrate::{Meter, at_most};
use crate::limits::{BITRATE_WINDOW, CLIMB_INTERVAL_MIN};

/// How long the sum must exceed the limit before a peer has to give way: longer than a burst stays in the window, and until each
/// peer has reported its part, which it does about once a second.
const LASTS_MIN: Duration = Duration::from_millis(BITRATE_WINDOW.as_millis() as u64 + 1_000);
/// How long the expected rate of a new layer counts instead of the measured one: one window until the key frame has come and
/// earlier packets have left the window, and one to measure.
const EXPECTED_FOR: Duration = Duration::from_millis(2 * BITRATE_WINDOW.as_millis() as u64);

/// The part of one peer in a [`Download`].
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Download>,
    limit: u64,
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
    /// `None` if the receiver is not limited.
    pub(crate) fn new(now: Instant, of: &Arc<Download>) -> Option<Self> {
        Some(Self {
            of: Arc::clone(of),
            limit: of.limit()?,
            number: of.sum().next_number(),
            meter: Meter::new(now),
            reported: 0,
            over_since: None,
            expected: None,
        })
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
            .sum()
            .change(std::mem::replace(&mut self.reported, rate), rate);
        let rest = self.limit.saturating_sub(sum.saturating_sub(rate));
        if rate == 0 || sum <= at_most(self.limit) {
            self.over_since = None;
            self.of.sum().withdraw(self.number);
            return if may_climb {
                Usage::Room { bits_per_s: rest }
            } else {
                Usage::Fine
            };
        }
        let waited = now.saturating_duration_since(*self.over_since.get_or_insert(now));
        let has_grown = expected.is_none() && self.meter.has_grown();
        let newest = self.of.sum().newest(self.number, has_grown);
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
        self.of.sum().withdraw(self.number);
        self.expected = Some((bits_per_s, now));
        self.of.sum().change(
            std::mem::replace(&mut self.reported, bits_per_s),
            bits_per_s,
        );
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.sum().withdraw(self.number);
        self.of.sum().change(self.reported, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitrate::STEP;
    use crate::util::test::epoch;

    const MBIT: u64 = 1_000_000;

    /// Bytes in 10 ms.
    fn at_rate(bits_per_s: u64) -> usize {
        (bits_per_s / 800) as usize
    }

    /// Sends at these rates, one second each, and reports each second. Returns the position of the share that must be
    /// reduced first, and when.
    fn first_to_go(limit: u64, seconds: &[&[u64]]) -> Option<(usize, usize)> {
        let epoch = epoch();
        let download = Arc::new(Download::new(limit));
        let mut shares: Vec<_> = (seconds[0].iter())
            .map(|_| Share::new(epoch, &download).unwrap())
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
    fn nothing_is_counted_where_nothing_is_limited() {
        let download = Arc::new(Download::unlimited());
        assert!(Share::new(epoch(), &download).is_none());
    }

    #[test]
    fn a_share_that_ends_is_counted_no_more() {
        let epoch = epoch();
        let download = Arc::new(Download::new(MBIT));
        let mut share = Share::new(epoch, &download).unwrap();
        share.add(epoch, 300_000);
        assert!(!matches!(share.report(epoch + STEP), Usage::Over { .. }));
        assert_eq!(download.bits_per_s(), 800_000);
        drop(share);
        assert_eq!(download.bits_per_s(), 0);
    }
}
