//! Which pictures of which subscribers are left out while the worker is overloaded.

use super::Sfu;
use crate::limits::{SHED_PARTS, SHED_STEPS_MAX};
use crate::sdp::offer::Role;
use crate::send::track::Thinning;
use crate::util::slab::Index;

/// See [`Control::Shed`](crate::Control::Shed).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shed {
    step: u8,
    turn: u8,
}

impl Shed {
    /// What is left out of the pictures of this subscriber.
    pub(super) fn thinning_of(self, index: Index) -> Thinning {
        let part = (index as usize + usize::from(self.turn)) % SHED_PARTS;
        match self.step {
            0 => Thinning::None,
            step if part + 1 < usize::from(step) => Thinning::Withheld,
            _ => Thinning::Smallest,
        }
    }
}

impl Sfu {
    pub(super) fn shed(&mut self, step: u8, turn: u8) {
        let step = step.min(SHED_STEPS_MAX);
        let shed = Shed { step, turn };
        if std::mem::replace(&mut self.shed, shed) == shed {
            return;
        }
        self.stats.peers_withheld = 0;
        for (index, peer) in self.peers.iter_mut() {
            if peer.role() == Role::Subscriber {
                peer.thin(shed.thinning_of(index));
                self.stats.peers_withheld += u64::from(peer.is_withheld());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withheld(step: u8, turn: u8) -> usize {
        let shed = Shed { step, turn };
        let all = (0..800).map(|index| shed.thinning_of(index));
        all.filter(|thinning| *thinning == Thinning::Withheld)
            .count()
    }

    #[test]
    fn each_step_takes_one_more_part_of_the_subscribers() {
        for turn in [0, 1, 7, 255] {
            let counts: Vec<_> = (0..=SHED_STEPS_MAX)
                .map(|step| withheld(step, turn))
                .collect();
            assert_eq!(counts, [0, 0, 100, 200, 300, 400, 500, 600, 700, 800]);
        }
        let shed = Shed { step: 1, turn: 0 };
        assert_eq!(shed.thinning_of(5), Thinning::Smallest);
    }

    #[test]
    fn everybody_takes_a_turn() {
        let turns = (0..SHED_PARTS as u8).map(|turn| Shed { step: 3, turn });
        for index in 0..40 {
            let times = turns
                .clone()
                .filter(|shed| shed.thinning_of(index) == Thinning::Withheld);
            assert_eq!(times.count(), 2, "{index}");
        }
    }
}
