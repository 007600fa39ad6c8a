//! The loop of the uploader: hears what is new in the spool, starts uploads, and decides what follows from how they went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bucket::Buckets;
use crate::spool::{Content, Finished, Job, News, Spool, Step, locked};

use super::lanes::{LaneKey, Lanes};
use super::lost::{LostOnes, nothing_of};
use super::perform::{Outcome, Over, Task, Tools};
use super::{Counters, Report, UploadSettings};

/// Most files of one recording on their way at the same time.
const RECORDING_UPLOADS_MAX: usize = 4;
/// How often the spool is searched for recordings that are too old.
const AGE_CHECK: Duration = Duration::from_secs(30);
/// Most recordings without a folder whose end is still to be reported. The rows of others ask again at the next start.
const ORPHANS_MAX: usize = 10_000;
/// Segments after which playlists are written a second less often, because they grow with each segment.
const SEGMENTS_PER_SECOND: usize = 100;

/// What the uploader knows of a recording beside what its folder says.
#[derive(Debug, Default)]
struct Tracked {
    /// Files that are on their way.
    busy: BTreeSet<Content>,
    /// Something that must not run beside anything else of this recording: its playlists, its end.
    is_alone: bool,
    /// Failures in a row that were not the bucket's.
    failures: u32,
    rests_until: Option<Instant>,
    /// Segments in the last playlist, and when the next one may follow.
    listed: usize,
    list_at: Option<Instant>,
    /// The end of a recording that has no folder.
    orphan: Option<Finished>,
}

impl Tracked {
    /// Whether the playlists of a recording that goes on are to be written again.
    fn must_list(&self, job: &Job, now: Instant) -> bool {
        self.list_at.is_none_or(|at| at <= now) && job.listed() > self.listed
    }

    /// Whether another file may be put. Before playlists are written, what is on its way ends.
    fn may_put(&self, job: &Job, now: Instant) -> bool {
        let is_first = self.busy.is_empty();
        is_first || (self.busy.len() < RECORDING_UPLOADS_MAX && !self.must_list(job, now))
    }
}

/// The uploader of a node.
pub(super) struct Uploader {
    tools: Tools,
    settings: UploadSettings,
    counters: Arc<Counters>,
    lanes: Lanes,
    tracked: BTreeMap<String, Tracked>,
    timers: BTreeSet<(Instant, String)>,
    tasks: JoinSet<Over>,
    random: u64,
}

impl Uploader {
    pub(super) fn new(
        spool: Spool,
        buckets: Buckets,
        settings: UploadSettings,
        report: Arc<dyn Report>,
        (counters, lost): (Arc<Counters>, Arc<LostOnes>),
    ) -> Self {
        Self {
            tools: Tools {
                spool,
                buckets,
                report,
                lost,
            },
            settings,
            counters,
            lanes: Lanes::new(settings.pace),
            tracked: BTreeMap::new(),
            timers: BTreeSet::new(),
            tasks: JoinSet::new(),
            random: settings.seed,
        }
    }

    pub(super) async fn run(mut self, over: Arc<News>) {
        let news = Arc::clone(self.tools.spool.news());
        let mut ages = tokio::time::interval(AGE_CHECK);
        loop {
            let now = Instant::now();
            self.wake(now);
            self.start();
            *locked(&self.counters.lanes) = self.lanes.status();
            let next = self.next_at();
            tokio::select! {
                () = news.wait() => {
                    for id in news.take() {
                        self.look(&id);
                    }
                }
                Some(done) = self.tasks.join_next() => {
                    // A task catches its own panics, and none is aborted while the loop runs.
                    if let Ok(done) = done {
                        self.end(done);
                    }
                }
                () = over.wait() => {
                    for id in over.take() {
                        self.finish(id);
                    }
                }
                () = sleep_until(next) => {}
                _ = ages.tick() => self.give_up_old(),
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.lanes.next_at()].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().cloned()
            && at <= now
        {
            self.timers.remove(&(at, id.clone()));
            self.look(&id);
        }
    }

    /// The capture of a recording is over.
    fn finish(&mut self, id: String) {
        match self.tools.spool.job(&id) {
            // That is news of the recording.
            Some(job) => job.set_over(),
            None if self.tracked.len() >= ORPHANS_MAX => {
                tracing::warn!(
                    recording = id,
                    "the end of a recording is reported after the next start"
                );
            }
            None => {
                let end = match self.tools.lost.get(&id) {
                    Some(lost) => lost.finished(&id),
                    None => nothing_of(&id),
                };
                self.tracked.entry(id.clone()).or_default().orphan = Some(end);
                self.look(&id);
            }
        }
    }

    fn give_up_old(&mut self) {
        let age_max_s = self.tools.spool.age_max_s();
        for job in self.tools.spool.jobs() {
            if job.give_up_if_old(age_max_s) {
                Counters::count(&self.counters.given_up, 1);
                let bucket = &job.destination().bucket;
                tracing::error!(
                    recording = job.id(),
                    bucket,
                    "a recording is given up: its bucket did not accept it for too long"
                );
                self.look(job.id());
            }
        }
    }

    /// Looks at what is to be done for a recording.
    fn look(&mut self, id: &str) {
        let now = Instant::now();
        let job = self.tools.spool.job(id);
        let tracked = match (&job, self.tracked.get_mut(id)) {
            (_, Some(tracked)) => tracked,
            (Some(_), None) => self.tracked.entry(id.to_owned()).or_default(),
            (None, None) => return,
        };
        if tracked.is_alone {
            return;
        }
        if let Some(until) = tracked.rests_until.filter(|until| *until > now) {
            self.timers.insert((until, id.to_owned()));
            return;
        }
        let Some(job) = job else {
            match tracked.orphan.clone() {
                Some(end) => self.run_alone(id, Task::Report, None, Some(end)),
                None => drop(self.tracked.remove(id)),
            }
            return;
        };
        match job.next(&tracked.busy) {
            Step::Put(_) if !tracked.may_put(&job, now) => {}
            Step::Put(_) | Step::Close => self.lanes.offer(&lane_of(&job, &self.tools.buckets), id),
            Step::EndAbruptly => self.run_alone(id, Task::EndAbruptly, Some(job), None),
            Step::Report(end) => self.run_alone(id, Task::Report, Some(job), Some(end)),
            Step::Wait if !tracked.busy.is_empty() => {}
            Step::Wait => match tracked.list_at.filter(|at| *at > now) {
                Some(at) => drop(self.timers.insert((at, id.to_owned()))),
                None if tracked.must_list(&job, now) => {
                    self.lanes.offer(&lane_of(&job, &self.tools.buckets), id)
                }
                None => {}
            },
        }
    }

    /// Starts the uploads that may begin.
    fn start(&mut self) {
        while let Some((lane, id)) = self.lanes.next(Instant::now()) {
            let Some(job) = self.tools.spool.job(&id) else {
                continue;
            };
            let Some(tracked) = self.tracked.get_mut(&id) else {
                continue;
            };
            if tracked.is_alone {
                continue;
            }
            let now = Instant::now();
            match job.next(&tracked.busy) {
                Step::Put(_) | Step::Wait
                    if tracked.busy.is_empty() && tracked.must_list(&job, now) =>
                {
                    let task = Task::List(job.listed(), self.lanes.start(&lane, 0));
                    self.run_alone(&id, task, Some(job), None);
                }
                Step::Put(item) if tracked.may_put(&job, now) => {
                    tracked.busy.insert(item.content.clone());
                    let started = self.lanes.start(&lane, item.bytes);
                    let task = Task::Put(item, started);
                    let work = self
                        .tools
                        .clone()
                        .perform(id.clone(), task, Some(job), None);
                    self.tasks.spawn(work);
                    self.look(&id);
                }
                Step::Close => {
                    let task = Task::Close(self.lanes.start(&lane, 0));
                    self.run_alone(&id, task, Some(job), None);
                }
                _ => self.look(&id),
            }
        }
    }

    fn run_alone(&mut self, id: &str, task: Task, job: Option<Arc<Job>>, end: Option<Finished>) {
        self.tracked.entry(id.to_owned()).or_default().is_alone = true;
        let work = self.tools.clone().perform(id.to_owned(), task, job, end);
        self.tasks.spawn(work);
    }

    /// A task is over.
    fn end(&mut self, over: Over) {
        let Over { id, task, outcome } = over;
        let now = Instant::now();
        let random = self.next_random();
        self.count(&outcome);
        self.end_in_lane(&id, &task, &outcome, now, random);
        let tracked = self.tracked.entry(id.clone()).or_default();
        match &task {
            Task::Put(item, _) => {
                tracked.busy.remove(&item.content);
            }
            _ => tracked.is_alone = false,
        }
        let is_own_fault = match &outcome {
            Outcome::Bucket(error) if matches!(task, Task::Report) => {
                tracing::warn!(recording = id, %error, "the end of a recording of which nothing is left is tried again");
                true
            }
            Outcome::Bucket(error) if error.is_of_object() => {
                tracing::warn!(recording = id, %error, "an upload of a recording is tried again");
                true
            }
            Outcome::Bucket(_) => false,
            Outcome::Recording(reason) => {
                tracing::warn!(recording = id, reason, "a recording is tried again");
                true
            }
            Outcome::Done(..) | Outcome::Lost => false,
        };
        if is_own_fault {
            tracked.failures = tracked.failures.saturating_add(1);
            tracked.rests_until = Some(now + self.settings.pace.rest(tracked.failures, random));
        } else if matches!(outcome, Outcome::Done(..)) {
            tracked.failures = 0;
            tracked.rests_until = None;
        }
        if let (Task::List(segments, _), Outcome::Done(..)) = (&task, &outcome) {
            tracked.listed = *segments;
            let longer = Duration::from_secs((segments / SEGMENTS_PER_SECOND) as u64);
            tracked.list_at = Some(now + self.settings.playlist_interval + longer);
        }
        if matches!((&task, &outcome), (Task::Report, Outcome::Done(..))) {
            Counters::count(&self.counters.finished, 1);
            self.tracked.remove(&id);
            self.lanes.tidy();
        }
        self.look(&id);
    }

    fn end_in_lane(&mut self, id: &str, task: &Task, outcome: &Outcome, now: Instant, random: u64) {
        let (Task::Put(_, started) | Task::List(_, started) | Task::Close(started)) = task else {
            return;
        };
        let fault = match outcome {
            Outcome::Bucket(error) if !error.is_of_object() => Some(error.to_string()),
            _ => None,
        };
        // An object that is refused, or a folder that cannot be read, tells nothing about the bucket.
        if self.lanes.ended(started, fault.clone(), now, random) {
            let bucket = &started.lane.bucket;
            match fault {
                Some(error) => tracing::warn!(
                    bucket,
                    recording = id,
                    error,
                    "uploads wait: the bucket does not accept them"
                ),
                None => tracing::info!(bucket, "the bucket accepts uploads again"),
            }
        }
    }

    fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Done(objects, bytes) => {
                Counters::count(&self.counters.objects, *objects);
                Counters::count(&self.counters.bytes, *bytes);
            }
            Outcome::Lost => Counters::count(&self.counters.lost, 1),
            Outcome::Bucket(_) | Outcome::Recording(_) => {
                Counters::count(&self.counters.failures, 1)
            }
        }
    }

    /// The next number of a sequence that the seed decides (SplitMix64).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn lane_of(job: &Job, buckets: &Buckets) -> LaneKey {
    let destination = job.destination();
    let now = buckets.place(&destination.account, &destination.region);
    let elsewhere = job.elsewhere(&now);
    LaneKey {
        account: destination.account.clone(),
        region: destination.region.clone(),
        bucket: destination.bucket.clone(),
        elsewhere: elsewhere.filter(|_| !buckets.accepts_moved()),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
