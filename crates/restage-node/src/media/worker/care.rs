//! What goes wrong in a worker: panics that no connection's guard has caught, and what the log is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use restage_media::{Config, GoneReason, PeerKey, Sfu};

use super::super::MediaEvent;
use super::super::counters::WorkerStats;
use super::super::trains::Trains;
use super::{Worker, now};

/// How often a worker may begin anew within [`RESTART_WINDOW`]. Once more, and it is gone for good.
pub(super) const RESTARTS_MAX: usize = 3;
/// See [`RESTARTS_MAX`].
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// How often the log says the same.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a worker needs to begin anew, and what it has told.
pub(super) struct Care {
    config: Config,
    started: Instant,
    /// When it began anew, within the window.
    recent: VecDeque<Instant>,
    restarts: u64,
    /// Counted by those before the present `Sfu`.
    former: WorkerStats,
    contests: Told,
    overload_told_at: Option<Instant>,
    was_overloaded: bool,
}

/// A number that grows, and how far the log knows it.
#[derive(Default)]
struct Told {
    count: u64,
    at: Option<Instant>,
}

impl Told {
    /// How much has come since the log was told last, if it is to be told now.
    fn news(&mut self, now: Instant, count: u64) -> Option<u64> {
        if count <= self.count {
            // Less: another `Sfu` counts from the beginning.
            self.count = count;
            return None;
        }
        let is_recent = |at: Instant| now.saturating_duration_since(at) < TOLD_EVERY;
        if self.at.is_some_and(is_recent) {
            return None;
        }
        self.at = Some(now);
        let news = count - self.count;
        self.count = count;
        Some(news)
    }
}

impl Care {
    pub(super) fn new(config: Config, started: Instant) -> Self {
        Self {
            config,
            started,
            recent: VecDeque::new(),
            restarts: 0,
            former: WorkerStats::default(),
            contests: Told::default(),
            overload_told_at: None,
            was_overloaded: false,
        }
    }

    /// How often the worker began anew.
    pub(super) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// With what was counted before the worker began anew.
    pub(super) fn with_former(&self, present: WorkerStats) -> WorkerStats {
        [self.former, present].into_iter().sum()
    }

    pub(super) fn tell_of_contests(&mut self, now: Instant, count: u64) {
        if let Some(checks) = self.contests.news(now, count) {
            tracing::warn!(
                checks,
                "STUN checks of clients came from addresses that are other clients'; nothing follows unless the client proves \
                 that it receives there"
            );
        }
    }

    /// The log is told when it begins, from time to time, and when it is over.
    pub(super) fn tell_of_overload(&mut self, now: Instant, step: u8, withheld: u64) {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < TOLD_EVERY;
        let is_overloaded = step > 0;
        let was = std::mem::replace(&mut self.was_overloaded, is_overloaded);
        if !is_overloaded && was {
            tracing::info!(
                "the media worker has caught up; nothing is left out of pictures any more"
            );
            return;
        }
        if is_overloaded && !self.overload_told_at.is_some_and(is_recent) {
            self.overload_told_at = Some(now);
            tracing::warn!(
                step,
                withheld,
                "the media worker is late: pictures are thinned, sound goes on, nobody new is let in; give the server more \
                 processor time, or more workers"
            );
        }
    }

    /// Whether it may begin anew once more.
    fn note_restart(&mut self, now: Instant) -> bool {
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= RESTART_WINDOW;
        while self.recent.front().is_some_and(is_over) {
            self.recent.pop_front();
        }
        if self.recent.len() >= RESTARTS_MAX {
            return false;
        }
        self.recent.push_back(now);
        self.restarts += 1;
        true
    }

    /// The settings of the next `Sfu`.
    fn next_config(&mut self, now: Instant) -> Config {
        self.config.generation = self.config.generation.wrapping_add(1);
        let lived = now.saturating_duration_since(self.started);
        Config {
            seed: self
                .config
                .seed
                .wrapping_add(u64::from(self.config.generation) << 32),
            since_1970: self.config.since_1970 + lived,
            ..self.config.clone()
        }
    }
}

impl Worker {
    /// A turn has panicked outside of the guards that each connection has. If it is known which connection was being served, that one
    /// ends; else the worker begins anew, and all of its connections end.
    ///
    /// # Errors
    /// It has begun anew too often, or cannot.
    pub(super) fn after_panic(&mut self) -> Result<(), String> {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let is_known = self.sfu.after_panic();
            if is_known {
                self.drain();
            }
            is_known
        }));
        if ended.unwrap_or(false) {
            tracing::error!(
                "an internal error of a connection was not contained; the connection was ended"
            );
            return Ok(());
        }
        let at = now();
        if !self.care.note_restart(at) {
            return Err(format!(
                "it failed more than {RESTARTS_MAX} times within {} seconds",
                RESTART_WINDOW.as_secs()
            ));
        }
        tracing::error!(
            "an internal error of the media worker; it begins anew and its connections end"
        );
        catch_unwind(AssertUnwindSafe(|| self.begin_anew(at)))
            .map_err(|_| "it could not begin anew".to_owned())
    }

    fn begin_anew(&mut self, at: Instant) {
        let stats = WorkerStats::of(&self.sfu.stats());
        self.care.former = [self.care.former, stats.without_present()]
            .into_iter()
            .sum();
        let config = self.care.next_config(at);
        self.sfu = Sfu::new(config);
        // What is on its way out is of connections that are no more; what it has counted goes on.
        let (sent, dropped) = (self.trains.sent, self.trains.dropped);
        self.trains = Trains::new();
        (self.trains.sent, self.trains.dropped) = (sent, dropped);
        let peers: Vec<PeerKey> = self.live.iter().copied().collect();
        for peer in peers {
            self.forget(peer);
            let gone = MediaEvent::Gone(peer, GoneReason::Panicked);
            self.unsent.push_back(gone);
        }
        // Nobody has been answered yet that these exist.
        let opening = self.opening.len();
        self.opening.clear();
        self.load.fetch_sub(opening, Ordering::Relaxed);
        self.patching.clear();
        let shed = self.gauge.shed();
        self.apply_shed(at, shed);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_of_a_number_that_grows_now_and_then() {
        let start = Instant::now();
        let mut told = Told::default();
        assert_eq!(told.news(start, 0), None);
        assert_eq!(told.news(start, 3), Some(3));
        assert_eq!(told.news(start, 3), None);
        assert_eq!(told.news(start + TOLD_EVERY / 2, 500), None);
        assert_eq!(told.news(start + TOLD_EVERY, 501), Some(498));
        assert_eq!(told.news(start + 2 * TOLD_EVERY, 501), None);
        // Another counts.
        assert_eq!(told.news(start + 2 * TOLD_EVERY, 0), None);
        assert_eq!(told.news(start + 3 * TOLD_EVERY, 2), Some(2));
    }

    #[test]
    fn a_worker_begins_anew_a_few_times_a_minute_and_never_as_the_same() {
        let start = Instant::now();
        let config = Config::default();
        let mut care = Care::new(config, start);
        for _ in 0..RESTARTS_MAX {
            assert!(care.note_restart(start));
        }
        assert!(!care.note_restart(start + RESTART_WINDOW / 2));
        assert!(care.note_restart(start + RESTART_WINDOW));
        assert_eq!(care.restarts(), RESTARTS_MAX as u64 + 1);
        let first = care.next_config(start + Duration::from_secs(5));
        let second = care.next_config(start + Duration::from_secs(9));
        assert_eq!((first.generation, second.generation), (1, 2));
        assert_ne!(first.seed, second.seed);
        assert_eq!(second.since_1970, Duration::from_secs(9));
    }
}
