//! Failures of a worker: panics outside the guard of a connection, restarts, and log lines.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use restage_media::{Config, Control, GoneReason, PeerId, Sfu, TapId};

use super::super::MediaEvent;
use super::super::counters::WorkerStats;
use super::super::gso::Trains;
use super::{Worker, now};

/// Most restarts of a worker within [`RESTART_WINDOW`]. After one more it is gone for good.
pub(super) const RESTARTS_MAX: usize = 3;
/// The window for [`RESTARTS_MAX`].
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// Shortest interval between equal log lines.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a worker needs to restart, and the state of its log lines.
pub(super) struct Care {
    config: Config,
    started: Instant,
    /// Times of the restarts within the window.
    recent: VecDeque<Instant>,
    restarts: u64,
    /// The counts of the earlier `Sfu`s, up to the present one.
    former: WorkerStats,
    contests: Told,
    overload_told_at: Option<Instant>,
    was_overloaded: bool,
}

/// A growing number, and its value in the last log line.
#[derive(Default)]
struct Told {
    count: u64,
    at: Option<Instant>,
}

impl Told {
    /// The growth since the last log line, if a new line is due.
    fn news(&mut self, now: Instant, count: u64) -> Option<u64> {
        if count <= self.count {
            // A smaller number comes from a new `Sfu`, which counts from zero.
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

    /// The number of restarts.
    pub(super) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Adds what was counted before the restarts.
    pub(super) fn with_former(&self, present: WorkerStats) -> WorkerStats {
        [self.former, present].into_iter().sum()
    }

    pub(super) fn warn_of_contests(&mut self, now: Instant, count: u64) {
        if let Some(checks) = self.contests.news(now, count) {
            tracing::warn!(
                checks,
                "STUN checks of clients came from addresses that are other clients'; nothing follows unless the client proves \
                 that it receives there"
            );
        }
    }

    /// Logs when an overload begins, at intervals, and when it is over.
    pub(super) fn warn_of_overload(&mut self, now: Instant, step: u8, withheld: u64) {
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

    /// Whether another restart is allowed.
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

/// An `Sfu` whose clock begins at `started`, which is when [`Config::since_1970`] was read.
pub(super) fn new_sfu(config: Config, started: Instant) -> Sfu {
    let mut sfu = Sfu::new(config);
    // It takes the time of its first input for that time. This one changes nothing else.
    sfu.control(started, Control::Shed { step: 0, turn: 0 });
    sfu
}

impl Worker {
    /// Handles a panic of a turn outside the guard of a connection. If it is known which connection was being served,
    /// only that one ends; otherwise the worker restarts, and all its connections end.
    ///
    /// # Errors
    /// It has restarted too often, or cannot restart.
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
        self.sfu = new_sfu(config, at);
        // Datagrams that wait to be sent belong to connections that no longer exist; the counts are kept.
        let (sent, dropped) = (self.trains.sent, self.trains.dropped);
        self.trains = Trains::new();
        (self.trains.sent, self.trains.dropped) = (sent, dropped);
        let peers: Vec<PeerId> = self.live.iter().copied().collect();
        for peer in peers {
            self.forget(peer);
            let gone = MediaEvent::Gone(peer, GoneReason::Panicked);
            self.unsent.push_back(gone);
        }
        // These peers exist for nobody yet, because their opening was not answered.
        let opening = self.opening.len();
        self.opening.clear();
        self.load.fetch_sub(opening, Ordering::Relaxed);
        self.offering.clear();
        self.patching.clear();
        let taps: Vec<TapId> = self.taps.keys().copied().collect();
        for tap in taps {
            self.forget_tap(tap);
        }
        self.lose_inlets();
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
        // A new counter starts.
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
