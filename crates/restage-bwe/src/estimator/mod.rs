//! The estimator of one connection: what was sent and what came back → one rate.

mod feedback;
mod reports;

use std::time::{Duration, Instant};

use crate::control::Control;
use crate::delay::{Delays, RoundTrips};
use crate::detector::{Detector, Usage};
use crate::fallback::Fallback;
use crate::group::Groups;
use crate::limits::{
    CLEAR_LOSS_PERCENT_MAX, CLEAR_QUEUE_MAX, FEEDBACK_SILENCE_MAX, FEEDBACK_SILENCE_STEP,
    PROBE_DESIRED_PERCENT, RATE_MAX, RATE_MIN, START_RATE,
};
use crate::loss::Losses;
use crate::meter::Meter;
use crate::probe::{PathSeen, Prober};
use crate::records::{Micros, Records, Settled};
use feedback::Clock;

/// Share of the rate that remains each time feedback stays away.
const SILENCE_PERCENT: u64 = 80;

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
            if estimator.heard.is_none() {
                estimator.heard = Some(self.now);
                estimator.prober.on_first(self.now);
            }
        }
    }
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
    delays: Delays,
    round_trips: RoundTrips,
    /// Feedback messages since this time.
    messages: (Micros, u32),
    /// When feedback came last; before the first, when the first packet was sent.
    heard: Option<Micros>,
    /// When the estimate was lowered because feedback stayed away.
    silenced: Option<Micros>,
    sent_at: Micros,
    /// The shortest wait in queues of the packets of the newest message.
    standing: Micros,
    desired: u64,
    is_limited: bool,
    was_limited: bool,
    /// Numbers of packets that were lost, until they are taken.
    lost: Vec<u16>,
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
            delays: Delays::default(),
            round_trips: RoundTrips::default(),
            messages: (0, 0),
            heard: None,
            silenced: None,
            sent_at: 0,
            standing: 0,
            desired: 0,
            is_limited: true,
            was_limited: false,
            lost: Vec::new(),
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

    /// Another connection over the same bottleneck probes ([`Coupling::is_probed`](crate::Coupling::is_probed)): the queue that it
    /// makes is no reason to send less.
    pub fn on_foreign_probe(&mut self, now: Instant) {
        let now = self.micros(now);
        self.prober.on_foreign(now);
    }

    /// Does what is due. To be called at [`Self::deadline`]; calls at other times do no harm.
    pub fn on_timeout(&mut self, now: Instant) {
        let now = self.micros(now);
        self.check_silence(now);
        self.try_more(now);
        if self.config.has_feedback && self.config.can_probe && self.heard.is_some() {
            let (estimate, most, wants) = (self.rate(), self.probe_most(), self.wants_probe());
            let path = PathSeen {
                round_trip: self.round_trips.least_or_start(),
                delays: self.delays,
                sent: self.sent.rate(now).unwrap_or(0),
            };
            self.prober.begin(now, path, estimate, most, wants);
        }
    }

    /// When [`Self::on_timeout`] and then [`Self::probe_due`] are to be called. `None`: not before the next packet or message.
    pub fn deadline(&self) -> Option<Instant> {
        let heard = self.heard?;
        let probe = match self.config.has_feedback {
            true => self.prober.deadline(self.wants_probe()),
            false => self.try_at(),
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

    /// Bytes of each packet of this padding: on a slow path large ones would make a queue by themselves.
    pub fn probe_packet_bytes(&self, now: Instant) -> usize {
        self.prober.packet_bytes(self.micros(now))
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

    /// The path has shown a limit: delay or loss has lowered the estimate before.
    pub fn is_bounded(&self) -> bool {
        self.prober.is_bounded
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
        self.round_trips.least().map(duration)
    }

    /// The newest time from sending to feedback: with the time in the queues of the path as they are now.
    pub fn newest_round_trip(&self) -> Option<Duration> {
        self.round_trips.newest().map(duration)
    }

    /// Whether what is sent passes, whatever the estimate is: the newest feedback shows no queue that stands, and little is lost. An
    /// estimate is lowered below what the path carries by every overload, also by one that has passed.
    pub fn is_clear(&self) -> bool {
        self.has_short_queue()
            && self.silenced.is_none()
            && (self.config.has_feedback || self.fallback.is_clear())
            && self.losses.share() * 100.0 <= CLEAR_LOSS_PERCENT_MAX as f64
    }

    /// Whether the newest feedback shows no queue that stands.
    pub fn has_short_queue(&self) -> bool {
        // Pictures wait for their own packets, of which the first waits for none.
        self.standing <= CLEAR_QUEUE_MAX.as_micros() as Micros
    }

    /// Share of lost packets, 0 to 1, over about the last second.
    pub fn loss(&self) -> f64 {
        self.losses.share()
    }

    /// The same over up to 15 seconds: few single losses are in it for long.
    pub fn usual_loss(&self) -> f64 {
        self.losses.usual_share()
    }

    /// The transport-wide numbers of the packets of which feedback has said since the last call that they are lost, at most
    /// [`LOST_MAX`](crate::limits::LOST_MAX). It may turn out later that one was only late.
    pub fn take_lost(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.lost)
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

    fn silence_at(&self, heard: Micros) -> Micros {
        match self.silenced {
            None if self.config.has_feedback => heard + FEEDBACK_SILENCE_MAX.as_micros() as Micros,
            None => heard + self.fallback.silence_max(),
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
            self.fallback.on_silence(now);
            let rate = self.rate() / 100 * SILENCE_PERCENT;
            self.control.lower(now, rate as f64);
            self.prober.on_lowered(now, self.control.rate() as u64);
        }
    }
}

fn duration(us: Micros) -> Duration {
    Duration::from_micros(us.max(0) as u64)
}
