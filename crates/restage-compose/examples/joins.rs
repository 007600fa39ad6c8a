//! Measures in real time by how much pictures are late when participants join and leave:
//! `cargo run --release -p restage-compose --example joins -- [PARTICIPANTS]`
//!
//! Camera-like pictures of 180 lines become 720p at 30 pictures a second, as the process that composes does it: each message is taken when it
//! comes, and what is due is done. Each phase says how long after they were due pictures were made, and what the most was that one took in each part.
//! The processor's time is what remains of it on a machine that has nothing else to do.

use std::time::{Duration, Instant};

use restage_compose::bench::Bench;
use restage_compose::layout::Layout;
use restage_compose::offline::Offline;
use restage_compose::protocol::{
    FromChild, Health, Person, Rendition, Setup, SoundFormats, ToChild,
};

const SIZE: (u32, u32) = (1_280, 720);
const BEGIN_US: u64 = 100_000_000;
const FRAME_US: u64 = 33_333;
const PACKET_US: u64 = 20_000;
/// Participants of up to twelve in a grid have 180 lines.
const PARTICIPANTS: u32 = 12;
/// Length of each phase.
const PHASE_US: u64 = 2_000_000;
const SECOND_US: u64 = 1_000_000;

fn main() {
    let arguments = std::env::args().nth(1);
    let count = arguments.and_then(|text| text.parse().ok());
    let count: u32 = count.unwrap_or(PARTICIPANTS);
    let phases = phases(count);
    let seconds = (phases.len() as u64 * PHASE_US).div_ceil(SECOND_US);
    let mut run = Run::new(Bench::new(count, SIZE, seconds as u32));
    println!("{count} participants of {} lines", run.bench.lines());
    for (name, changes) in phases {
        run.phase(name, changes);
    }
}

/// Who joins (`true`) or leaves, and when after the beginning of the phase.
type Change = (u64, u32, bool);

fn phases(count: u32) -> Vec<(&'static str, Vec<Change>)> {
    let step = SECOND_US / u64::from(count);
    let spread = |joins: bool| {
        let change = move |input: u32| (u64::from(input) * step, input, joins);
        (0..count).map(change)
    };
    let at_once = |joins: bool| (0..count).map(move |input| (0, input, joins)).collect();
    // Each comes back half a step after it has left.
    let both = spread(false)
        .flat_map(move |(at, input, _)| [(at, input, false), (at + step / 2, input, true)]);
    vec![
        ("nobody", Vec::new()),
        ("joins within a second", spread(true).collect()),
        ("all are there", Vec::new()),
        ("each leaves and joins within a second", both.collect()),
        ("leave within a second", spread(false).collect()),
        ("all join at once", at_once(true)),
        ("all leave at once", at_once(false)),
    ]
}

struct Run {
    bench: Bench,
    offline: Offline,
    began: Instant,
    /// For each participant that is there: when its pictures and its sound began, and how many were sent of each.
    present: Vec<Option<Sent>>,
    phase_us: u64,
}

#[derive(Clone, Copy)]
struct Sent {
    from_us: u64,
    pictures: usize,
    packets: usize,
}

/// What one picture took, in microseconds.
#[derive(Clone, Copy, Default)]
struct Took {
    after_due: u64,
    /// Of the processor, to make it.
    processor: u64,
    spent: Health,
}

impl Run {
    #[allow(clippy::disallowed_methods, reason = "a measurement has a clock")]
    fn new(bench: Bench) -> Self {
        let setup = Setup {
            now_us: BEGIN_US,
            layout: Layout::default(),
            renditions: vec![Rendition {
                width: SIZE.0,
                height: SIZE.1,
                framerate_milli: 30_000,
                bitrate: 2_500_000,
            }],
            sound: SoundFormats {
                opus: true,
                aac: false,
            },
        };
        Self {
            present: vec![None; 64],
            bench,
            offline: Offline::new(setup).expect("the libraries make encoders"),
            began: Instant::now(),
            phase_us: BEGIN_US,
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "it waits for a time, as the process does in poll"
    )]
    fn phase(&mut self, name: &str, mut changes: Vec<Change>) {
        changes.sort_unstable();
        changes.reverse();
        let mut took = Vec::new();
        let mut before = self.offline.health();
        let began = self.began;
        let mut clock = || BEGIN_US + began.elapsed().as_micros() as u64;
        while clock() < self.phase_us + PHASE_US {
            let mut is_changed = false;
            while let Some((after_us, input, joins)) = changes.last().copied()
                && self.phase_us + after_us <= clock()
            {
                changes.pop();
                self.present[input as usize] = joins.then(|| Sent {
                    from_us: clock(),
                    pictures: 0,
                    packets: 0,
                });
                is_changed = true;
            }
            if is_changed {
                let persons = self.persons();
                self.offline.take_by(ToChild::Scene { persons }, &mut clock);
            }
            self.send(&mut clock);
            if self.offline.due_us() > clock() {
                let wait_us = self.offline.due_us().saturating_sub(clock()).min(1_000);
                std::thread::sleep(Duration::from_micros(wait_us));
                continue;
            }
            let mut made = 0;
            let processor = processor_us();
            self.offline.advance(&mut clock, |said| {
                made += u64::from(matches!(said, FromChild::Picture { .. }));
            });
            if made > 0 {
                let health = self.offline.health();
                let due_us = BEGIN_US + (health.ticks - 1) * 1_000_000 / 30;
                took.push(Took {
                    after_due: clock().saturating_sub(due_us),
                    processor: processor_us() - processor,
                    spent: difference(&health, &before),
                });
                before = health;
            }
        }
        self.phase_us += PHASE_US;
        report(name, &mut took);
    }

    fn persons(&self) -> Vec<Person> {
        let present = self.present.iter().zip(0..);
        present
            .filter_map(|(sent, input)| {
                let sent = sent.as_ref()?;
                Some(Person {
                    input,
                    name: format!("Participant {input}"),
                    arrived: sent.from_us,
                    ..Person::default()
                })
            })
            .collect()
    }

    /// Sends what is captured until now.
    fn send(&mut self, clock: &mut impl FnMut() -> u64) {
        for (sent, input) in self.present.iter_mut().zip(0..) {
            let Some(sent) = sent else { continue };
            loop {
                let at_us = sent.from_us + sent.pictures as u64 * FRAME_US;
                if at_us > clock() || self.offline.due_us() <= clock() {
                    break;
                }
                if let Some(message) = self.bench.picture(input, sent.pictures, at_us) {
                    self.offline.take_by(message, clock);
                }
                sent.pictures += 1;
            }
            loop {
                let at_us = sent.from_us + sent.packets as u64 * PACKET_US;
                if at_us > clock() || self.offline.due_us() <= clock() {
                    break;
                }
                if let Some(message) = self.bench.packet(input, sent.packets, at_us) {
                    self.offline.take_by(message, clock);
                }
                sent.packets += 1;
            }
        }
    }
}

fn difference(now: &Health, before: &Health) -> Health {
    Health {
        late_ticks: now.late_ticks - before.late_ticks,
        skipped_pictures: now.skipped_pictures - before.skipped_pictures,
        decode_us: now.decode_us - before.decode_us,
        compose_us: now.compose_us - before.compose_us,
        encode_us: now.encode_us - before.encode_us,
        mix_us: now.mix_us - before.mix_us,
        ..*now
    }
}

fn report(name: &str, took: &mut [Took]) {
    let late: u64 = took.iter().map(|took| took.spent.late_ticks).sum();
    let skipped: u64 = took.iter().map(|took| took.spent.skipped_pictures).sum();
    took.sort_by_key(|took| took.after_due);
    let (Some(slowest), Some(middle)) = (took.last(), took.get(took.len() / 2)) else {
        println!("{name}: no picture was made");
        return;
    };
    let milliseconds = |us: u64| us as f64 / 1_000.0;
    let most = |part: fn(&Took) -> u64| milliseconds(took.iter().map(part).max().unwrap_or(0));
    println!(
        "{name}: {} pictures, {late} late, {skipped} left out; made {:.1} ms after they are due, at most {:.1}",
        took.len(),
        milliseconds(middle.after_due),
        milliseconds(slowest.after_due),
    );
    println!(
        "  at most {:.1} ms of the processor for one; by the clock {:.1} for scaling and drawing, {:.1} for encoding, {:.1} for sound, \
         {:.1} for decoding between two",
        most(|took| took.processor),
        most(|took| took.spent.compose_us),
        most(|took| took.spent.encode_us),
        most(|took| took.spent.mix_us),
        most(|took| took.spent.decode_us),
    );
}

/// Microseconds that the processor has worked for this process.
fn processor_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
