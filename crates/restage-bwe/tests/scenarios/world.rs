//! Estimators, the media that they let pass, and a bottleneck, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use restage_bwe::{Config, Coupling, Estimator, FlowId, limits};
use restage_load::network::{Path, PathConfig, Random, Tcp};

use super::report::{Kind, Receiver, Report};
use super::wire;

const FRAME: Duration = Duration::from_micros(33_333);
const AUDIO: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 110;
const PACKET: usize = 1_200;
/// A key frame comes this often, in pictures, and is this many times as large as another picture.
const KEY_EVERY: u64 = 120;
const KEY_TIMES: f64 = 3.0;
/// Share of the estimate that media uses.
const USED: f64 = 0.95;
/// When a larger layer is shown, as the media plane decides it: what it needs, how long there must have been room for it, and how
/// long after the last change; longer by this after each larger layer that was lost again within the trial.
const STEP_NEED: f64 = 1.15;
const STEP_PROVEN_AFTER: Duration = Duration::from_secs(1);
const STEP_INTERVAL: Duration = Duration::from_secs(3);
const STEP_INTERVAL_GROWTH: f64 = 1.5;
/// How long a layer that does not fit stays while what is sent passes.
const KEEP_CLEAR_FOR: Duration = Duration::from_secs(3);
const STEP_TRIAL: Duration = Duration::from_secs(10);
/// The smallest layer is paused when this share of it has not fitted for so long, and sooner if there is no other.
const PAUSE_BELOW: f64 = 0.9;
const PAUSE_AFTER: Duration = Duration::from_secs(2);
const PAUSE_ONLY_AFTER: Duration = Duration::from_millis(200);
/// How often shares are read and series are written.
const TICK: Duration = Duration::from_millis(100);

/// What a flow sends.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// An encoder that follows the estimate, up to this rate in bits per second.
    Elastic(u64),
    /// Simulcast: the largest of these layers that fits. A layer of 0 is a pause.
    Layers(Vec<u64>),
}

#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) source: Source,
    pub(crate) starts: Duration,
    pub(crate) stops: Duration,
    /// Pauses its video in between.
    pub(crate) pauses: Option<(Duration, Duration)>,
    pub(crate) priority: u32,
}

impl Flow {
    pub(crate) fn elastic(max: u64) -> Self {
        Self {
            source: Source::Elastic(max),
            starts: Duration::ZERO,
            stops: Duration::MAX,
            pauses: None,
            priority: 1,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) path: PathConfig,
    pub(crate) flows: Vec<Flow>,
    pub(crate) is_coupled: bool,
    /// When a TCP transfer begins and ends.
    pub(crate) tcp: Option<(Duration, Duration)>,
    pub(crate) feedback: Duration,
    /// What the receivers say.
    pub(crate) kind: Kind,
    /// Share of the feedback messages that is lost.
    pub(crate) feedback_loss: f64,
    pub(crate) lasts: Duration,
    pub(crate) seed: u64,
}

impl Setting {
    pub(crate) fn new(path: PathConfig, flows: Vec<Flow>, lasts: Duration, seed: u64) -> Self {
        Self {
            path,
            flows,
            is_coupled: false,
            tcp: None,
            feedback: Duration::from_millis(100),
            kind: Kind::TransportWide,
            feedback_loss: 0.0,
            lasts,
            seed,
        }
    }
}

/// What happened in one tick to one flow. Rates are in bits per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) at: Duration,
    pub(crate) estimate: f64,
    pub(crate) sent: f64,
    pub(crate) received: f64,
}

/// What happened to one flow.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) points: Vec<Point>,
    /// Time of sending, and how long the packet waited at the bottleneck.
    pub(crate) queued: Vec<(Duration, Duration)>,
    /// Time of sending of what was lost.
    pub(crate) lost: Vec<Duration>,
    /// Bytes of padding.
    pub(crate) padding: u64,
    /// When another layer was shown, and what it takes in bits per second with the sound.
    pub(crate) steps: Vec<(Duration, u64)>,
}

/// Which of several layers is shown.
#[derive(Debug, Default)]
struct Shown {
    layer: usize,
    changed: Option<Duration>,
    raised: Option<Duration>,
    room_since: Option<Duration>,
    interval: Duration,
    /// The layer that was lost again, and when: it comes again no sooner than after the interval.
    failed: Option<(usize, Duration)>,
    /// The estimator finds out by tries.
    is_tried: bool,
    tight_since: Option<Duration>,
    unfit_since: Option<Duration>,
}

impl Shown {
    /// The layer that is kept for now when only `fits` fit, of so many; `is_clear`: what is sent passes.
    fn kept(&mut self, now: Duration, fits: usize, layers: usize, is_clear: bool) -> usize {
        if fits >= self.layer {
            self.unfit_since = None;
        } else {
            let since = *self.unfit_since.get_or_insert(now);
            if is_clear && now < since + KEEP_CLEAR_FOR {
                self.tight_since = None;
                return self.layer;
            }
        }
        if fits > 0 || self.layer == 0 {
            self.tight_since = None;
            return fits;
        }
        let since = *self.tight_since.get_or_insert(now);
        let pause_after = match layers {
            2 => PAUSE_ONLY_AFTER,
            _ => PAUSE_AFTER,
        };
        usize::from(now < since + pause_after)
    }

    /// Goes down at once, and up when there was room for long enough. `fits` and `well` are the largest layer for which there is
    /// room, and room to spare. True: it has changed.
    fn turn(&mut self, now: Duration, fits: usize, well: usize) -> bool {
        self.interval = self.interval.max(STEP_INTERVAL);
        if self.raised.is_some_and(|at| now >= at + STEP_TRIAL) {
            self.raised = None;
            self.interval = STEP_INTERVAL;
        }
        let before = self.layer;
        if fits < self.layer {
            // Without transport-wide feedback the estimator itself rests after each failure.
            if self.raised.take().is_some() && !self.is_tried {
                self.interval = self.interval.mul_f64(STEP_INTERVAL_GROWTH);
                self.failed = Some((self.layer, now));
            }
            self.layer = fits;
        } else if well > self.layer {
            let since = *self.room_since.get_or_insert(now);
            let rests = |(layer, at)| self.layer + 1 >= layer && now < at + self.interval;
            let may = self.changed.is_none_or(|at| now >= at + STEP_INTERVAL)
                && !self.failed.is_some_and(rests);
            if may && now >= since + STEP_PROVEN_AFTER {
                self.layer += 1;
                self.raised = Some(now);
            }
        } else {
            self.room_since = None;
        }
        let is_changed = self.layer != before;
        if is_changed {
            self.changed = Some(now);
            self.room_since = None;
            self.unfit_since = None;
        }
        is_changed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Picture(usize),
    Audio(usize),
    Timer(usize),
    Report(usize),
    Feedback(usize, usize),
    Said(usize, usize),
    Missing(usize),
    Tcp,
    Tick,
}

struct State {
    flow: Flow,
    estimator: Estimator,
    id: Option<FlowId>,
    random: Random,
    picture: u64,
    shown: Shown,
    timer: Option<Duration>,
    /// What the receiver has: number without wrapping and arrival, not reported yet.
    arrived: Vec<(u64, Duration)>,
    /// Number of the first packet of the next report.
    reported: u64,
    reports: u8,
    number: u64,
    messages: Vec<Vec<u8>>,
    /// What a receiver without transport-wide feedback has, and what it has said.
    receiver: Receiver,
    said: Vec<Report>,
    sent: usize,
    received: Vec<(Duration, usize)>,
    trace: Trace,
}

pub(crate) struct World {
    setting: Setting,
    epoch: Instant,
    path: Path,
    flows: Vec<State>,
    coupling: Option<Coupling>,
    tcp: Option<Tcp>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    order: u64,
    random: Random,
}

/// How an estimator begins, as the media plane does it.
fn config(kind: Kind) -> Config {
    match kind {
        Kind::TransportWide => Config::default(),
        Kind::Reports | Kind::Remb | Kind::PictureRemb => Config {
            start: limits::RATE_MAX,
            has_feedback: false,
            can_probe: false,
            ..Config::default()
        },
    }
}

/// Runs a setting to its end. Returns what happened to each flow, and the bytes that TCP received.
pub(crate) fn run(setting: Setting) -> (Vec<Trace>, u64) {
    let mut world = World::new(setting);
    while let Some(Reverse((now, _, event))) = world.events.pop() {
        if now > world.setting.lasts {
            break;
        }
        world.handle(now, event);
    }
    let traces = world.flows.into_iter().map(|flow| flow.trace).collect();
    (traces, world.tcp.map_or(0, |tcp| tcp.received()))
}

impl World {
    #[allow(clippy::disallowed_methods)]
    fn new(setting: Setting) -> Self {
        let epoch = Instant::now();
        let mut seeds = Random::new(setting.seed);
        let mut world = Self {
            epoch,
            path: Path::new(setting.path.clone(), seeds.next_u64()),
            flows: Vec::new(),
            coupling: setting.is_coupled.then(Coupling::new),
            tcp: setting.tcp.map(|(_, stops)| Tcp::new(stops)),
            events: BinaryHeap::new(),
            order: 0,
            random: Random::new(seeds.next_u64()),
            setting,
        };
        for (place, flow) in world.setting.flows.clone().into_iter().enumerate() {
            let starts = flow.starts;
            world.flows.push(State {
                estimator: Estimator::new(config(world.setting.kind), epoch),
                id: None,
                random: Random::new(seeds.next_u64()),
                picture: 0,
                shown: Shown {
                    is_tried: world.setting.kind != Kind::TransportWide,
                    ..Shown::default()
                },
                timer: None,
                arrived: Vec::new(),
                reported: 0,
                reports: 0,
                number: 0,
                messages: Vec::new(),
                receiver: Receiver::default(),
                said: Vec::new(),
                sent: 0,
                received: Vec::new(),
                trace: Trace::default(),
                flow,
            });
            let phase = FRAME.mul_f64(world.random.unit());
            world.schedule(starts + phase, Event::Picture(place));
            world.schedule(starts + phase / 2, Event::Audio(place));
            world.schedule(
                starts + world.setting.feedback + phase,
                Event::Report(place),
            );
        }
        if let Some((starts, _)) = world.setting.tcp {
            world.schedule(starts, Event::Tcp);
        }
        world.schedule(TICK, Event::Tick);
        world
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    fn handle(&mut self, now: Duration, event: Event) {
        match event {
            Event::Picture(place) => {
                if now < self.flows[place].flow.stops {
                    self.picture(now, place);
                    self.schedule(now + FRAME, event);
                }
            }
            Event::Audio(place) => {
                if now < self.flows[place].flow.stops {
                    self.send(now, place, AUDIO_BYTES);
                    self.schedule(now + AUDIO, event);
                }
            }
            Event::Timer(place) => {
                self.flows[place].timer = None;
                let at = self.epoch + now;
                let flow = &mut self.flows[place];
                if let (Some(coupling), Some(id)) = (&mut self.coupling, flow.id) {
                    let may = flow.estimator.is_probing()
                        || flow.estimator.wants_probe() && coupling.take_token(id, at);
                    flow.estimator.allow_probes(may);
                }
                flow.estimator.on_timeout(at);
                let mut due = flow.estimator.probe_due(at);
                while due > 0 {
                    let most = self.flows[place].estimator.probe_packet_bytes(at);
                    let bytes = due.clamp(200, most.min(PACKET));
                    self.flows[place].trace.padding += bytes as u64;
                    self.send(now, place, bytes);
                    due = due.saturating_sub(bytes);
                }
            }
            Event::Report(place) => {
                self.report(now, place);
                self.schedule(now + self.setting.feedback, event);
            }
            Event::Feedback(place, message) => self.feedback(now, place, message),
            Event::Said(place, said) => self.hear(now, place, said),
            Event::Missing(place) => {
                let at = self.epoch + now;
                self.flows[place].estimator.on_missing(at, 1);
            }
            Event::Tcp => {
                let tcp = self.tcp.as_mut().expect("it was scheduled");
                if let Some(next) = tcp.run(now, &mut self.path) {
                    self.schedule(next.max(now + Duration::from_micros(1)), event);
                }
            }
            Event::Tick => {
                self.tick(now);
                self.schedule(now + TICK, event);
            }
        }
        if let Event::Picture(place)
        | Event::Audio(place)
        | Event::Timer(place)
        | Event::Feedback(place, _)
        | Event::Said(place, _)
        | Event::Missing(place) = event
        {
            self.set_timer(now, place);
        }
    }

    fn set_timer(&mut self, now: Duration, place: usize) {
        let Some(deadline) = self.flows[place].estimator.deadline() else {
            return;
        };
        // As the media plane does: at most once a millisecond.
        let at = (deadline - self.epoch).max(now + Duration::from_millis(1));
        if self.flows[place].timer.is_none_or(|timer| at < timer) {
            self.flows[place].timer = Some(at);
            self.schedule(at, Event::Timer(place));
        }
    }

    fn picture(&mut self, now: Duration, place: usize) {
        let at = self.epoch + now;
        let flow = &mut self.flows[place];
        if flow
            .flow
            .pauses
            .is_some_and(|(from, to)| from <= now && now < to)
        {
            flow.estimator.set_desired(at, 0);
            return;
        }
        let audio = AUDIO_BYTES as f64 * 8.0 / AUDIO.as_secs_f64();
        let room = flow.estimator.estimate() as f64 * USED - audio;
        let rate = match &flow.flow.source {
            Source::Elastic(max) => {
                flow.estimator.set_desired(at, *max);
                room.min(*max as f64)
            }
            Source::Layers(layers) => {
                let fits =
                    |share: f64| layers.iter().rposition(|rate| *rate as f64 * share <= room);
                let (present, well) = (fits(1.0).unwrap_or(0), fits(STEP_NEED).unwrap_or(0));
                let least = fits(PAUSE_BELOW).unwrap_or(0).min(1);
                let fits = present.max(least);
                let is_clear = flow.estimator.is_clear();
                let kept = flow.shown.kept(now, fits, layers.len(), is_clear);
                let is_changed = flow.shown.turn(now, kept, well);
                let rate = layers[flow.shown.layer];
                if is_changed {
                    flow.trace.steps.push((now, rate + audio as u64));
                }
                let next = layers[(flow.shown.layer + 1).min(layers.len() - 1)];
                flow.estimator
                    .set_desired(at, ((next as f64 * STEP_NEED + audio) / USED) as u64);
                if rate == 0 {
                    return;
                }
                rate as f64
            }
        };
        flow.picture += 1;
        let mean = rate.max(20_000.0) / 8.0 * FRAME.as_secs_f64();
        // Key frames take from the others, so that the rate is kept.
        let other = KEY_EVERY as f64 / (KEY_EVERY as f64 - 1.0 + KEY_TIMES);
        let times = match flow.picture % KEY_EVERY {
            1 => KEY_TIMES * other,
            _ => other,
        };
        let noise = (1.0 + 0.15 * flow.random.normal()).clamp(0.5, 1.6);
        let mut left = (mean * times * noise) as usize;
        while left > 0 {
            let bytes = left.min(PACKET);
            left -= bytes;
            self.send(now, place, bytes.max(60));
        }
    }

    fn send(&mut self, now: Duration, place: usize, bytes: usize) {
        let at = self.epoch + now;
        let flow = &mut self.flows[place];
        if let (Some(coupling), None) = (&mut self.coupling, flow.id) {
            flow.id = coupling.add(flow.estimator.estimate(), flow.flow.priority);
        }
        let number = flow.number;
        flow.number += 1;
        flow.estimator.on_sent(at, bytes);
        flow.sent += bytes;
        let delivery = self.path.send(now, bytes);
        if self.setting.kind != Kind::TransportWide {
            let arrives = delivery.as_ref().map(|one| (one.at, one.queued));
            flow.receiver.sent(now, bytes, arrives);
            // The next packet shows the gap.
            let shown = now + 2 * self.path.config().delay + self.path.config().queue_max + FRAME;
            if delivery.is_none() && bytes > 2 * AUDIO_BYTES {
                self.schedule(shown, Event::Missing(place));
            }
        }
        let flow = &mut self.flows[place];
        match delivery {
            Some(delivery) => {
                flow.arrived.push((number, delivery.at));
                flow.received.push((delivery.at, bytes));
                flow.trace.queued.push((now, delivery.queued));
            }
            None => flow.trace.lost.push(now),
        }
    }

    /// The receiver reports what has arrived since the report before.
    fn report(&mut self, now: Duration, place: usize) {
        let back = self.path.config().delay;
        if self.setting.kind != Kind::TransportWide {
            let flow = &mut self.flows[place];
            let kind = self.setting.kind;
            let said = flow.receiver.report(now, kind, 2 * back, &mut self.random);
            if let Some(said) = said {
                flow.said.push(said);
                let index = flow.said.len() - 1;
                self.schedule(now + back, Event::Said(place, index));
            }
            return;
        }
        let is_lost = self.random.unit() < self.setting.feedback_loss;
        let flow = &mut self.flows[place];
        let seen: Vec<_> = flow
            .arrived
            .extract_if(.., |(_, arrived)| *arrived <= now)
            .collect();
        let Some(last) = seen.iter().map(|(number, _)| *number).max() else {
            return;
        };
        let mut arrivals = vec![None; (last + 1 - flow.reported) as usize];
        for (number, at) in seen {
            if let Some(place) = number.checked_sub(flow.reported) {
                arrivals[place as usize] = Some(at.as_micros() as i64 + 7_000_000);
            }
        }
        let message = wire::message(flow.reported as u16, &arrivals, flow.reports);
        flow.reported = last + 1;
        flow.reports = flow.reports.wrapping_add(1);
        if is_lost {
            return;
        }
        flow.messages.push(message);
        let index = flow.messages.len() - 1;
        self.schedule(now + back, Event::Feedback(place, index));
    }

    fn hear(&mut self, now: Duration, place: usize, said: usize) {
        let at = self.epoch + now;
        let flow = &mut self.flows[place];
        let said = flow.said[said];
        if let Some(remb) = said.remb {
            flow.estimator.on_remb(at, remb);
        }
        if said.round_trip.is_some() {
            flow.estimator
                .on_report(at, said.fraction_lost, said.round_trip);
        }
    }

    fn feedback(&mut self, now: Duration, place: usize, message: usize) {
        let at = self.epoch + now;
        let flow = &mut self.flows[place];
        let message = std::mem::take(&mut flow.messages[message]);
        flow.estimator.on_feedback(at, &message);
        let (Some(coupling), Some(id)) = (&mut self.coupling, flow.id) else {
            return;
        };
        let desired = match &flow.flow.source {
            Source::Elastic(max) => *max,
            Source::Layers(layers) => layers.last().copied().unwrap_or(0),
        };
        let round_trip = flow.estimator.round_trip().unwrap_or_default();
        let calculated = flow.estimator.estimate();
        if let Some(share) = coupling.update(id, at, calculated, desired, round_trip) {
            flow.estimator.set_share(share, coupling.others(id));
        }
        if !flow.estimator.is_probing() {
            coupling.release_token(id);
        }
    }

    fn tick(&mut self, now: Duration) {
        let seconds = TICK.as_secs_f64();
        for flow in &mut self.flows {
            if now >= flow.flow.stops
                && let (Some(coupling), Some(id)) = (&mut self.coupling, flow.id.take())
            {
                coupling.remove(id);
            }
            if let (Some(coupling), Some(id)) = (&mut self.coupling, flow.id)
                && let Some(share) = coupling.rate(id)
            {
                let at = self.epoch + now;
                if flow.estimator.is_probing() {
                    coupling.on_probing(id, at);
                } else if coupling.is_probed(id, at) {
                    flow.estimator.on_foreign_probe(at);
                }
                flow.estimator.set_share(share, coupling.others(id));
            }
            let received = flow.received.extract_if(.., |(at, _)| *at <= now);
            let received: usize = received.map(|(_, bytes)| bytes).sum();
            flow.trace.points.push(Point {
                at: now,
                estimate: flow.estimator.estimate() as f64,
                sent: std::mem::take(&mut flow.sent) as f64 * 8.0 / seconds,
                received: received as f64 * 8.0 / seconds,
            });
        }
    }
}
