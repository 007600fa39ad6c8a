//! The meaning of a seed: faults that may happen, and the size and length of the run.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::random::{Dice, Purpose};

/// Something that goes wrong. Each run has a random subset of them (swarm testing): a run with all of them at once would seldom
/// come far enough for the rarer ones to matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Datagrams are lost in bursts (Gilbert and Elliott).
    Loss,
    /// Delays vary.
    Jitter,
    /// Datagrams overtake each other.
    Reordering,
    /// Datagrams arrive twice.
    Duplication,
    /// Bits of datagrams are changed.
    Tampering,
    /// Viewers have a narrow network with a queue.
    Narrow,
    /// A client cannot be reached, and cannot reach anybody, for a while.
    Partition,
    /// A client's address changes, as behind a NAT.
    NewAddress,
    /// The server's wall clock is set.
    ClockJump,
    /// The server dies between two steps and starts again.
    Crash,
    /// The server's process stands still for a while.
    Freeze,
    /// Commits take long.
    SlowStore,
    /// Clients disappear without a word.
    Vanish,
    /// The server is short of processor time: it leaves out pictures.
    Overload,
    /// Viewers ask for key frames and retransmissions without end.
    Greed,
    /// Publishers jump in sequence numbers and timestamps, or begin again with other sources.
    OddPublisher,
    /// The bucket of recordings refuses for a while.
    DeadBucket,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Loss,
        Self::Jitter,
        Self::Reordering,
        Self::Duplication,
        Self::Tampering,
        Self::Narrow,
        Self::Partition,
        Self::NewAddress,
        Self::ClockJump,
        Self::Crash,
        Self::Freeze,
        Self::SlowStore,
        Self::Vanish,
        Self::Overload,
        Self::Greed,
        Self::OddPublisher,
        Self::DeadBucket,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Everything that is decided before a run begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The faults that may happen.
    pub faults: BTreeSet<Fault>,
    /// Length of the busy phase. A quiet phase follows, in which everything has to come right.
    pub busy: Duration,
    /// Media workers.
    pub workers: usize,
    /// Most clients at one time.
    pub clients_max: usize,
    /// The mean time between two things that people do.
    pub pace: Duration,
    /// Seconds that a stage session without publishers lasts.
    pub session_idle_s: u32,
    /// Every event is printed to stderr.
    pub is_traced: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Purpose::Plan);
        // One run in eight has no faults: what goes wrong there is not the network.
        let share = [0.0, 0.15, 0.15, 0.3, 0.3, 0.3, 0.5, 0.7][dice.below(8)];
        let faults = Fault::ALL
            .into_iter()
            .filter(|_| dice.chance(share))
            .collect();
        Self {
            seed,
            faults,
            busy: dice.ms(4_000, 20_000),
            workers: 1 + dice.below(3),
            clients_max: 3 + dice.below(6),
            pace: dice.ms(150, 700),
            session_idle_s: 2 + dice.below(8) as u32,
            is_traced: false,
        }
    }

    /// True if a fault may happen.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The plan without a fault, for finding out which ones matter.
    pub fn without(&self, fault: Fault) -> Self {
        let mut plan = self.clone();
        plan.faults.remove(&fault);
        plan
    }
}
