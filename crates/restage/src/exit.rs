//! The end of a command: exit codes, and errors with advice.

use std::fmt;
use std::io;
use std::process::ExitCode;

use restage_server::config::{ConfigError, LogFormat};
use restage_server::server::StartError;
use tracing::Level;

use crate::logging;

/// Why a command failed. Scripts rely on the numbers;
/// `docs/cli.md` and `restage --help` list them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// A failure on this machine: a file, a port, a check that found a fault.
    Failure = 1,
    /// The command line, the environment, a setting or a profile is wrong. clap uses the same number.
    Usage = 2,
    /// The service refused the request.
    Refused = 3,
    /// The service did not answer, or no media arrived.
    NoAnswer = 4,
}

/// The end of `restage --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done; also when the reader of a pipe went away, or Ctrl-C ended what runs until then
  1  something failed on this machine, or a check found a fault
  2  the command line, the environment, a setting or the AWS profile is wrong
  3  the service refused, or ended the connection
  4  no answer from the service, or no media got through";

/// An error with its exit code and, where there is any, advice.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            advice: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds advice: one sentence or command.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The reader of standard output has closed it, for example `head`. This is not a failure.
#[derive(Debug)]
pub(crate) struct StdoutClosed;

impl fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// An error of writing to standard output.
pub(crate) fn stdout_error(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return StdoutClosed.into();
    }
    anyhow::Error::new(error).context("cannot write to standard output")
}

/// Prints the error and returns its exit code. A server that logs JSON prints it as JSON.
pub(crate) fn report(format: LogFormat, error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<StdoutClosed>().is_some() {
        return ExitCode::SUCCESS;
    }
    logging::say(format, Level::ERROR, &format!("restage: {}", told(error)));
    let (exit, advice) = judge(error);
    if let Some(advice) = advice {
        logging::say(format, Level::ERROR, &format!("  try: {advice}"));
    }
    ExitCode::from(exit as u8)
}

/// The exit code of an error, and the advice.
fn judge(error: &anyhow::Error) -> (Exit, Option<&str>) {
    if let Some(failure) = find::<Failure>(error) {
        return (failure.exit, failure.advice.as_deref());
    }
    let (is_usage, advice) = if let Some(error) = find::<StartError>(error) {
        (error.is_of_settings(), error.advice())
    } else if let Some(error) = find::<ConfigError>(error) {
        (!error.is_of_machine(), error.advice())
    } else {
        (false, None)
    };
    match is_usage {
        true => (Exit::Usage, advice),
        false => (Exit::Failure, advice),
    }
}

/// The error and its causes, without those that an earlier text already contains.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string().trim_end().to_owned();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        let cause = cause.trim_end();
        if !text.contains(cause) {
            text.push_str(": ");
            text.push_str(cause);
        }
    }
    text
}

fn find<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<E>())
        .or_else(|| error.downcast_ref::<E>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_failure_is_found_under_its_context() {
        let failed: Result<(), Failure> = Err(Failure::new(Exit::Refused, "no").advise("ask"));
        let error = failed.context("while asking").unwrap_err();
        assert_eq!(format!("{error:#}"), "while asking: no");
        assert_eq!(judge(&error), (Exit::Refused, Some("ask")));
        assert_eq!(judge(&anyhow::anyhow!("other")), (Exit::Failure, None));
    }

    #[test]
    fn settings_that_cannot_be_are_an_error_of_usage() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 443));
        let wrong = || ConfigError::RtmpsWithoutTls(address);
        let at_once = anyhow::Error::new(wrong());
        let at_start = anyhow::Error::new(StartError::Config(wrong())).context("no start");
        for error in [at_once, at_start] {
            let (exit, advice) = judge(&error);
            assert_eq!(exit, Exit::Usage);
            assert!(advice.is_some_and(|advice| advice.contains("--tls auto")));
        }
        let of_machine = anyhow::Error::new(ConfigError::NoAddress);
        assert_eq!(judge(&of_machine), (Exit::Failure, Some("--media-ip")));
        let source = io::Error::from(io::ErrorKind::AddrInUse);
        let taken = anyhow::Error::new(StartError::Listen { address, source });
        assert_eq!(judge(&taken), (Exit::Failure, Some("another --http")));
    }

    #[test]
    fn a_cause_is_told_once() {
        let io = || io::Error::other("no such luck\n");
        let quoting = anyhow::Error::new(io()).context("cannot start: no such luck; try again");
        assert_eq!(told(&quoting), "cannot start: no such luck; try again");
        let plain = anyhow::Error::new(io()).context("cannot start");
        assert_eq!(told(&plain), "cannot start: no such luck");
    }

    #[test]
    fn the_help_lists_every_code() {
        for exit in [Exit::Failure, Exit::Usage, Exit::Refused, Exit::NoAnswer] {
            assert!(HELP.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }
}
