//! What estimating the network of a subscriber costs for each packet that is forwarded to it: records of what is sent, feedback, probes,
//! and what the subscriber is allotted.
//!
//! A subscriber gets 2 Mbit/s of pictures and 50 packets of sound a second through 2.6 Mbit/s, and would like more, so that it is probed
//! every few seconds. What happens to it is played once and written down ([`Script`]); that is replayed in [`estimate`], which is timed, or
//! counted by callgrind. An allotment is that of a connected peer of an [`Sfu`], with all that has to be found for it ([`allot`]).
//!
//! `estimation [INTERVAL_MS]` prints nanoseconds of the thread's CPU clock, which other programs do not run in: medians of several turns with
//! many subscribers, whose memory is not in the nearest cache and which do not all behave alike. `estimation INTERVAL_MS --count estimate` and
//! `--count allot` do the one or the other for few subscribers and print how many packets or allotments there were, for
//! `scripts/check_estimation_cost.py`.

#[allow(dead_code, unreachable_pub)]
#[path = "../tests/scenarios/support/mod.rs"]
mod support;
#[path = "../../restage-bwe/tests/scenarios/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use restage_bwe::{Config, Estimator};
use restage_load::process::thread_cpu_ns;
use restage_media::{Control, Input, PeerId, Sfu, Wish};
use str0m::format::Codec;
use support::{Rng, World};

const MS: Duration = Duration::from_millis(1);
/// How often receivers send feedback, if nothing else is asked for: as Chromium does.
const INTERVAL_MS: u64 = 100;
const CAPACITY_BPS: f64 = 2_600_000.0;
const DELAY: Duration = Duration::from_millis(20);
/// What a subscriber would like to get, in bits per second.
const DESIRED_BPS: u64 = 4_000_000;
/// Pictures come every 33 ms and have seven packets.
const PICTURE_MS: u64 = 33;
const PICTURE: [usize; 7] = [1_190; 7];
const SOUND_MS: u64 = 20;
const SOUND: [usize; 1] = [110];
/// Packets come up to so much later by chance.
const JITTER_US: u64 = 3_000;
/// Different courses, one subscriber after the other.
const COURSES: u64 = 8;
/// What is played, and what of it comes before it counts: the first probes.
const PLAYED_MS: u64 = 25_000;
const BEFORE_MS: u64 = 5_000;
/// Subscribers of a turn that is timed, and of one that is counted.
const SUBSCRIBERS: usize = 200;
const COUNTED: usize = 2;
const TURNS: usize = 9;
/// Allotments of each subscriber in a turn, and for how long everything goes on before.
const ALLOTMENTS: usize = 10;
const GOES_ON_MS: u64 = 500;
/// Subscribers are allotted something no sooner than this after the last time.
const ALLOT_MS_MIN: u64 = 50;

/// What happens at a time.
enum Step {
    /// Packets of a picture or of sound leave.
    Sent(&'static [usize]),
    /// Feedback comes.
    Feedback(Vec<u8>),
    /// A timer is due.
    Timer,
}

/// What happens to a subscriber.
#[derive(Default)]
struct Script {
    steps: Vec<(Duration, Step)>,
    /// Packets of pictures and sound.
    packets: usize,
    padding: usize,
}

/// What has been sent and not been reported.
struct Path {
    clear_at: Duration,
    reported: usize,
    arrivals: Vec<Duration>,
    chance: Rng,
}

impl Path {
    fn send(&mut self, now: Duration, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / CAPACITY_BPS);
        self.clear_at = self.clear_at.max(now) + takes;
        let late = Duration::from_micros(self.chance.below(JITTER_US as usize) as u64);
        let before = self.arrivals.last().copied().unwrap_or_default();
        self.arrivals
            .push((self.clear_at + DELAY + late).max(before));
    }

    /// A message about what has arrived.
    fn report(&mut self, now: Duration, count: u8) -> Option<Vec<u8>> {
        let arrived = self.arrivals.partition_point(|at| *at <= now);
        let (first, new) = (self.reported, self.arrivals.get(self.reported..arrived)?);
        let times: Vec<_> = new.iter().map(|at| Some(at.as_micros() as i64)).collect();
        self.reported = arrived;
        (!times.is_empty()).then(|| wire::message(first as u16, &times, count))
    }
}

/// Lets one thing happen to an estimator. Returns the bytes of packets of padding.
#[inline]
fn act(estimator: &mut Estimator, now: Instant, step: &Step, padding: &mut Vec<usize>) {
    match step {
        Step::Sent(sizes) => {
            let mut batch = estimator.batch(now);
            for bytes in *sizes {
                batch.push(*bytes);
            }
            batch.finish();
        }
        Step::Feedback(message) => {
            estimator.on_feedback(now, message);
            estimator.take_lost();
            estimator.set_desired(now, DESIRED_BPS);
        }
        Step::Timer => {
            estimator.on_timeout(now);
            let mut due = estimator.probe_due(now);
            while due > 0 {
                let bytes = due.clamp(200, estimator.probe_packet_bytes(now));
                estimator.on_sent(now, bytes);
                padding.push(bytes);
                due = due.saturating_sub(bytes);
            }
        }
    }
}

/// Plays what happens to a subscriber up to a time.
fn play(epoch: Instant, interval_ms: u64, seed: u64) -> Script {
    let mut estimator = Estimator::new(Config::default(), epoch);
    let mut script = Script::default();
    let mut path = Path {
        clear_at: Duration::ZERO,
        reported: 0,
        arrivals: Vec::new(),
        chance: Rng(seed),
    };
    let mut padding = Vec::new();
    for ms in 1..PLAYED_MS {
        let now = MS * ms as u32;
        let mut steps = Vec::new();
        if ms.is_multiple_of(interval_ms) {
            let message = path.report(now, (ms / interval_ms) as u8);
            steps.extend(message.map(Step::Feedback));
        }
        if ms.is_multiple_of(PICTURE_MS) {
            steps.push(Step::Sent(&PICTURE));
        }
        if ms.is_multiple_of(SOUND_MS) {
            steps.push(Step::Sent(&SOUND));
        }
        if estimator.deadline().is_some_and(|at| at <= epoch + now) {
            steps.push(Step::Timer);
        }
        for step in steps {
            act(&mut estimator, epoch + now, &step, &mut padding);
            let counts = ms >= BEFORE_MS;
            if let Step::Sent(sizes) = &step {
                sizes.iter().for_each(|bytes| path.send(now, *bytes));
                script.packets += if counts { sizes.len() } else { 0 };
            }
            script.padding += if counts { padding.len() } else { 0 };
            padding.drain(..).for_each(|bytes| path.send(now, bytes));
            script.steps.push((now, step));
        }
    }
    script
}

/// Lets happen to each estimator what is at this place in its course.
fn act_all(
    subscribers: &mut [(Estimator, &[(Duration, Step)])],
    epoch: Instant,
    place: usize,
    padding: &mut Vec<usize>,
) -> u64 {
    let mut sum = 0;
    for (estimator, steps) in subscribers {
        if let Some((at, step)) = steps.get(place) {
            act(estimator, epoch + *at, step, padding);
            sum ^= estimator.estimate();
        }
    }
    padding.clear();
    sum
}

/// Replays the rest of the courses. Not inlined, because instructions are counted by its name.
#[inline(never)]
fn estimate(
    subscribers: &mut [(Estimator, &[(Duration, Step)])],
    epoch: Instant,
    from: usize,
    padding: &mut Vec<usize>,
) -> u64 {
    let longest = subscribers.iter().map(|(_, steps)| steps.len()).max();
    (from..longest.unwrap_or(0)).fold(0, |sum, place| {
        sum ^ act_all(subscribers, epoch, place, padding)
    })
}

/// Nanoseconds of the thread for a packet of the part of the courses that counts, and how many packets these were.
fn replay(epoch: Instant, scripts: &[Script], count: usize) -> (f64, usize) {
    let is_before = |(at, _): &(Duration, Step)| *at < MS * BEFORE_MS as u32;
    // The same number of steps of each, so that all go on in turn.
    let from = scripts[0].steps.partition_point(is_before);
    let (mut subscribers, mut packets) = (Vec::new(), 0);
    for script in scripts.iter().cycle().take(count) {
        let estimator = Estimator::new(Config::default(), epoch);
        subscribers.push((estimator, &script.steps[..]));
        let sizes = script.steps[from..].iter().map(|(_, step)| match step {
            Step::Sent(sizes) => sizes.len(),
            Step::Feedback(_) | Step::Timer => 0,
        });
        packets += sizes.sum::<usize>();
    }
    let mut padding = Vec::new();
    for place in 0..from {
        act_all(&mut subscribers, epoch, place, &mut padding);
    }
    let begun = thread_cpu_ns().expect("a CPU clock");
    std::hint::black_box(estimate(&mut subscribers, epoch, from, &mut padding));
    let ended = thread_cpu_ns().expect("a CPU clock");
    for (estimator, _) in &subscribers {
        assert!(
            estimator.estimate() > 1_000_000,
            "it goes on as it was played"
        );
    }
    ((ended - begun) as f64 / packets as f64, packets)
}

/// Subscribers of an `Sfu`, each of a receiver of its own, whose networks are estimated; three layers are published.
fn subscribers(count: usize) -> (World, Vec<PeerId>) {
    const RIDS: [&str; 3] = ["q", "h", "f"];
    let mut world = World::with_feedback();
    let client = support::client::Client::simulcast(world.now, 1, 0, &RIDS);
    let publisher = world.open(client, true);
    world.control(Control::Publish {
        peer: PeerId(1),
        publication: restage_media::PublicationId(1),
    });
    let keys = 100..100 + count as u64;
    for key in keys.clone() {
        world.subscriber(key, 1);
    }
    world.connect();
    let now = world.now;
    world.clients[publisher].start_audio(now);
    for (rid, packets) in RIDS.iter().zip([1, 2, 7]) {
        world.clients[publisher].start_video(now, Codec::Vp8, Some(rid), packets);
    }
    world.run_ms(4_000);
    (world, keys.map(PeerId).collect())
}

/// Looks at what each peer is allotted. Not inlined, because instructions are counted by its name.
#[inline(never)]
fn allot(sfu: &mut Sfu, now: Instant, peers: &[PeerId]) {
    for peer in peers {
        // The same wish as before: what it has is looked at, and stays.
        let (peer, wish) = (*peer, Wish::default());
        sfu.control(now, Control::Wish { peer, wish });
    }
}

/// Nanoseconds of the thread for [`ALLOTMENTS`] of each of these peers.
fn time_allotments(world: &mut World, peers: &[PeerId]) -> u64 {
    world.run_ms(GOES_ON_MS);
    let mut spent = 0;
    for _ in 0..ALLOTMENTS {
        world.now += MS * ALLOT_MS_MIN as u32;
        let begun = thread_cpu_ns().expect("a CPU clock");
        allot(&mut world.sfu, world.now, peers);
        spent += thread_cpu_ns().expect("a CPU clock") - begun;
        world.drain_sfu();
        // Its timers may not be late.
        while world.sfu.poll_timeout().is_some_and(|at| at <= world.now) {
            world.input(Input::Timeout);
        }
    }
    spent
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[allow(clippy::disallowed_methods)] // What time it is makes no difference.
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let interval = words.first().and_then(|word| word.parse().ok());
    let interval_ms: u64 = interval.unwrap_or(INTERVAL_MS);
    let epoch = Instant::now();
    let play_some = |courses| -> Vec<Script> {
        let seeds = 1..=courses;
        seeds.map(|seed| play(epoch, interval_ms, seed)).collect()
    };
    let place = words.iter().position(|word| word == "--count");
    match place
        .and_then(|place| words.get(place + 1))
        .map(String::as_str)
    {
        None => print_times(epoch, interval_ms, &play_some(COURSES)),
        Some("estimate") => {
            let (_, packets) = replay(epoch, &play_some(COUNTED as u64), COUNTED);
            println!("{packets}");
        }
        Some(_) => {
            let (mut world, peers) = subscribers(COUNTED);
            time_allotments(&mut world, &peers);
            println!("{}", ALLOTMENTS * COUNTED);
        }
    }
}

fn print_times(epoch: Instant, interval_ms: u64, scripts: &[Script]) {
    let script = &scripts[0];
    let per_s = script.packets as f64 * 1_000.0 / (PLAYED_MS - BEFORE_MS) as f64;
    let per_packet = 1_000.0 / interval_ms.max(ALLOT_MS_MIN) as f64 / per_s;
    println!(
        "{per_s:.0} packets a second and subscriber, {:.1} of padding, feedback every {interval_ms} ms",
        script.padding as f64 * 1_000.0 / (PLAYED_MS - BEFORE_MS) as f64
    );
    let estimated = (0..TURNS)
        .map(|_| replay(epoch, scripts, SUBSCRIBERS).0)
        .collect();
    let (mut world, peers) = subscribers(SUBSCRIBERS);
    let allotted = (0..TURNS)
        .map(|_| time_allotments(&mut world, &peers) as f64)
        .map(|ns| ns / (ALLOTMENTS * SUBSCRIBERS) as f64)
        .collect();
    let (estimated, allotted) = (median(estimated), median(allotted));
    println!(
        "{estimated:.1} ns a packet for sends, feedback and probes; {allotted:.0} ns for an allotment, {:.1} ns a packet; {:.1} ns in all",
        allotted * per_packet,
        estimated + allotted * per_packet,
    );
}
