//! Subscriptions that share a connection: what the network carries is estimated once for all of them, and counts once.

use std::sync::Arc;
use std::time::Instant;

use restage_bwe::{Coupling, Estimator};

use super::download::{Download, Flow};

/// The state that all subscriptions on one connection share.
#[derive(Debug)]
pub(crate) struct SharedFlow {
    flow: Flow,
    /// At most [`CARRIED_MAX`](crate::limits::CARRIED_MAX).
    parts: Vec<Part>,
    /// When the rate was exchanged last, and whether it is among the coupled ones.
    coupled: Option<(Instant, bool)>,
}

/// One of them.
#[derive(Debug)]
struct Part {
    /// That of its place.
    number: u64,
    /// The rate that it would use, in bits per second with headers.
    desired_bits_per_s: u64,
    weight: u32,
}

impl SharedFlow {
    pub(crate) fn new(of: &Arc<Download>) -> Self {
        Self {
            flow: Flow::new(of),
            parts: Vec::new(),
            coupled: None,
        }
    }

    fn part(&mut self, number: u64) -> &mut Part {
        let known = self.parts.iter().position(|part| part.number == number);
        let place = known.unwrap_or_else(|| {
            self.parts.push(Part {
                number,
                desired_bits_per_s: 0,
                weight: 0,
            });
            self.parts.len() - 1
        });
        &mut self.parts[place]
    }

    /// Exchanges the connection's rate for its share, once for all that come at the same time. Returns whether the estimate is counted
    /// already without the row of this subscription: where rates are not coupled, it counts with the first.
    pub(super) fn couple(
        &mut self,
        now: Instant,
        coupling: &mut Coupling,
        estimator: &mut Estimator,
        (number, weight): (u64, u32),
    ) -> bool {
        self.part(number).weight = weight;
        if self.coupled.is_none_or(|(at, _)| at != now) {
            let sum = self.parts.iter().map(|part| part.weight).sum();
            let is_coupled =
                estimator.has_feedback() && self.flow.couple(now, coupling, estimator, sum);
            self.coupled = Some((now, is_coupled));
        }
        let is_coupled = self.coupled.is_some_and(|(_, is_coupled)| is_coupled);
        is_coupled || self.parts.first().map(|part| part.number) != Some(number)
    }

    /// A subscription desires this rate. Returns what all desire together.
    pub(super) fn desire(&mut self, number: u64, bits_per_s: u64) -> u64 {
        self.part(number).desired_bits_per_s = bits_per_s;
        let sum = self.parts.iter().map(|part| part.desired_bits_per_s).sum();
        self.flow.desired_bits_per_s = sum;
        sum
    }

    /// A subscription has ended. Returns the number of the one whose row has the estimate from now on, if that is another.
    pub(crate) fn leave(&mut self, number: u64) -> Option<u64> {
        let first = self.parts.first().map(|part| part.number);
        self.parts.retain(|part| part.number != number);
        self.coupled = None;
        let next = self.parts.first().map(|part| part.number);
        next.filter(|_| first == Some(number))
    }
}
