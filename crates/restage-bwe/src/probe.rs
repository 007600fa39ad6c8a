//! Probes: short bursts above the estimate, which show whether the path carries more.
//!
//! The caller sends padding; what else leaves in the meantime counts as part of the probe. A probe only ever raises the estimate: the
//! queue that it makes is its own.

use std::collections::VecDeque;

use crate::limits::{
    PROBE_BYTES_MAX, PROBE_INTERVAL, PROBE_PACKET_BYTES, PROBE_PACKETS_MIN, PROBE_REST,
    PROBE_RESULT_MAX, PROBE_RETRY, PROBE_TIME_MIN, PROBE_TIMES_MAX, SLOT,
};
use crate::records::{Micros, Settled};

const SLOT_US: Micros = SLOT.as_micros() as Micros;
const TIME_MIN_US: Micros = PROBE_TIME_MIN.as_micros() as Micros;
/// The first probes, as multiples of the estimate.
const FIRST: [u64; 2] = [3, 6];
/// A later probe is this multiple of the estimate.
const FURTHER: u64 = 2;
/// A result of at least this share of the probe's rate lets a further probe follow at once.
const GROW_PERCENT: u64 = 70;
/// Share of the probe's packets, in percent, that must have arrived.
const ARRIVED_PERCENT: u32 = 80;
/// A probe that is received this many times faster than it was sent measures nothing.
const RATIO_MAX: f64 = 2.0;
/// A probe that is received more slowly than this share of its rate has filled the path,
const FILLED: f64 = 0.9;
/// of which this share is used.
const USED: f64 = 0.95;
/// Bytes within this time of the first arrived together with it.
const TOGETHER_US: Micros = 1_000;
/// Failures beyond this do not change the time between probes.
const FAILURES_MAX: u32 = 8;
/// A result was wrong if the estimate is lowered within this time to less than this share of it.
const WRONG_PERCENT: u64 = 70;
const WRONG_WITHIN_US: Micros = 1_500_000;
/// A wrong result counts for this long.
const FORGIVEN_US: Micros = 60_000_000;
/// What a probe leaves in the queue counts as drained after at most this time.
const DRAIN_MAX_US: Micros = 300_000;

/// Packets at one end of the path.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: Micros,
    last: Micros,
    bytes: usize,
    /// Bytes at the time `first`, or together with it.
    first_bytes: usize,
    /// Bytes at the time `last`.
    last_bytes: usize,
    packets: u32,
}

impl Span {
    fn new(at: Micros) -> Self {
        Self {
            first: at,
            last: at,
            bytes: 0,
            first_bytes: 0,
            last_bytes: 0,
            packets: 0,
        }
    }

    fn add(&mut self, at: Micros, bytes: usize) {
        if at > self.last {
            (self.last, self.last_bytes) = (at, 0);
        }
        if at <= self.first + TOGETHER_US {
            self.first_bytes += bytes;
        }
        self.bytes += bytes;
        self.last_bytes += bytes;
        self.packets += 1;
    }

    /// Bits per second: what is not counted took no time within the span.
    fn rate_without(&self, bytes: usize) -> Option<f64> {
        let time = self.last - self.first;
        (time > 0).then(|| (self.bytes - bytes) as f64 * 8e6 / time as f64)
    }
}

/// What was sent of a probe, or of its second half, and what has arrived of that.
#[derive(Debug, Clone, Copy)]
struct Part {
    sent: Span,
    arrived: Option<Span>,
}

impl Part {
    /// The rate of sending, and of arrival.
    fn rates(&self) -> Option<(f64, f64)> {
        let arrived = self.arrived.as_ref()?;
        let out = self.sent.rate_without(self.sent.last_bytes)?;
        let into = arrived.rate_without(arrived.first_bytes)?;
        let is_enough = arrived.packets * 100 >= self.sent.packets * ARRIVED_PERCENT;
        (is_enough && into <= out * RATIO_MAX).then_some((out, into))
    }
}

/// A probe under way.
#[derive(Debug, Clone, Copy)]
struct Probe {
    id: u8,
    rate: u64,
    time_min: Micros,
    bytes: usize,
    began: Micros,
    next_slot: Micros,
    /// When all of it was sent.
    ended: Option<Micros>,
    whole: Option<Part>,
    /// What was sent after half of its time. The first half may have passed a token bucket at once.
    later: Option<Part>,
}

impl Probe {
    /// Whether enough was sent, over enough time.
    fn is_complete(&self, now: Micros) -> bool {
        self.whole.is_some_and(|Part { sent, .. }| {
            sent.bytes >= PROBE_BYTES_MAX
                || sent.bytes >= self.bytes && now - sent.first >= self.time_min
        })
    }

    fn bytes_sent(&self) -> usize {
        self.whole.map_or(0, |part| part.sent.bytes)
    }

    /// When the second half began.
    fn half(&self) -> Option<Micros> {
        Some(self.whole?.sent.first + self.time_min / 2)
    }
}

/// Decides when to probe and at which rate.
#[derive(Debug)]
pub(crate) struct Prober {
    ids: u8,
    present: Option<Probe>,
    /// Rates of the probes that follow.
    planned: VecDeque<u64>,
    has_begun: bool,
    failures: u32,
    next_at: Micros,
    /// How many times as long as usual a probe is: doubled when a result turned out to be wrong, so that a token bucket does not
    /// deceive again.
    times: u32,
    wrong_at: Micros,
    /// When a probe raised the estimate last, and to what.
    raised: Option<(Micros, u64)>,
    /// Until when what is sent meets the queue that a probe has made.
    drained_at: Micros,
    /// The token: whether it may begin a probe.
    pub(crate) is_allowed: bool,
    /// Bits per second that other connections send over the same bottleneck.
    pub(crate) others: u64,
}

impl Prober {
    /// See [`Estimator::touch`](crate::Estimator::touch).
    pub(crate) fn touch(&self) -> Micros {
        self.next_at
    }

    pub(crate) fn new() -> Self {
        Self {
            ids: 0,
            present: None,
            planned: VecDeque::new(),
            has_begun: false,
            failures: 0,
            next_at: 0,
            times: 1,
            wrong_at: 0,
            raised: None,
            drained_at: Micros::MIN,
            is_allowed: true,
            others: 0,
        }
    }

    /// Whether a probe is being sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.present
            .as_ref()
            .is_some_and(|probe| probe.ended.is_none())
    }

    /// Whether a probe is being sent or its result is awaited.
    pub(crate) fn is_busy(&self) -> bool {
        self.present.is_some() || !self.planned.is_empty()
    }

    /// Whether what was sent at this time met the queue of a probe.
    pub(crate) fn disturbs(&self, sent: Micros) -> bool {
        sent < self.drained_at
    }

    /// When a probe would begin next, or its next slot is due.
    pub(crate) fn deadline(&self, wants: bool) -> Option<Micros> {
        match &self.present {
            Some(probe) => match probe.ended {
                Some(ended) => Some(ended + PROBE_RESULT_MAX.as_micros() as Micros),
                None => Some(probe.next_slot),
            },
            None if !self.is_allowed => None,
            None if !self.planned.is_empty() => Some(self.next_at),
            None => wants.then_some(self.next_at),
        }
    }

    /// What is wanted has grown: it is shown to fit at once, unless the estimate was just lowered.
    pub(crate) fn hurry(&mut self, now: Micros) {
        if self.has_begun && self.planned.is_empty() {
            self.next_at = self.next_at.min(now);
        }
    }

    /// The estimate was lowered: what is planned is above what the path carries.
    pub(crate) fn on_lowered(&mut self, now: Micros, rate: u64) {
        self.planned.clear();
        let mut rest = PROBE_REST;
        if let Some((at, shown)) = self.raised.take() {
            if now - at < WRONG_WITHIN_US && rate * 100 < shown * WRONG_PERCENT {
                self.times = (self.times * 2).min(PROBE_TIMES_MAX);
                self.wrong_at = now;
                rest = PROBE_INTERVAL;
            } else if now - self.wrong_at > FORGIVEN_US {
                self.times = 1;
            }
        }
        self.next_at = self.next_at.max(now + rest.as_micros() as Micros);
    }

    /// Begins a probe if one is due. `most` is the highest rate of interest; `wants`: more than the estimate is.
    pub(crate) fn begin(&mut self, now: Micros, estimate: u64, most: u64, wants: bool) {
        if let Some(probe) = &self.present {
            let limit = PROBE_RESULT_MAX.as_micros() as Micros;
            if now - probe.ended.unwrap_or(probe.began) < limit {
                return;
            }
            self.present = None;
            self.fail(now);
        }
        if !self.is_allowed || now < self.next_at {
            return;
        }
        if !self.has_begun && wants {
            self.has_begun = true;
            self.planned.extend(FIRST.map(|times| estimate * times));
        }
        let rate = match self.planned.pop_front() {
            Some(rate) => rate,
            None if wants => estimate * FURTHER,
            None => return,
        };
        let rate = rate.min(most);
        if rate <= estimate + estimate / 20 {
            self.planned.clear();
            return;
        }
        self.ids = self.ids.checked_add(1).unwrap_or(1);
        let time_min = TIME_MIN_US * Micros::from(self.times);
        let time = (time_min + SLOT_US) as u64;
        let bytes = (rate * time / 8_000_000) as usize;
        self.present = Some(Probe {
            id: self.ids,
            rate,
            time_min,
            bytes: bytes.clamp(PROBE_PACKETS_MIN * PROBE_PACKET_BYTES, PROBE_BYTES_MAX),
            began: now,
            next_slot: now,
            ended: None,
            whole: None,
            later: None,
        });
    }

    /// Bytes of padding that are due now.
    pub(crate) fn due(&mut self, now: Micros, estimate: u64) -> usize {
        let Some(probe) = self.present.as_mut().filter(|probe| probe.ended.is_none()) else {
            return 0;
        };
        if now < probe.next_slot {
            return 0;
        }
        probe.next_slot = now + SLOT_US;
        if probe.is_complete(now) {
            self.end(now, estimate);
            return 0;
        }
        let begin = probe.whole.map_or(now, |part| part.sent.first);
        // Up to the end of this slot.
        let elapsed = (now - begin + SLOT_US).max(0) as u64;
        let target = ((probe.rate * elapsed / 8_000_000) as usize).min(PROBE_BYTES_MAX);
        target.saturating_sub(probe.bytes_sent())
    }

    /// A packet has left. Returns the id of the probe that it belongs to, or 0.
    pub(crate) fn on_sent(&mut self, now: Micros, bytes: usize, estimate: u64) -> u8 {
        let Some(probe) = self.present.as_mut().filter(|probe| probe.ended.is_none()) else {
            return 0;
        };
        if probe.is_complete(now) && now >= probe.next_slot {
            self.end(now, estimate);
            return 0;
        }
        let part = Part {
            sent: Span::new(now),
            arrived: None,
        };
        probe.whole.get_or_insert(part).sent.add(now, bytes);
        if probe.half().is_some_and(|half| now >= half) {
            probe.later.get_or_insert(part).sent.add(now, bytes);
        }
        self.drained_at = now + DRAIN_MAX_US;
        probe.id
    }

    /// A packet has arrived.
    pub(crate) fn on_arrived(&mut self, packet: &Settled, arrived: Micros) {
        let Some(probe) = self.present.as_mut().filter(|one| one.id == packet.probe) else {
            return;
        };
        let half = probe.half();
        let is_later = half.is_some_and(|half| packet.sent >= half);
        let parts = [
            probe.whole.as_mut(),
            probe.later.as_mut().filter(|_| is_later),
        ];
        for part in parts.into_iter().flatten() {
            let span = part.arrived.get_or_insert_with(|| Span::new(arrived));
            span.add(arrived, usize::from(packet.bytes));
        }
    }

    /// After feedback up to a time of sending: the rate that the probe has shown. A result ends the probe.
    pub(crate) fn result(
        &mut self,
        now: Micros,
        newest_sent: Micros,
        estimate: u64,
    ) -> Option<u64> {
        let probe = self.present?;
        if probe.ended.is_none() || newest_sent < probe.whole?.sent.last {
            return None;
        }
        self.present = None;
        let Some(shown) = shown(&probe, self.others) else {
            self.fail(now);
            return None;
        };
        if shown <= estimate {
            self.fail(now);
            return None;
        }
        self.raised = Some((now, shown));
        self.next_at = now + PROBE_INTERVAL.as_micros() as Micros;
        if shown * 100 >= probe.rate * GROW_PERCENT {
            if self.planned.is_empty() {
                self.planned.push_back(shown * FURTHER);
            }
            self.next_at = now;
        } else {
            self.planned.clear();
        }
        Some(shown)
    }

    /// All of the probe was sent.
    fn end(&mut self, now: Micros, estimate: u64) {
        let Some(probe) = &mut self.present else {
            return;
        };
        probe.ended = Some(now);
        let bytes = probe.bytes_sent() as u64;
        let drain = (bytes * 8_000_000 / estimate.max(1)) as Micros;
        self.drained_at = now + drain.min(DRAIN_MAX_US);
    }

    /// The first failures may be chance, so the next attempt comes soon.
    fn fail(&mut self, now: Micros) {
        self.planned.clear();
        let wait = (PROBE_RETRY * 2_u32.pow(self.failures)).min(PROBE_INTERVAL);
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        self.next_at = now + wait.as_micros() as Micros;
    }
}

/// The rate that a probe has shown, in bits per second, beside what `others` send over the same bottleneck.
fn shown(probe: &Probe, others: u64) -> Option<u64> {
    let (out, into) = probe.whole?.rates()?;
    // The bottleneck is divided in proportion to what is sent: what a probe that fills it gains, others lose.
    let filled = |out: f64, into: f64| (into - (1.0 - into / out) * others as f64) * USED;
    let mut rate = into.min(out);
    if into < out * FILLED {
        rate = rate.min(filled(out, into));
    }
    // Half of a short probe is too few packets to tell.
    if probe.time_min > TIME_MIN_US {
        let (out, into) = probe.later?.rates()?;
        if into < out * FILLED {
            rate = rate.min(filled(out, into));
        }
    }
    Some(rate.max(0.0) as u64)
}
