//! `restage-bench`: what a forwarded packet costs, what it costs at least, and what a request costs.
//!
//! A program of its own, because only those who change or judge restage need it. `restage bench` runs it.

mod api;
mod caller;
mod media;
mod output;
mod quota;
mod ramp;
mod report;
mod scene;
mod server;
mod topology;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use restage_sim::Rate;
use restage_sim::floor::{self, Floor};

use output::Format;
use server::Binary;
use topology::Topology;

/// As in the server, so that the load generator and the bare handler are given memory in the same way.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the media plane and the API on this machine, over the loopback interface only.
#[derive(Parser)]
#[command(
    name = "restage-bench",
    bin_name = "restage bench",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run restage as a server under load from WebRTC clients, and say what it costs
    Media(MediaArgs),
    /// Let viewers join step by step until the server takes no more, and say what those who are in receive
    Ramp(RampArgs),
    /// Encrypt and send to as many receivers, and nothing else: the least that forwarding can cost
    Floor(FloorArgs),
    /// Run restage as a server under API requests, and say what they cost
    Api(api::ApiArgs),
    /// Answer every request with the bytes of standard input: what `api` compares the server with
    #[command(hide = true)]
    Bare,
}

/// Every measurement starts a fresh server with its own data directory, joins all clients through
/// the API, WHIP and WHEP, lets the traffic settle, and counts over a window. The floor is measured
/// before each, in the same run.
#[derive(clap::Args)]
struct MediaArgs {
    /// What to measure, each as STAGES:PUBLISHERS:SUBSCRIBERS (both per stage; every subscriber
    /// receives one publisher), or replicate:STAGES:SUBSCRIBERS (one publisher, replicated into
    /// STAGES stages of SUBSCRIBERS each)
    #[arg(value_name = "TOPOLOGY", default_values = ["1:1:200", "20:1:10", "replicate:100:5", "1:1:500"])]
    topologies: Vec<Topology>,
    /// Seconds that count
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
    /// Seconds of traffic before that
    #[arg(long, default_value_t = 3, value_name = "SECONDS")]
    warm_up: u64,
    /// How often each is measured; the report has the median by CPU time
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    low_rate: bool,
    /// Let the clients offer no other SRTP profile than AES128_CM_SHA1_80, as old ones do
    #[arg(long)]
    aes_cm: bool,
    #[command(flatten)]
    binary: Binary,
    /// Further arguments for `serve`, such as --serve-arg=--workers=2
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    serve_arg: Vec<String>,
    /// A table, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Starts a fresh server whose processor time is limited, one publisher, and viewers in steps. After each
/// step it counts what everybody who is in receives, sound by itself, and what of the publisher's packets
/// has come to the server. Root may limit processor time, where the control groups of Linux can be written.
#[derive(clap::Args)]
struct RampArgs {
    /// Processors the server may use; 0 does not limit it
    #[arg(long, default_value_t = 0.4, value_name = "PROCESSORS")]
    quota: f64,
    /// Viewers that try to join in each step
    #[arg(long, default_value_t = 100)]
    step: usize,
    /// Viewers that try to join altogether
    #[arg(long, default_value_t = 1_500)]
    most: usize,
    /// Viewers that try to join each second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Seconds that count after each step
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    seconds: u64,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    low_rate: bool,
    #[command(flatten)]
    binary: Binary,
    /// Further arguments for `serve`, such as --serve-arg=--workers=2
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    serve_arg: Vec<String>,
    /// A line for each step, or JSON at the end
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// The sockets of the receivers are emptied outside the measured time.
#[derive(clap::Args)]
struct FloorArgs {
    /// Receivers
    #[arg(long, default_value_t = 200)]
    receivers: usize,
    /// Pictures sent to each
    #[arg(long, default_value_t = FLOOR_FRAMES)]
    frames: usize,
    /// Send video of 300 kbit/s instead of 1.5 Mbit/s
    #[arg(long)]
    low_rate: bool,
    /// A line, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Ten seconds of video.
const FLOOR_FRAMES: usize = 300;

fn rate(is_low: bool) -> Rate {
    if is_low { Rate::LOW } else { Rate::FULL }
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Media(args) => media::run(args),
        Command::Ramp(args) => ramp::run(&args),
        Command::Api(args) => api::run(&args),
        Command::Bare => api::serve_bare(),
        Command::Floor(args) => {
            let floor = floor::measure(args.receivers, args.frames, rate(args.low_rate))?;
            match args.output {
                Format::Text => output::line(&sentence(&floor))?,
                Format::Json => output::json(&floor)?,
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A runtime for one measurement.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

fn sentence(floor: &Floor) -> String {
    format!(
        "floor  {:.2} µs of CPU per packet and receiver ({:.2} of it sealing; {} receivers, {} packets a picture, {})\n\
         paced  {:.2} µs at a publisher's pace, sound included, to receivers at work",
        floor.us_per_packet,
        floor.seal_us_per_packet,
        floor.receivers,
        floor.packets_per_frame,
        if floor.has_gso {
            "one GSO train each"
        } else {
            "no GSO"
        },
        floor.paced_us_per_packet,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
