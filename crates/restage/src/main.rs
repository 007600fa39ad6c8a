//! `restage`: the server and the commands that go with it.

mod api;
mod cmd;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A self-hosted real-time video server that speaks the Amazon IVS Real-Time API.
///
/// Start the server with `restage serve`, point any AWS SDK at it with `eval "$(restage env)"`, and
/// see it work with `restage demo`.
#[derive(Parser)]
#[command(name = "restage", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: API, WHIP and WHEP, events, media
    Serve(cmd::serve::Args),
    /// Print the environment that points AWS SDKs and the AWS CLI at the server
    Env(cmd::env::Args),
    /// Publish a test card into one stage and replicate it into another
    Demo(cmd::demo::Args),
    /// Make participant tokens, or explain one
    #[command(subcommand)]
    Token(cmd::token::Command),
    /// Check ports, addresses, clock, data directory and kernel, and say what to change
    Doctor(cmd::doctor::Args),
    /// Measure what a forwarded packet costs on this machine
    #[command(subcommand)]
    Bench(cmd::bench::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => cmd::serve::run(args),
        Command::Env(args) => cmd::env::run(&args),
        Command::Demo(args) => cmd::demo::run(args),
        Command::Token(command) => cmd::token::run(command),
        Command::Doctor(args) => cmd::doctor::run(args),
        Command::Bench(command) => cmd::bench::run(command),
    };
    outcome.unwrap_or_else(|error| {
        // One line per cause, the first of them what was tried.
        eprintln!("restage: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
