//! Which events may be sent next. Those of one stage go one after the other, so a stage is a lane; a lane
//! whose first event was refused pauses, and the others go on.

use std::collections::HashMap;
use std::time::Duration;

use restage_core::id::StageId;
use tokio::time::Instant;

use crate::store::Outgoing;

/// Stages sent for at once.
pub(super) const LANES_MAX: usize = 16;
/// Lanes tried while the sink takes nothing at all: more than one, as one event may be what it dislikes.
const PROBES_MAX: usize = 4;

/// Which lanes pause, and until when.
#[derive(Default)]
pub(super) struct Lanes {
    paused: HashMap<StageId, Instant>,
    /// Rounds in a row in which the sink took nothing.
    failed_rounds: u32,
}

impl Lanes {
    /// The lanes that may be sent for now, in the order of their first events.
    pub(super) fn open(&mut self, page: Vec<Outgoing>, now: Instant) -> Vec<Vec<Outgoing>> {
        self.paused.retain(|_, until| *until > now);
        let room = if self.failed_rounds == 0 {
            LANES_MAX
        } else {
            PROBES_MAX
        };
        let mut lanes: Vec<Vec<Outgoing>> = Vec::new();
        let mut places: HashMap<StageId, usize> = HashMap::new();
        for event in page {
            if self.paused.contains_key(&event.stage) {
                continue;
            }
            if let Some(place) = places.get(&event.stage) {
                lanes[*place].push(event);
            } else if lanes.len() < room {
                places.insert(event.stage.clone(), lanes.len());
                lanes.push(vec![event]);
            }
        }
        lanes
    }

    pub(super) fn pause(&mut self, stage: StageId, until: Instant) {
        self.paused.insert(stage, until);
    }

    /// Notes how a round went and says how many in a row took nothing.
    pub(super) fn round(&mut self, took_any: bool, refused_any: bool) -> u32 {
        if took_any {
            self.failed_rounds = 0;
        } else if refused_any {
            self.failed_rounds = self.failed_rounds.saturating_add(1);
        }
        self.failed_rounds
    }

    /// How long until a pause is over, if any runs.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let first = self.paused.values().min()?;
        Some(first.saturating_duration_since(now))
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

    fn seqs(lanes: &[Vec<Outgoing>]) -> Vec<Vec<i64>> {
        let lane = |lane: &Vec<Outgoing>| lane.iter().map(|event| event.seq).collect();
        lanes.iter().map(lane).collect()
    }

    #[test]
    fn a_refused_event_holds_its_own_stage_only() {
        let now = Instant::now();
        let page = || vec![event(1, "a"), event(2, "b"), event(3, "a"), event(4, "c")];
        let mut lanes = Lanes::default();
        assert_eq!(
            seqs(&lanes.open(page(), now)),
            [vec![1, 3], vec![2], vec![4]]
        );
        lanes.pause(StageId::new("a"), now + Duration::from_secs(1));
        assert_eq!(seqs(&lanes.open(page(), now)), [vec![2], vec![4]]);
        assert_eq!(lanes.next(now), Some(Duration::from_secs(1)));
        let later = now + Duration::from_secs(1);
        assert_eq!(seqs(&lanes.open(page(), later)).len(), 3);
    }

    #[test]
    fn a_sink_that_takes_nothing_is_asked_with_few() {
        let now = Instant::now();
        let page = || (0..40).map(|n| event(n, &format!("s{n}"))).collect();
        let mut lanes = Lanes::default();
        assert_eq!(lanes.open(page(), now).len(), LANES_MAX);
        assert_eq!(lanes.round(false, true), 1);
        assert_eq!(lanes.open(page(), now).len(), PROBES_MAX);
        assert_eq!(lanes.round(true, true), 0);
        assert_eq!(lanes.open(page(), now).len(), LANES_MAX);
    }
}
