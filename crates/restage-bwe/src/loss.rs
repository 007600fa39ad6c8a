//! Loss: that of a queue that overflows grows with the rate, and lowers it; that of the path itself (radio) does not.

use std::collections::VecDeque;

use crate::records::Micros;

/// An observation has at least this many packets
const PACKETS_MIN: u32 = 20;
/// and lasts at least this long.
const TIME_MIN_US: Micros = 200_000;
/// Observations that are compared with the newest, and how long they count.
const OBSERVATIONS_MAX: usize = 40;
const AGE_MAX_US: Micros = 15_000_000;
/// Observations that are averaged as the present loss.
const PRESENT: usize = 3;
/// Loss beyond that of the path that lowers the rate,
const LOSS_HIGH: f64 = 0.1;
/// or forbids it to grow.
const LOSS_LOW: f64 = 0.03;
/// Rates that differ by this share are different rates.
const RATE_STEP: f64 = 0.15;
/// Packets at other rates from which the loss of the path is known.
const EVIDENCE_MIN: u32 = 60;
/// Most loss that is believed to be the path's own.
const PATH_LOSS_MAX: f64 = 0.3;
/// Share of the received rate that remains.
const DECREASE: f64 = 0.95;
/// Time between two decreases.
const DECREASE_WAIT_US: Micros = 400_000;

#[derive(Debug, Clone, Copy)]
struct Observation {
    at: Micros,
    /// Bits per second that were sent.
    rate: f64,
    packets: u32,
    lost: u32,
}

/// What loss says about the rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing against a higher rate.
    Free,
    /// The rate must not grow.
    Hold,
    /// The rate must not exceed this, in bits per second.
    Lower(f64),
}

#[derive(Debug, Default)]
pub(crate) struct Losses {
    packets: u32,
    lost: u32,
    began: Option<Micros>,
    past: VecDeque<Observation>,
    lowered: Option<Micros>,
}

impl Losses {
    /// A packet was received or lost. One that was reported as lost before and has come after all takes its loss back.
    pub(crate) fn count(&mut self, is_received: bool, was_lost: bool) {
        match (is_received, was_lost) {
            (true, true) => self.lost = self.lost.saturating_sub(1),
            (true, false) => self.packets += 1,
            (false, _) => {
                self.packets += 1;
                self.lost += 1;
            }
        }
    }

    /// See [`Estimator::touch`](crate::Estimator::touch).
    pub(crate) fn touch(&self) -> u64 {
        self.past.back().map_or(0, |one| u64::from(one.packets))
    }

    /// Lost packets as a share of those sent, 0 to 1, over the newest observations.
    pub(crate) fn share(&self) -> f64 {
        self.share_of_newest(PRESENT)
    }

    /// The same over all that are remembered, of up to 15 seconds.
    pub(crate) fn usual_share(&self) -> f64 {
        self.share_of_newest(OBSERVATIONS_MAX)
    }

    fn share_of_newest(&self, count: usize) -> f64 {
        let newest = self.past.iter().rev().take(count);
        let (lost, packets) = newest.fold((0, 0), |(lost, packets), one| {
            (lost + one.lost, packets + one.packets)
        });
        share(lost, packets)
    }

    /// Closes an observation if it is long enough. `sent` and `received` are bits per second.
    pub(crate) fn judge(
        &mut self,
        now: Micros,
        sent: Option<f64>,
        received: Option<f64>,
    ) -> Verdict {
        let began = *self.began.get_or_insert(now);
        if let Some(rate) = sent
            && self.packets >= PACKETS_MIN
            && now - began >= TIME_MIN_US
        {
            let is_old = |one: &Observation| now - one.at > AGE_MAX_US;
            while self.past.len() >= OBSERVATIONS_MAX || self.past.front().is_some_and(is_old) {
                self.past.pop_front();
            }
            self.past.push_back(Observation {
                at: now,
                rate,
                packets: std::mem::take(&mut self.packets),
                lost: std::mem::take(&mut self.lost),
            });
            self.began = Some(now);
        }
        let Some(newest) = self.past.back().copied() else {
            return Verdict::Free;
        };
        let present = self.share();
        if present <= LOSS_LOW {
            return Verdict::Free;
        }
        let excess = present - self.of_path(newest.rate, present);
        let waits = self
            .lowered
            .is_some_and(|at| now - at < DECREASE_WAIT_US || newest.at <= at);
        match received {
            Some(received) if excess > LOSS_HIGH && !waits => {
                self.lowered = Some(now);
                Verdict::Lower(received * DECREASE)
            }
            _ if excess > LOSS_LOW => Verdict::Hold,
            _ => Verdict::Free,
        }
    }

    /// The loss of the path itself: what was lost at clearly lower rates; else, if higher rates lost no more than is lost now,
    /// what is lost now.
    fn of_path(&self, rate: f64, present: f64) -> f64 {
        let at = |is_so: &dyn Fn(f64) -> bool| {
            let chosen = self.past.iter().filter(|one| is_so(one.rate));
            let (lost, packets) = chosen.fold((0, 0), |(lost, packets), one| {
                (lost + one.lost, packets + one.packets)
            });
            (packets >= EVIDENCE_MIN).then(|| share(lost, packets))
        };
        let lower = at(&|other| other < rate * (1.0 - RATE_STEP));
        let higher = at(&|other| other > rate * (1.0 + RATE_STEP));
        let own = match (lower, higher) {
            (Some(lower), _) => lower,
            (None, Some(higher)) if higher <= present + LOSS_LOW => present,
            _ => 0.0,
        };
        own.min(PATH_LOSS_MAX)
    }
}

fn share(lost: u32, packets: u32) -> f64 {
    f64::from(lost) / f64::from(packets.max(1))
}
