//! Several connections of one receiver share one bottleneck: their rates are coupled (RFC 8699 §5.3, the active algorithm).
//!
//! Each connection has its own estimator. Whatever one of them gains or loses changes the sum, which is divided by priority. What a
//! connection does not desire goes to the others.

use std::time::{Duration, Instant};

use crate::limits::{FLOWS_MAX, PROBE_SAID_MAX, PROBE_TOKEN_MAX, RATE_MAX, RATE_MIN};

/// What remains of the sum, in percent, at the least after one decrease.
const DECREASE_PERCENT_MIN: u64 = 85;

/// A connection in a [`Coupling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId {
    place: usize,
    /// Which of those that had the place one after the other.
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    turn: u64,
    priority: u32,
    /// Bits per second that it would use.
    desired: u64,
    /// Its share of the sum.
    rate: u64,
}

/// The flow state exchange of one receiver. Rates are in bits per second.
#[derive(Debug, Default)]
pub struct Coupling {
    flows: Vec<Option<Flow>>,
    turns: u64,
    /// The sum of all calculated rates, S_CR.
    sum: u64,
    /// After a decrease, increases of other flows do not count until this time: one congestion must not be answered by one flow and
    /// undone by another.
    holds_until: Option<Instant>,
    /// Who may probe, and until when.
    token: Option<(FlowId, Instant)>,
    /// The connection that has said that it probes, and the time at which it did.
    probed: Option<(FlowId, Instant)>,
}

impl Coupling {
    /// No connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection with its first rate. `None`: there are [`FLOWS_MAX`] already. A priority of 0 counts as 1.
    pub fn add(&mut self, rate: u64, priority: u32) -> Option<FlowId> {
        let place = match self.flows.iter().position(Option::is_none) {
            Some(place) => place,
            None if self.flows.len() < FLOWS_MAX => {
                self.flows.push(None);
                self.flows.len() - 1
            }
            None => return None,
        };
        self.turns += 1;
        let rate = rate.clamp(RATE_MIN, RATE_MAX);
        self.flows[place] = Some(Flow {
            turn: self.turns,
            priority: priority.max(1),
            desired: u64::MAX,
            rate,
        });
        self.sum += rate;
        Some(FlowId {
            place,
            turn: self.turns,
        })
    }

    /// Removes a connection. Its share goes to the others, which used the same bottleneck with it.
    pub fn remove(&mut self, flow: FlowId) {
        if self.get(flow).is_none() {
            return;
        }
        self.flows[flow.place] = None;
        if self.token.is_some_and(|(holder, _)| holder == flow) {
            self.token = None;
        }
        match self.flows.iter().flatten().count() {
            0 => self.sum = 0,
            _ => self.share(),
        }
    }

    /// The connection's controller has come from its share to `calculated`. Returns its new share; those of the others are read with
    /// [`Self::rate`]. `round_trip` is the time for which others may not undo a decrease, doubled.
    pub fn update(
        &mut self,
        flow: FlowId,
        now: Instant,
        calculated: u64,
        desired: u64,
        round_trip: Duration,
    ) -> Option<u64> {
        let holds = self.holds_until.is_some_and(|until| now < until);
        let state = self.get_mut(flow)?;
        state.desired = desired.max(RATE_MIN);
        let before = state.rate;
        let calculated = calculated.clamp(RATE_MIN, RATE_MAX);
        if calculated < before {
            // The sum decreases by the same factor: the bottleneck is everybody's. What one flow received is a poor measure of
            // it, because a key frame of another may have been in the way; a deeper decrease takes several steps.
            let least = self.sum / 100 * DECREASE_PERCENT_MIN;
            let sum = u128::from(self.sum) * u128::from(calculated) / u128::from(before);
            if !holds {
                self.sum = (sum as u64).max(least);
                self.holds_until = Some(now + 2 * round_trip.min(PROBE_TOKEN_MAX));
            }
        } else if !holds {
            self.sum += calculated - before;
        }
        self.share();
        self.rate(flow)
    }

    /// A connection's share. `None`: it was removed.
    pub fn rate(&self, flow: FlowId) -> Option<u64> {
        self.get(flow).map(|flow| flow.rate)
    }

    /// What the other connections have together.
    pub fn others(&self, flow: FlowId) -> u64 {
        self.sum.saturating_sub(self.rate(flow).unwrap_or(0))
    }

    /// The sum of all shares.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Changes a connection's priority. Shares follow with the next update.
    pub fn set_priority(&mut self, flow: FlowId, priority: u32) {
        if let Some(state) = self.get_mut(flow) {
            state.priority = priority.max(1);
        }
    }

    /// Whether this connection may probe now. It holds the token until [`Self::release_token`], at most
    /// [`PROBE_TOKEN_MAX`]: two probes at a time would measure each other.
    pub fn take_token(&mut self, flow: FlowId, now: Instant) -> bool {
        if self.get(flow).is_none() {
            return false;
        }
        match self.token {
            Some((holder, until)) if holder != flow && now < until => false,
            Some((holder, until)) if holder == flow && now < until => true,
            _ => {
                self.token = Some((flow, now + PROBE_TOKEN_MAX));
                true
            }
        }
    }

    /// The connection probes now. To be repeated while it does.
    pub fn on_probing(&mut self, flow: FlowId, now: Instant) {
        self.probed = Some((flow, now));
    }

    /// True while another connection probes, as far as that is known.
    pub fn is_probed(&self, flow: FlowId, now: Instant) -> bool {
        self.probed
            .is_some_and(|(by, at)| by != flow && now < at + PROBE_SAID_MAX)
    }

    /// The connection's probe has ended.
    pub fn release_token(&mut self, flow: FlowId) {
        if self.token.is_some_and(|(holder, _)| holder == flow) {
            self.token = None;
        }
    }

    fn get(&self, flow: FlowId) -> Option<&Flow> {
        let state = self.flows.get(flow.place)?.as_ref()?;
        (state.turn == flow.turn).then_some(state)
    }

    fn get_mut(&mut self, flow: FlowId) -> Option<&mut Flow> {
        let state = self.flows.get_mut(flow.place)?.as_mut()?;
        (state.turn == flow.turn).then_some(state)
    }

    /// Divides the sum by priority, at most what each desires; the rest goes to those that desire more. What nobody desires is divided
    /// by priority too, so that the sum of the shares stays the sum.
    fn share(&mut self) {
        let count = self.flows.iter().flatten().count() as u64;
        self.sum = self.sum.clamp(count * RATE_MIN, count.max(1) * RATE_MAX);
        let mut rest = self.sum;
        let mut open: Vec<&mut Flow> = self.flows.iter_mut().flatten().collect();
        loop {
            let priorities: u64 = open.iter().map(|flow| u64::from(flow.priority)).sum();
            let part = |flow: &Flow, rest: u64| {
                (u128::from(rest) * u128::from(flow.priority) / u128::from(priorities.max(1)))
                    as u64
            };
            let (content, wanting): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|flow| flow.desired < part(flow, rest));
            if content.is_empty() {
                for flow in wanting {
                    flow.rate = part(flow, rest).clamp(RATE_MIN, RATE_MAX);
                }
                break;
            }
            let is_last = wanting.is_empty();
            let surplus = rest;
            for flow in content {
                flow.rate = match is_last {
                    true => part(flow, surplus),
                    false => flow.desired,
                }
                .clamp(RATE_MIN, RATE_MAX);
                rest = rest.saturating_sub(flow.rate);
            }
            if is_last {
                break;
            }
            open = wanting;
        }
    }
}
