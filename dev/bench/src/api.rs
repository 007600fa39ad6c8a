//! `api`: the cost of requests, compared with a handler that does nothing.

mod bare;
mod database;
mod measure;
mod replications;
mod seed;

use std::process::ExitCode;

use clap::ValueEnum;

use crate::figure::{Aim, Figure, median, print};
use crate::output::Format;
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
    print(&figures, args.output)?;
    Ok(ExitCode::SUCCESS)
}
