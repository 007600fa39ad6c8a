//! What the peers of one receiver have in common, on whichever workers they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use restage_bwe::{Coupling, Estimator, FlowId, Usage};

use super::shared::SharedFlow;
use super::sum::Sum;
use super::table::{Allotment, Estimate, News, Table};
use super::wish::Priority;
use crate::limits::JAM_QUEUE;

/// What a round trip is taken for before one is measured.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// One receiver: what it gets through all its peers together, on whichever [`Sfu`](crate::Sfu)s they are.
/// The caller creates it and passes it in with each peer ([`Control::OpenSubscriber`](crate::Control::OpenSubscriber)).
///
/// What its network carries is allotted to its peers by their wishes and priorities: each is shown the layer for which there is
/// room. No packet waits for this: each peer comes here at its own timer.
///
/// A hard limit is another thing. When the sum exceeds it, the newest of the peers whose part has grown is shown a smaller layer, or is
/// ended if there is none. The other peers are left alone.
#[derive(Debug)]
pub struct Download {
    limit: Option<u64>,
    sum: Sum,
    network: Mutex<Network>,
}

/// How long a peer may have the token for probes without beginning one,
const TOKEN_UNUSED_MAX: Duration = Duration::from_millis(500);
/// and for how long it then does not ask for it.
const TOKEN_REST: Duration = Duration::from_millis(500);

/// What the peers of a receiver share of its network.
#[derive(Debug, Default)]
struct Network {
    /// Their rates, coupled because they share one bottleneck (RFC 8699).
    coupling: Coupling,
    /// What each of them is shown.
    table: Table,
}

impl Download {
    /// A limit of this many bits per second.
    pub fn new(bits_per_s_max: u64) -> Self {
        Self {
            limit: Some(bits_per_s_max),
            ..Self::unlimited()
        }
    }

    /// No limit but what the network carries.
    pub fn unlimited() -> Self {
        Self {
            limit: None,
            sum: Sum::default(),
            network: Mutex::default(),
        }
    }

    /// The present rate, in bits per second. 0 without a limit: then nothing is counted.
    pub fn bits_per_s(&self) -> u64 {
        self.sum.bits_per_s()
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// What the hard limit counts.
    pub(super) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// Held for a few microseconds, by a peer at its timer. A panic of another peer leaves a table that is whole enough.
    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one subscription among those of its receiver.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Download>,
    number: u64,
    /// Of a subscription with a connection of its own.
    flow: Option<Flow>,
}

/// A connection among those of its receiver, whose rates are coupled.
#[derive(Debug)]
pub(super) struct Flow {
    of: Arc<Download>,
    /// Its rate among the coupled ones, once it is estimated.
    id: Option<FlowId>,
    /// The share that its estimator was given last.
    given: Option<u64>,
    pub(super) desired_bits_per_s: u64,
    token: Token,
    /// It does not probe before this, so that others can.
    rests_until: Option<Instant>,
}

/// The token with which one of several connections probes, as one of them sees it.
#[derive(Debug, Clone, Copy)]
enum Token {
    /// It has not asked for it.
    Free,
    /// It has it, or asks for it, since this time, and has not probed yet.
    Since(Instant),
    /// It probes.
    InUse,
}

/// The weight of a priority among coupled rates: the lowest still has a share.
fn weight(priority: Priority) -> u32 {
    u32::from(priority.get()) + 1
}

impl Place {
    pub(crate) fn new(of: &Arc<Download>) -> Self {
        let mut place = Self::carried(of);
        place.flow = Some(Flow::new(of));
        place
    }

    /// Of a subscription that shares its connection with others: see [`SharedFlow`].
    pub(crate) fn carried(of: &Arc<Download>) -> Self {
        Self {
            of: Arc::clone(of),
            number: of.sum().next_number(),
            flow: None,
        }
    }

    /// A number that no other place of this receiver has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Reports what the peer knows of its flow, and takes what it is allotted. The estimator of its connection is given its share of the
    /// sum, whether it may probe, and what is desired. `shared` is that of the connection which carries it.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        mut news: News<'_>,
        mut estimator: Option<&mut Estimator>,
        mut shared: Option<&mut SharedFlow>,
    ) -> Allotment {
        let download = Arc::clone(&self.of);
        let mut network = download.network();
        if let Some(estimator) = &mut estimator {
            let weight = weight(news.wish.priority);
            let coupling = &mut network.coupling;
            let is_coupled = match (&mut shared, &mut self.flow) {
                (Some(shared), _) => shared.couple(now, coupling, estimator, (self.number, weight)),
                // Without feedback for each packet the rate is not of the kind that is coupled.
                (None, Some(flow)) => {
                    estimator.has_feedback() && flow.couple(now, coupling, estimator, weight)
                }
                (None, None) => false,
            };
            news.estimate = Some(Estimate {
                is_coupled,
                is_tried: !estimator.has_feedback(),
                bits_per_s: estimator.estimate(),
                is_overused: estimator.usage() == Usage::Overuse,
                is_jammed: is_jammed(estimator),
                is_clear: estimator.is_clear(),
            });
        }
        let coupled = network.coupling.sum();
        let mut allotment = network.table.turn(now, self.number, &news, coupled);
        drop(network);
        if let Some(shared) = shared {
            allotment.desired_bits_per_s = shared.desire(self.number, allotment.desired_bits_per_s);
        } else if let Some(flow) = &mut self.flow {
            flow.desired_bits_per_s = allotment.desired_bits_per_s;
        }
        if let Some(estimator) = estimator {
            estimator.set_desired(now, allotment.desired_bits_per_s);
        }
        allotment
    }
}

impl Flow {
    pub(super) fn new(of: &Arc<Download>) -> Self {
        Self {
            of: Arc::clone(of),
            id: None,
            given: None,
            desired_bits_per_s: 0,
            token: Token::Free,
            rests_until: None,
        }
    }

    /// Exchanges the connection's rate for its share. False: there are too many flows.
    pub(super) fn couple(
        &mut self,
        now: Instant,
        coupling: &mut Coupling,
        estimator: &mut Estimator,
        weight: u32,
    ) -> bool {
        let rate = estimator.estimate();
        let flow = self.id.or_else(|| coupling.add(rate, weight));
        self.id = flow;
        let Some(flow) = flow else {
            return false;
        };
        coupling.set_priority(flow, weight);
        let round_trip = estimator.round_trip().unwrap_or(ROUND_TRIP);
        let desired = self.desired_bits_per_s;
        // Updates of others have changed the share since it was given to this estimator: what has happened since is applied to the
        // present share.
        let present = coupling.rate(flow).unwrap_or(rate);
        let calculated = moved(present, self.given, rate);
        if let Some(share) = coupling.update(flow, now, calculated, desired, round_trip) {
            estimator.set_share(share, coupling.others(flow));
            self.given = Some(share);
        }
        let is_alone = coupling.others(flow) == 0;
        let may_probe = match is_alone || self.may_have_token(now, estimator) {
            true => coupling.take_token(flow, now),
            false => false,
        };
        if !may_probe {
            coupling.release_token(flow);
            self.token = Token::Free;
        }
        estimator.allow_probes(may_probe);
        if estimator.is_probing() {
            coupling.on_probing(flow, now);
        } else if coupling.is_probed(flow, now) {
            estimator.on_foreign_probe(now);
        }
        true
    }
}

/// Where a share goes if an estimator that was given `given` has come to `rate`: up by the difference, down by the factor.
fn moved(present: u64, given: Option<u64>, rate: u64) -> u64 {
    match given {
        None => rate,
        Some(given) if rate >= given => present.saturating_add(rate - given),
        Some(given) => {
            let lowered = u128::from(present) * u128::from(rate) / u128::from(given.max(1));
            u64::try_from(lowered).unwrap_or(rate)
        }
    }
}

impl Flow {
    /// Whether the connection may have the token with which one of several probes at a time. One that does not begin a probe soon, or has
    /// finished one, lets the others have it for a while.
    fn may_have_token(&mut self, now: Instant, estimator: &Estimator) -> bool {
        if self.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        if estimator.is_probing() {
            self.token = Token::InUse;
            return true;
        }
        let is_over = match self.token {
            Token::Free => {
                self.token = Token::Since(now);
                false
            }
            Token::Since(at) => now >= at + TOKEN_UNUSED_MAX,
            Token::InUse => true,
        };
        if is_over {
            self.rests_until = Some(now + TOKEN_REST);
        }
        !is_over && estimator.wants_probe()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.network().table.leave(self.number);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(flow) = self.id {
            self.of.network().coupling.remove(flow);
        }
    }
}

/// Whether packets wait for a long time in the queues of the network.
pub(crate) fn is_jammed(estimator: &Estimator) -> bool {
    let least = estimator.round_trip().unwrap_or_default();
    let newest = estimator.newest_round_trip().unwrap_or_default();
    newest.saturating_sub(least) > JAM_QUEUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_estimator_finds_moves_the_present_share_and_not_the_one_it_was_given() {
        for (present, given, rate, moves_to) in [
            (300, None, 250, 250),
            (300, Some(300), 300, 300),
            (300, Some(300), 340, 340),
            (500, Some(300), 300, 500),
            (500, Some(300), 340, 540),
            (500, Some(300), 150, 250),
            (200, Some(300), 300, 200),
            (200, Some(0), 0, 200),
        ] {
            assert_eq!(moved(present, given, rate), moves_to);
        }
    }
}
