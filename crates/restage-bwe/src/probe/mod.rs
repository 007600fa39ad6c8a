//! Probes: for a short time more than the estimate is sent, which shows whether the path carries it.
//!
//! The caller sends padding; what else leaves in the meantime counts as part of the probe. A probe only ever raises the estimate: the
//! queue that it makes is its own.
//!
//! The first probes, and those that begin in a queue, are short (`burst`). A token bucket lets such a probe pass at once where it
//! is full, which it is not in a queue. All others climb until a queue is seen (`climb`).

mod burst;
mod climb;
mod span;

use std::collections::VecDeque;

use crate::delay::Delays;
use crate::limits::{
    PROBE_INTERVAL, PROBE_PACKET_BYTES, PROBE_QUEUE_MAX, PROBE_REST, PROBE_RESULT_MAX, PROBE_RETRY,
    PROBE_SILENCE_MAX, SLOT,
};
use crate::records::{Micros, Settled};
use burst::Burst;
use climb::Climb;

const SLOT_US: Micros = SLOT.as_micros() as Micros;
const INTERVAL_US: Micros = PROBE_INTERVAL.as_micros() as Micros;
const RESULT_MAX_US: Micros = PROBE_RESULT_MAX.as_micros() as Micros;
const SILENCE_MAX_US: Micros = PROBE_SILENCE_MAX.as_micros() as Micros;
const QUEUE_MAX_US: Micros = PROBE_QUEUE_MAX.as_micros() as Micros;
/// The first probes, as multiples of the estimate.
const FIRST: [u64; 2] = [3, 6];
/// A short probe that begins in a queue is this multiple of the estimate.
const FURTHER: u64 = 2;
/// A path with a longer queue than this is not calm: a probe would begin in that queue.
const CALM_US: Micros = 15_000;
/// Where several connections share the path, a probe waits for it to be calm, and looks again after this time.
const CALM_WAIT_US: Micros = 50_000;
/// A short probe that has shown at least this share of its rate, in percent, lets the next one follow at once.
const SHOWN_PERCENT: u64 = 70;
/// So does a climbing one that has met no queue and has raised the estimate to this share, in percent.
const RAISED_PERCENT: u64 = 125;
/// Failures beyond this do not change the time between probes.
const FAILURES_MAX: u32 = 8;
/// A result was wrong if the estimate is lowered within this time to less than this share of it.
const WRONG_PERCENT: u64 = 70;
const WRONG_WITHIN_US: Micros = 1_500_000;
/// What a short probe leaves in the queue counts as drained after at most this time,
const BURST_DRAIN_US: Micros = 300_000;
/// and what a climbing one leaves, which ends when a queue is seen, after this time.
const CLIMB_DRAIN_US: Micros = 100_000;
/// What is sent within this time after another connection has said that it probes meets its queue.
const FOREIGN_US: Micros = 100_000;

/// What is known of the path when a probe begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathSeen {
    pub(crate) round_trip: Micros,
    pub(crate) delays: Delays,
    /// Bits per second that are sent.
    pub(crate) sent: u64,
}

#[derive(Debug)]
enum Kind {
    Burst(Burst),
    Climb(Box<Climb>),
}

/// A probe under way.
#[derive(Debug)]
struct Probe {
    id: u8,
    kind: Kind,
    next_slot: Micros,
    /// When all of it was sent.
    ended: Option<Micros>,
    bytes_sent: usize,
    /// More is wanted since it began.
    is_outdone: bool,
}

impl Probe {
    fn is_complete(&self, now: Micros) -> bool {
        match &self.kind {
            Kind::Burst(burst) => burst.is_complete(now),
            Kind::Climb(climb) => climb.is_complete(now),
        }
    }

    /// When the last packet was sent.
    fn sent_last(&self) -> Option<Micros> {
        match &self.kind {
            Kind::Burst(burst) => burst.sent_last(),
            Kind::Climb(climb) => climb.sent_last(),
        }
    }

    /// How long at most what it leaves in the queue counts.
    fn drain_max(&self) -> Micros {
        match self.kind {
            Kind::Burst(_) => BURST_DRAIN_US,
            Kind::Climb(_) => CLIMB_DRAIN_US,
        }
    }
}

/// What a bottleneck that is filled carries for a connection that sends `out` and of which `into` arrives, in bits per second: it is
/// divided in proportion to what is sent, so what a probe gains, `others` lose.
fn carried(out: f64, into: f64, others: u64) -> f64 {
    into - (1.0 - into / out) * others as f64
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
    /// No probe begins before this, whatever is wanted.
    rests_until: Micros,
    /// The path has shown a limit.
    pub(crate) is_bounded: bool,
    /// When feedback came last.
    heard: Micros,
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

    /// The first packet leaves, before which nothing could be repeated.
    pub(crate) fn on_first(&mut self, now: Micros) {
        self.next_at = self.next_at.max(now);
    }

    pub(crate) fn new() -> Self {
        Self {
            ids: 0,
            present: None,
            planned: VecDeque::new(),
            has_begun: false,
            failures: 0,
            next_at: 0,
            rests_until: 0,
            is_bounded: false,
            heard: 0,
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

    /// Another connection probes: what is sent meets its queue.
    pub(crate) fn on_foreign(&mut self, now: Micros) {
        self.drained_at = self.drained_at.max(now + FOREIGN_US);
    }

    /// Whether what was sent at this time and has waited in queues for so long met the queue of a probe. On a path with a limit a
    /// longer queue than [`PROBE_QUEUE_MAX`] is no probe's.
    pub(crate) fn disturbs(&self, sent: Micros, waited: Micros) -> bool {
        sent < self.drained_at && (waited < QUEUE_MAX_US || !self.is_bounded)
    }

    /// When a probe would begin next, or its next slot is due.
    pub(crate) fn deadline(&self, wants: bool) -> Option<Micros> {
        match &self.present {
            Some(probe) => match probe.ended {
                Some(ended) => Some(ended + RESULT_MAX_US),
                None => Some(probe.next_slot),
            },
            None if !self.is_allowed => None,
            None if !self.planned.is_empty() => Some(self.next_at),
            None => wants.then_some(self.next_at),
        }
    }

    /// What is wanted has grown: it is shown to fit at once, unless the estimate was just lowered.
    pub(crate) fn hurry(&mut self, now: Micros) {
        if let Some(probe) = &mut self.present {
            probe.is_outdone = true;
        }
        if self.has_begun && self.planned.is_empty() {
            self.next_at = self.next_at.min(now).max(self.rests_until);
        }
    }

    /// The estimate was lowered: what is planned is above what the path carries.
    pub(crate) fn on_lowered(&mut self, now: Micros, rate: u64) {
        self.is_bounded = true;
        self.planned.clear();
        let is_wrong = self.raised.take().is_some_and(|(at, shown)| {
            now - at < WRONG_WITHIN_US && rate * 100 < shown * WRONG_PERCENT
        });
        let rest = if is_wrong { PROBE_INTERVAL } else { PROBE_REST };
        self.rests_until = now + rest.as_micros() as Micros;
        self.next_at = self.next_at.max(self.rests_until);
    }

    /// Begins a probe if one is due. `most` is the highest rate of interest; `wants`: more than the estimate is.
    pub(crate) fn begin(
        &mut self,
        now: Micros,
        path: PathSeen,
        estimate: u64,
        most: u64,
        wants: bool,
    ) {
        if let Some(probe) = &self.present {
            // Until all of it was sent, `due` ends it.
            if probe.ended.is_none_or(|ended| now - ended < RESULT_MAX_US) {
                return;
            }
            self.present = None;
            self.fail(now);
        }
        if !self.is_allowed || now < self.next_at {
            return;
        }
        let is_calm = path.delays.newest_waited() <= CALM_US;
        if self.is_bounded && !is_calm && self.others > 0 {
            // Another connection may have made the queue, by a probe of its own.
            self.next_at = now + CALM_WAIT_US;
            return;
        }
        if !self.has_begun && wants {
            self.has_begun = true;
            self.planned.extend(FIRST.map(|times| estimate * times));
        }
        let planned = self.planned.pop_front();
        let rate = match planned {
            Some(rate) => rate,
            None if wants && is_calm => most,
            None if wants => estimate * FURTHER,
            None => return,
        };
        let rate = rate.min(most);
        if rate <= estimate + estimate / 20 {
            self.planned.clear();
            return;
        }
        let kind = match planned.is_none() && is_calm {
            true => {
                // The estimate may have been right some time ago; what is sent passes now.
                let from = match self.is_bounded {
                    true => path.sent.clamp(estimate / 2, estimate),
                    false => estimate,
                };
                Kind::Climb(Box::new(Climb::new(from, rate, path, self.is_bounded)))
            }
            false => Kind::Burst(Burst::new(rate)),
        };
        self.ids = self.ids.checked_add(1).unwrap_or(1);
        self.heard = now;
        self.present = Some(Probe {
            id: self.ids,
            kind,
            next_slot: now,
            ended: None,
            bytes_sent: 0,
            is_outdone: false,
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
        if probe.is_complete(now) || now - self.heard > SILENCE_MAX_US {
            self.end(now, estimate);
            return 0;
        }
        match &probe.kind {
            Kind::Burst(burst) => burst.due(now),
            Kind::Climb(climb) => climb.due(now),
        }
    }

    /// Bytes of each packet of padding that is sent now.
    pub(crate) fn packet_bytes(&self, now: Micros) -> usize {
        match self.present.as_ref().map(|probe| &probe.kind) {
            Some(Kind::Climb(climb)) => climb.packet_bytes(now),
            Some(Kind::Burst(_)) | None => PROBE_PACKET_BYTES,
        }
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
        probe.bytes_sent += bytes;
        self.drained_at = now + probe.drain_max();
        match &mut probe.kind {
            Kind::Burst(burst) => burst.on_sent(now, bytes),
            Kind::Climb(climb) => climb.on_sent(now, bytes),
        }
        probe.id
    }

    /// A packet has arrived, or was lost.
    pub(crate) fn on_settled(&mut self, packet: &Settled, arrived: Option<Micros>) {
        let Some(probe) = self.present.as_mut().filter(|one| one.id == packet.probe) else {
            return;
        };
        match &mut probe.kind {
            Kind::Burst(burst) => burst.on_settled(packet, arrived),
            Kind::Climb(climb) => climb.on_settled(packet, arrived),
        }
    }

    /// After feedback up to a time of sending: the rate that the probe has shown. A result ends the probe.
    pub(crate) fn result(
        &mut self,
        now: Micros,
        newest_sent: Micros,
        estimate: u64,
    ) -> Option<u64> {
        self.heard = now;
        let probe = self.present.as_ref()?;
        if probe.ended.is_none() && probe.is_complete(now) {
            self.end(now, estimate);
        }
        let probe = self.present.as_ref()?;
        if probe.ended.is_none() || newest_sent < probe.sent_last()? {
            return None;
        }
        let is_outdone = probe.is_outdone;
        let (shown, is_open, has_queued) = match &probe.kind {
            Kind::Burst(burst) => {
                let shown = burst.shown(self.others);
                let is_open = shown >= Some(burst.rate * SHOWN_PERCENT / 100);
                (shown, is_open, false)
            }
            Kind::Climb(climb) => {
                let shown = climb.shown(self.others);
                let is_raised = shown >= Some(estimate * RAISED_PERCENT / 100);
                let has_queued = climb.has_queued();
                (shown, (is_raised || is_outdone) && !has_queued, has_queued)
            }
        };
        self.present = None;
        let raised = shown.filter(|shown| *shown > estimate);
        if raised.is_some() && is_open {
            self.failures = 0;
            self.next_at = now;
        } else if raised.is_some() || has_queued {
            // It has shown what the path carries: more is not to be expected soon.
            self.wait(now, INTERVAL_US);
        } else {
            self.fail(now);
        }
        self.raised = raised.map(|shown| (now, shown)).or(self.raised);
        raised
    }

    /// All of the probe was sent.
    fn end(&mut self, now: Micros, estimate: u64) {
        let Some(probe) = &mut self.present else {
            return;
        };
        probe.ended = Some(now);
        let drain = (probe.bytes_sent as u64 * 8_000_000 / estimate.max(1)) as Micros;
        self.drained_at = now + drain.min(probe.drain_max());
    }

    /// The first failures may be chance, so the next attempt comes soon.
    fn fail(&mut self, now: Micros) {
        let wait = (PROBE_RETRY * 2_u32.pow(self.failures)).min(PROBE_INTERVAL);
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        self.wait(now, wait.as_micros() as Micros);
    }

    fn wait(&mut self, now: Micros, time: Micros) {
        self.planned.clear();
        self.next_at = now + time;
    }
}
