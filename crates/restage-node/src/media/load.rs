//! Measures the lag and load of a worker, and derives from them whether new connections are admitted and how much
//! video is withheld.
//!
//! **Lag** is how long a datagram may have waited until what it caused was sent, counted from the last moment at
//! which the socket is known to have been empty. **Load** is the share of time in which the worker was busy, or the
//! share of the processor time of its control group that the process has used, whichever is higher. Both are measured
//! per window and smoothed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use restage_media::limits::SHED_STEPS_MAX;

use super::quota::Quota;

/// Length of a window of measurement.
const WINDOW: Duration = Duration::from_millis(250);
/// Time constant of the smoothing.
const SMOOTHING: Duration = Duration::from_millis(750);
/// A shorter sleep does not count: the datagrams found after it may have arrived before.
const SLEPT_MIN: Duration = Duration::from_micros(100);
/// A worker at this load, in thousandths, admits nobody new until the load is below [`LOAD_RESUME`].
const LOAD_MAX: u32 = 900;
const LOAD_RESUME: u32 = 800;
/// A worker with this smoothed lag admits nobody new until the lag is below half of it.
const LAG_MAX: Duration = Duration::from_millis(150);
/// From this number of peers on, each new peer is assumed to cost as much as the average one, until it is measured.
const FORESIGHT_PEERS_MIN: u32 = 64;
/// The highest predicted load, as a multiple of the measured load, in thousandths.
const FORESIGHT_MAX: u64 = 1_500;
/// A worker with this lag in two consecutive windows withholds more video. A single stall has other causes.
const SHED_LAG: Duration = Duration::from_millis(250);
/// After windows with less than half of that lag for this long, it withholds less.
const SHED_CALM: Duration = Duration::from_secs(4);
/// How long the same subscribers go without video before others do.
const SHED_TURN: Duration = Duration::from_secs(5);
/// A worker that has not reported for this long admits nobody new.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Longest time between two reports of a running worker: a window, or its longest sleep.
const BEAT_MAX: Duration = Duration::from_secs(1);

/// The state that a worker reports for the placement of peers. Written by the worker alone.
pub(super) struct Health {
    started: Instant,
    /// When it closed its last window, in milliseconds since the start.
    beat_ms: AtomicU64,
    is_alive: AtomicBool,
    is_full: AtomicBool,
    load: AtomicU32,
    /// The number of peers when this load was measured.
    peers: AtomicU32,
    lag_us: AtomicU64,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            beat_ms: AtomicU64::new(0),
            is_alive: AtomicBool::new(true),
            is_full: AtomicBool::new(false),
            load: AtomicU32::new(0),
            peers: AtomicU32::new(0),
            lag_us: AtomicU64::new(0),
        }
    }

    /// Whether its thread runs.
    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    /// Records that its thread has ended.
    pub(super) fn die(&self) {
        self.is_alive.store(false, Ordering::Relaxed);
    }

    /// The load in thousandths.
    pub(super) fn load(&self) -> u32 {
        self.load.load(Ordering::Relaxed)
    }

    /// The smoothed lag; for a worker that stands still, the time since its last report.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        let measured = Duration::from_micros(self.lag_us.load(Ordering::Relaxed));
        measured.max(self.silent_for(now).saturating_sub(BEAT_MAX))
    }

    /// Whether it has closed a window recently, which it does even when it is idle.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        self.silent_for(now) < SILENCE_MAX
    }

    fn silent_for(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.started);
        since.saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }

    /// Whether it can take one more peer in addition to `peers`.
    pub(super) fn has_room(&self, now: Instant, peers: usize) -> bool {
        self.is_alive()
            && !self.is_full.load(Ordering::Relaxed)
            && self.is_moving(now)
            && self.foreseen(peers) < LOAD_MAX
    }

    /// The predicted load with this many peers: the present load, raised in proportion for peers that are not
    /// measured yet.
    fn foreseen(&self, peers: usize) -> u32 {
        let (load, measured) = (self.load(), self.peers.load(Ordering::Relaxed));
        if measured < FORESIGHT_PEERS_MIN {
            return load;
        }
        let growth = (peers as u64 * 1_000 / u64::from(measured)).clamp(1_000, FORESIGHT_MAX);
        (u64::from(load) * growth / 1_000) as u32
    }
}

/// The video to withhold: see [`Control::Shed`](restage_media::Control::Shed).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Shed {
    pub(super) step: u8,
    pub(super) turn: u8,
}

/// Measures one worker.
pub(super) struct Gauge {
    quota: Quota,
    window_at: Instant,
    slept: Duration,
    worst: Duration,
    /// The last moment at which the socket is known to have been empty.
    empty_at: Instant,
    /// Since when the oldest unprocessed datagram may have been waiting.
    waiting_since: Option<Instant>,
    load: f64,
    peers: f64,
    lag: Duration,
    is_full: bool,
    shed: Shed,
    was_late: bool,
    calm: Duration,
    turned_at: Instant,
}

impl Gauge {
    pub(super) fn new(now: Instant, quota: Quota) -> Self {
        Self {
            quota,
            window_at: now,
            slept: Duration::ZERO,
            worst: Duration::ZERO,
            empty_at: now,
            waiting_since: None,
            load: 0.0,
            peers: 0.0,
            lag: Duration::ZERO,
            is_full: false,
            shed: Shed::default(),
            was_late: false,
            calm: Duration::ZERO,
            turned_at: now,
        }
    }

    /// The worker has slept, because there was nothing to do.
    pub(super) fn slept(&mut self, from: Instant, now: Instant) {
        let time = now.saturating_duration_since(from);
        self.slept += time;
        if time >= SLEPT_MIN {
            self.empty_at = now;
        }
    }

    /// A timer was due at `due` and is served now.
    pub(super) fn timer(&mut self, due: Instant, now: Instant) {
        self.worst = self.worst.max(now.saturating_duration_since(due));
    }

    /// The socket was read: `was_something` says whether data was there, and the last argument whether it is empty now.
    pub(super) fn read(&mut self, now: Instant, was_something: bool, is_empty: bool) {
        if was_something {
            self.waiting_since.get_or_insert(self.empty_at);
        }
        if is_empty {
            self.empty_at = now;
        }
    }

    /// Everything that was read has been processed.
    pub(super) fn done(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.worst = self.worst.max(now.saturating_duration_since(since));
        }
    }

    /// Closes the window if it is over, and returns what to withhold from now on; `None` if that is unchanged.
    pub(super) fn close_window(
        &mut self,
        now: Instant,
        peers: usize,
        health: &Health,
    ) -> Option<Shed> {
        let length = now.saturating_duration_since(self.window_at);
        if length < WINDOW {
            return None;
        }
        self.window_at = now;
        let slept = std::mem::take(&mut self.slept).min(length);
        let busy = 1.0 - slept.as_secs_f64() / length.as_secs_f64();
        let used = self.quota.share_used(now).unwrap_or_default();
        let part = length.as_secs_f64() / (length + SMOOTHING).as_secs_f64();
        let worst = std::mem::take(&mut self.worst);
        self.load += (busy.max(used) - self.load) * part;
        self.peers += (peers as f64 - self.peers) * part;
        self.lag = self.lag.mul_f64(1.0 - part) + worst.mul_f64(part);
        let before = self.shed;
        self.shed_by(now, worst, length);
        self.admit(used);
        self.publish(now, health);
        (self.shed != before).then_some(self.shed)
    }

    /// The video that is withheld now.
    pub(super) fn shed(&self) -> Shed {
        self.shed
    }

    fn shed_by(&mut self, now: Instant, worst: Duration, length: Duration) {
        let is_late = worst >= SHED_LAG;
        let was_late = std::mem::replace(&mut self.was_late, is_late);
        if is_late {
            self.calm = Duration::ZERO;
        }
        if is_late && was_late {
            self.shed.step = (self.shed.step + 1).min(SHED_STEPS_MAX);
        } else if !is_late && worst * 2 < SHED_LAG {
            self.calm += length;
        }
        if self.shed.step > 0 && self.calm >= SHED_CALM {
            self.calm = Duration::ZERO;
            self.shed.step -= 1;
        }
        if now.saturating_duration_since(self.turned_at) >= SHED_TURN {
            self.turned_at = now;
            // With no step or one step no subscriber is without video, so there are no turns.
            if self.shed.step > 1 {
                self.shed.turn = self.shed.turn.wrapping_add(1);
            }
        }
    }

    /// `used` is the share of the allowed processor time in this window alone. It is not smoothed, because everything
    /// stops when the allowance is used up.
    fn admit(&mut self, used: f64) {
        let load = self.load_permille();
        let is_used_up = used * 1_000.0 >= f64::from(LOAD_MAX);
        let is_over = load >= LOAD_MAX || is_used_up || self.lag >= LAG_MAX || self.shed.step > 0;
        let is_under = load < LOAD_RESUME && self.lag * 2 < LAG_MAX && self.shed.step == 0;
        self.is_full = is_over || self.is_full && !is_under;
    }

    fn load_permille(&self) -> u32 {
        (self.load * 1_000.0) as u32
    }

    fn publish(&self, now: Instant, health: &Health) {
        let order = Ordering::Relaxed;
        let since = now.saturating_duration_since(health.started);
        health.beat_ms.store(since.as_millis() as u64, order);
        health.is_full.store(self.is_full, order);
        health.load.store(self.load_permille(), order);
        health.peers.store(self.peers as u32, order);
        health.lag_us.store(self.lag.as_micros() as u64, order);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A worker that repeats the same work.
    struct Rig {
        gauge: Gauge,
        health: Health,
        now: Instant,
        peers: usize,
    }

    impl Rig {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                gauge: Gauge::new(now, Quota::none()),
                health: Health::new(now),
                now,
                peers: 100,
            }
        }

        /// Sleeps and works alternately for this long. Returns what it was told to withhold.
        fn run(&mut self, time: Duration, sleeps: Duration, works: Duration) -> Vec<Shed> {
            let end = self.now + time;
            let mut told = Vec::new();
            while self.now < end {
                let from = self.now;
                self.now += sleeps;
                self.gauge.slept(from, self.now);
                self.gauge.read(self.now, true, true);
                self.now += works;
                self.gauge.done(self.now);
                let peers = self.peers;
                told.extend(self.gauge.close_window(self.now, peers, &self.health));
            }
            told
        }

        fn has_room(&self) -> bool {
            self.health.has_room(self.now, self.peers)
        }
    }

    #[test]
    fn a_busy_worker_takes_nobody_until_it_is_clearly_less_busy() {
        let mut rig = Rig::new();
        assert!(rig.run(ms(5_000), ms(4), ms(6)).is_empty());
        assert!(rig.has_room(), "60 %");
        rig.run(ms(5_000), ms(1), ms(19));
        assert!(!rig.has_room(), "95 %");
        rig.run(ms(5_000), ms(3), ms(17));
        assert!(!rig.has_room(), "85 %: it would be full again at once");
        rig.run(ms(5_000), ms(6), ms(14));
        assert!(rig.has_room(), "70 %");
        assert!((690..=710).contains(&rig.health.load()));
    }

    #[test]
    fn those_who_have_just_come_count_before_they_are_measured() {
        let mut rig = Rig::new();
        rig.run(ms(5_000), ms(3), ms(7));
        assert!(rig.has_room());
        rig.peers = 130;
        assert!(!rig.has_room(), "of 70 % become 91 %");
        rig.run(ms(5_000), ms(3), ms(7));
        assert!(rig.has_room(), "they cost nothing");
        // One of few windows does not represent the others.
        let mut rig = Rig::new();
        rig.peers = 2;
        rig.run(ms(5_000), ms(3), ms(7));
        rig.peers = 40;
        assert!(rig.has_room());
    }

    #[test]
    fn a_late_worker_takes_nobody_but_one_stall_is_not_being_late() {
        let mut rig = Rig::new();
        rig.run(ms(2_000), ms(9), ms(1));
        rig.run(ms(300), ms(0), ms(300));
        rig.run(ms(250), ms(9), ms(1));
        assert!(rig.has_room());
        assert_eq!(rig.gauge.shed().step, 0);
        rig.run(ms(3_000), ms(200), ms(220));
        assert!(
            rig.health.lag(rig.now) >= LAG_MAX,
            "{:?}",
            rig.health.lag(rig.now)
        );
        assert!(!rig.has_room());
        rig.run(ms(10_000), ms(9), ms(1));
        assert!(rig.has_room());
    }

    #[test]
    fn allotted_time_that_is_used_up_is_not_averaged_away() {
        let mut rig = Rig::new();
        rig.run(ms(5_000), ms(9), ms(1));
        rig.gauge.admit(0.89);
        assert!(!rig.gauge.is_full);
        rig.gauge.admit(0.9);
        rig.gauge.publish(rig.now, &rig.health);
        assert!(!rig.has_room());
        rig.run(ms(500), ms(9), ms(1));
        assert!(
            rig.has_room(),
            "there was more than enough before and after"
        );
    }

    #[test]
    fn what_came_while_it_worked_has_waited_as_long() {
        let mut rig = Rig::new();
        // It never sleeps, so what it reads may have arrived right after the previous read.
        rig.run(ms(3_000), ms(0), ms(60));
        let lag = rig.health.lag(rig.now);
        assert!((ms(110)..=ms(121)).contains(&lag), "{lag:?}");
        // It sleeps, so what it finds has woken it.
        rig.run(ms(6_000), ms(40), ms(60));
        let lag = rig.health.lag(rig.now);
        assert!((ms(59)..=ms(62)).contains(&lag), "{lag:?}");
    }

    #[test]
    fn pictures_are_thinned_step_by_step_and_come_back_when_it_is_calm() {
        let mut rig = Rig::new();
        let told = rig.run(ms(4_000), ms(0), ms(300));
        let steps: Vec<u8> = told.iter().map(|shed| shed.step).collect();
        assert_eq!(steps[..3], [1, 2, 3], "{steps:?}");
        assert!(steps.len() <= 12, "one window is not enough");
        assert_eq!(rig.gauge.shed().step, SHED_STEPS_MAX);
        assert!(!rig.has_room());
        // Neither calm nor worse.
        let told = rig.run(ms(20_000), ms(0), ms(90));
        assert!(told.iter().all(|shed| shed.step == SHED_STEPS_MAX));
        assert!(told.len() >= 3, "everybody does without in turn");
        let told = rig.run(ms(8_500), ms(9), ms(1));
        let last = told.last().map(|shed| shed.step);
        assert_eq!(last, Some(SHED_STEPS_MAX - 2), "{told:?}");
        rig.run(ms(40_000), ms(9), ms(1));
        assert_eq!(rig.gauge.shed().step, 0);
        assert!(rig.has_room());
    }

    #[test]
    fn a_silent_or_dead_worker_takes_nobody() {
        let mut rig = Rig::new();
        rig.run(ms(1_000), ms(9), ms(1));
        rig.now += SILENCE_MAX + WINDOW;
        assert!(!rig.has_room());
        rig.run(ms(1_000), ms(9), ms(1));
        assert!(rig.has_room());
        rig.health.die();
        assert!(!rig.has_room() && !rig.health.is_alive());
    }

    #[test]
    fn a_late_timer_is_lag() {
        let mut rig = Rig::new();
        for _ in 0..20 {
            let due = rig.now;
            rig.now += ms(400);
            rig.gauge.timer(due, rig.now);
            rig.gauge.close_window(rig.now, 1, &rig.health);
        }
        assert!(rig.health.lag(rig.now) > ms(390));
    }
}
