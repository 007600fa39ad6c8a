//! The clock of one stream: from RTP timestamps to the server's steady clock.

use super::JUMP_US;
use super::least::Least;
use super::slew::Slew;
use crate::limits::START_WINDOW_US;

/// How often the least delay is looked at for packets that come earlier than they could: the clock began too late, or drifts.
const EARLY_WINDOW_US: u64 = 1_000_000;
/// How often the least delay is looked at for packets that all come later than they should. It is long, so that a full queue on the way is
/// not taken for a drift.
const TREND_WINDOW_US: u64 = 30_000_000;
/// A delay beyond it is not one: the timestamps have jumped.
const DELAY_MAX_US: i64 = 10_000_000;
/// How far timestamps may go back, in seconds, from one packet to the next in order.
const BACKWARDS_MAX_S: u64 = 1;

/// The clock of one stream.
#[derive(Debug)]
pub(crate) struct Clock {
    rate: u32,
    /// Ticks count from this timestamp.
    zero: Option<u64>,
    /// The newest timestamp.
    newest: u64,
    /// Where tick 0 is on the server's clock, without the correction; `None` until the clock has started for the first time.
    base_us: Option<i64>,
    correction: Slew,
    starting: Option<Starting>,
    early: Window,
    trend: Window,
}

/// Packets are watched before the clock starts, or goes on after a break.
#[derive(Debug)]
struct Starting {
    least: Least,
    first_arrived_us: u64,
    newest_arrived_us: u64,
    /// By the caller's clock.
    since_us: u64,
}

/// The least delay in a piece of time. Pieces begin at multiples of their length by the arrival of packets, so that those of sound and
/// pictures are the same: what happens on the way moves both clocks together.
#[derive(Debug, Default)]
struct Window {
    least: Least,
    number: Option<u64>,
    /// It was watched from its beginning.
    is_whole: bool,
}

/// A timestamp on the clock: tick `ticks` of a stream whose tick 0 is at `offset_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ticks: i64,
    pub(crate) offset_us: i64,
}

/// What a packet says of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Fits,
    /// Its timestamp does not belong to this clock. A new one has to begin with it.
    Broken,
}

impl Clock {
    /// `rate` is in ticks per second.
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1),
            zero: None,
            newest: 0,
            base_us: None,
            correction: Slew::default(),
            starting: None,
            early: Window::default(),
            trend: Window::default(),
        }
    }

    /// Takes a packet, in the order of sequence numbers. A packet that does not fit changes nothing.
    pub(crate) fn observe(&mut self, now_us: u64, timestamp: u64, arrived_us: u64) -> Verdict {
        let is_first = self.zero.is_none();
        let zero = *self.zero.get_or_insert(timestamp);
        if is_first {
            self.newest = timestamp;
            self.correction.advance(now_us);
            self.watch(now_us, arrived_us);
        }
        let backwards = u64::from(self.rate) * BACKWARDS_MAX_S;
        if timestamp.saturating_add(backwards) < self.newest {
            return Verdict::Broken;
        }
        let linear_us = to_us(ticks(zero, timestamp), self.rate);
        let delay_us = to_i64(arrived_us).saturating_sub(linear_us);
        if !self.fits(delay_us) {
            return Verdict::Broken;
        }
        self.newest = self.newest.max(timestamp);
        self.correction.advance(now_us);
        match &mut self.starting {
            Some(starting) => {
                starting.least.take(delay_us);
                starting.newest_arrived_us = starting.newest_arrived_us.max(arrived_us);
            }
            None => return self.follow(delay_us, arrived_us),
        }
        Verdict::Fits
    }

    /// Nothing has come for a while. The clock goes on only if the next packets agree with it.
    pub(crate) fn doubt(&mut self, now_us: u64, arrived_us: u64) {
        if self.base_us.is_some() && self.starting.is_none() {
            self.watch(now_us, arrived_us);
        }
    }

    /// Whether timestamps have a place; it is so once enough packets were watched, or at once if `must` says so. The second answer is
    /// whether a clock that was doubted turned out to be another one.
    pub(crate) fn start(&mut self, now_us: u64, must: bool) -> (bool, bool) {
        let Some(starting) = &self.starting else {
            return (self.base_us.is_some(), false);
        };
        let watched = starting.newest_arrived_us - starting.first_arrived_us;
        let waited = now_us.saturating_sub(starting.since_us);
        if !must && watched < START_WINDOW_US && waited < START_WINDOW_US {
            return (false, false);
        }
        let Some(least_us) = starting.least.any_us() else {
            return (false, false);
        };
        self.starting = None;
        (self.early, self.trend) = Default::default();
        let is_other = match self.base_us {
            Some(base) => {
                let error =
                    least_us.saturating_sub(base.saturating_add(self.correction.target_us()));
                error.saturating_abs() > JUMP_US
            }
            None => false,
        };
        if self.base_us.is_none() || is_other {
            self.base_us = Some(least_us);
            self.correction.set_target(0);
            self.correction.jump();
        }
        (true, is_other)
    }

    /// Where a timestamp is; `None` until the clock has started.
    pub(crate) fn place(&self, timestamp: u64) -> Option<Place> {
        if self.starting.is_some() {
            return None;
        }
        Some(Place {
            ticks: ticks(self.zero?, timestamp),
            offset_us: self.base_us?.saturating_add(self.correction.value_us()),
        })
    }

    /// Where the newest timestamp is, on the server's clock; `None` until the clock has started.
    pub(crate) fn frontier_us(&self) -> Option<i64> {
        Some(self.place(self.newest)?.us(self.rate))
    }

    /// Where the timestamp of a sender report is, in microseconds, by what the clock approaches: the nearest of those that are equal to it
    /// modulo 2^32.
    pub(super) fn reported_us(&self, rtp_time: u32) -> Option<i64> {
        let (zero, base) = (self.zero?, self.base_us?);
        let since = i64::from(rtp_time.wrapping_sub(self.newest as u32).cast_signed());
        let ticks = ticks(zero, self.newest).saturating_add(since);
        let us = to_us(ticks, self.rate).saturating_add(base);
        Some(us.saturating_add(self.correction.target_us()))
    }

    fn watch(&mut self, now_us: u64, arrived_us: u64) {
        self.starting = Some(Starting {
            least: Least::default(),
            first_arrived_us: arrived_us,
            newest_arrived_us: arrived_us,
            since_us: now_us,
        });
    }

    /// Whether a packet with this delay can belong to the clock.
    fn fits(&self, delay_us: i64) -> bool {
        let Some(base) = self.base_us else {
            let first = self
                .starting
                .as_ref()
                .map(|starting| starting.first_arrived_us);
            let beyond = delay_us.saturating_sub(to_i64(first.unwrap_or_default()));
            return beyond.saturating_abs() <= DELAY_MAX_US;
        };
        let error = delay_us.saturating_sub(base.saturating_add(self.correction.target_us()));
        // Who is doubted may be wrong.
        let early = if self.starting.is_some() {
            DELAY_MAX_US
        } else {
            JUMP_US
        };
        (-early..=DELAY_MAX_US).contains(&error)
    }

    /// Follows the drift of the stream's clock.
    fn follow(&mut self, delay_us: i64, arrived_us: u64) -> Verdict {
        let Some(base) = self.base_us else {
            return Verdict::Fits;
        };
        let delay_us = delay_us.saturating_sub(base);
        let early = self.early.take(delay_us, arrived_us, EARLY_WINDOW_US);
        let trend = self.trend.take(delay_us, arrived_us, TREND_WINDOW_US);
        let target = self.correction.target_us();
        if let Some(least) = early.filter(|least| *least < target) {
            self.correction.set_target(least);
        }
        if let Some(least) = trend.filter(|least| *least > target) {
            if least - target > JUMP_US {
                return Verdict::Broken;
            }
            self.correction.set_target(least);
        }
        Verdict::Fits
    }
}

impl Window {
    /// Takes a delay. Answers the least of the window before, where the delay begins another one.
    fn take(&mut self, delay_us: i64, arrived_us: u64, length_us: u64) -> Option<i64> {
        let number = arrived_us / length_us;
        let mut ended = None;
        if self.number.is_none_or(|current| number > current) {
            ended = self.least.second_us().filter(|_| self.is_whole);
            self.least = Least::default();
            self.is_whole = self.number.is_some();
            self.number = Some(number);
        }
        self.least.take(delay_us);
        ended
    }
}

impl Place {
    /// On the server's clock, in microseconds.
    pub(crate) fn us(&self, rate: u32) -> i64 {
        to_us(self.ticks, rate).saturating_add(self.offset_us)
    }
}

/// Bounded so that sums of a few of them do not overflow: hundreds of years of any rate.
fn ticks(zero: u64, timestamp: u64) -> i64 {
    let ticks = i128::from(timestamp) - i128::from(zero);
    let bound = i128::from(i64::MAX / 16);
    ticks.clamp(-bound, bound) as i64
}

fn to_us(ticks: i64, rate: u32) -> i64 {
    let us = i128::from(ticks) * 1_000_000 / i128::from(rate.max(1));
    let bound = i128::from(i64::MAX / 16);
    us.clamp(-bound, bound) as i64
}

fn to_i64(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    /// When the first packet is sent, by the server's clock.
    const BEGIN_US: u64 = 50_000_000;

    /// A stream of packets of 20 ms whose clock is off by so many parts per million, sent over a path of 30 ms with jitter.
    struct Sender {
        clock: Clock,
        ppm: i64,
        sent: u64,
        delay_us: u64,
    }

    impl Sender {
        fn new(ppm: i64) -> Self {
            Self {
                clock: Clock::new(RATE),
                ppm,
                sent: 0,
                delay_us: 30_000,
            }
        }

        fn sent_us(&self) -> u64 {
            let ideal = self.sent as i64 * 20_000;
            BEGIN_US + (ideal + ideal * self.ppm / 1_000_000) as u64
        }

        fn timestamp(&self) -> u64 {
            (1 << 33) - 5_000 + self.sent * 960
        }

        fn send(&mut self) -> Verdict {
            let jitter = self.sent * 7_919 % 17_000;
            let arrived = self.sent_us() + self.delay_us + jitter;
            let verdict = self.clock.observe(arrived, self.timestamp(), arrived);
            self.clock.start(arrived, false);
            self.sent += 1;
            verdict
        }

        fn run(&mut self, seconds: u64) {
            for _ in 0..seconds * 50 {
                assert_eq!(self.send(), Verdict::Fits);
            }
        }

        /// How far the clock is from the time at which the packet was sent, with the path's delay.
        fn error_us(&self) -> i64 {
            let place = self.clock.place(self.timestamp()).unwrap();
            place.us(RATE) - (self.sent_us() + 30_000) as i64
        }
    }

    #[test]
    fn it_starts_with_the_least_delay_of_half_a_second() {
        let mut sender = Sender::new(0);
        for _ in 0..20 {
            sender.send();
            assert_eq!(sender.clock.place(sender.timestamp()), None);
        }
        sender.run(1);
        assert!(
            (0..3_000).contains(&sender.error_us()),
            "{}",
            sender.error_us()
        );
    }

    #[test]
    fn drift_is_followed_in_both_directions() {
        for ppm in [-200, 200, 0] {
            let mut sender = Sender::new(ppm);
            for minute in 0..60 {
                sender.run(60);
                let error = sender.error_us();
                assert!(error.abs() < 16_000, "{ppm} ppm, minute {minute}: {error}");
            }
        }
    }

    #[test]
    fn a_full_queue_of_some_seconds_is_no_drift() {
        let mut sender = Sender::new(0);
        sender.run(40);
        sender.delay_us = 180_000;
        sender.run(20);
        assert!(sender.error_us().abs() < 5_000, "{}", sender.error_us());
    }

    #[test]
    fn a_delay_that_stays_is_approached_or_breaks_the_clock() {
        let mut sender = Sender::new(0);
        sender.run(40);
        sender.delay_us = 130_000;
        sender.run(100);
        assert!((sender.error_us() - 100_000).abs() < 5_000);
        sender.delay_us = 430_000;
        assert!((0..100 * 50).any(|_| sender.send() == Verdict::Broken));
    }

    #[test]
    fn timestamps_that_jump_break_the_clock() {
        for jump in [13_000_i64, -60_000, 1 << 32, -(1 << 32), -700_000, i64::MAX] {
            let mut sender = Sender::new(0);
            sender.run(5);
            let (arrived, timestamp) = (sender.sent_us() + 30_000, sender.timestamp());
            let jumped = timestamp.saturating_add_signed(jump);
            let verdict = sender.clock.observe(arrived, jumped, arrived);
            assert_eq!(verdict, Verdict::Broken, "{jump}");
            assert_eq!(sender.send(), Verdict::Fits, "{jump}: it changes nothing");
        }
    }

    #[test]
    fn after_a_break_the_clock_goes_on_if_the_packets_agree() {
        for (paused_timestamps, expected) in [(false, false), (true, true)] {
            let mut sender = Sender::new(0);
            sender.run(5);
            let before = sender.timestamp();
            sender.sent += 4 * 50;
            let arrived = sender.sent_us() + 30_000;
            sender.clock.doubt(arrived, arrived);
            let mut is_other = None;
            for step in 0..60 {
                let arrived = sender.sent_us() + 30_000;
                let timestamp = if paused_timestamps {
                    before + step * 960
                } else {
                    sender.timestamp()
                };
                sender.clock.observe(arrived, timestamp, arrived);
                let (has_started, other) = sender.clock.start(arrived, false);
                is_other = is_other.or_else(|| has_started.then_some(other));
                sender.sent += 1;
            }
            assert_eq!(is_other, Some(expected));
        }
    }
}
