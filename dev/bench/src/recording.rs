//! `recording`: what it costs to record publishers, and what it costs those who watch them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use restage_load::process::{self, Usage};
use restage_load::{Rate, Srtp, Tally, unix_ns};

use crate::args::rate;
use crate::figure::{Aim, Figure, median, print};
use crate::metrics::Metrics;
use crate::output::Format;
use crate::runtime::runtime;
use crate::scene::Director;
use crate::server::{Binary, Server};
use crate::topology::Topology;

/// Between the end of the window and counting: late packets and their retransmissions.
const LATE: Duration = Duration::from_millis(700);
/// Longest wait until all subscribers have a picture.
const PICTURE_MAX: Duration = Duration::from_secs(20);
/// Longest wait until all publishers are being recorded.
const RECORDING_MAX: Duration = Duration::from_secs(20);
/// Interval of the checks.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Processor time that a recording of 2 Mbit/s may take, in percent of a core.
const PERCENT_MAX: f64 = 2.0;
/// Memory that it may take, in megabytes.
const MEGABYTES_MAX: f64 = 4.0;
/// Cost of a forwarded packet beside recordings, of the cost without.
const RATIO_MAX: f64 = 1.05;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// Processor time and memory of a recording of 2 Mbit/s
    Cost,
    /// A forwarded packet whose publisher is recorded, against one whose publisher is not
    Live,
}

/// Each run starts two fresh servers one after the other, of which one records all publishers into a folder of its data
/// directory. Everything else is the same. The report has the medians of the runs' differences and ratios.
#[derive(clap::Args)]
pub(crate) struct RecordingArgs {
    /// What to measure
    #[arg(value_enum, value_name = "WHAT", default_values = ["cost", "live"])]
    what: Vec<What>,
    /// Publishers of `cost`, each in a stage of its own, with nobody who watches
    #[arg(long, default_value_t = 10)]
    publishers: usize,
    /// Stages, publishers and subscribers of `live`, as for `media`
    #[arg(long, default_value = "50:1:4", value_name = "TOPOLOGY")]
    topology: Topology,
    /// Seconds that count
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    seconds: u64,
    /// Seconds of traffic before that: a segment and the beginning of the next, so that memory is as it stays
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    warm_up: u64,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Let the publishers of `live` send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    low_rate: bool,
    #[command(flatten)]
    binary: Binary,
    /// Further arguments for `serve`, such as --serve-arg=--workers=2
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    serve_arg: Vec<String>,
    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &RecordingArgs) -> anyhow::Result<ExitCode> {
    let mut figures = Vec::new();
    for what in &args.what {
        figures.extend(match what {
            What::Cost => cost(args)?,
            What::Live => live(args)?,
        });
    }
    print(&figures, args.output)?;
    Ok(ExitCode::SUCCESS)
}

/// One server in its window.
struct Window {
    /// At its beginning and its end.
    usage: [Usage; 2],
    tally: Tally,
    recorded_bytes: f64,
    /// Packets that recordings did not get because they could not keep up.
    missed: f64,
    seconds: f64,
}

impl Window {
    fn cores(&self) -> f64 {
        (self.usage[1].cpu_ns - self.usage[0].cpu_ns) as f64 / 1e9 / self.seconds
    }

    fn us_per_packet(&self) -> f64 {
        self.cores() * self.seconds * 1e6 / (self.tally.received as f64).max(1.0)
    }

    /// The share of the media workers' threads, on which packets are forwarded.
    fn worker_us_per_packet(&self) -> f64 {
        let spent = |usage: &Usage| usage.workers_ns.iter().sum::<u64>();
        let ns = spent(&self.usage[1]) - spent(&self.usage[0]);
        ns as f64 / 1e3 / (self.tally.received as f64).max(1.0)
    }
}

/// Windows without and with recording, turn about.
fn pairs(
    args: &RecordingArgs,
    topology: Topology,
    rate: Rate,
    name: &str,
) -> anyhow::Result<Vec<[Window; 2]>> {
    let mut pairs = Vec::new();
    for number in 1..=args.runs.max(1) {
        eprintln!("{name}, {topology}: run {number} of {}", args.runs.max(1));
        let window = |records| runtime()?.block_on(measure(args, topology, rate, records));
        pairs.push([window(false)?, window(true)?]);
    }
    Ok(pairs)
}

async fn measure(
    args: &RecordingArgs,
    topology: Topology,
    rate: Rate,
    records: bool,
) -> anyhow::Result<Window> {
    let server = Server::start(&args.binary, &args.serve_arg, None)?;
    let mut director = Director::new(&server, rate, Srtp::All)?;
    if records {
        director.record()?;
    }
    let scene = director.set_up(topology).await?;
    tokio::task::block_in_place(|| scene.fleet.wait_decodable(&scene.joins, PICTURE_MAX))?;
    if records {
        wait_for_recordings(&server, topology.publishers()).await?;
    }
    tokio::time::sleep(Duration::from_secs(args.warm_up)).await;
    let window = Duration::from_secs(args.seconds.max(1));
    let from = unix_ns();
    scene
        .fleet
        .window()
        .set(from, from + window.as_nanos() as u64);
    let (before, metrics_before) = (process::usage(server.pid())?, Metrics::of(&server)?);
    tokio::time::sleep(window).await;
    let (after, metrics_after) = (process::usage(server.pid())?, Metrics::of(&server)?);
    tokio::time::sleep(LATE).await;
    let grown = |name| anyhow::Ok(metrics_after.value(name)? - metrics_before.value(name)?);
    let window = Window {
        usage: [before, after],
        tally: scene.fleet.tally()?,
        recorded_bytes: grown("restage_recording_written_bytes_total")?,
        missed: grown("restage_recording_packets_absent_total{reason=\"missed\"}")?,
        seconds: window.as_secs_f64(),
    };
    if records && window.recorded_bytes == 0.0 {
        bail!("nothing was recorded: measure for longer than a segment");
    }
    Ok(window)
}

/// Waits until each publisher is recorded and a first segment is there.
async fn wait_for_recordings(server: &Server, count: usize) -> anyhow::Result<()> {
    let mut ask = tokio::time::interval(ASK_EVERY);
    let deadline = tokio::time::Instant::now() + RECORDING_MAX;
    loop {
        let asked_at = ask.tick().await;
        let metrics = Metrics::of(server)?;
        let active = metrics.value("restage_recordings_active")?;
        let segments = metrics.value("restage_recording_segments_total")?;
        if active >= count as f64 && segments > 0.0 {
            return Ok(());
        }
        if asked_at > deadline {
            bail!("{active} of {count} publishers are recorded, with {segments} segments");
        }
    }
}

/// The median of what a pair says.
fn of(pairs: &[[Window; 2]], value: impl Fn(&[Window; 2]) -> f64) -> anyhow::Result<f64> {
    median(pairs.iter().map(value).collect())
}

fn cost(args: &RecordingArgs) -> anyhow::Result<Vec<Figure>> {
    let count = args.publishers.max(1);
    let topology = Topology::Stages {
        stages: count,
        publishers: 1,
        subscribers: 0,
    };
    let pairs = pairs(args, topology, Rate::HIGH, "cost of a recording")?;
    let share = count as f64;
    let percent = of(&pairs, |[without, with]| {
        100.0 * (with.cores() - without.cores()) / share
    })?;
    let ticks = of(&pairs, |[without, with]| {
        let ticks = |window: &Window| (window.usage[1].ticks - window.usage[0].ticks) as f64;
        (ticks(with) - ticks(without)) / with.seconds / share
    })?;
    let megabytes = of(&pairs, |[without, with]| {
        (with.usage[1].rss_bytes as f64 - without.usage[1].rss_bytes as f64) / 1e6 / share
    })?;
    let megabits = of(&pairs, |[_, with]| {
        with.recorded_bytes * 8.0 / 1e6 / with.seconds / share
    })?;
    let missed = of(&pairs, |[_, with]| with.missed)?;
    let percent_of_core = "% of a core";
    let name = |what: &str| format!("a recording, {count} at a time: {what}");
    Ok(vec![
        Figure::aimed(
            name("processor time"),
            percent,
            percent_of_core,
            Aim::AtMost(PERCENT_MAX),
        ),
        Figure::plain(name("the same by utime + stime"), ticks, percent_of_core),
        Figure::aimed(name("memory"), megabytes, "MB", Aim::AtMost(MEGABYTES_MAX)),
        Figure::plain(name("written"), megabits, "Mbit/s"),
        Figure::aimed(name("packets missed"), missed, "", Aim::AtMost(0.0)),
    ])
}

fn live(args: &RecordingArgs) -> anyhow::Result<Vec<Figure>> {
    let pairs = pairs(args, args.topology, rate(args.low_rate), "live path")?;
    let ratio = of(&pairs, |[without, with]| {
        with.worker_us_per_packet() / without.worker_us_per_packet()
    })?;
    let count = args.topology.publishers();
    let name = |what: &str| format!("{} beside {count} recordings: {what}", args.topology);
    let mut figures = vec![Figure::aimed(
        name("a forwarded packet, of without"),
        ratio,
        "",
        Aim::AtMost(RATIO_MAX),
    )];
    for (place, which) in ["without", "with"].into_iter().enumerate() {
        let plain = |what: &str, unit, value: fn(&Window) -> f64| {
            let value = of(&pairs, |pair| value(&pair[place]))?;
            anyhow::Ok(Figure::plain(format!("{which}: {what}"), value, unit))
        };
        figures.extend([
            plain("media workers", "µs/packet", Window::worker_us_per_packet)?,
            plain("whole process", "µs/packet", Window::us_per_packet)?,
            plain("loss", "%", |window| window.tally.loss_percent())?,
        ]);
    }
    let loss = of(&pairs, |[_, with]| with.tally.loss_percent())?;
    let missed = of(&pairs, |[_, with]| with.missed)?;
    figures.extend([
        Figure::aimed(name("loss"), loss, "%", Aim::AtMost(0.0)),
        Figure::aimed(name("packets missed"), missed, "", Aim::AtMost(0.0)),
    ]);
    Ok(figures)
}
