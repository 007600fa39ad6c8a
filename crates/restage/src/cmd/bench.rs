//! `restage bench`: runs the program `restage-bench`, which only those who judge or change restage need.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;

use crate::exit::{Exit, Failure};

/// The program that measures.
const PROGRAM: &str = "restage-bench";
/// Tells it which binary to run as the server, unless `--server` says otherwise.
const SERVER_ENV: &str = "RESTAGE_BENCH_SERVER";

/// Measures the media plane and the API on this machine, over the loopback interface only.
///
/// This runs the program restage-bench, which is looked for beside this one and then in PATH. It is not installed with
/// restage: `cargo build --release -p restage -p restage-bench` builds both in a checkout, and
/// `target/release/restage bench` then finds it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage bench help
  restage bench media 1:1:200 --runs 1
  restage bench api --help")]
pub(crate) struct Args {
    /// What to measure, and how; `restage bench help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let program = find(&own, std::env::var_os("PATH").as_deref()).ok_or_else(|| {
        let beside = own.parent().unwrap_or(&own).display();
        Failure::new(
            Exit::Failure,
            format!("there is no {PROGRAM} in {beside} or in PATH"),
        )
        .advise(format!("cargo build --release -p {PROGRAM}, in a checkout"))
    })?;
    let error = Command::new(&program)
        .args(args.arguments)
        .env(SERVER_ENV, own)
        .exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

/// The program beside this one, else the first in PATH.
fn find(own: &Path, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    let beside = own.parent().map(Path::to_owned);
    let in_path = path.into_iter().flat_map(std::env::split_paths);
    beside
        .into_iter()
        .chain(in_path)
        .map(|directory| directory.join(PROGRAM))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_beside_this_one_comes_first() {
        let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = near.path().join("restage");
        let path = Some(far.path().as_os_str());
        assert_eq!(find(&own, path), None);
        let (near, far) = (near.path().join(PROGRAM), far.path().join(PROGRAM));
        std::fs::write(&far, "").unwrap();
        assert_eq!(find(&own, path), Some(far));
        std::fs::write(&near, "").unwrap();
        assert_eq!(find(&own, path), Some(near));
        assert_eq!(
            find(&own, None).as_deref().and_then(Path::parent),
            own.parent()
        );
    }
}
