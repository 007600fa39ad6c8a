//! Decides which uploads may begin. Each bucket is a lane. A lane begins with one upload at a time and gets more with each that
//! succeeds; when the bucket fails, the lane rests for a while and begins again with one. So a bucket that hangs holds few of the
//! places that all lanes share. Nothing here reads a clock or uploads anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::bucket::BucketPlace;

/// Most uploads at the same time, of all lanes.
const UPLOADS_MAX: usize = 64;
/// Most uploads at the same time of lanes that failed last time.
const FAILING_UPLOADS_MAX: usize = UPLOADS_MAX / 2;
/// Most uploads at the same time of one lane.
const LANE_UPLOADS_MAX: usize = 8;
/// No upload begins while so many bytes are on their way. The last one that began may exceed it.
const BYTES_MAX: u64 = 64 << 20;
/// Least time between two reports of why a bucket fails.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// The exponent from which rests do not grow.
const DOUBLINGS_MAX: u32 = 16;

/// A bucket of an account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LaneKey {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) bucket: String,
    /// Where the recordings of this lane were begun, if their bucket is in another place now: they wait, and others do not.
    pub(crate) elsewhere: Option<BucketPlace>,
}

/// How long somebody rests who failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// At most; each failure doubles the rest until then.
    pub max: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The rest after this many failures. `random` takes up to half of it away, so that many do not come back at once.
    pub(crate) fn rest(self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let whole = self.first.saturating_mul(1 << doublings).min(self.max);
        let part = u32::try_from(random % 512).unwrap_or_default();
        whole - whole / 1_024 * part
    }
}

#[derive(Debug)]
struct Lane {
    ready: VecDeque<String>,
    running: usize,
    window: usize,
    failures: u32,
    rests_until: Option<Instant>,
    error: Option<String>,
    /// The error that was reported last, and when.
    said: Option<(Instant, String)>,
}

impl Lane {
    /// Whether an error is to be reported: the first, and another one after a while.
    fn must_say(&mut self, error: &str, now: Instant) -> bool {
        let is_new = self.said.as_ref().is_none_or(|(at, said)| {
            said != error && now.saturating_duration_since(*at) >= SAY_EVERY
        });
        if is_new {
            self.said = Some((now, error.to_owned()));
        }
        is_new
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            running: 0,
            window: 1,
            failures: 0,
            rests_until: None,
            error: None,
            said: None,
        }
    }
}

/// What a bucket is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneStatus {
    /// The account.
    pub account: String,
    /// The bucket.
    pub bucket: String,
    /// Failures since the last success.
    pub failures: u32,
    /// Why the last upload failed, if it did.
    pub error: Option<String>,
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    pace: Pace,
    lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes with recordings that are ready, in the order of their turns.
    turns: VecDeque<LaneKey>,
    resting: BTreeSet<(Instant, LaneKey)>,
    running: usize,
    running_failing: usize,
    running_bytes: u64,
}

/// An upload that has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Started {
    pub(crate) lane: LaneKey,
    bytes: u64,
    was_failing: bool,
}

impl Lanes {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            resting: BTreeSet::new(),
            running: 0,
            running_failing: 0,
            running_bytes: 0,
        }
    }

    /// A recording has something to upload.
    pub(crate) fn offer(&mut self, lane: &LaneKey, recording: &str) {
        let entry = self.lanes.entry(lane.clone()).or_default();
        if !entry.ready.iter().any(|known| known == recording) {
            entry.ready.push_back(recording.to_owned());
        }
        if !self.turns.contains(lane) {
            self.turns.push_back(lane.clone());
        }
    }

    /// The recording of which an upload may begin, with its lane.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(LaneKey, String)> {
        self.wake(now);
        if self.running >= UPLOADS_MAX || (self.running_bytes >= BYTES_MAX && self.running > 0) {
            return None;
        }
        for _ in 0..self.turns.len() {
            let key = self.turns.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            let may_fail = lane.failures == 0 || self.running_failing < FAILING_UPLOADS_MAX;
            let has_room = lane.running < lane.window && lane.rests_until.is_none() && may_fail;
            let recording = match has_room {
                true => lane.ready.pop_front(),
                false => None,
            };
            if !lane.ready.is_empty() {
                self.turns.push_back(key.clone());
            }
            if let Some(recording) = recording {
                return Some((key, recording));
            }
        }
        None
    }

    /// An upload of that lane begins.
    pub(crate) fn start(&mut self, lane: &LaneKey, bytes: u64) -> Started {
        let entry = self.lanes.entry(lane.clone()).or_default();
        entry.running += 1;
        let was_failing = entry.failures > 0;
        self.running += 1;
        self.running_failing += usize::from(was_failing);
        self.running_bytes += bytes;
        Started {
            lane: lane.clone(),
            bytes,
            was_failing,
        }
    }

    /// An upload is over. `fault`: the bucket is at fault. Returns whether that is to be reported: the lane fails and did not
    /// before, it fails for another reason, or it is well again.
    pub(crate) fn ended(
        &mut self,
        started: &Started,
        fault: Option<String>,
        now: Instant,
        random: u64,
    ) -> bool {
        self.running = self.running.saturating_sub(1);
        self.running_failing = self
            .running_failing
            .saturating_sub(usize::from(started.was_failing));
        self.running_bytes = self.running_bytes.saturating_sub(started.bytes);
        let Some(lane) = self.lanes.get_mut(&started.lane) else {
            return false;
        };
        lane.running = lane.running.saturating_sub(1);
        match fault {
            None => {
                let was_failing = lane.failures > 0;
                lane.failures = 0;
                (lane.error, lane.said) = (None, None);
                lane.window = (lane.window + 1).min(LANE_UPLOADS_MAX);
                if let Some(until) = lane.rests_until.take() {
                    self.resting.remove(&(until, started.lane.clone()));
                }
                was_failing
            }
            Some(error) => {
                let must_say = lane.must_say(&error, now);
                lane.error = Some(error);
                lane.window = 1;
                // Uploads that ran beside the one that failed first tell nothing new.
                if lane.rests_until.is_none() {
                    lane.failures = lane.failures.saturating_add(1);
                    let until = now + self.pace.rest(lane.failures, random);
                    lane.rests_until = Some(until);
                    self.resting.insert((until, started.lane.clone()));
                }
                must_say
            }
        }
    }

    /// Lanes whose rest is over take turns again.
    fn wake(&mut self, now: Instant) {
        while let Some((until, key)) = self.resting.first().cloned()
            && until <= now
        {
            self.resting.remove(&(until, key.clone()));
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.rests_until = None;
            }
        }
    }

    /// When the next rest is over.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.resting.first().map(|(until, _)| *until)
    }

    /// Lanes in which nothing happens are forgotten.
    pub(crate) fn tidy(&mut self) {
        self.lanes
            .retain(|_, lane| lane.running > 0 || !lane.ready.is_empty() || lane.failures > 0);
        let lanes = &self.lanes;
        self.turns.retain(|key| lanes.contains_key(key));
    }

    pub(crate) fn status(&self) -> Vec<LaneStatus> {
        let status = self.lanes.iter().map(|(key, lane)| LaneStatus {
            account: key.account.clone(),
            bucket: key.bucket.clone(),
            failures: lane.failures,
            error: lane.error.clone(),
        });
        status.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bucket: &str) -> LaneKey {
        LaneKey {
            account: "000000000000".into(),
            region: "eu-west-1".into(),
            bucket: bucket.into(),
            elsewhere: None,
        }
    }

    /// Begins all uploads that may begin, each of `bytes`, and offers their recordings again.
    fn pump(lanes: &mut Lanes, now: Instant, bytes: u64) -> Vec<Started> {
        let mut started = Vec::new();
        while let Some((lane, recording)) = lanes.next(now) {
            started.push(lanes.start(&lane, bytes));
            lanes.offer(&lane, &recording);
        }
        started
    }

    #[test]
    fn a_lane_grows_with_each_success_and_starts_over_after_a_failure() {
        let mut lanes = Lanes::new(Pace::default());
        let now = Instant::now();
        lanes.offer(&key("a"), "r");
        let mut running = pump(&mut lanes, now, 1);
        assert_eq!(
            running.len(),
            1,
            "the first upload finds out whether the bucket is there"
        );
        for expected in [2, 3, 4, 5, 6, 7, 8, 8] {
            let one = running.pop().unwrap();
            assert!(!lanes.ended(&one, None, now, 0));
            running.extend(pump(&mut lanes, now, 1));
            assert_eq!(running.len(), expected);
        }
        let failed = running.pop().unwrap();
        assert!(
            lanes.ended(&failed, Some("no".into()), now, 0),
            "now it fails"
        );
        for one in running {
            assert!(
                !lanes.ended(&one, Some("no".into()), now, 0),
                "that is known"
            );
        }
        assert_eq!(
            lanes.status()[0].failures,
            1,
            "failures at the same time count once"
        );
        assert!(pump(&mut lanes, now, 1).is_empty());
        let at = lanes.next_at().unwrap();
        assert_eq!(at - now, Duration::from_secs(1));
        let probe = pump(&mut lanes, at, 1);
        assert_eq!(probe.len(), 1);
        assert!(lanes.ended(&probe[0], None, at, 0), "it is well again");
        assert_eq!(lanes.status()[0].error, None);
    }

    #[test]
    fn another_reason_is_reported_after_a_while_and_the_same_is_not() {
        let mut lanes = Lanes::new(Pace::default());
        let start = Instant::now();
        let mut fails = |seconds: u64, error: Option<&str>| {
            let at = start + Duration::from_secs(seconds);
            lanes.offer(&key("a"), "r");
            let one = pump(&mut lanes, at, 1).remove(0);
            lanes.ended(&one, error.map(str::to_owned), at, 0)
        };
        assert!(fails(0, Some("one")));
        assert!(!fails(10, Some("two")), "too soon");
        assert!(!fails(100, Some("one")), "known");
        assert!(fails(200, Some("two")));
        assert!(!fails(300, Some("two")), "known");
        assert!(fails(400, None), "well again");
        assert!(fails(401, Some("two")));
    }

    #[test]
    fn rests_double_up_to_the_longest_and_are_never_the_same_for_all() {
        let pace = Pace::default();
        let seconds: Vec<u64> = (1..9)
            .map(|failures| pace.rest(failures, 0).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.rest(u32::MAX, 0), Duration::from_secs(60));
        let shortest = pace.rest(7, 511);
        assert!(shortest > Duration::from_secs(30) && shortest < Duration::from_secs(31));
    }

    #[test]
    fn buckets_that_hang_do_not_hold_up_others() {
        let mut lanes = Lanes::new(Pace::default());
        let now = Instant::now();
        for place in 0..50 {
            lanes.offer(&key(&format!("hangs-{place}")), "r");
        }
        let hanging = pump(&mut lanes, now, 1);
        assert_eq!(hanging.len(), 50);
        lanes.offer(&key("well"), "r");
        let well = pump(&mut lanes, now, 1);
        assert_eq!(
            well.len(),
            1,
            "a bucket that was never seen gets its first upload beside them"
        );
        // All of them fail; the next time they hold half of the places.
        for one in &hanging {
            lanes.ended(one, Some("no".into()), now, 0);
        }
        let later = lanes.next_at().unwrap();
        let hanging = pump(&mut lanes, later, 1);
        assert_eq!(hanging.len(), FAILING_UPLOADS_MAX);
        lanes.ended(&well[0], None, later, 0);
        assert_eq!(pump(&mut lanes, later, 1).len(), 2);
    }

    #[test]
    fn bytes_on_their_way_are_bounded_and_one_file_is_always_let_through() {
        let mut lanes = Lanes::new(Pace::default());
        let now = Instant::now();
        for place in 0..8 {
            lanes.offer(&key(&format!("bucket-{place}")), "r");
        }
        let running = pump(&mut lanes, now, BYTES_MAX / 2);
        assert_eq!(running.len(), 2);
        for one in &running {
            lanes.ended(one, None, now, 0);
        }
        assert_eq!(pump(&mut lanes, now, BYTES_MAX * 2).len(), 1);
    }

    #[test]
    fn recordings_of_a_lane_take_turns() {
        let mut lanes = Lanes::new(Pace::default());
        let now = Instant::now();
        for recording in ["a", "b", "a"] {
            lanes.offer(&key("one"), recording);
        }
        let mut order = String::new();
        for _ in 0..4 {
            let (lane, recording) = lanes.next(now).unwrap();
            let started = lanes.start(&lane, 1);
            lanes.offer(&lane, &recording);
            lanes.ended(&started, None, now, 0);
            order.push_str(&recording);
        }
        assert_eq!(order, "abab");
        lanes.tidy();
        assert_eq!(lanes.status().len(), 1);
    }
}
