//! Probes: short bursts above the estimate, which show whether the path carries more.
//!
//! The caller sends padding; what else leaves in the meantime counts as part of the probe. A probe only ever raises the estimate: the
//! queue that it makes is its own.

use std::collections::VecDeque;

use crate::limits::{
    PROBE_BYTES_MAX, PROBE_INTERVAL, PROBE_PACKET_BYTES, PROBE_PACKETS_MIN, PROBE_REST,
    PROBE_RESULT_MAX, PROBE_TIME_MIN, SLOT,
};
use crate::records::{Micros, Settled};

const SLOT_US: Micros = SLOT.as_micros() as Micros;
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
/// Bytes that arrive within this time of the first arrived together with it.
const TOGETHER_US: Micros = 1_000;
/// What a probe leaves in the queue counts as drained after at most this time.
const DRAIN_MAX_US: Micros = 300_000;

#[derive(Debug, Clone, Copy)]
struct Sent {
    first: Micros,
    last: Micros,
    bytes: usize,
    /// Bytes of the newest burst.
    last_bytes: usize,
    packets: u32,
}

#[derive(Debug, Clone, Copy)]
struct Arrived {
    first: Micros,
    last: Micros,
    bytes: usize,
    /// Bytes that arrived together with the first.
    first_bytes: usize,
    packets: u32,
}

/// A probe under way.
#[derive(Debug, Clone, Copy)]
struct Probe {
    id: u8,
    rate: u64,
    bytes: usize,
    began: Micros,
    next_slot: Micros,
    sent: Option<Sent>,
    /// When all of it was sent.
    ended: Option<Micros>,
    arrived: Option<Arrived>,
}

/// Decides when to probe and at which rate.
#[derive(Debug)]
pub(crate) struct Prober {
    ids: u8,
    present: Option<Probe>,
    /// Rates of the probes that follow.
    planned: VecDeque<u64>,
    has_begun: bool,
    next_at: Micros,
    /// Until when what is sent meets the queue that a probe has made.
    drained_at: Micros,
    /// The token: whether it may begin a probe.
    pub(crate) is_allowed: bool,
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            ids: 0,
            present: None,
            planned: VecDeque::new(),
            has_begun: false,
            next_at: 0,
            drained_at: Micros::MIN,
            is_allowed: true,
        }
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
    pub(crate) fn on_lowered(&mut self, now: Micros) {
        self.planned.clear();
        self.next_at = self.next_at.max(now + PROBE_REST.as_micros() as Micros);
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
        let time = PROBE_TIME_MIN.as_micros() as u64;
        let bytes = (rate * time / 8_000_000) as usize;
        self.present = Some(Probe {
            id: self.ids,
            rate,
            bytes: bytes.clamp(PROBE_PACKETS_MIN * PROBE_PACKET_BYTES, PROBE_BYTES_MAX),
            began: now,
            next_slot: now,
            sent: None,
            ended: None,
            arrived: None,
        });
    }

    /// Bytes of padding that are due now.
    pub(crate) fn due(&mut self, now: Micros) -> usize {
        let Some(probe) = self.present.as_mut().filter(|probe| probe.ended.is_none()) else {
            return 0;
        };
        if now < probe.next_slot {
            return 0;
        }
        probe.next_slot = now + SLOT_US;
        let begin = probe.sent.map_or(now, |sent| sent.first);
        // Up to the end of this slot.
        let elapsed = (now - begin + SLOT_US).max(0) as u64;
        let target = (probe.rate * elapsed / 8_000_000) as usize;
        let sent = probe.sent.map_or(0, |sent| sent.bytes);
        target.min(probe.bytes).saturating_sub(sent)
    }

    /// A packet has left. Returns the id of the probe that it belongs to, or 0.
    pub(crate) fn on_sent(&mut self, now: Micros, bytes: usize, estimate: u64) -> u8 {
        let Some(probe) = self.present.as_mut().filter(|probe| probe.ended.is_none()) else {
            return 0;
        };
        let sent = probe.sent.get_or_insert(Sent {
            first: now,
            last: now,
            bytes: 0,
            last_bytes: 0,
            packets: 0,
        });
        if now > sent.last {
            (sent.last, sent.last_bytes) = (now, 0);
        }
        sent.bytes += bytes;
        sent.last_bytes += bytes;
        sent.packets += 1;
        let is_long = now - sent.first >= PROBE_TIME_MIN.as_micros() as Micros;
        if sent.bytes >= probe.bytes && is_long {
            probe.ended = Some(now);
            let drain = sent.bytes as u64 * 8_000_000 / estimate.max(1);
            self.drained_at = now + (drain as Micros).min(DRAIN_MAX_US);
        } else {
            self.drained_at = now + DRAIN_MAX_US;
        }
        probe.id
    }

    /// A packet has arrived.
    pub(crate) fn on_arrived(&mut self, packet: &Settled, arrived: Micros) {
        let Some(probe) = self.present.as_mut().filter(|one| one.id == packet.probe) else {
            return;
        };
        let bytes = usize::from(packet.bytes);
        let seen = probe.arrived.get_or_insert(Arrived {
            first: arrived,
            last: arrived,
            bytes: 0,
            first_bytes: 0,
            packets: 0,
        });
        if arrived <= seen.first + TOGETHER_US {
            seen.first_bytes += bytes;
        }
        seen.last = seen.last.max(arrived);
        seen.bytes += bytes;
        seen.packets += 1;
    }

    /// After feedback up to a time of sending: the rate that the probe has shown. A result ends the probe.
    pub(crate) fn result(
        &mut self,
        now: Micros,
        newest_sent: Micros,
        estimate: u64,
    ) -> Option<u64> {
        let probe = self.present?;
        let (sent, arrived) = (probe.sent?, probe.arrived?);
        if probe.ended.is_none() || newest_sent < sent.last {
            return None;
        }
        self.present = None;
        let Some(shown) = rate(&sent, &arrived) else {
            self.fail(now);
            return None;
        };
        if shown <= estimate {
            self.fail(now);
            return None;
        }
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

    fn fail(&mut self, now: Micros) {
        self.planned.clear();
        self.next_at = now + PROBE_INTERVAL.as_micros() as Micros;
    }
}

/// The rate that a probe has shown, in bits per second.
fn rate(sent: &Sent, arrived: &Arrived) -> Option<u64> {
    if arrived.packets * 100 < sent.packets * ARRIVED_PERCENT {
        return None;
    }
    let per_s = |bytes: usize, us: Micros| (us > 0).then(|| bytes as f64 * 8e6 / us as f64);
    // What left last, and what arrived first, took no time within the span.
    let out = per_s(sent.bytes - sent.last_bytes, sent.last - sent.first)?;
    let into = per_s(
        arrived.bytes - arrived.first_bytes,
        arrived.last - arrived.first,
    )?;
    if into > out * RATIO_MAX {
        return None;
    }
    let rate = match into < out * FILLED {
        true => into * USED,
        false => into.min(out),
    };
    Some(rate as u64)
}
