//! The process that makes one thumbnail: `restage internal-thumbnail`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::limits::CHILD_NICENESS;
use crate::protocol::{Answer, Request};
use crate::sandbox::Needs;
use crate::{sandbox, thumbnail};

/// The name by which the server's program is told to be a child.
pub const COMMAND: &str = "internal-thumbnail";
/// The argument by which a child goes on where parts of the sandbox are missing.
pub const WITHOUT_SANDBOX: &str = "--without-sandbox";
/// The argument by which a child tries out its sandbox instead, and prints a line for each trial.
pub const CHECK: &str = "--check";

/// Exit code for wrong arguments.
const USAGE: u8 = 2;

/// What a child is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Thumbnail { needs_sandbox: bool },
    Check,
}

impl Task {
    fn of(arguments: &[OsString]) -> Option<Self> {
        let texts: Vec<_> = arguments.iter().map(|text| text.to_str()).collect();
        match texts.as_slice() {
            [] => Some(Self::Thumbnail {
                needs_sandbox: true,
            }),
            [Some(WITHOUT_SANDBOX)] => Some(Self::Thumbnail {
                needs_sandbox: false,
            }),
            [Some(CHECK)] => Some(Self::Check),
            _ => None,
        }
    }
}

/// Does what the arguments after [`COMMAND`] say. The process must have one thread, and ends afterwards.
pub fn run(arguments: &[OsString]) -> ExitCode {
    match Task::of(arguments) {
        Some(Task::Thumbnail { needs_sandbox }) => answer(needs_sandbox),
        Some(Task::Check) => check(),
        None => {
            eprintln!(
                "`{COMMAND}` is for the server alone; it takes nothing, {CHECK} or {WITHOUT_SANDBOX}"
            );
            ExitCode::from(USAGE)
        }
    }
}

/// Answers one request.
fn answer(needs_sandbox: bool) -> ExitCode {
    // Less is a courtesy, not a protection.
    let _ = rustix::process::nice(CHILD_NICENESS);
    let entered = match needs_sandbox {
        true => sandbox::enter(&Needs::OF_A_PICTURE),
        false => {
            sandbox::enter_what_is_there(&Needs::OF_A_PICTURE);
            Ok(())
        }
    };
    let answer = match entered {
        Err(missing) => Answer::NoSandbox(missing.part),
        Ok(()) => match Request::read(&mut io::stdin()) {
            Ok(request) => match thumbnail(&request.key_frame, request.quarter_turns) {
                Ok(jpeg) => Answer::Jpeg(jpeg),
                Err(error) => Answer::Refused(error),
            },
            // The server is gone, or is none.
            Err(_) => return ExitCode::FAILURE,
        },
    };
    match answer.write(&mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints what came of each trial. The exit code says whether all were prevented.
fn check() -> ExitCode {
    let trials = match sandbox::check::run(&Needs::OF_A_PICTURE) {
        Ok(trials) => trials,
        Err(missing) => {
            return print(&format!("FAIL {missing}\n"), ExitCode::FAILURE);
        }
    };
    let lines: String = trials.iter().map(|trial| format!("{trial}\n")).collect();
    match trials.iter().all(|trial| trial.is_held) {
        true => print(&lines, ExitCode::SUCCESS),
        false => print(&lines, ExitCode::FAILURE),
    }
}

fn print(lines: &str, code: ExitCode) -> ExitCode {
    let mut stdout = io::stdout();
    let printed = stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush());
    printed.map_or(ExitCode::FAILURE, |()| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let task = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            Task::of(&arguments)
        };
        let thumbnail = |needs_sandbox| Some(Task::Thumbnail { needs_sandbox });
        assert_eq!(task(&[]), thumbnail(true));
        assert_eq!(task(&[WITHOUT_SANDBOX]), thumbnail(false));
        assert_eq!(task(&[CHECK]), Some(Task::Check));
        assert_eq!(task(&[CHECK, WITHOUT_SANDBOX]), None);
        assert_eq!(task(&["--help"]), None);
    }
}
