//! Which events may be sent next. Those of one stage go one after the other, so a stage is a lane. A lane ends its turn
//! after a few events, and the next stage in line has one. Nothing here reads a clock or sends anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use restage_core::id::{StageId, Time};
use restage_store::Waiting;
use tokio::time::Instant;

use super::health::Health;

/// Events a stage sends in one turn.
const TURN_EVENTS_MAX: usize = 16;
/// Stages that are remembered as slow.
const SLOW_STAGES_MAX: usize = 4_096;

/// The events of one stage, oldest first.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<i64>,
    is_busy: bool,
    /// Its first event was refused: it waits until then.
    rests_until: Option<Instant>,
}

/// What may be sent for one stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub(super) stage: StageId,
    /// Sequence numbers, to be sent in this order.
    pub(super) events: Vec<i64>,
}

/// How a turn ended.
#[derive(Debug, Default)]
pub(super) struct TurnEnd {
    /// Events that need not be sent any more: the sink has them, or they were given up, or removed.
    pub(super) done: Vec<i64>,
    /// The sink took at least one.
    pub(super) took_any: bool,
    /// It refused one, and the stage rests for so long.
    pub(super) rest: Option<Duration>,
    /// How long the receiver asked to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// The receiver takes long for this stage.
    pub(super) is_slow: bool,
}

/// All lanes of a sink.
pub(super) struct Lanes {
    /// Turns at the same time.
    lanes_max: usize,
    lanes: HashMap<StageId, Lane>,
    /// All events that wait, those being sent included.
    waiting: BTreeMap<i64, Time>,
    /// Stages in line for a turn: those that are fast, and those that are slow.
    ready: VecDeque<StageId>,
    ready_slow: VecDeque<StageId>,
    resting: BTreeSet<(Instant, StageId)>,
    slow: HashSet<StageId>,
    busy: usize,
    busy_slow: usize,
    health: Health,
}

impl Lanes {
    /// No events yet.
    pub(super) fn new(lanes_max: usize) -> Self {
        Self {
            lanes_max: lanes_max.max(1),
            lanes: HashMap::new(),
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_slow: VecDeque::new(),
            resting: BTreeSet::new(),
            slow: HashSet::new(),
            busy: 0,
            busy_slow: 0,
            health: Health::default(),
        }
    }

    /// How many events wait, those being sent included.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// When the oldest of them happened.
    pub(super) fn oldest_at(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|(_, at)| *at)
    }

    /// An event waits. One that is known already changes nothing.
    pub(super) fn add(&mut self, event: Waiting) {
        if self.waiting.insert(event.seq, event.at).is_some() {
            return;
        }
        let lane = self.lanes.entry(event.stage.clone()).or_default();
        let place = lane.waiting.partition_point(|seq| *seq < event.seq);
        lane.waiting.insert(place, event.seq);
        let is_in_line = lane.waiting.len() > 1 || lane.is_busy || lane.rests_until.is_some();
        if !is_in_line {
            self.line_up(event.stage);
        }
    }

    /// Forgets which events wait, to learn it anew: [`Self::add`] follows for each. Stages at their turn, or at rest,
    /// stay so.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.ready.clear();
        self.ready_slow.clear();
        self.lanes.retain(|_, lane| {
            lane.waiting.clear();
            lane.is_busy || lane.rests_until.is_some()
        });
    }

    /// The next turn, if one may begin.
    pub(super) fn next(&mut self, now: Instant) -> Option<Turn> {
        self.wake(now);
        if self.busy >= self.health.room(self.lanes_max, now) {
            return None;
        }
        // A slow stage has its turn with the others, as long as some room is left for who is fast.
        let slow_max = (self.lanes_max - self.lanes_max / 4).min(self.lanes_max);
        let may_be_slow = self.busy_slow < slow_max.max(1);
        let stage = match self.ready.pop_front() {
            Some(stage) => stage,
            None if may_be_slow => self.ready_slow.pop_front()?,
            None => return None,
        };
        let lane = self.lanes.get_mut(&stage)?;
        lane.is_busy = true;
        self.busy += 1;
        self.busy_slow += usize::from(self.slow.contains(&stage));
        let events = lane.waiting.iter().take(TURN_EVENTS_MAX).copied().collect();
        Some(Turn { stage, events })
    }

    /// A turn has ended.
    pub(super) fn ended(&mut self, stage: &StageId, end: &TurnEnd, now: Instant) {
        let was_slow = self.slow.contains(stage);
        self.busy = self.busy.saturating_sub(1);
        self.busy_slow = self.busy_slow.saturating_sub(usize::from(was_slow));
        match end.is_slow {
            true if self.slow.len() < SLOW_STAGES_MAX => drop(self.slow.insert(stage.clone())),
            true => {}
            false => drop(self.slow.remove(stage)),
        }
        if end.took_any {
            self.health.took();
        }
        if end.rest.is_some() {
            self.health.refused(stage, end.retry_after, now);
        }
        for seq in &end.done {
            self.waiting.remove(seq);
        }
        let Some(lane) = self.lanes.get_mut(stage) else {
            return;
        };
        lane.is_busy = false;
        lane.waiting.retain(|seq| !end.done.contains(seq));
        if lane.waiting.is_empty() {
            self.lanes.remove(stage);
        } else if let Some(rest) = end.rest {
            let until = now + rest;
            lane.rests_until = Some(until);
            self.resting.insert((until, stage.clone()));
        } else {
            self.line_up(stage.clone());
        }
    }

    /// When to ask for the next turn again, if it depends on time alone.
    pub(super) fn due(&self) -> Option<Instant> {
        let is_ready = !self.ready.is_empty() || !self.ready_slow.is_empty();
        let of_health = self.health.rests_until().filter(|_| is_ready);
        let of_lanes = self.resting.first().map(|(until, _)| *until);
        // A stage that wakes while nothing may be sent waits for that.
        match (of_health, of_lanes, self.health.rests_until()) {
            (Some(until), _, _) => Some(until),
            (None, Some(lane), Some(health)) => Some(lane.max(health)),
            (None, lane, _) => lane,
        }
    }

    fn line_up(&mut self, stage: StageId) {
        let line = match self.slow.contains(&stage) {
            true => &mut self.ready_slow,
            false => &mut self.ready,
        };
        line.push_back(stage);
    }

    /// Stages that have rested long enough stand in line again.
    fn wake(&mut self, now: Instant) {
        while let Some((until, _)) = self.resting.first()
            && *until <= now
            && let Some((_, stage)) = self.resting.pop_first()
        {
            let Some(lane) = self.lanes.get_mut(&stage) else {
                continue;
            };
            lane.rests_until = None;
            if lane.waiting.is_empty() {
                self.lanes.remove(&stage);
            } else {
                self.line_up(stage);
            }
        }
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
