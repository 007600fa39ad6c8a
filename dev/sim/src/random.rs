//! Seeded choices. Each purpose has a stream of its own, so that a fault which is switched off changes the others as little as
//! possible.

use std::time::Duration;

use restage_load::network::Random;

/// The purpose of a stream of random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Faults and size of a run.
    Plan = 1,
    /// Deeds of people and programs.
    Workload,
    /// The network.
    Network,
    /// Delays and failures of the server.
    Server,
    /// Habits of clients.
    Clients,
    /// The engines of the clients.
    Engines,
}

/// A stream of choices.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Random);

impl Dice {
    /// The stream of a seed for one purpose.
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut random = Random::new(seed ^ (purpose as u64) << 56);
        random.next_u64();
        Self(random)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound.max(1) as u64) as usize
    }

    /// True once in `bound` times.
    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.unit() < share
    }

    /// One of these, if there are any.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A time between two others, in whole microseconds.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros() as usize;
        least + Duration::from_micros(self.below(span + 1) as u64)
    }

    /// The same in milliseconds.
    pub(crate) fn ms(&mut self, least: u64, most: u64) -> Duration {
        self.between(Duration::from_millis(least), Duration::from_millis(most))
    }
}
