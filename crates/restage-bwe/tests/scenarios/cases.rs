//! The scenarios: RFC 8867 §5 and the figures that are to be reached.

use std::time::Duration;

use restage_load::network::{Loss, PathConfig, jain};

use super::measure::{Figures, below, figures, mistakes, reached};
use super::report::Kind;
use super::world::{Flow, Setting, Source, Trace, run};

pub(crate) const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A scenario with the stretch of time that its figures are about.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// From when on the estimate is to reach this rate again.
    pub(crate) reach: Option<(Duration, u64)>,
    /// From when on less than this rate is to be sent.
    pub(crate) fall: Option<(Duration, u64)>,
}

/// What came of one seed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) traces: Vec<Trace>,
    pub(crate) tcp_bytes: u64,
    pub(crate) figures: Figures,
    pub(crate) reached: Option<Duration>,
    pub(crate) below: Option<Duration>,
    pub(crate) jain: f64,
    /// Steps up to a layer that the path did not carry.
    pub(crate) mistakes: usize,
}

impl Case {
    fn new(name: &'static str, path: PathConfig, flows: Vec<Flow>, lasts: Duration) -> Self {
        Self {
            name,
            setting: Setting::new(path, flows, lasts, 0),
            from: s(10),
            to: lasts,
            reach: None,
            fall: None,
        }
    }

    pub(crate) fn run(&self, seed: u64) -> Outcome {
        let mut setting = self.setting.clone();
        setting.seed = seed;
        let (traces, tcp_bytes) = run(setting);
        let figures = figures(&traces, &self.setting.path, self.from, self.to);
        let rates: Vec<_> = traces
            .iter()
            .map(|trace| {
                let few = std::slice::from_ref(trace);
                super::measure::figures(few, &self.setting.path, self.from, self.to).rate
            })
            .collect();
        Outcome {
            reached: self
                .reach
                .and_then(|(from, rate)| reached(&traces[0], from, rate as f64)),
            below: self
                .fall
                .and_then(|(from, rate)| below(&traces[0], from, rate as f64)),
            jain: jain(&rates),
            mistakes: traces
                .iter()
                .map(|trace| mistakes(trace, &self.setting.path))
                .sum(),
            tcp_bytes,
            figures,
            traces,
        }
    }
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![ramp(), stable(20), stable(100), stable(300), halved()];
    cases.extend([variable(), shared(false), shared(true), priorities()]);
    cases.extend([lossy(0.01), lossy(0.02), lossy(0.05), bursty(), jittery()]);
    cases.extend([
        shallow(),
        bloated(),
        token_bucket(),
        layers(),
        layers_token_bucket(),
        pause(),
        tcp(),
    ]);
    cases.extend([Kind::Reports, Kind::Remb].map(|kind| dipped(kind, &PICTURE)));
    cases.extend([Kind::Reports, Kind::Remb].map(|kind| dipped(kind, &SIMULCAST)));
    cases.extend([Kind::Reports, Kind::Remb].map(narrow));
    cases.push(throttled_reports(Kind::PictureRemb));
    cases.extend([paused(), throttled()]);
    cases
}

/// From the start to 2.5 Mbit/s on a path that carries more.
pub(crate) fn ramp() -> Case {
    let path = PathConfig::new(4_000_000, ms(25));
    let mut case = Case::new("start", path, vec![Flow::elastic(2_500_000)], s(20));
    case.reach = Some((Duration::ZERO, 2_500_000));
    case
}

pub(crate) fn stable(round_trip: u64) -> Case {
    let path = PathConfig::new(2_500_000, ms(round_trip / 2));
    let name = match round_trip {
        20 => "stable, 20 ms",
        100 => "stable, 100 ms",
        _ => "stable, 300 ms",
    };
    let mut case = Case::new(name, path, vec![Flow::elastic(4_000_000)], s(60));
    case.reach = Some((Duration::ZERO, 2_125_000));
    case
}

/// The capacity is halved for twenty seconds.
pub(crate) fn halved() -> Case {
    let mut path = PathConfig::new(2_500_000, ms(25));
    path.capacity
        .extend([(s(30), 1_250_000), (s(50), 2_500_000)]);
    let mut case = Case::new("halved", path, vec![Flow::elastic(4_000_000)], s(70));
    case.fall = Some((s(30), 1_250_000));
    case.reach = Some((s(50), 2_125_000));
    case
}

/// RFC 8867 §5.1.
pub(crate) fn variable() -> Case {
    let mut path = PathConfig::new(1_000_000, ms(50));
    path.capacity
        .extend([(s(40), 2_500_000), (s(60), 600_000), (s(80), 1_000_000)]);
    Case::new(
        "variable (5.1)",
        path,
        vec![Flow::elastic(4_000_000)],
        s(100),
    )
}

/// RFC 8867 §5.4, with flows that begin one after the other.
pub(crate) fn shared(is_coupled: bool) -> Case {
    let path = PathConfig::new(3_500_000, ms(50));
    let flows = [0, 10, 20].map(|starts| Flow {
        starts: s(starts),
        ..Flow::elastic(4_000_000)
    });
    let name = match is_coupled {
        true => "three, coupled",
        false => "three, not coupled (5.4)",
    };
    let mut case = Case::new(name, path, flows.to_vec(), s(90));
    case.setting.is_coupled = is_coupled;
    case.from = s(30);
    case
}

/// Coupled flows, of which one counts three times.
pub(crate) fn priorities() -> Case {
    let path = PathConfig::new(4_000_000, ms(25));
    let mut flows = vec![Flow::elastic(4_000_000); 2];
    flows[0].priority = 3;
    let mut case = Case::new("priority 3 : 1", path, flows, s(60));
    case.setting.is_coupled = true;
    case
}

pub(crate) fn lossy(share: f64) -> Case {
    let mut path = PathConfig::new(2_500_000, ms(25));
    path.loss = Loss::Random(share);
    let name = match share {
        0.01 => "1 % loss",
        0.02 => "2 % loss",
        _ => "5 % loss",
    };
    let mut case = Case::new(name, path, vec![Flow::elastic(4_000_000)], s(60));
    case.reach = Some((Duration::ZERO, 2_125_000));
    case
}

pub(crate) fn bursty() -> Case {
    let mut case = lossy(0.02);
    case.name = "2 % loss in bursts of 4";
    case.setting.path.loss = Loss::Bursts {
        share: 0.02,
        length: 4.0,
    };
    case
}

pub(crate) fn jittery() -> Case {
    let mut case = stable(100);
    case.name = "jitter of 10 ms";
    case.setting.path.jitter = ms(10);
    case
}

/// A queue so short that loss comes before delay.
pub(crate) fn shallow() -> Case {
    let mut case = stable(100);
    case.name = "queue of 40 ms";
    case.setting.path.queue_max = ms(40);
    case
}

pub(crate) fn bloated() -> Case {
    let mut case = halved();
    case.name = "halved, queue of 2 s";
    case.setting.path.queue_max = s(2);
    case
}

/// A token bucket of 10 kB, as `tc tbf` has it.
pub(crate) fn token_bucket() -> Case {
    let mut path = PathConfig::new(1_000_000, ms(10));
    path.burst = 10_000;
    let mut case = Case::new(
        "token bucket, 1 Mbit/s",
        path,
        vec![Flow::elastic(4_000_000)],
        s(60),
    );
    case.reach = Some((Duration::ZERO, 850_000));
    case
}

/// Simulcast of 0.15, 0.6 and 1.7 Mbit/s through a capacity that falls and comes back.
pub(crate) fn layers() -> Case {
    let mut path = PathConfig::new(3_000_000, ms(25));
    path.capacity.extend([(s(20), 800_000), (s(40), 3_000_000)]);
    let source = Source::Layers(vec![150_000, 600_000, 1_700_000]);
    let flow = Flow {
        source,
        ..Flow::elastic(0)
    };
    let mut case = Case::new("layers, 3 → 0.8 → 3 Mbit/s", path, vec![flow], s(60));
    case.fall = Some((s(20), 800_000));
    case.reach = Some((s(40), 1_955_000));
    case
}

/// Simulcast of 0.15, 0.4 and 1.2 Mbit/s through the token bucket of `tc tbf`.
pub(crate) fn layers_token_bucket() -> Case {
    let mut path = PathConfig::new(1_500_000, ms(10));
    path.burst = 10_000;
    path.capacity.extend([(s(20), 600_000), (s(60), 1_500_000)]);
    let flow = Flow {
        source: Source::Layers(vec![150_000, 400_000, 1_200_000]),
        ..Flow::elastic(0)
    };
    let name = "layers, token bucket, 1.5 → 0.6 → 1.5 Mbit/s";
    let mut case = Case::new(name, path, vec![flow], s(80));
    case.fall = Some((s(20), 600_000));
    case.reach = Some((s(60), 1_350_000));
    case
}

/// RFC 8867 §5.7: media pauses and goes on.
pub(crate) fn pause() -> Case {
    let path = PathConfig::new(2_500_000, ms(50));
    let flow = Flow {
        pauses: Some((s(20), s(40))),
        ..Flow::elastic(4_000_000)
    };
    let mut case = Case::new("pause and resume (5.7)", path, vec![flow], s(60));
    case.from = s(42);
    case.reach = Some((s(40), 2_125_000));
    case
}

/// RFC 8867 §5.6: a long TCP transfer over the same bottleneck.
pub(crate) fn tcp() -> Case {
    let mut path = PathConfig::new(2_000_000, ms(50));
    path.queue_max = ms(300);
    let mut case = Case::new(
        "with TCP (5.6)",
        path,
        vec![Flow::elastic(4_000_000)],
        s(120),
    );
    case.setting.tcp = Some((s(20), s(100)));
    case.from = s(30);
    case.to = s(100);
    case
}

/// Layers, of which the first is a pause.
pub(crate) const PICTURE: [u64; 2] = [0, 400_000];
pub(crate) const SIMULCAST: [u64; 4] = [0, 200_000, 700_000, 1_700_000];

/// A viewer without transport-wide feedback.
pub(crate) fn viewer(name: &'static str, kind: Kind, path: PathConfig, layers: &[u64]) -> Case {
    let flow = Flow {
        source: Source::Layers(layers.to_vec()),
        ..Flow::elastic(0)
    };
    let mut case = Case::new(name, path, vec![flow], s(90));
    case.setting.kind = kind;
    case
}

/// 3 Mbit/s with a dip to 250 kbit/s from the tenth to the twentieth second.
pub(crate) fn dipped(kind: Kind, layers: &[u64]) -> Case {
    let mut path = PathConfig::new(3_000_000, ms(10));
    path.capacity.extend([(s(10), 250_000), (s(20), 3_000_000)]);
    let name = match (kind, layers.len()) {
        (Kind::Remb, 2) => "REMB, a dip to 0.25 Mbit/s",
        (_, 2) => "reports only, a dip to 0.25 Mbit/s",
        (Kind::Remb, _) => "REMB, layers, a dip to 0.25 Mbit/s",
        _ => "reports only, layers, a dip to 0.25 Mbit/s",
    };
    let mut case = viewer(name, kind, path, layers);
    let largest = layers.last().copied().unwrap_or(0);
    case.fall = Some((s(10), 250_000));
    case.reach = Some((s(20), largest));
    case
}

/// The three layers of conformance/browser/pages/wires.js behind 400 kbit/s for twelve seconds, and free again: what
/// conformance/browser/rigs/networks.js measures of a real viewer.
pub(crate) fn throttled_reports(kind: Kind) -> Case {
    let mut path = PathConfig::new(6_000_000, ms(10));
    path.burst = 10_000;
    path.capacity.extend([(s(20), 400_000), (s(32), 6_000_000)]);
    let name = "REMB like libwebrtc's, layers, a dip to 0.4 Mbit/s";
    let layers = [0, 150_000, 400_000, 1_200_000];
    let mut case = viewer(name, kind, path, &layers);
    case.from = s(20);
    case.to = s(32);
    case.fall = Some((s(20), 400_000));
    case
}

/// 500 kbit/s for three minutes.
pub(crate) fn narrow(kind: Kind) -> Case {
    let path = PathConfig::new(500_000, ms(10));
    let name = match kind {
        Kind::Remb => "REMB, layers, 0.5 Mbit/s",
        _ => "reports only, layers, 0.5 Mbit/s",
    };
    let mut case = viewer(name, kind, path, &[0, 150_000, 350_000, 1_200_000]);
    case.setting.lasts = s(180);
    case.to = s(180);
    case
}

pub(crate) const HEADER: &str = "\
| scenario | used % | Mbit/s | queue p95 ms | lost % | below after s | reached after s | Jain | mistaken steps |
|---|---|---|---|---|---|---|---|---|";

/// The worst of all seeds, as a row of the table.
pub(crate) fn row(case: &Case) -> String {
    let outcomes: Vec<_> = SEEDS.iter().map(|seed| case.run(*seed)).collect();
    let least = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).fold(f64::MAX, f64::min);
    let most = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).fold(0.0, f64::max);
    let time = |is_asked: bool, of: &dyn Fn(&Outcome) -> Option<Duration>| match is_asked {
        false => "–".to_owned(),
        true => {
            let worst = most(&|one| of(one).map_or(f64::INFINITY, |time| time.as_secs_f64()));
            format!("{worst:.1}")
        }
    };
    let jain = match case.setting.flows.len() {
        1 => "–".to_owned(),
        _ => format!("{:.2}", least(&|one| one.jain)),
    };
    let has_layers = |flow: &Flow| matches!(flow.source, Source::Layers(_));
    let mistaken = match case.setting.flows.iter().any(has_layers) {
        false => "–".to_owned(),
        true => most(&|one| one.mistakes as f64).to_string(),
    };
    format!(
        "| {} | {:.0} | {:.2} | {:.0} | {:.1} | {} | {} | {jain} | {mistaken} |",
        case.name,
        least(&|one| one.figures.used_percent),
        least(&|one| one.figures.rate) / 1e6,
        most(&|one| one.figures.queue_p95_ms),
        most(&|one| one.figures.lost_percent),
        time(case.fall.is_some(), &|one| one.below),
        time(case.reach.is_some(), &|one| one.reached),
    )
}

/// The course of a scenario with the first seed, twice a second.
pub(crate) fn print_course(case: &Case) {
    let outcome = case.run(SEEDS[0]);
    let kilo = |rate: f64| (rate / 1e3).round();
    for place in (0..outcome.traces[0].points.len()).step_by(5) {
        for trace in &outcome.traces {
            let point = trace.points[place];
            let mut steps = trace.steps.iter().filter(|(at, _)| *at <= point.at);
            let layer = steps.next_back().map_or(0, |(_, rate)| *rate);
            let mut waits = trace.queued.iter().filter(|(at, _)| *at <= point.at);
            let queued = waits
                .next_back()
                .map_or(0, |(_, queued)| queued.as_millis());
            print!(
                "{:6.1} s  estimate {:5} sent {:5} received {:5} queue {queued:4} ms layer {:5}  ",
                point.at.as_secs_f64(),
                kilo(point.estimate),
                kilo(point.sent),
                kilo(point.received),
                layer / 1_000,
            );
        }
        println!();
    }
    let padding: Vec<_> = outcome
        .traces
        .iter()
        .map(|trace| trace.padding / 1_000)
        .collect();
    println!(
        "padding {padding:?} kB, TCP {} kB",
        outcome.tcp_bytes / 1_000
    );
}

/// A picture that has to be paused: one layer of 1.7 Mbit/s through 300 kbit/s, with transport-wide feedback.
pub(crate) fn paused() -> Case {
    let mut path = PathConfig::new(3_000_000, ms(10));
    path.burst = 10_000;
    path.capacity.extend([(s(10), 300_000), (s(80), 3_000_000)]);
    let name = "a paused picture, 0.3 Mbit/s";
    let mut case = viewer(name, Kind::TransportWide, path, &[0, 1_700_000]);
    case.from = s(15);
    case.to = s(80);
    case
}

/// Layers through 250 kbit/s and then 3 Mbit/s, with transport-wide feedback.
pub(crate) fn throttled() -> Case {
    let mut path = PathConfig::new(3_000_000, ms(10));
    path.burst = 10_000;
    path.capacity
        .extend([(s(20), 800_000), (s(35), 250_000), (s(50), 3_000_000)]);
    let name = "layers, 3 → 0.8 → 0.25 → 3 Mbit/s";
    viewer(name, Kind::TransportWide, path, &SIMULCAST)
}
