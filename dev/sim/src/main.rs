//! The command line of the simulator.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use restage_sim::hunt::{Failure, Report, attempt, hunt, keep_panics, shrink};
use restage_sim::plan::{Fault, Plan};

/// Runs the whole server in virtual time, with faults, and checks after every step that nothing is broken.
///
/// A seed is one run. The same seed gives the same run on every machine, so a seed that fails can be run again with --seed, and is
/// shrunk to the faults that it needs.
#[derive(Parser)]
#[command(name = "restage-sim", version)]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run many seeds, or one.
    Hunt(Hunt),
}

#[derive(clap::Args)]
struct Hunt {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 1_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// Run this seed alone, and print its plan and what it came to.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: only these faults, separated by commas, instead of those of the seed. `none` for no faults.
    #[arg(long, requires = "seed", value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// With --seed: how long the busy phase takes, in milliseconds of virtual time, instead of as long as the seed says.
    #[arg(long, requires = "seed")]
    busy_ms: Option<u64>,
    /// With --seed: print every event to stderr.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Stop after so many seeds have failed.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Also print how often each state was reached.
    #[arg(long)]
    coverage: bool,
    /// Form of the result. Progress goes to stderr.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let Task::Hunt(args) = Args::parse().command;
    keep_panics();
    let report = match args.seed {
        Some(seed) => match one(seed, &args) {
            Ok(report) => report,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(2);
            }
        },
        None => many(&args),
    };
    match args.output {
        Format::Text => print_text(&report, args.coverage),
        Format::Json => print_json(&report),
    }
    ExitCode::from(u8::from(!report.failures.is_empty()))
}

fn one(seed: u64, args: &Hunt) -> Result<Report, String> {
    let mut plan = Plan::of(seed);
    if let Some(names) = &args.faults {
        plan.faults = named(names)?;
    }
    if let Some(ms) = args.busy_ms {
        plan.busy = Duration::from_millis(ms);
    }
    eprintln!("{}", describe(&plan));
    plan.is_traced = args.trace;
    let mut report = Report {
        seeds: 1,
        ..Report::default()
    };
    match attempt(&plan) {
        Ok(outcome) => {
            eprintln!("{} events, digest {:016x}", outcome.events, outcome.digest);
            report.time = outcome.time;
            report.commands = outcome.commands;
            report.sent = outcome.counts.sent;
            report.coverage = outcome.coverage;
        }
        Err(reason) if args.faults.is_some() || args.busy_ms.is_some() => {
            report.failures.push(Failure { plan, reason });
        }
        Err(reason) => report.failures.push(shrink(&plan, &reason)),
    }
    Ok(report)
}

fn named(names: &[String]) -> Result<BTreeSet<Fault>, String> {
    let named = |name: &&String| *name != "none" && !name.is_empty();
    let faults = names.iter().filter(named).map(|name| {
        let found = Fault::ALL
            .into_iter()
            .find(|fault| fault.to_string().eq_ignore_ascii_case(name));
        found.ok_or_else(|| {
            let all: Vec<String> = Fault::ALL.iter().map(ToString::to_string).collect();
            format!("there is no fault {name}; there are {}", all.join(", "))
        })
    });
    faults.collect()
}

fn many(args: &Hunt) -> Report {
    let bar = ProgressBar::new(args.seeds);
    let style = ProgressStyle::with_template("{pos} of {len} seeds, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let end = args.from.saturating_add(args.seeds);
    let report = hunt(
        args.from..end,
        args.threads.max(1),
        args.failures.max(1),
        &|_| bar.inc(1),
    );
    bar.finish_and_clear();
    report
}

fn describe(plan: &Plan) -> String {
    let faults: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    let faults = if faults.is_empty() {
        "none".to_owned()
    } else {
        faults.join(",")
    };
    format!(
        "seed {}: faults {faults}; busy for {} ms; {} workers; at most {} clients",
        plan.seed,
        plan.busy.as_millis(),
        plan.workers,
        plan.clients_max
    )
}

/// The command that runs a failure again.
fn again(failure: &Failure) -> String {
    let plan = &failure.plan;
    let faults: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    let faults = if faults.is_empty() {
        "none".to_owned()
    } else {
        faults.join(",")
    };
    format!(
        "cargo run --release -p restage-sim -- hunt --seed {} --faults {faults} --busy-ms {}",
        plan.seed,
        plan.busy.as_millis()
    )
}

fn print_text(report: &Report, has_coverage: bool) {
    println!(
        "{} seeds, {:.1} virtual hours, {:.1} s of processor time, {} commands, {} packets sent",
        report.seeds,
        report.time.as_secs_f64() / 3_600.0,
        report.cpu.as_secs_f64(),
        report.commands,
        report.sent
    );
    for failure in &report.failures {
        println!(
            "\nFAILED {}\n  {}\n  again: {}",
            describe(&failure.plan),
            failure.reason,
            again(failure)
        );
    }
    if has_coverage {
        for (what, count) in report.coverage.iter() {
            println!("  {count:>10}  {what}");
        }
        for what in report.coverage.missing() {
            println!("  {:>10}  {what}", "never");
        }
    }
    println!(
        "{}",
        if report.failures.is_empty() {
            "clean"
        } else {
            "not clean"
        }
    );
}

fn print_json(report: &Report) {
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| {
            serde_json::json!({
                "seed": failure.plan.seed,
                "faults": failure.plan.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "busyMs": failure.plan.busy.as_millis() as u64,
                "reason": failure.reason,
                "again": again(failure),
            })
        })
        .collect();
    let json = serde_json::json!({
        "seeds": report.seeds,
        "virtualHours": report.time.as_secs_f64() / 3_600.0,
        "processorSeconds": report.cpu.as_secs_f64(),
        "commands": report.commands,
        "packetsSent": report.sent,
        "coverage": report.coverage.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "failures": failures,
    });
    println!("{json:#}");
}
