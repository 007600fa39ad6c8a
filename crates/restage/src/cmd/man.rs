//! `restage man`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::output;

/// Writes a manual page for every command into a directory.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage man ~/.local/share/man/man1
  man restage-replicas-list")]
pub(crate) struct Args {
    /// The directory, which is created if it does not exist
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> anyhow::Result<ExitCode> {
    let problem = || format!("cannot write manual pages to {}", args.dir.display());
    std::fs::create_dir_all(&args.dir).with_context(problem)?;
    // `restage help COMMAND` is a command of its own to clap, and no page worth having.
    let command = command.disable_help_subcommand(true);
    clap_mangen::generate_to(command, &args.dir).with_context(problem)?;
    output::note(&format!("manual pages are in {}", args.dir.display()));
    Ok(ExitCode::SUCCESS)
}
