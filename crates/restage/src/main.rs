//! `restage`: the server and the commands that go with it.

mod api;
mod cmd;
mod exit;
mod join;
mod live;
mod logging;
mod media;
mod naming;
mod note;
mod output;
mod paging;
mod pair;
mod profile;
mod query;
mod table;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use restage_server::config::LogFormat;
use tracing::Level;

/// Returns free memory to the system; the C library's allocator does so only for the top of its heap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted real-time video server that speaks the Amazon IVS Real-Time API.
///
/// Start the server with `restage serve`, use it from any AWS SDK with `eval "$(restage env)"`, and
/// see a demonstration with `restage demo`. The other commands are clients of the server on this machine,
/// or of any other one with --endpoint-url, --profile and --region as in the AWS CLI.
#[derive(Parser)]
#[command(
    name = "restage",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = exit::HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(about = "Run the server: API, WHIP and WHEP, events, media")]
    Serve(cmd::serve::Args),
    #[command(about = "Print the environment that points AWS SDKs and the AWS CLI at the server")]
    Env(cmd::env::Args),
    #[command(about = "Publish a test card into one stage and replicate it into another")]
    Demo(cmd::demo::Args),
    /// List, start and stop replicas of a participant in other stages
    #[command(subcommand)]
    Replicas(cmd::replicas::Command),
    /// List, make, show, rename and delete stages
    #[command(subcommand)]
    Stages(cmd::stages::Command),
    /// List, show and disconnect the participants of a stage
    #[command(subcommand)]
    Participants(cmd::participants::Command),
    /// List the sessions of a stage
    #[command(subcommand)]
    Sessions(cmd::sessions::Command),
    /// List, show, download, pause and resume recordings
    #[command(subcommand)]
    Recordings(cmd::recordings::Command),
    /// Follow what happens on a stage
    #[command(subcommand)]
    Events(cmd::events::Command),
    /// Make participant tokens, or explain one
    #[command(subcommand)]
    Token(cmd::token::Command),
    /// Make, list, revoke and rotate the access keys that API requests are signed with
    #[command(subcommand)]
    Keys(cmd::keys::Command),
    #[command(about = "Publish a test card or files into a stage (WHIP)")]
    Publish(cmd::publish::Args),
    #[command(about = "Watch a participant of a stage: figures, or into files (WHEP)")]
    Watch(cmd::watch::Args),
    /// Back up, restore, migrate and check the database
    #[command(subcommand)]
    Db(cmd::db::Command),
    #[command(
        about = "Check ports, addresses, clock, data directory and kernel, and say what to change"
    )]
    Doctor(cmd::doctor::Args),
    /// Print shell completions for commands and flags
    Completions(cmd::completions::Args),
    /// Write manual pages
    Man(cmd::man::Args),
    #[command(about = "Measure what a forwarded packet and a request cost on this machine")]
    Bench(cmd::bench::Args),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // A child of the server: it has nothing to do with the commands, and nothing may have started before it locks itself in.
    if let [_, name, rest @ ..] = arguments.as_slice() {
        if name == restage_picture::child::COMMAND {
            return restage_picture::child::run(rest);
        }
        if name == restage_compose::child::COMMAND {
            return restage_compose::child::run(rest);
        }
    }
    let format = match cmd::serve::wants_json(&arguments) {
        true => LogFormat::Json,
        false => LogFormat::Text,
    };
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if format == LogFormat::Json && error.use_stderr() => {
            logging::say(format, Level::ERROR, error.to_string().trim_end());
            return ExitCode::from(exit::Exit::Usage as u8);
        }
        Err(error) => error.exit(),
    };
    let outcome = match cli.command {
        Command::Serve(args) => cmd::serve::run(args),
        Command::Env(args) => cmd::env::run(&args),
        Command::Demo(args) => cmd::demo::run(args),
        Command::Replicas(command) => cmd::replicas::run(command),
        Command::Stages(command) => cmd::stages::run(command),
        Command::Participants(command) => cmd::participants::run(command),
        Command::Sessions(command) => cmd::sessions::run(command),
        Command::Recordings(command) => cmd::recordings::run(command),
        Command::Events(command) => cmd::events::run(command),
        Command::Token(command) => cmd::token::run(command),
        Command::Keys(command) => cmd::keys::run(command),
        Command::Publish(args) => cmd::publish::run(args),
        Command::Watch(args) => cmd::watch::run(args),
        Command::Db(command) => cmd::db::run(command),
        Command::Doctor(args) => cmd::doctor::run(args),
        Command::Completions(args) => cmd::completions::run(&args, &mut Cli::command()),
        Command::Man(args) => cmd::man::run(&args, Cli::command()),
        Command::Bench(args) => cmd::bench::run(args),
    };
    outcome.unwrap_or_else(|error| exit::report(format, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
