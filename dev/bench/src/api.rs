//! `api`: the cost of requests, compared with a handler that does nothing.

mod bare;
mod database;
mod measure;
mod replications;
mod seed;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;

use crate::output::{self, Format};
use crate::runtime::runtime;
use crate::server::Binary;

pub(super) use bare::serve as serve_bare;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum What {
    /// GetStage and ListParticipantReplicas per CPU-second, against a bare handler of the same bytes
    Requests,
    /// CreateParticipantToken per CPU-second
    Tokens,
    /// A page of replicas in a small and in a large store
    Pages,
    /// Memory and start with many stages and participants
    Size,
    /// StartParticipantReplication at 200 calls a second, without media
    Replications,
}

/// Every measurement starts restage as a server with data of its own: SQLite, unless --database says otherwise.
/// Requests are signed before they are sent, once a round, and go over connections that stay open; the server
/// verifies each. CPU is that of the server's process, user and system.
#[derive(clap::Args)]
pub(crate) struct ApiArgs {
    /// What to measure
    #[arg(value_enum, value_name = "WHAT", default_values = ["requests", "tokens", "pages", "size", "replications"])]
    what: Vec<What>,
    /// Connections
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Seconds of each round
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    seconds: u64,
    /// Rounds, server and bare handler turn about; the report has the medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Replicas in the large store of `pages`
    #[arg(long, default_value_t = 1_000_000)]
    replicas: u64,
    /// Stages in the store of `size`
    #[arg(long, default_value_t = 100_000)]
    stages: u64,
    /// Participants in the store of `size`
    #[arg(long, default_value_t = 1_000_000)]
    participants: u64,
    /// Publishers in the stage that `replications` starts from; calls go round them
    #[arg(long, default_value_t = 1)]
    publishers: u32,
    /// PostgreSQL database, as postgres://USER@HOST/DATABASE, to measure on instead of SQLite. Every store gets a new
    /// schema restage_bench_PID_N there, which is dropped at the end; what is there already stays as it is. The
    /// user must be allowed to create schemas. A password is better in PGPASSWORD than in a flag
    #[arg(long, value_name = "ADDRESS")]
    database: Option<String>,
    #[command(flatten)]
    binary: Binary,
    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// One figure and its target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    /// The target, if there is one.
    aim: Option<Aim>,
    is_met: Option<bool>,
}

/// The target of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    fn plain(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            aim: None,
            is_met: None,
        }
    }

    fn aimed(what: impl Into<String>, value: f64, unit: &'static str, aim: Aim) -> Self {
        let is_met = match aim {
            Aim::AtLeast(least) => value >= least,
            Aim::AtMost(most) => value <= most,
        };
        Self {
            aim: Some(aim),
            is_met: Some(is_met),
            ..Self::plain(what, value, unit)
        }
    }

    fn line(&self) -> String {
        let number = |value: f64| match value.abs() {
            0.0..10.0 => format!("{value:.2}"),
            10.0..100.0 => format!("{value:.1}"),
            _ => format!("{value:.0}"),
        };
        let aim = match (self.aim, self.is_met) {
            (Some(Aim::AtLeast(least)), Some(met)) => format!("≥ {}  {}", number(least), word(met)),
            (Some(Aim::AtMost(most)), Some(met)) => format!("≤ {}  {}", number(most), word(met)),
            _ => String::new(),
        };
        let (value, unit) = (number(self.value), self.unit);
        format!("{:<58} {value:>9} {unit:<10} {aim}", self.what)
            .trim_end()
            .to_owned()
    }
}

fn word(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// The median; for an even number the upper of the two in the middle.
fn median(mut of: Vec<f64>) -> anyhow::Result<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2)
        .copied()
        .context("nothing was measured")
}

pub(super) fn run(args: &ApiArgs) -> anyhow::Result<ExitCode> {
    let runtime = runtime()?;
    let mut figures = Vec::new();
    for what in &args.what {
        figures.extend(match what {
            What::Requests => measure::requests(args, &runtime)?,
            What::Tokens => measure::tokens(args, &runtime)?,
            What::Pages => measure::pages(args, &runtime)?,
            What::Size => measure::size(args, &runtime)?,
            What::Replications => replications::replications(args, &runtime)?,
        });
    }
    match args.output {
        Format::Text => {
            for figure in &figures {
                output::line(&figure.line())?;
            }
        }
        Format::Json => output::json(&figures)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_whether_their_aim_is_met() {
        let line = |value, aim| Figure::aimed("x", value, "ms", aim).line();
        assert!(line(1.0, Aim::AtMost(1.0)).ends_with("met"));
        assert!(line(1.01, Aim::AtMost(1.0)).ends_with("missed"));
        assert!(line(0.5, Aim::AtLeast(0.5)).ends_with("met"));
        assert!(line(0.49, Aim::AtLeast(0.5)).ends_with("missed"));
        assert!(Figure::plain("x", 1.0, "ms").line().ends_with("ms"));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert_eq!(median(vec![1.0, 2.0]).unwrap(), 2.0);
        assert!(median(Vec::new()).is_err());
    }
}
