//! `restage-bench`: what a forwarded packet costs, what it costs at least, and what a request costs.
//!
//! A program of its own, because only those who change or judge restage need it. `restage bench` runs it.

mod api;
mod args;
mod caller;
mod figure;
mod media;
mod metrics;
mod output;
mod quota;
mod ramp;
mod recording;
mod report;
mod runtime;
mod scene;
mod server;
mod topology;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use restage_load::floor::{self, Floor};

use args::{FloorArgs, MediaArgs, RampArgs, rate};
use output::Format;

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
    /// Let the server record its publishers, and say what that costs
    Recording(recording::RecordingArgs),
    /// Answer every request with the bytes of standard input: what `api` compares the server with
    #[command(hide = true)]
    Bare,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Media(args) => media::run(args),
        Command::Ramp(args) => ramp::run(&args),
        Command::Api(args) => api::run(&args),
        Command::Recording(args) => recording::run(&args),
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
