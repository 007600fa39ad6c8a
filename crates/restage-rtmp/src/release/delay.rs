//! How long items are held back: the clumps of the path, and the delay that follows them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::{RELEASE_DELAY_MAX, RELEASE_DELAY_MIN};

/// Arrivals are looked at in slots of this length, of which the latest item counts.
const SLOT_US: i64 = 100_000;
/// Slots that are remembered: 30 s.
const SLOTS: usize = 300;
/// Of 100 slots one may be later than the delay.
const PERCENT_IN_TIME: usize = 99;
/// The delay grows by so much in a second of time, which no viewer notices, and shrinks by so much.
const GROWTH_US_PER_S: i64 = 100_000;
const SHRINKAGE_US_PER_S: i64 = 1_000;
/// It grows by so much while nothing has come for half the delay, and for this time.
const STARVED_GROWTH_US_PER_S: i64 = 500_000;
const STARVED_US_MIN: i64 = 150_000;
/// It changes in steps, so that few deadlines are put off.
const STEP_US: i64 = 5_000;
/// It shrinks faster at first, because the first items come late: connections start slowly.
const FIRST_SHRINKAGE_US_PER_S: i64 = 100_000;
const FIRST_US: i64 = 6_000_000;
/// Clumps of this time are forgotten when it is over: many encoders begin with what they have gathered so far.
const START_US: i64 = 2_000_000;

/// Transit is the time at which an item comes less the one at which it was captured. Both are on clocks of their own, so only
/// differences of transits mean anything. All times are in microseconds.
#[derive(Debug, Default)]
pub(super) struct Delay {
    slots: VecDeque<Slot>,
    /// An item is due when so much has passed since it was captured.
    hold_us: Option<i64>,
    target_us: i64,
    /// The most that an item may be held.
    most_us: i64,
    advanced_at_us: i64,
    began_at_us: i64,
    /// When an item came last.
    came_at_us: i64,
}

#[derive(Debug)]
struct Slot {
    /// Number of the slot since time 0.
    number: i64,
    least_us: i64,
    most_us: i64,
}

impl Delay {
    /// Takes the transit of an item.
    pub(super) fn add(&mut self, now_us: i64, transit_us: i64) {
        self.came_at_us = now_us;
        let number = now_us / SLOT_US;
        let has_changed = match self.slots.back_mut() {
            Some(slot) if slot.number == number => {
                let before = (slot.least_us, slot.most_us);
                slot.least_us = slot.least_us.min(transit_us);
                slot.most_us = slot.most_us.max(transit_us);
                before != (slot.least_us, slot.most_us)
            }
            _ => {
                let oldest = number - SLOTS as i64;
                while self
                    .slots
                    .pop_front_if(|slot| slot.number <= oldest)
                    .is_some()
                {}
                let start = (self.began_at_us + START_US) / SLOT_US;
                if number > start {
                    let first = self
                        .slots
                        .iter_mut()
                        .take_while(|slot| slot.number <= start);
                    first.for_each(|slot| slot.most_us = slot.least_us);
                }
                self.slots.push_back(Slot {
                    number,
                    least_us: transit_us,
                    most_us: transit_us,
                });
                true
            }
        };
        if has_changed {
            self.aim();
        }
        let target_us = self.target_us;
        let hold_us = self.hold_us.get_or_insert_with(|| {
            (self.began_at_us, self.advanced_at_us) = (now_us, now_us);
            target_us
        });
        // It is late anyway; those after it keep their distance from it.
        if transit_us > *hold_us {
            *hold_us = transit_us.min(target_us).max(*hold_us);
        }
        // The path has become faster, or the encoder sent its first pictures late.
        *hold_us = self.most_us.min(*hold_us);
    }

    /// Moves the delay towards what the clumps require. While nothing comes for so long that what waits may not last, it grows faster:
    /// items leave at half their pace, which viewers notice less than a picture that stands still.
    pub(super) fn advance(&mut self, now_us: i64) {
        let is_starved = self.is_starved(now_us);
        let Some(hold_us) = &mut self.hold_us else {
            return;
        };
        let passed_us = (now_us - self.advanced_at_us).clamp(0, 1_000_000);
        if passed_us < STEP_US {
            return;
        }
        self.advanced_at_us = now_us;
        let is_first = now_us - self.began_at_us < FIRST_US;
        let shrinkage = if is_first {
            FIRST_SHRINKAGE_US_PER_S
        } else {
            SHRINKAGE_US_PER_S
        };
        let growth = if is_starved {
            STARVED_GROWTH_US_PER_S
        } else {
            GROWTH_US_PER_S
        };
        let target_us = if is_starved {
            self.most_us
        } else {
            self.target_us
        };
        let least = *hold_us - passed_us * shrinkage / 1_000_000;
        let most = *hold_us + passed_us * growth / 1_000_000;
        *hold_us = target_us.clamp(least, most);
    }

    fn is_starved(&self, now_us: i64) -> bool {
        let delay_us = micros(self.present());
        now_us - self.came_at_us > STARVED_US_MIN.max(delay_us / 2)
    }

    /// Forgets the path as it was: from now on this transit is the least.
    pub(super) fn restart(&mut self, now_us: i64, transit_us: i64) {
        let delay = self.present();
        self.slots.clear();
        self.slots.push_back(Slot {
            number: now_us / SLOT_US,
            least_us: transit_us,
            most_us: transit_us,
        });
        self.aim();
        self.hold_us = Some(transit_us.saturating_add(micros(delay)));
    }

    /// When an item is due.
    pub(super) fn due(&self, timestamp_us: i64) -> i64 {
        timestamp_us.saturating_add(self.hold_us.unwrap_or_default())
    }

    /// How much later than the least transit this one is.
    pub(super) fn late_by(&self, transit_us: i64) -> Duration {
        let late_us = transit_us.saturating_sub(self.least_us().unwrap_or(transit_us));
        Duration::from_micros(u64::try_from(late_us).unwrap_or_default())
    }

    /// What items are held back by at present, over the least transit.
    pub(super) fn present(&self) -> Duration {
        match (self.hold_us, self.least_us()) {
            (Some(hold_us), Some(least_us)) => {
                let delay_us = hold_us.saturating_sub(least_us);
                Duration::from_micros(u64::try_from(delay_us).unwrap_or_default())
            }
            _ => RELEASE_DELAY_MIN,
        }
    }

    fn least_us(&self) -> Option<i64> {
        self.slots.iter().map(|slot| slot.least_us).min()
    }

    /// What the clumps that are remembered require.
    fn aim(&mut self) {
        let Some(least_us) = self.least_us() else {
            return;
        };
        let mut latest: Vec<i64> = self.slots.iter().map(|slot| slot.most_us).collect();
        let place = (latest.len() * PERCENT_IN_TIME).div_ceil(100) - 1;
        let (_, in_time_us, _) = latest.select_nth_unstable(place);
        let range = micros(RELEASE_DELAY_MIN)..=micros(RELEASE_DELAY_MAX);
        let delay_us = in_time_us.saturating_sub(least_us);
        self.target_us = least_us.saturating_add(delay_us.clamp(*range.start(), *range.end()));
        self.most_us = least_us.saturating_add(*range.end());
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
