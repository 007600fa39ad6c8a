//! The estimator of one connection: what was sent and what came back → one rate.

use std::time::{Duration, Instant};

use crate::control::{Control, Observation};
use crate::detector::{Detector, Usage};
use crate::fallback::Fallback;
use crate::feedback::{Message, REFERENCE_US};
use crate::group::Groups;
use crate::limits::{
    CLOCK_JUMP_MAX, FEEDBACK_MESSAGES_MAX, FEEDBACK_PERIOD, FEEDBACK_SILENCE_MAX,
    FEEDBACK_SILENCE_STEP, LIMITED_BELOW_PERCENT, LIMITED_UNTIL_PERCENT, PROBE_DESIRED_PERCENT,
    RATE_MAX, RATE_MIN, RECORDS_MAX, START_RATE,
};
use crate::loss::{Losses, Verdict};
use crate::meter::Meter;
use crate::probe::Prober;
use crate::records::{Micros, Records, Settled};

/// Share of the rate that remains each time feedback stays away.
const SILENCE_PERCENT: u64 = 80;
/// The least round trip of this much time counts.
const ROUND_TRIP_AGE_US: Micros = 10_000_000;
/// Round trip before one is known.
const ROUND_TRIP_START_US: Micros = 100_000;

/// What an estimator begins with. Rates are in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The first estimate.
    pub start: u64,
    /// Lowest estimate, whatever the receiver says.
    pub min: u64,
    /// Highest estimate, whatever the receiver says.
    pub max: u64,
    /// Whether the receiver sends transport-wide feedback. Without it there are no numbers and no probes; REMB or reports of loss
    /// give the estimate, and [`Self::start`] should be what may be sent until they complain.
    pub has_feedback: bool,
    /// Whether the caller can send padding.
    pub can_probe: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            start: START_RATE,
            min: RATE_MIN,
            max: RATE_MAX,
            has_feedback: true,
            can_probe: true,
        }
    }
}

/// Packets that leave at one time. What is common to them is done once, in [`Self::finish`].
#[derive(Debug)]
#[must_use]
pub struct Batch<'a> {
    estimator: &'a mut Estimator,
    now: Micros,
    is_probe: bool,
    bytes: usize,
}

impl Batch<'_> {
    /// The transport-wide number of the next packet.
    #[inline]
    pub fn next_number(&self) -> u16 {
        self.estimator.next_number()
    }

    /// A packet with [`Self::next_number`] leaves: `bytes` of UDP payload.
    #[inline]
    pub fn push(&mut self, bytes: usize) {
        self.bytes += bytes;
        let probe = match self.is_probe {
            true => self.probe(bytes),
            false => 0,
        };
        self.estimator.records.push(self.now, bytes, probe);
    }

    #[cold]
    fn probe(&mut self, bytes: usize) -> u8 {
        let rate = self.estimator.rate();
        self.estimator.prober.on_sent(self.now, bytes, rate)
    }

    /// A packet without a number leaves: its kind of media has no feedback.
    #[inline]
    pub fn push_unnumbered(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// All of it has left.
    pub fn finish(self) {
        if self.bytes > 0 {
            let estimator = self.estimator;
            estimator.sent_at = self.now;
            estimator.sent.add(self.now, self.bytes);
            estimator.heard.get_or_insert(self.now);
        }
    }
}

/// The receiver's times, without the wrapping of 24 bits.
#[derive(Debug, Clone, Copy)]
struct Clock {
    reference: u32,
    /// The reference in microseconds.
    base: Micros,
    /// Our time when it came.
    at: Micros,
}

/// Estimates what one connection may send. All rates are in bits per second and include headers, retransmissions and padding, as
/// [`Self::on_sent`] is told them.
#[derive(Debug)]
pub struct Estimator {
    config: Config,
    epoch: Instant,
    records: Records,
    sent: Meter,
    received: Meter,
    groups: Groups,
    detector: Detector,
    control: Control,
    losses: Losses,
    prober: Prober,
    fallback: Fallback,
    clock: Option<Clock>,
    /// The newest packet that is known to have arrived, and when.
    reported: Option<(Settled, Micros)>,
    /// The least time between sending and feedback, and when it was seen.
    round_trip: Option<(Micros, Micros)>,
    /// The newest time between sending and feedback.
    newest_round_trip: Option<Micros>,
    /// Feedback messages since this time.
    messages: (Micros, u32),
    /// When feedback came last; before the first, when the first packet was sent.
    heard: Option<Micros>,
    /// When the estimate was lowered because feedback stayed away.
    silenced: Option<Micros>,
    sent_at: Micros,
    desired: u64,
    is_limited: bool,
}

impl Estimator {
    /// An estimator for a connection over which nothing was sent yet. Times are counted from `now`.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            epoch: now,
            records: Records::default(),
            sent: Meter::default(),
            received: Meter::default(),
            groups: Groups::default(),
            detector: Detector::new(),
            control: Control::new(config.start, config.min, config.max),
            losses: Losses::default(),
            prober: Prober::new(),
            fallback: Fallback::default(),
            clock: None,
            reported: None,
            round_trip: None,
            newest_round_trip: None,
            messages: (0, 0),
            heard: None,
            silenced: None,
            sent_at: 0,
            desired: 0,
            is_limited: true,
            config,
        }
    }

    /// The transport-wide number of the next packet.
    #[inline]
    pub fn next_number(&self) -> u16 {
        self.records.next() as u16
    }

    /// A packet with [`Self::next_number`] leaves: `bytes` of UDP payload.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) {
        let mut batch = self.batch(now);
        batch.push(bytes);
        batch.finish();
    }

    /// Begins to send several packets, which have one time of sending: a train, or a burst of trains.
    pub fn batch(&mut self, now: Instant) -> Batch<'_> {
        Batch {
            now: self.micros(now),
            is_probe: self.prober.is_sending(),
            estimator: self,
            bytes: 0,
        }
    }

    /// Transport-wide feedback: what follows the SSRCs in an RTCP packet of type 205 and format 15. Malformed messages, packets that
    /// were never sent and messages beyond [`FEEDBACK_MESSAGES_MAX`] have no effect.
    pub fn on_feedback(&mut self, now: Instant, message: &[u8]) {
        let now = self.micros(now);
        if !self.config.has_feedback || !self.admits(now) {
            return;
        }
        let Some(message) = Message::read(message) else {
            return;
        };
        let base = self.base(now, message.reference);
        self.bridge(now, message.first);
        let mut newest: Option<Settled> = None;
        let mut arrived_last = None;
        // Packets of a train mostly have the same times: they are one sample of the delay.
        let mut sampled = None;
        message.each(|number, arrival| {
            let Some(packet) = self.records.settle(now, number, arrival.is_some()) else {
                return;
            };
            self.losses.count(arrival.is_some(), packet.was_lost);
            let Some(arrived) = arrival.map(|arrival| base + arrival) else {
                return;
            };
            self.received.add(arrived, usize::from(packet.bytes));
            arrived_last = arrived_last.max(Some(arrived));
            if newest.is_none_or(|newest| newest.number < packet.number) {
                newest = Some(packet);
                self.reported = Some((packet, arrived));
            }
            if packet.probe != 0 {
                self.prober.on_arrived(&packet, arrived);
            }
            let sample = Some((packet.sent, arrived));
            if sample == sampled || self.prober.disturbs(packet.sent) {
                return;
            }
            sampled = sample;
            if let Some(sample) = self.groups.push(packet.sent, arrived) {
                self.detector.push(sample);
            }
        });
        let Some(newest) = newest else { return };
        self.heard = Some(now);
        self.silenced = None;
        self.note_round_trip(now, now - newest.sent);
        let received = arrived_last.and_then(|at| self.received.rate(at));
        self.update(now, received, newest.sent);
    }

    /// A REMB message of the receiver (draft-alvestrand-rmcat-remb-03). It counts only without transport-wide feedback.
    pub fn on_remb(&mut self, now: Instant, bits_per_s: u64) {
        if self.config.has_feedback {
            return;
        }
        let now = self.micros(now);
        self.heard = Some(now);
        self.silenced = None;
        self.fallback.on_remb(now);
        let sent = self.sent.rate(now).unwrap_or(0);
        if self.fallback.is_bound(bits_per_s, sent) {
            match (bits_per_s as f64) < self.control.rate() {
                true => self.control.lower(now, bits_per_s as f64),
                false => self.control.set(bits_per_s as f64),
            }
        } else {
            let rate = self.fallback.grow(now, self.control.rate());
            self.control.set(rate.max(bits_per_s as f64));
        }
    }

    /// A report block of the receiver (RFC 3550 §6.4.1): packets lost since the one before, in 256ths, and the round trip that
    /// follows from it. The loss counts only without transport-wide feedback and without a REMB.
    pub fn on_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        let now = self.micros(now);
        if let Some(round_trip) = round_trip {
            self.note_round_trip(now, round_trip.as_micros() as Micros);
        }
        if self.config.has_feedback {
            return;
        }
        self.heard = Some(now);
        self.silenced = None;
        if self.fallback.has_remb(now) {
            return;
        }
        let loss = f64::from(fraction_lost) / 256.0;
        let sent = self.sent.rate(now).map_or(f64::MAX, |rate| rate as f64);
        let rate = self
            .fallback
            .on_report(now, loss, self.control.rate(), sent);
        match rate < self.control.rate() {
            true => self.control.lower(now, rate),
            false => self.control.set(rate),
        }
    }

    /// What the caller would send if it could, in bits per second: the layer that it wants next with some room to spare, and all other
    /// streams. Probes go up to a little more than this. 0, the value at first: nothing more than is sent already.
    pub fn set_desired(&mut self, now: Instant, bits_per_s: u64) {
        let bits_per_s = bits_per_s.min(self.config.max);
        if bits_per_s > self.desired {
            self.prober.hurry(self.micros(now));
        }
        self.desired = bits_per_s;
    }

    /// Whether probes may begin, as [`Coupling::take_token`](crate::Coupling::take_token) says. At first they may.
    pub fn allow_probes(&mut self, may: bool) {
        self.prober.is_allowed = may;
    }

    /// The share that [`Coupling::update`](crate::Coupling::update) has given this connection replaces its own rate. `others` is what
    /// the other connections have ([`Coupling::others`](crate::Coupling::others)): a probe must not count what it takes from them.
    pub fn set_share(&mut self, bits_per_s: u64, others: u64) {
        self.control.set(bits_per_s as f64);
        self.prober.others = others;
    }

    /// Does what is due. To be called at [`Self::deadline`]; calls at other times do no harm.
    pub fn on_timeout(&mut self, now: Instant) {
        let now = self.micros(now);
        self.check_silence(now);
        if self.config.has_feedback && self.config.can_probe && self.heard.is_some() {
            let (estimate, most, wants) = (self.rate(), self.probe_most(), self.wants_probe());
            self.prober.begin(now, estimate, most, wants);
        }
    }

    /// When [`Self::on_timeout`] and then [`Self::probe_due`] are to be called. `None`: not before the next packet or message.
    pub fn deadline(&self) -> Option<Instant> {
        let heard = self.heard?;
        let probe = match self.config.has_feedback {
            true => self.prober.deadline(self.wants_probe()),
            false => None,
        };
        // Silence counts only while something is sent that could be answered.
        let silence = (self.sent_at > heard).then(|| self.silence_at(heard));
        let due = match (probe, silence) {
            (Some(probe), Some(silence)) => probe.min(silence),
            (one, other) => one.or(other)?,
        };
        Some(self.epoch + Duration::from_micros(due.max(0) as u64))
    }

    /// Bytes of padding to send now for the probe under way; 0 if there is none. What is sent until the next call counts as part of
    /// it, whatever it is.
    pub fn probe_due(&mut self, now: Instant) -> usize {
        let now = self.micros(now);
        self.prober.due(now, self.control.rate() as u64)
    }

    /// Whether the receiver sends transport-wide feedback ([`Config::has_feedback`]). Rates without it are not to be coupled with
    /// others: they are what was not complained about.
    pub fn has_feedback(&self) -> bool {
        self.config.has_feedback
    }

    /// The rate that may be sent, in bits per second, between [`Config::min`] and [`Config::max`].
    pub fn estimate(&self) -> u64 {
        self.rate()
    }

    /// What the delay says about the queue of the path.
    pub fn usage(&self) -> Usage {
        self.detector.usage()
    }

    /// Whether clearly less is sent than the estimate. Then the estimate does not grow by itself, only by probes.
    pub fn is_application_limited(&self) -> bool {
        self.is_limited
    }

    /// Whether more is desired than the estimate, so that a probe would be of use. Ask the coupling for the token.
    pub fn wants_probe(&self) -> bool {
        self.config.has_feedback
            && self.config.can_probe
            && self.detector.usage() != Usage::Overuse
            && self.rate() + self.rate() / 20 < self.probe_most()
    }

    /// Whether a probe is being sent, its result is awaited, or a further one follows at once.
    pub fn is_probing(&self) -> bool {
        self.prober.is_busy()
    }

    /// The least time of the last seconds from sending to feedback, which waits at the receiver for up to 100 ms.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
            .map(|(least, _)| Duration::from_micros(least.max(0) as u64))
    }

    /// The newest time from sending to feedback: with the time in the queues of the path as they are now.
    pub fn newest_round_trip(&self) -> Option<Duration> {
        self.newest_round_trip
            .map(|newest| Duration::from_micros(newest as u64))
    }

    /// Share of lost packets, 0 to 1, over about the last second.
    pub fn loss(&self) -> f64 {
        self.losses.share()
    }

    /// The rate at which packets are sent, in bits per second.
    pub fn sent_rate(&mut self, now: Instant) -> u64 {
        let now = self.micros(now);
        self.sent.rate(now).unwrap_or(0)
    }

    /// Reads the memory that feedback needs, so that the processor fetches it for several estimators at the same time. The value means
    /// nothing.
    pub fn touch(&self) -> u64 {
        let times = [self.sent_at, self.received.touch(), self.prober.touch()];
        let times = times.into_iter().fold(0, |all, time| all ^ time);
        self.records.touch()
            ^ self.losses.touch()
            ^ self.detector.touch()
            ^ self.desired
            ^ self.rate()
            ^ times as u64
    }

    fn micros(&self, now: Instant) -> Micros {
        let elapsed = now.saturating_duration_since(self.epoch);
        elapsed.as_secs() as Micros * 1_000_000 + Micros::from(elapsed.subsec_micros())
    }

    fn rate(&self) -> u64 {
        self.control.rate() as u64
    }

    fn probe_most(&self) -> u64 {
        (self.desired / 100 * PROBE_DESIRED_PERCENT).min(self.config.max)
    }

    /// Whether one more message may be read now.
    fn admits(&mut self, now: Micros) -> bool {
        if now - self.messages.0 >= FEEDBACK_PERIOD.as_micros() as Micros {
            self.messages = (now, 0);
        }
        self.messages.1 += 1;
        self.messages.1 <= FEEDBACK_MESSAGES_MAX
    }

    /// The reference time of a message in microseconds. Where the receiver's clock has jumped, its times begin anew after those
    /// that are known.
    fn base(&mut self, now: Micros, reference: u32) -> Micros {
        let Some(clock) = self.clock else {
            self.clock = Some(Clock {
                reference,
                base: 0,
                at: now,
            });
            return 0;
        };
        // The difference of 24 bits, with its sign.
        let steps = (reference.wrapping_sub(clock.reference) << 8).cast_signed() >> 8;
        let passed = Micros::from(steps) * REFERENCE_US;
        let jump = passed - (now - clock.at);
        let base = if jump.abs() > CLOCK_JUMP_MAX.as_micros() as Micros {
            self.groups = Groups::default();
            self.detector = Detector::new();
            self.received = Meter::default();
            self.reported = None;
            clock.base + (now - clock.at)
        } else {
            clock.base + passed
        };
        self.clock = Some(Clock {
            reference,
            base,
            at: now,
        });
        base
    }

    /// Counts the packets between the message before and this one: a message between them was lost, and what it was about has
    /// arrived for the greater part.
    fn bridge(&mut self, now: Micros, first: u16) {
        let Some((newest, arrived)) = self.reported else {
            return;
        };
        let first = self.records.unwrap(first).unwrap_or(0);
        for number in (newest.number + 1..first).rev().take(RECORDS_MAX) {
            if let Some((sent, bytes)) = self.records.sent(now, number) {
                let arrived = arrived + (sent - newest.sent);
                self.received.add(arrived, usize::from(bytes));
            }
        }
    }

    fn note_round_trip(&mut self, now: Micros, sample: Micros) {
        let sample = sample.max(0);
        self.newest_round_trip = Some(sample);
        let is_due = self
            .round_trip
            .is_none_or(|(least, at)| sample <= least || now - at > ROUND_TRIP_AGE_US);
        if is_due {
            self.round_trip = Some((sample, now));
        }
    }

    /// Compares what is sent with the estimate.
    fn measure(&mut self, now: Micros) {
        let Some(sent) = self.sent.rate(now) else {
            return;
        };
        let percent = match self.is_limited {
            true => LIMITED_UNTIL_PERCENT,
            false => LIMITED_BELOW_PERCENT,
        };
        self.is_limited = sent * 100 < self.rate() * percent;
    }

    /// Moves the rate after feedback.
    fn update(&mut self, now: Micros, received: Option<u64>, newest_sent: Micros) {
        self.measure(now);
        let before = self.control.lowered();
        let received = received.map(|rate| rate as f64);
        let sent = self.sent.rate(now).map(|rate| rate as f64);
        let verdict = self.losses.judge(now, sent, received);
        if let Verdict::Lower(rate) = verdict {
            self.control.lower(now, rate);
        }
        self.control.update(Observation {
            now,
            usage: self.detector.usage(),
            received,
            round_trip: self
                .round_trip
                .map_or(ROUND_TRIP_START_US, |(least, _)| least),
            may_grow: !self.is_limited && verdict == Verdict::Free,
        });
        if self.control.lowered() != before {
            self.prober.on_lowered(now, self.control.rate() as u64);
        }
        let shown = self.prober.result(now, newest_sent, self.rate());
        if let Some(shown) = shown.filter(|_| self.detector.usage() != Usage::Overuse) {
            self.control.set(shown as f64);
        }
    }

    fn silence_at(&self, heard: Micros) -> Micros {
        match self.silenced {
            None => heard + FEEDBACK_SILENCE_MAX.as_micros() as Micros,
            Some(at) => at + FEEDBACK_SILENCE_STEP.as_micros() as Micros,
        }
    }

    /// Lowers the rate when nothing is heard of what is sent: the path is broken or hopelessly full.
    fn check_silence(&mut self, now: Micros) {
        let Some(heard) = self.heard.filter(|heard| self.sent_at > *heard) else {
            return;
        };
        if now >= self.silence_at(heard) {
            self.silenced = Some(now);
            let rate = self.rate() / 100 * SILENCE_PERCENT;
            self.control.lower(now, rate as f64);
            self.prober.on_lowered(now, self.control.rate() as u64);
        }
    }
}
