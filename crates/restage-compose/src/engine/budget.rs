//! Whether there is time for every picture.

use crate::limits::{OVER_BUDGET_TICKS, ROOM_PERCENT, ROOM_US};

/// Adds up what a tick costs. After [`OVER_BUDGET_TICKS`] in a row that took longer than the time between two pictures, every second one is
/// left out, until all ticks of [`ROOM_US`] have left room.
#[derive(Debug)]
pub(super) struct Budget {
    interval_us: u64,
    spent_us: u64,
    over: u32,
    with_room_us: u64,
    is_slowed: bool,
    leaves_out_next: bool,
}

impl Budget {
    pub(super) fn new(interval_us: u64) -> Self {
        Self {
            interval_us,
            spent_us: 0,
            over: 0,
            with_room_us: 0,
            is_slowed: false,
            leaves_out_next: false,
        }
    }

    /// The time between two pictures.
    pub(super) fn interval_us(&self) -> u64 {
        self.interval_us
    }

    pub(super) fn spend(&mut self, us: u64) {
        self.spent_us += us;
    }

    pub(super) fn is_slowed(&self) -> bool {
        self.is_slowed
    }

    /// Whether the picture of this tick is not to be made.
    pub(super) fn leaves_out(&self) -> bool {
        self.is_slowed && self.leaves_out_next
    }

    /// Ends a tick, whose picture was made or not.
    pub(super) fn end_tick(&mut self, was_made: bool) {
        let spent_us = std::mem::take(&mut self.spent_us);
        self.leaves_out_next = was_made;
        if !was_made {
            return;
        }
        if !self.is_slowed {
            let is_over = spent_us > self.interval_us;
            self.over = if is_over { self.over + 1 } else { 0 };
            if self.over >= OVER_BUDGET_TICKS {
                self.is_slowed = true;
                self.with_room_us = 0;
            }
            return;
        }
        let has_room = spent_us * 100 < self.interval_us * ROOM_PERCENT;
        self.with_room_us = match has_room {
            // Two ticks have passed.
            true => self.with_room_us + 2 * self.interval_us,
            false => 0,
        };
        if self.with_room_us >= ROOM_US {
            self.is_slowed = false;
            self.over = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of so many ticks have a picture, if each picture costs so much.
    fn run(budget: &mut Budget, ticks: usize, cost_us: u64) -> Vec<bool> {
        (0..ticks)
            .map(|_| {
                let is_made = !budget.leaves_out();
                if is_made {
                    budget.spend(cost_us);
                }
                budget.end_tick(is_made);
                is_made
            })
            .collect()
    }

    #[test]
    fn three_ticks_over_the_budget_halve_the_rate_and_room_brings_it_back() {
        let mut budget = Budget::new(33_333);
        assert!(
            run(&mut budget, 100, 30_000)
                .into_iter()
                .all(|is_made| is_made)
        );
        assert_eq!(run(&mut budget, 2, 40_000), [true, true]);
        assert_eq!(run(&mut budget, 1, 30_000), [true]);
        assert!(!budget.is_slowed());
        assert_eq!(
            run(&mut budget, 7, 40_000),
            [true, true, true, false, true, false, true]
        );
        // There is time, but no room.
        let made = run(&mut budget, 200, 30_000);
        assert_eq!(made.iter().filter(|is_made| **is_made).count(), 100);
        let made = run(&mut budget, 62, 10_000);
        assert_eq!(made.iter().filter(|is_made| **is_made).count(), 31);
        assert!(!budget.is_slowed());
        assert_eq!(run(&mut budget, 3, 10_000), [true; 3]);
    }
}
