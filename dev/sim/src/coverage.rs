//! States that runs have reached. A simulation that does not get around proves nothing.

use std::collections::BTreeMap;

/// Counts of the states that were reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

/// States that a hundred seeds reach.
const EXPECTED: &[&str] = &[
    "crash",
    "freeze",
    "clock set",
    "partition",
    "address changed",
    "client vanished",
    "encoder jumped",
    "stage deleted",
    "participant disconnected",
    "replica started or resumed",
    "replica stopped",
    "replica waits",
    "replica watched",
    "encoder publishes",
    "encoder lost its connection",
    "token expired",
    "limit reached",
    "connection replaced",
    "peer silent",
    "sound received",
    "pictures received",
    "pictures of another layer",
    "packet sent again",
    "packet relayed",
    "segment kept",
    "recording goes on after a crash",
    "recording paused",
    "recording finished",
    "job lease renewed",
    "job abandoned",
    "pictures withheld",
    "estimate known",
];

impl Coverage {
    /// It was reached once more.
    pub(crate) fn reach(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds another run's.
    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Expected states that were never reached.
    pub fn missing(&self) -> Vec<&'static str> {
        let expected = EXPECTED.iter().copied();
        expected.filter(|what| !self.0.contains_key(what)).collect()
    }

    /// Everything that was reached, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(what, count)| (*what, *count))
    }
}
