//! `restage completions`.

use std::process::ExitCode;

use clap::ValueEnum;
use clap_complete::Shell;

use crate::output;

/// Shells that are tested. `clap_complete` supports more.
#[derive(Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints shell completions for commands, flags and their values.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(restage completions bash)                                      # this bash only
  restage completions bash > ~/.local/share/bash-completion/completions/restage
  restage completions zsh > \"${fpath[1]}/_restage\"
  restage completions fish > ~/.config/fish/completions/restage.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Known,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "restage", &mut script);
    output::line(String::from_utf8(script)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
