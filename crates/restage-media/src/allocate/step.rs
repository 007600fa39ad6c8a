//! When a flow goes to another level.
//!
//! It goes down at once, but while what is sent passes ([`KEEP_CLEAR_FOR`]). It goes up when there has been room for the higher level for [`STEP_PROVEN_AFTER`], and not before
//! [`STEP_INTERVAL_MIN`] after its last change; only a flow that has never had to go down need not wait that long. If the larger layer cannot be kept for [`STEP_TRIAL`], the step has failed, and that
//! level comes again after a longer time. The smallest layer is paused only when it has not fitted for a while: [`PAUSE_AFTER`](crate::limits::PAUSE_AFTER), or less.

use std::time::{Duration, Instant};

use crate::limits::{
    KEEP_CLEAR_FOR, STEP_INTERVAL_GROWTH_PERCENT, STEP_INTERVAL_MAX, STEP_INTERVAL_MIN,
    STEP_PROVEN_AFTER, STEP_TRIAL,
};

/// How many levels a flow is shown, and what has to be known for the next change. *Level* 0 is no picture, 1 the smallest that there is.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    level: usize,
    /// For how many levels there has been room all the time since `room_since`.
    room: usize,
    /// When the level was changed last.
    changed_at: Option<Instant>,
    /// Since when there is room for a higher level.
    room_since: Option<Instant>,
    /// Since when there is no room for the lowest.
    tight_since: Option<Instant>,
    /// Since when there is no room for the present level.
    unfit_since: Option<Instant>,
    /// When the level was raised and to which first one above, until that has failed or not.
    raised: Option<(Instant, usize)>,
    /// When that failed last: from this level on nothing comes again for the interval.
    failed: Option<(Instant, usize)>,
    interval: Duration,
    /// What is known of the network is found out by tries, after whose failures there are pauses anyway.
    is_tried: bool,
    /// The network has made it go down before.
    has_fallen: bool,
}

impl Steps {
    /// Begins at a level, which counts as no change.
    pub(super) fn new(level: usize) -> Self {
        Self {
            level,
            room: 0,
            changed_at: None,
            room_since: None,
            tight_since: None,
            unfit_since: None,
            raised: None,
            failed: None,
            interval: STEP_INTERVAL_MIN,
            is_tried: false,
            has_fallen: false,
        }
    }

    pub(super) fn level(&self) -> usize {
        self.level
    }

    /// The layers have changed, or what is wished for: the level is another, for no fault of the network.
    pub(super) fn set(&mut self, level: usize) {
        if level != self.level {
            self.level = level;
            self.raised = None;
            self.room_since = None;
            self.tight_since = None;
            self.unfit_since = None;
        }
    }

    /// The subscriber wishes for something else: the next step need not wait for the time since the last one.
    pub(super) fn hurry(&mut self) {
        self.changed_at = None;
        self.failed = None;
    }

    /// Says whether the estimate comes from tries, as without transport-wide feedback: then a step that fails makes the next one wait no
    /// longer, because the estimate has no room for it before the next try.
    pub(super) fn set_tried(&mut self, is_tried: bool) {
        self.is_tried = is_tried;
    }

    /// Whether the present level stays although only `kept` levels fit by the estimate: what is sent passes (`is_clear`), and that has not
    /// lasted for long.
    pub(super) fn may_stay(&mut self, now: Instant, kept: usize, is_clear: bool) -> bool {
        if kept >= self.level {
            self.unfit_since = None;
            return false;
        }
        let since = *self.unfit_since.get_or_insert(now);
        let stays = is_clear && now < since + KEEP_CLEAR_FOR;
        if stays {
            self.tight_since = None;
        }
        stays
    }

    /// Only `kept` of the present levels fit. At least so many are kept all the same, and one until none has fitted for the time
    /// `pause_after`.
    pub(super) fn keep(&mut self, now: Instant, kept: usize, least: usize, pause_after: Duration) {
        if self.raised.is_some_and(|(at, _)| now >= at + STEP_TRIAL) {
            self.raised = None;
            self.failed = None;
            self.interval = STEP_INTERVAL_MIN;
        }
        if kept > 0 || self.level == 0 {
            self.tight_since = None;
        } else {
            let since = *self.tight_since.get_or_insert(now);
            if now < since + pause_after || least > 0 {
                self.lower(now, least.max(1));
                self.tight_since = Some(since);
                return;
            }
        }
        self.lower(now, kept.max(least));
    }

    fn lower(&mut self, now: Instant, level: usize) {
        if level >= self.level {
            return;
        }
        self.has_fallen = true;
        if let Some((_, failed)) = self.raised.take().filter(|_| !self.is_tried) {
            let longer = self.interval * STEP_INTERVAL_GROWTH_PERCENT / 100;
            self.interval = longer.min(STEP_INTERVAL_MAX);
            self.failed = Some((now, failed));
        }
        self.change(now, level);
    }

    fn change(&mut self, now: Instant, level: usize) {
        self.level = level;
        self.changed_at = Some(now);
        self.room_since = None;
        self.tight_since = None;
        self.unfit_since = None;
    }

    /// Up to which level a step to `goal` may go, by the time since the last change and since a failure.
    pub(super) fn reach(&self, now: Instant, goal: usize) -> usize {
        if self
            .changed_at
            .is_some_and(|at| now < at + STEP_INTERVAL_MIN)
        {
            return self.level;
        }
        match self.failed {
            Some((at, level)) if now < at + self.interval => goal.min(level - 1).max(self.level),
            _ => goal,
        }
    }

    /// Whether the level was raised a short time ago, so that it may turn out to be too much.
    pub(super) fn is_on_trial(&self) -> bool {
        self.raised.is_some()
    }

    /// There is room for `goal` levels now; `is_calm` is false while the network is overloaded, when nothing is raised. Returns the
    /// level for which there has been room for long enough, if it may be raised to one.
    pub(super) fn has_room(&mut self, now: Instant, goal: usize, is_calm: bool) -> Option<usize> {
        if goal <= self.level {
            self.room_since = None;
            return None;
        }
        if self.room_since.is_none() {
            self.room = goal;
        }
        self.room = self.room.min(goal);
        let since = *self.room_since.get_or_insert(now);
        let level = self.reach(now, self.room);
        let may_rise = is_calm && now >= since + STEP_PROVEN_AFTER && level > self.level;
        may_rise.then_some(level)
    }

    /// Raises the level to this one.
    pub(super) fn rise(&mut self, now: Instant, level: usize) {
        self.raised = Some((now, self.level + 1));
        self.change(now, level);
        if !self.has_fallen {
            self.changed_at = None;
        }
    }

    /// Makes room for another flow that has the right to it: this is no failure.
    pub(super) fn give_way(&mut self, now: Instant, level: usize) {
        if level < self.level {
            self.raised = None;
            self.change(now, level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PAUSE_AFTER;
    use crate::util::test::epoch;

    /// A flow, and what it is offered every 100 ms: how many of its levels fit, and for how many there is room.
    struct Rig {
        steps: Steps,
        epoch: Instant,
        ms: u64,
    }

    impl Rig {
        fn new(level: usize) -> Self {
            Self {
                steps: Steps::new(level),
                epoch: epoch(),
                ms: 0,
            }
        }

        fn now(&self) -> Instant {
            self.epoch + Duration::from_millis(self.ms)
        }

        fn turn(&mut self, fits: usize, room: usize, is_calm: bool) {
            let now = self.now();
            let kept = fits.min(self.steps.level());
            self.steps.keep(now, kept, 0, PAUSE_AFTER);
            // A step leads to the next level here.
            let room = room.min(self.steps.level() + 1);
            if let Some(level) = self.steps.has_room(now, room, is_calm) {
                self.steps.rise(now, level);
            }
            self.ms += 100;
        }

        /// Offers the same until the level is this, and returns after how many milliseconds.
        fn until(&mut self, level: usize, fits: usize, room: usize) -> u64 {
            let begun = self.ms;
            while self.steps.level() != level {
                assert!(self.ms < begun + 1_000_000, "it never gets there");
                self.turn(fits, room, true);
            }
            self.ms - begun - 100
        }
    }

    #[test]
    fn the_first_steps_up_come_after_a_second_each_and_later_ones_after_three() {
        let mut rig = Rig::new(1);
        assert_eq!(rig.until(2, 3, 3), 1_000);
        assert_eq!(rig.until(3, 3, 3), 1_000);
        (0..101).for_each(|_| rig.turn(3, 3, true));
        rig.until(1, 1, 1);
        assert_eq!(rig.until(2, 3, 3), 2_900, "3 s after the last change");
        assert_eq!(rig.until(3, 3, 3), 2_900);
    }

    #[test]
    fn down_goes_at_once_and_by_as_many_levels_as_it_takes() {
        let mut rig = Rig::new(3);
        assert_eq!(rig.until(1, 1, 1), 0);
        assert_eq!(rig.until(2, 3, 3), 2_900, "not before 3 s");
    }

    #[test]
    fn room_that_does_not_last_raises_nothing() {
        let mut rig = Rig::new(1);
        for _ in 0..100 {
            for _ in 0..9 {
                rig.turn(3, 3, true);
            }
            rig.turn(3, 1, true);
            assert_eq!(rig.steps.level(), 1);
        }
        (0..100).for_each(|_| rig.turn(3, 3, false));
        assert_eq!(rig.steps.level(), 1, "nothing is raised in an overload");
        rig.turn(3, 3, true);
        assert_eq!(rig.steps.level(), 2);
    }

    #[test]
    fn each_step_that_fails_makes_the_next_one_wait_longer_up_to_a_bound() {
        let mut rig = Rig::new(1);
        rig.until(2, 2, 2);
        let mut waits = Vec::new();
        for _ in 0..14 {
            // It is lost a second after it was reached.
            (0..10).for_each(|_| rig.turn(2, 2, true));
            rig.turn(1, 1, true);
            assert_eq!(rig.steps.level(), 1);
            waits.push(rig.until(2, 2, 2) + 100);
        }
        assert_eq!(waits[..4], [4_500, 6_800, 10_200, 15_200]);
        assert_eq!(waits[13], 120_000);
    }

    #[test]
    fn levels_below_the_one_that_failed_and_above_it_do_not_wait_longer() {
        let mut rig = Rig::new(1);
        rig.until(3, 3, 3);
        rig.turn(2, 2, true);
        let since = rig.ms;
        // From level 2 to 1, which is no failure: level 2 comes as soon as ever.
        rig.turn(1, 1, true);
        assert_eq!(rig.until(2, 3, 3) + 100, 3_000);
        rig.until(3, 3, 3);
        assert_eq!(
            rig.ms - since,
            6_100,
            "the time since the failure has passed"
        );
        rig.turn(2, 2, true);
        assert_eq!(
            rig.until(3, 3, 3) + 100,
            6_800,
            "the next failure counts on"
        );
    }

    #[test]
    fn where_the_estimate_comes_from_tries_a_failure_makes_nothing_wait_longer() {
        let mut rig = Rig::new(1);
        rig.steps.set_tried(true);
        rig.until(2, 2, 2);
        for _ in 0..5 {
            rig.turn(1, 1, true);
            assert_eq!(rig.until(2, 2, 2) + 100, 3_000);
        }
    }

    #[test]
    fn a_level_that_is_kept_ends_the_longer_waits() {
        let mut rig = Rig::new(1);
        rig.until(2, 2, 2);
        rig.turn(1, 1, true);
        assert_eq!(rig.until(2, 2, 2) + 100, 4_500);
        (0..101).for_each(|_| rig.turn(2, 2, true));
        rig.turn(1, 1, true);
        assert_eq!(rig.until(2, 2, 2) + 100, 3_000);
    }

    #[test]
    fn pictures_are_paused_only_when_the_smallest_has_not_fitted_for_a_second() {
        let mut rig = Rig::new(2);
        rig.turn(0, 0, true);
        assert_eq!(rig.steps.level(), 1, "the larger goes at once");
        (0..9).for_each(|_| rig.turn(0, 0, true));
        assert_eq!(rig.steps.level(), 1);
        rig.turn(0, 0, true);
        assert_eq!(rig.steps.level(), 0);
        assert_eq!(rig.until(1, 0, 1) + 100, 3_000);
        for _ in 0..40 {
            (0..9).for_each(|_| rig.turn(0, 0, true));
            rig.turn(1, 1, true);
            assert_eq!(rig.steps.level(), 1, "an estimate that dips pauses nothing");
        }
    }

    #[test]
    fn a_step_leads_to_the_level_for_which_there_was_room_all_the_time() {
        let epoch = epoch();
        let mut steps = Steps::new(1);
        let mut offer =
            |ms: u64, goal: usize| steps.has_room(epoch + Duration::from_millis(ms), goal, true);
        for (ms, goal, rises_to) in [
            (0, 3, None),
            (500, 2, None),
            (900, 3, None),
            (1_000, 3, Some(2)),
            (1_100, 1, None),
            (1_200, 3, None),
            (2_200, 3, Some(3)),
        ] {
            assert_eq!(offer(ms, goal), rises_to, "at {ms} ms");
        }
    }

    #[test]
    fn a_wish_need_not_wait_for_the_time_between_steps() {
        let mut rig = Rig::new(3);
        rig.until(1, 1, 1);
        rig.steps.hurry();
        assert_eq!(rig.until(2, 2, 2), 1_000);
    }

    #[test]
    fn giving_way_is_no_failure() {
        let mut rig = Rig::new(1);
        rig.until(2, 2, 2);
        let now = rig.now();
        rig.steps.give_way(now, 1);
        rig.ms += 100;
        assert_eq!(rig.until(2, 2, 2), 2_900);
    }
}
