//! Which events may be sent next. Those of one stage go one after the other, so a stage is a lane. A lane whose first event
//! was refused pauses, and the others go on; one whose receiver takes its time keeps nobody waiting.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use restage_core::id::StageId;
use tokio::time::Instant;

use super::{BACKOFF_MAX, backoff};
use crate::store::{Outgoing, Settlement};

/// Events of a stage that are taken from the store at once.
pub(super) const LANE_EVENTS_MAX: u32 = 16;
/// So many different stages in a row that were refused mean that the sink takes nothing at all: one event may be what it
/// dislikes. So many lanes are tried then.
const PROBES_MAX: usize = 4;

/// A stage whose events are in memory, on their way, or not yet settled in the store. Nothing more of it is taken from
/// there until then.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Outgoing>,
    is_sending: bool,
    unsettled: usize,
}

/// Why the receiver does not have an event.
pub(super) struct Refusal {
    pub(super) reason: String,
    /// What the receiver asked for.
    pub(super) retry_after: Option<Duration>,
}

/// All lanes, and what is known of the sink.
pub(super) struct Lanes {
    max: usize,
    attempts_max: u32,
    open: HashMap<StageId, Lane>,
    sending: usize,
    paused: HashMap<StageId, Instant>,
    /// What is to be written into the store.
    outcome: Settlement,
    outcome_of: HashMap<StageId, usize>,
    /// Stages that were refused since the sink last took an event.
    refused: HashSet<StageId>,
    /// Rests in a row in which the sink took nothing.
    failures: u32,
    rest_until: Option<Instant>,
}

/// Outcomes on their way into the store, and whose they are.
pub(super) struct Settling {
    pub(super) settlement: Settlement,
    stages: HashMap<StageId, usize>,
}

impl Lanes {
    /// With so many at the same time; an event is given up after so many refusals.
    pub(super) fn new(max: u32, attempts_max: u32) -> Self {
        Self {
            max: max as usize,
            attempts_max,
            open: HashMap::new(),
            sending: 0,
            paused: HashMap::new(),
            outcome: Settlement::default(),
            outcome_of: HashMap::new(),
            refused: HashSet::new(),
            failures: 0,
            rest_until: None,
        }
    }

    /// How many more stages may be sent for.
    pub(super) fn room(&self, now: Instant) -> usize {
        if self.rest_until.is_some_and(|until| until > now) {
            return 0;
        }
        let max = match self.failures {
            0 => self.max,
            _ => self.max.min(PROBES_MAX),
        };
        max.saturating_sub(self.sending)
    }

    /// Whether events of this stage may be taken from the store.
    pub(super) fn takes(&self, stage: &StageId, now: Instant) -> bool {
        let is_paused = self.paused.get(stage).is_some_and(|until| *until > now);
        !is_paused && !self.open.contains_key(stage)
    }

    /// Opens a lane with the first events of its stage and gives the one to be sent.
    pub(super) fn open(&mut self, stage: &StageId, events: Vec<Outgoing>) -> Option<Outgoing> {
        let mut waiting = VecDeque::from(events);
        let first = waiting.pop_front()?;
        self.paused.remove(stage);
        self.sending += 1;
        let lane = Lane {
            waiting,
            is_sending: true,
            unsettled: 0,
        };
        self.open.insert(stage.clone(), lane);
        Some(first)
    }

    /// Notes what became of an event and gives the next of its stage, if that may be sent at once.
    pub(super) fn sent(
        &mut self,
        event: Outgoing,
        outcome: Result<(), Refusal>,
        now: Instant,
    ) -> Option<Outgoing> {
        let lane = self.open.entry(event.stage.clone()).or_default();
        lane.unsettled += 1;
        lane.is_sending = false;
        *self.outcome_of.entry(event.stage.clone()).or_default() += 1;
        let next = match outcome {
            Ok(()) => {
                self.outcome.delivered.push(event.seq);
                self.refused.clear();
                (self.failures, self.rest_until) = (0, None);
                let next = lane.waiting.pop_front();
                lane.is_sending = next.is_some();
                next
            }
            Err(refusal) => {
                lane.waiting.clear();
                self.refuse(event, refusal, now);
                None
            }
        };
        if next.is_none() {
            self.sending -= 1;
        }
        next
    }

    fn refuse(&mut self, event: Outgoing, refusal: Refusal, now: Instant) {
        let attempts = event.attempts.saturating_add(1);
        let asked_for = refusal.retry_after.unwrap_or_default();
        if attempts >= self.attempts_max {
            self.outcome.dead.push((event.seq, refusal.reason));
        } else {
            self.outcome.refused.push(event.seq);
            let until = now + backoff(attempts).max(asked_for);
            self.paused.insert(event.stage.clone(), until);
        }
        self.refused.insert(event.stage);
        let takes_nothing = self.failures > 0 || self.refused.len() >= PROBES_MAX;
        let is_resting = self.rest_until.is_some_and(|until| until > now);
        if takes_nothing && !is_resting {
            self.failures = self.failures.saturating_add(1);
            let rest = backoff(self.failures).max(asked_for).min(BACKOFF_MAX);
            self.rest_until = Some(now + rest);
        }
    }

    /// What there is to write into the store.
    pub(super) fn settle(&mut self) -> Option<Settling> {
        if self.outcome_of.is_empty() {
            return None;
        }
        Some(Settling {
            settlement: std::mem::take(&mut self.outcome),
            stages: std::mem::take(&mut self.outcome_of),
        })
    }

    /// It is written. Stages of which nothing else is under way may be taken up again.
    pub(super) fn settled(&mut self, settling: Settling) {
        for (stage, count) in settling.stages {
            let Some(lane) = self.open.get_mut(&stage) else {
                continue;
            };
            lane.unsettled = lane.unsettled.saturating_sub(count);
            if lane.unsettled == 0 && !lane.is_sending {
                self.open.remove(&stage);
            }
        }
    }

    /// It could not be written, and is to be tried again.
    pub(super) fn not_settled(&mut self, settling: Settling) {
        let Settling { settlement, stages } = settling;
        self.outcome.delivered.extend(settlement.delivered);
        self.outcome.refused.extend(settlement.refused);
        self.outcome.dead.extend(settlement.dead);
        for (stage, count) in stages {
            *self.outcome_of.entry(stage).or_default() += count;
        }
    }

    /// When the first pause is over, or the rest, if there is one.
    pub(super) fn next(&mut self, now: Instant) -> Option<Instant> {
        self.paused.retain(|_, until| *until > now);
        match self.rest_until.filter(|until| *until > now) {
            Some(until) => Some(until),
            None => self.paused.values().min().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use restage_core::id::Time;

    use super::*;

    fn event(seq: i64, stage: &str) -> Outgoing {
        Outgoing {
            seq,
            id: seq.to_string(),
            stage: StageId::new(stage),
            at: Time(seq),
            body: String::new(),
            attempts: 0,
        }
    }

    fn refusal() -> Result<(), Refusal> {
        Err(Refusal {
            reason: "no".to_owned(),
            retry_after: None,
        })
    }

    fn settle(lanes: &mut Lanes) -> Settlement {
        let settling = lanes.settle().unwrap();
        let settlement = settling.settlement.clone();
        lanes.settled(settling);
        settlement
    }

    #[test]
    fn events_of_a_stage_follow_each_other_and_a_slow_stage_keeps_nobody_waiting() {
        let now = Instant::now();
        let mut lanes = Lanes::new(2, 16);
        let (a, b, c) = (StageId::new("a"), StageId::new("b"), StageId::new("c"));
        let slow = lanes.open(&a, vec![event(1, "a"), event(4, "a")]).unwrap();
        let first = lanes.open(&b, vec![event(2, "b"), event(3, "b")]).unwrap();
        assert_eq!((lanes.room(now), lanes.takes(&a, now)), (0, false));
        let second = lanes.sent(first, Ok(()), now).unwrap();
        assert_eq!(second.seq, 3);
        assert!(lanes.sent(second, Ok(()), now).is_none());
        assert_eq!(lanes.room(now), 1, "the slow one still has its lane");
        assert!(lanes.takes(&c, now) && !lanes.takes(&b, now), "not settled");
        assert_eq!(settle(&mut lanes).delivered, [2, 3]);
        assert!(lanes.takes(&b, now));
        assert_eq!(lanes.sent(slow, Ok(()), now).unwrap().seq, 4);
        assert_eq!(settle(&mut lanes).delivered, [1]);
        assert!(!lanes.takes(&a, now), "its next event is on the way");
    }

    #[test]
    fn a_refused_event_holds_its_own_stage_only() {
        let now = Instant::now();
        let mut lanes = Lanes::new(2, 16);
        let a = StageId::new("a");
        let first = lanes.open(&a, vec![event(1, "a"), event(2, "a")]).unwrap();
        assert!(lanes.sent(first, refusal(), now).is_none());
        assert_eq!(settle(&mut lanes).refused, [1]);
        assert!(!lanes.takes(&a, now) && lanes.takes(&StageId::new("b"), now));
        assert_eq!(lanes.room(now), 2);
        let over = lanes.next(now).unwrap();
        assert!(over > now && lanes.takes(&a, over));
        let mut last = event(1, "a");
        last.attempts = 15;
        let last = lanes.open(&a, vec![last]).unwrap();
        lanes.sent(last, refusal(), now);
        assert_eq!(settle(&mut lanes).dead, [(1, "no".to_owned())]);
        assert!(lanes.takes(&a, now), "the next event has its turn");
    }

    #[test]
    fn a_sink_that_takes_nothing_is_asked_with_few_and_less_often() {
        let mut now = Instant::now();
        let mut lanes = Lanes::new(32, 16);
        let stages: Vec<StageId> = (0..32).map(|n| StageId::new(format!("s{n}"))).collect();
        let all: Vec<Outgoing> = (0..)
            .zip(&stages)
            .filter_map(|(seq, stage)| lanes.open(stage, vec![event(seq, stage.as_str())]))
            .collect();
        for event in all {
            lanes.sent(event, refusal(), now);
        }
        settle(&mut lanes);
        assert_eq!(lanes.room(now), 0, "a rest");
        let mut rests = Vec::new();
        for round in 0..3 {
            let over = lanes.next(now).unwrap();
            rests.push(over - now);
            now = over;
            assert_eq!(lanes.room(now), PROBES_MAX);
            let stage = StageId::new(format!("t{round}"));
            let probe = lanes
                .open(&stage, vec![event(100 + round, stage.as_str())])
                .unwrap();
            lanes.sent(probe, refusal(), now);
            settle(&mut lanes);
        }
        assert!(rests[0] < rests[2], "{rests:?}");
        now = lanes.next(now).unwrap();
        let taken = lanes
            .open(&StageId::new("u"), vec![event(200, "u")])
            .unwrap();
        lanes.sent(taken, Ok(()), now);
        assert_eq!(lanes.room(now), 32);
    }

    #[test]
    fn what_could_not_be_settled_is_settled_later() {
        let now = Instant::now();
        let mut lanes = Lanes::new(2, 16);
        let a = StageId::new("a");
        let first = lanes.open(&a, vec![event(1, "a"), event(2, "a")]).unwrap();
        let second = lanes.sent(first, Ok(()), now).unwrap();
        let settling = lanes.settle().unwrap();
        lanes.sent(second, Ok(()), now);
        lanes.not_settled(settling);
        let mut delivered = settle(&mut lanes).delivered;
        delivered.sort_unstable();
        assert_eq!(delivered, [1, 2]);
        assert!(lanes.takes(&a, now));
    }
}
