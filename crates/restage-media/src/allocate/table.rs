//! The flows of one receiver and what each of them is allotted.

use std::time::{Duration, Instant};

use super::levels::{self, LEVELS_MAX, Level};
use super::rounds::{Demand, share_out};
use super::step::Steps;
use super::wish::{FirstLayer, Wish};
use crate::limits::{
    ALLOT_INTERVAL, ALLOTTED_PERCENT, FLOWS_MAX, HIGHEST_FIRST, LAYERS_MAX, PAUSE_AFTER,
    PAUSE_BELOW_PERCENT, PAUSE_JAMMED_AFTER, PAUSE_REDUCED_AFTER, RESUME_NEED_PERCENT,
    STEP_FRAMES_NEED_PERCENT, STEP_INTERVAL_MIN, STEP_NEED_PERCENT, STEP_PROVEN_AFTER,
    UNPROVEN_FOR,
};
use crate::packet::{Cut, Encoding, Ladder};

/// What the network of a peer carries, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) bits_per_s: u64,
    /// It is part of the sum of coupled rates.
    pub(crate) is_coupled: bool,
    /// It is found out by tries: the receiver sends no transport-wide feedback.
    pub(crate) is_tried: bool,
    /// Queues are growing at the moment.
    pub(crate) is_overused: bool,
    /// Packets wait in a long queue ([`JAM_QUEUE`](crate::limits::JAM_QUEUE)).
    pub(crate) is_jammed: bool,
    /// What is sent passes, whatever the estimate is.
    pub(crate) is_clear: bool,
}

/// What a peer knows of its flow. Rates are in bits per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News<'a> {
    /// `None` if there is no feedback from which it could be estimated.
    pub(crate) estimate: Option<Estimate>,
    /// What its sound takes.
    pub(crate) audio: u64,
    /// The layers that there are.
    pub(crate) ladder: &'a Ladder,
    pub(crate) wish: &'a Wish,
}

/// Which pictures a subscriber may be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Allotted {
    /// The best layer.
    #[default]
    Any,
    /// The layers of this and smaller ones; of this one, the frames that the cut has.
    UpTo(Encoding, Cut),
    /// None: the network does not carry the smallest layer.
    Paused,
    /// None are wished for.
    Unwanted,
}

/// What a peer takes from the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allotment {
    pub(crate) pictures: Allotted,
    /// The rate that would be used if the network carried it, with headers: the next whole layer above what is shown, and the sound.
    pub(crate) desired_bits_per_s: u64,
    /// What its sound and the layer that it is shown take, with headers.
    pub(crate) reserved_bits_per_s: u64,
    /// How many layers, from the smallest on, the publisher should send for it: those that it is shown, and those that its network
    /// carries as far as is known and that it wishes.
    pub(crate) wanted: usize,
}

/// The flows of a receiver: at most [`FLOWS_MAX`]. One that finds no place is allotted what it wishes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    settled_at: Option<Instant>,
}

/// One flow.
#[derive(Debug)]
struct Row {
    number: u64,
    /// Whether what its network carries is known, and that its queues grow.
    estimate: Option<Estimate>,
    audio: u64,
    wish: Wish,
    /// What it could be shown, the smallest first.
    levels: Vec<Level>,
    /// How many of these are wished for.
    wanted: usize,
    steps: Steps,
    /// What is shown; `None` before there are layers, and while there are no pictures.
    shown: Option<Level>,
    /// It is shown the highest layer first, up to this time.
    held_until: Option<Instant>,
    /// Up to this time the estimate may only not have been proven yet: the smallest layer is kept whole, unless queues grow.
    unproven_until: Option<Instant>,
}

impl Table {
    /// A peer reports on its flow, and takes what it is allotted. `coupled` is what the network carries for all flows together whose
    /// rates are coupled; the estimates of others are added. Numbers are never used again.
    pub(crate) fn turn(
        &mut self,
        now: Instant,
        number: u64,
        news: &News<'_>,
        coupled: u64,
    ) -> Allotment {
        let place = self.rows.iter().position(|row| row.number == number);
        let place = match place {
            Some(place) => place,
            None if self.rows.len() >= FLOWS_MAX => return unlimited(now, news),
            None => {
                self.rows.push(Row::new(number));
                self.rows.len() - 1
            }
        };
        let is_changed = self.rows[place].take(now, news);
        let is_due = |at: Instant| now >= at + ALLOT_INTERVAL / 2;
        if is_changed || self.settled_at.is_none_or(is_due) {
            self.settle(now, coupled);
        }
        self.rows[place].allotment(now)
    }

    /// A flow has ended.
    pub(crate) fn leave(&mut self, number: u64) {
        self.rows.retain(|row| row.number != number);
    }

    /// Decides about every flow.
    fn settle(&mut self, now: Instant, coupled: u64) {
        self.settled_at = Some(now);
        let estimates = self.rows.iter().filter_map(|row| row.estimate);
        let alone = estimates.filter(|estimate| !estimate.is_coupled);
        let sum = alone.fold(coupled, |sum, one| sum.saturating_add(one.bits_per_s));
        let budget = sum / 100 * ALLOTTED_PERCENT;
        let mut estimates = self.rows.iter().filter_map(|row| row.estimate);
        let is_overused = estimates.any(|estimate| estimate.is_overused);
        for row in &mut self.rows {
            let is_not_over = |until: &Instant| now < *until && !is_overused;
            row.held_until = row.held_until.filter(is_not_over);
            row.unproven_until = row.unproven_until.filter(is_not_over);
        }
        let present = self.rows.iter().map(|row| row.present(is_overused));
        let present: Vec<Demand> = present.collect();
        let granted = share_out(budget, &present);
        for (row, kept) in self.rows.iter_mut().zip(granted) {
            if row.is_shared() && row.held_until.is_none() {
                let least = row.unproven_until.map_or(0, |_| row.first_whole());
                let is_clear = row.estimate.is_some_and(|estimate| estimate.is_clear);
                if !row.steps.may_stay(now, kept, is_clear) {
                    row.steps.keep(now, kept, least, row.pause_after());
                }
            }
        }
        let possible: Vec<Demand> = self.rows.iter().map(|row| row.possible(now)).collect();
        // Mostly nobody asks for more than before.
        let goals = match possible == present {
            true => granted,
            false => share_out(budget, &possible),
        };
        let mut has_risen = false;
        for (row, goal) in self.rows.iter_mut().zip(goals) {
            let room = row.steps.has_room(now, goal, !is_overused);
            if let Some(level) = room.filter(|_| row.is_shared()) {
                row.steps.rise(now, level);
                has_risen = true;
            }
        }
        for (row, goal) in self.rows.iter_mut().zip(goals) {
            // What has been raised was counted with what others give for it.
            if has_risen && goal > 0 && row.is_shared() && row.held_until.is_none() {
                row.steps.give_way(now, goal);
            }
            row.show();
        }
    }
}

/// The allotment of a flow that has no place in the table.
fn unlimited(now: Instant, news: &News<'_>) -> Allotment {
    let mut row = Row::new(0);
    let estimate = None;
    row.take(now, &News { estimate, ..*news });
    row.show();
    row.allotment(now)
}

impl Row {
    fn new(number: u64) -> Self {
        Self {
            number,
            estimate: None,
            audio: 0,
            wish: Wish::default(),
            levels: Vec::new(),
            wanted: 0,
            steps: Steps::new(0),
            shown: None,
            held_until: None,
            unproven_until: None,
        }
    }

    /// Whether its pictures have a part of what is shared.
    fn is_shared(&self) -> bool {
        self.estimate.is_some() && self.wanted > 0
    }

    /// Takes what its peer knows. True: others may have to be decided about at once.
    fn take(&mut self, now: Instant, news: &News<'_>) -> bool {
        let was_shared = self.is_shared();
        let wanted_before = self.wanted;
        self.estimate = news.estimate;
        self.steps
            .set_tried(news.estimate.is_some_and(|estimate| estimate.is_tried));
        self.audio = news.audio;
        let is_another_wish = self.wish != *news.wish;
        if is_another_wish {
            self.wish = news.wish.clone();
        }
        levels::set(&mut self.levels, news.ladder, self.shown.as_ref());
        let layers = self.wish.layers(news.ladder);
        self.wanted = self.levels.partition_point(|level| level.place < layers);
        if self.is_shared() && !was_shared && self.shown.is_none() {
            self.begin(now);
        } else if self.is_shared() {
            self.follow_layers(now);
            if is_another_wish && self.wanted > wanted_before {
                self.steps.hurry();
            }
        }
        is_another_wish || self.is_shared() != was_shared
    }

    /// Begins with the layer that is wished for first.
    fn begin(&mut self, now: Instant) {
        let is_highest = self.wish.first == Some(FirstLayer::Highest);
        self.held_until = is_highest.then(|| now + HIGHEST_FIRST);
        self.unproven_until = Some(now + UNPROVEN_FOR);
        let level = if is_highest {
            self.wanted
        } else {
            self.first_whole().min(self.wanted)
        };
        self.steps.set(level);
        self.steps.hurry();
    }

    /// How many levels there are up to the whole of the smallest layer.
    fn first_whole(&self) -> usize {
        levels::next_whole(&self.levels, 0)
    }

    /// Layers have come or gone, or changed places: the level is that of what is shown.
    fn follow_layers(&mut self, now: Instant) {
        let Some(shown) = self.shown else {
            return;
        };
        // The whole of a layer is there as long as the layer is.
        let is_it =
            |level: &Level| level.is_of_layer(&shown) && level.cut.temporal >= shown.cut.temporal;
        if let Some(place) = self.levels.iter().position(is_it) {
            let level = match self.held_until {
                Some(_) => self.wanted,
                None => (place + 1).min(self.wanted),
            };
            self.steps.set(level);
            return;
        }
        let is_of_feed = |level: &Level| level.encoding.feed == shown.encoding.feed;
        if !self.levels.iter().any(is_of_feed) {
            return self.begin(now);
        }
        let fits = |level: &Level| level.wire_bits_per_s <= shown.wire_bits_per_s;
        let level = self
            .levels
            .iter()
            .rposition(fits)
            .map_or(1, |place| place + 1);
        self.steps.set(level.min(self.wanted));
    }

    /// How long the lowest level must not have fitted before the pictures are paused.
    fn pause_after(&self) -> Duration {
        let is_jammed = self.estimate.is_some_and(|estimate| estimate.is_jammed);
        match self.levels.len() {
            0 | 1 if is_jammed => PAUSE_JAMMED_AFTER,
            0 | 1 => PAUSE_AFTER,
            _ => PAUSE_REDUCED_AFTER,
        }
    }

    /// What it takes to go on as now. While queues grow, a level that was begun a short time ago has to fit at its highest rate.
    fn present(&self, is_overused: bool) -> Demand {
        let is_doubtful = is_overused && self.steps.is_on_trial();
        let mut costs = [0; LEVELS_MAX];
        for (at, (cost, level)) in costs.iter_mut().zip(&self.levels).enumerate() {
            let is_on_trial = is_doubtful && at + 1 == self.steps.level();
            *cost = match level.place {
                _ if is_on_trial => level.peak_bits_per_s,
                // What a key frame adds lasts for a moment, and there is no smaller layer to go to.
                0 => level.least_bits_per_s,
                _ => level.wire_bits_per_s,
            };
        }
        costs[0] = costs[0] / 100 * PAUSE_BELOW_PERCENT;
        self.demand(costs, self.steps.level())
    }

    /// What it takes to go up, as far as to the next whole layer, if that may be soon.
    fn possible(&self, now: Instant) -> Demand {
        let level = self.steps.level();
        let next = levels::next_whole(&self.levels, level);
        let mut demand = self.present(false);
        for above in level..next {
            demand.costs[above] = self.need(above).unwrap_or_default();
        }
        let reach = self.steps.reach(now + STEP_PROVEN_AFTER, next);
        demand.levels = reach.min(self.wanted);
        match self.is_shared() {
            true => demand,
            false => self.demand(demand.costs, 0),
        }
    }

    /// What the level above this one needs.
    fn need(&self, level: usize) -> Option<u64> {
        let above = self.levels.get(level)?;
        let below = level.checked_sub(1).and_then(|at| self.levels.get(at));
        Some(match below {
            None => above.peak_bits_per_s / 100 * RESUME_NEED_PERCENT,
            Some(below) if above.is_of_layer(below) => {
                above.wire_bits_per_s / 100 * STEP_FRAMES_NEED_PERCENT
            }
            Some(_) => above.peak_bits_per_s / 100 * STEP_NEED_PERCENT,
        })
    }

    fn demand(&self, costs: [u64; LEVELS_MAX], level: usize) -> Demand {
        let levels = match self.is_shared() {
            true => level.min(self.wanted),
            false => 0,
        };
        Demand {
            // One that is shown the highest layer first keeps it for a moment whatever that takes.
            priority: match self.held_until {
                Some(_) => u8::MAX,
                None => self.wish.priority.get(),
            },
            audio: if self.estimate.is_some() {
                self.audio
            } else {
                0
            },
            costs,
            ends: levels::ends(&self.levels),
            levels,
        }
    }

    /// Sets what is shown from the level.
    fn show(&mut self) {
        if self.estimate.is_none() {
            // Nothing is known of its network: it gets what it wishes.
            self.steps.set(self.wanted);
        }
        let level = match self.wanted {
            0 => 0,
            wanted => self.steps.level().min(wanted),
        };
        if !self.levels.is_empty() {
            let place = level.checked_sub(1);
            self.shown = place.and_then(|place| self.levels.get(place)).copied();
        }
    }

    fn allotment(&self, now: Instant) -> Allotment {
        Allotment {
            pictures: self.pictures(),
            desired_bits_per_s: self.desired(now),
            reserved_bits_per_s: self.audio + self.shown.map_or(0, |shown| shown.wire_bits_per_s),
            wanted: self.reach(),
        }
    }

    /// How many layers should be sent for it.
    fn reach(&self) -> usize {
        if !self.wish.wants_pictures() {
            return 0;
        }
        if self.levels.is_empty() {
            return LAYERS_MAX;
        }
        let layers = |levels: usize| {
            let highest = levels.checked_sub(1).and_then(|at| self.levels.get(at));
            highest.map_or(0, |level| level.place + 1)
        };
        let Some(estimate) = self.estimate else {
            return layers(self.wanted);
        };
        let budget = (estimate.bits_per_s / 100 * ALLOTTED_PERCENT).saturating_sub(self.audio);
        let carried = (0..self.wanted).rev().find(|level| {
            let need = self.need(*level);
            need.is_some_and(|need| need <= budget)
        });
        let carried = carried.map_or(0, |level| level + 1);
        layers(carried.max(self.steps.level()).min(self.wanted))
    }

    fn pictures(&self) -> Allotted {
        if !self.wish.wants_pictures() {
            return Allotted::Unwanted;
        }
        if self.levels.is_empty() {
            return Allotted::Any;
        }
        match self.shown {
            None => Allotted::Paused,
            // With a single level nothing has to be chosen for each packet.
            Some(_) if self.levels.len() == 1 => Allotted::Any,
            Some(shown) if self.estimate.is_none() && self.levels.last() == Some(&shown) => {
                Allotted::Any
            }
            Some(shown) => Allotted::UpTo(shown.encoding, shown.cut),
        }
    }

    /// The rate that the network has to be shown to carry for the next step, or for the present one.
    fn desired(&self, now: Instant) -> u64 {
        let level = self.steps.level();
        let next = levels::next_whole(&self.levels, level).min(self.wanted);
        let reach = self.steps.reach(now + STEP_INTERVAL_MIN, next);
        let next = (reach > level).then(|| self.need(reach - 1)).flatten();
        let present = || {
            let level = self.levels.get(level.checked_sub(1)?)?;
            Some(level.peak_bits_per_s)
        };
        let pictures = match self.is_shared() {
            true => next.or_else(present).unwrap_or_default(),
            false => 0,
        };
        (self.audio + pictures) * 100 / ALLOTTED_PERCENT
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
