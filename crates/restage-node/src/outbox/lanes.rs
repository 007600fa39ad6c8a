//! Decides which events may be sent next. Events of one stage are sent one after the other, so each stage is a lane.
//! A lane's turn ends after a few events, and the next waiting stage gets a turn. Nothing here reads a clock or sends
//! anything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use restage_core::id::{StageId, Time};
use restage_store::Waiting;
use tokio::time::Instant;

use super::health::Health;

/// Most events that a stage sends in one turn.
const TURN_EVENTS_MAX: usize = 16;
/// Most stages that are remembered as slow.
const SLOW_STAGES_MAX: usize = 4_096;

/// The waiting events of one stage, oldest first.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<i64>,
    is_busy: bool,
    /// Its first event was refused, and is not sent again before this time.
    rests_until: Option<Instant>,
}

/// The events to send for one stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub(super) stage: StageId,
    /// Sequence numbers, in the order of sending.
    pub(super) events: Vec<i64>,
}

/// The result of a turn.
#[derive(Debug, Default)]
pub(super) struct TurnEnd {
    /// Events that need not be sent any more: accepted, given up, or removed.
    pub(super) done: Vec<i64>,
    /// Whether the sink accepted at least one.
    pub(super) took_any: bool,
    /// It refused one, and the stage waits this long.
    pub(super) rest: Option<Duration>,
    /// How long the receiver asked to wait.
    pub(super) retry_after: Option<Duration>,
    /// Whether the receiver is slow for this stage.
    pub(super) is_slow: bool,
}

/// All lanes of a sink.
pub(super) struct Lanes {
    /// Most turns at the same time.
    lanes_max: usize,
    lanes: HashMap<StageId, Lane>,
    /// All waiting events, including those being sent.
    waiting: BTreeMap<i64, Time>,
    /// Stages waiting for a turn: fast ones, and slow ones.
    ready: VecDeque<StageId>,
    ready_slow: VecDeque<StageId>,
    resting: BTreeSet<(Instant, StageId)>,
    slow: HashSet<StageId>,
    busy: usize,
    busy_slow: usize,
    health: Health,
}

impl Lanes {
    /// Lanes without events.
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

    /// Number of waiting events, including those being sent.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Time of the oldest waiting event.
    pub(super) fn oldest_at(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|(_, at)| *at)
    }

    /// Adds a waiting event. A known event changes nothing.
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

    /// Forgets which events wait, before reading them again: [`Self::add`] follows for each. Stages that have a turn or
    /// that wait keep their state.
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
        // Slow stages get turns too, as long as some room is left for the fast ones.
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

    /// Records the end of a turn.
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

    /// When to ask for the next turn again, if only time is missing.
    pub(super) fn due(&self) -> Option<Instant> {
        let is_ready = !self.ready.is_empty() || !self.ready_slow.is_empty();
        let of_health = self.health.rests_until().filter(|_| is_ready);
        let of_lanes = self.resting.first().map(|(until, _)| *until);
        // A stage whose wait ends while the sink is down waits for the sink.
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

    /// Puts stages whose wait is over in line again.
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
