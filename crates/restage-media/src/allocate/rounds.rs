//! Who gets how many levels of a given rate.

use super::levels::LEVELS_MAX;
use crate::limits::{FLOWS_MAX, LAYERS_MAX};

/// What one flow asks for. Rates are in bits per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// The highest is served first. Of like ones the first in the list is.
    pub(super) priority: u8,
    /// Its sound, which is always sent.
    pub(super) audio: u64,
    /// What each of its levels takes alone, the smallest first.
    pub(super) costs: [u64; LEVELS_MAX],
    /// For each layer, how many levels there are up to the whole of it.
    pub(super) ends: [usize; LAYERS_MAX],
    /// How many levels it may be shown; 0 if it wants no pictures.
    pub(super) levels: usize,
}

/// Shares `budget` out and returns how many levels, from the smallest on, each flow is granted; 0 where not even the smallest fits.
///
/// Sound is taken off first. Then each flow gets its smallest level. Then, round by round, each gets one layer more, or as many frames
/// of it as fit: in each round those of higher priority come first. A flow whose next layer does not fit leaves the rest to the others.
///
/// At most [`FLOWS_MAX`] demands count; further ones are granted nothing.
pub(super) fn share_out(budget: u64, demands: &[Demand]) -> [usize; FLOWS_MAX] {
    let mut granted = [0; FLOWS_MAX];
    let demands = &demands[..demands.len().min(FLOWS_MAX)];
    let mut order: [usize; FLOWS_MAX] = std::array::from_fn(|place| place);
    let order = &mut order[..demands.len()];
    order.sort_by_key(|place| std::cmp::Reverse(demands[*place].priority));
    let audio = demands
        .iter()
        .fold(0_u64, |sum, demand| sum.saturating_add(demand.audio));
    let mut left = budget.saturating_sub(audio);
    for round in 0..=LAYERS_MAX {
        for &place in order.iter() {
            let demand = &demands[place];
            let (from, to) = demand.range(round);
            if granted[place] < from {
                continue;
            }
            let cost = |level: usize| level.checked_sub(1).map_or(0, |at| demand.costs[at]);
            let present = cost(granted[place]);
            let step = |level: usize| cost(level).saturating_sub(present);
            let mut further = (granted[place] + 1..=to).rev();
            if let Some(level) = further.find(|level| step(*level) <= left) {
                left -= step(level);
                granted[place] = level;
            }
        }
    }
    granted
}

impl Demand {
    /// How many levels a flow must have to take part in a round, and how many it can have after it. The first round is for the smallest
    /// level, and each further one for a layer.
    fn range(&self, round: usize) -> (usize, usize) {
        let end = |layer: usize| self.ends[layer].min(self.levels).min(LEVELS_MAX);
        match round {
            0 => (0, end(0).min(1)),
            1 => (end(0).min(1), end(0)),
            _ => (end(round - 2), end(round - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn demand(priority: u8, audio: u64, levels: usize) -> Demand {
        Demand {
            priority,
            audio,
            costs: costs([200, 700, 1_700, 3_000]),
            ends: [1, 2, 3, 4],
            levels,
        }
    }

    /// The costs of layers of one level each.
    const fn costs(of: [u64; LAYERS_MAX]) -> [u64; LEVELS_MAX] {
        let mut costs = [0; LEVELS_MAX];
        let mut level = 0;
        while level < LAYERS_MAX {
            costs[level] = of[level];
            level += 1;
        }
        costs
    }

    /// Two layers that can be cut: the smaller to two lower levels, the larger to one.
    fn cuttable(priority: u8) -> Demand {
        let mut demand = demand(priority, 0, 5);
        demand.costs[..5].copy_from_slice(&[80, 120, 200, 420, 700]);
        demand.ends = [3, 5, 5, 5];
        demand
    }

    #[test]
    fn of_the_next_layer_as_many_frames_come_as_fit() {
        for (budget, granted) in [
            (79, 0),
            (80, 1),
            (119, 1),
            (120, 2),
            (199, 2),
            (200, 3),
            (419, 3),
            (420, 4),
            (699, 4),
            (700, 5),
        ] {
            assert_eq!(share_out(budget, &[cuttable(5)])[0], granted, "{budget}");
        }
        let few = Demand {
            levels: 2,
            ..cuttable(5)
        };
        assert_eq!(share_out(9_999, &[few])[0], 2);
    }

    #[test]
    fn everybody_has_a_picture_before_anybody_has_all_frames_and_layers_take_turns() {
        let whole = demand(5, 0, 2);
        for (name, budget, demands, granted) in [
            (
                "a picture each",
                170,
                vec![cuttable(9), cuttable(5)],
                vec![1, 1],
            ),
            (
                "the first has all frames",
                280,
                vec![cuttable(9), cuttable(5)],
                vec![3, 1],
            ),
            (
                "then the other",
                400,
                vec![cuttable(9), cuttable(5)],
                vec![3, 3],
            ),
            (
                "then the larger layer",
                900,
                vec![cuttable(9), cuttable(5)],
                vec![5, 3],
            ),
            (
                "a flow that cannot be cut takes its turn",
                900,
                vec![cuttable(5), whole],
                vec![5, 1],
            ),
            (
                "and comes first by priority",
                920,
                vec![cuttable(1), whole],
                vec![3, 2],
            ),
        ] {
            let got = share_out(budget, &demands);
            assert_eq!(&got[..demands.len()], granted, "{name}: {budget}");
        }
    }

    #[test]
    fn sound_comes_first_then_one_step_each_by_priority() {
        let three = demand(5, 0, 3);
        let first = demand(9, 0, 3);
        let last = demand(1, 0, 3);
        let none = demand(5, 50, 0);
        let loud = demand(5, 300, 3);
        for (name, budget, demands, granted) in [
            ("nothing fits", 100, vec![three], vec![0]),
            ("exactly the smallest", 200, vec![three], vec![1]),
            ("just below the next", 699, vec![three], vec![1]),
            ("exactly the next", 700, vec![three], vec![2]),
            ("all of it", 1_700, vec![three], vec![3]),
            ("never more than is wished", 9_999, vec![three], vec![3]),
            ("no pictures are wished", 9_999, vec![none], vec![0]),
            ("sound is taken off", 499, vec![loud], vec![0]),
            ("sound is taken off", 500, vec![loud], vec![1]),
            ("sound of the others too", 549, vec![none, loud], vec![0, 0]),
            ("sound of the others too", 550, vec![none, loud], vec![0, 1]),
            ("sound alone is too much", 10, vec![loud], vec![0]),
            ("two of one priority", 400, vec![three, three], vec![1, 1]),
            ("the first of both", 399, vec![three, three], vec![1, 0]),
            ("by priority", 399, vec![three, first], vec![0, 1]),
            ("by priority", 900, vec![three, first], vec![1, 2]),
            (
                "everybody's first",
                1_100,
                vec![first, three, last],
                vec![2, 1, 1],
            ),
            (
                "then a second",
                2_100,
                vec![first, three, last],
                vec![2, 2, 2],
            ),
            (
                "then a third",
                3_100,
                vec![first, three, last],
                vec![3, 2, 2],
            ),
        ] {
            let got = share_out(budget, &demands);
            assert_eq!(&got[..demands.len()], granted, "{name}: {budget}");
        }
    }

    #[test]
    fn what_is_too_large_for_one_is_left_to_the_others() {
        let large = Demand {
            costs: [1_000; LEVELS_MAX],
            ..demand(9, 0, 1)
        };
        let got = share_out(900, &[large, demand(1, 0, 3)]);
        assert_eq!(got[..2], [0, 2]);
        let got = share_out(1_250, &[large, demand(1, 0, 3)]);
        assert_eq!(got[..2], [1, 1]);
    }

    #[test]
    fn a_layer_that_takes_less_than_the_one_below_costs_nothing_more() {
        let odd = Demand {
            costs: costs([500, 400, 600, 0]),
            ..demand(5, 0, 3)
        };
        assert_eq!(share_out(500, &[odd])[0], 2);
        assert_eq!(share_out(700, &[odd])[0], 3);
    }

    #[test]
    fn a_budget_is_never_exceeded_whatever_is_asked() {
        // A linear congruential sequence; the same demands on every machine.
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..2_000 {
            let count = 1 + next(FLOWS_MAX as u64 + 8) as usize;
            let demands: Vec<Demand> = (0..count)
                .map(|_| {
                    let mut costs = [next(400); LEVELS_MAX];
                    for level in 1..LEVELS_MAX {
                        costs[level] = costs[level - 1] + next(300);
                    }
                    let mut ends = [1 + next(3) as usize; LAYERS_MAX];
                    for layer in 1..LAYERS_MAX {
                        ends[layer] = ends[layer - 1] + next(4) as usize;
                    }
                    Demand {
                        priority: next(4) as u8,
                        audio: next(60),
                        costs,
                        ends,
                        levels: next(LEVELS_MAX as u64 + 1) as usize,
                    }
                })
                .collect();
            let budget = next(40_000);
            let granted = share_out(budget, &demands);
            let counted = &demands[..count.min(FLOWS_MAX)];
            let audio: u64 = counted.iter().map(|demand| demand.audio).sum();
            let pictures: u64 = counted
                .iter()
                .zip(granted)
                .filter_map(|(demand, levels)| Some(demand.costs[levels.checked_sub(1)?]))
                .sum();
            assert!(pictures <= budget.saturating_sub(audio));
            for (place, (demand, levels)) in counted.iter().zip(granted).enumerate() {
                assert!(levels <= demand.levels, "flow {place}");
            }
        }
    }
}
