//! The process that makes one composition: `restage internal-compose`.
//!
//! Standard input and output are the two directions of one Unix stream socket. The process locks itself in, reads the setup, and then
//! does everything in one thread: it waits for the socket no longer than until the next tick.

mod socket;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use restage_picture::sandbox::{self, Part};

use crate::engine::Engine;
use crate::limits::{CHILD_LIMITS, CHILD_NICENESS};
use crate::protocol::{FromChild, Setup, ToChild};
use crate::sound::AacEncode;
use socket::{Ended, Socket};

/// The name by which the server's program is told to be a child.
pub const COMMAND: &str = "internal-compose";
/// The argument by which a child goes on where parts of the sandbox are missing.
pub const WITHOUT_SANDBOX: &str = "--without-sandbox";
/// The argument by which a child tries out its sandbox instead, and prints a line for each trial.
pub const CHECK: &str = "--check";

/// Exit code for wrong arguments.
const USAGE: u8 = 2;

/// What a child is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Compose { needs_sandbox: bool },
    Check,
}

impl Task {
    fn of(arguments: &[OsString]) -> Option<Self> {
        let texts: Vec<_> = arguments.iter().map(|text| text.to_str()).collect();
        match texts.as_slice() {
            [] => Some(Self::Compose {
                needs_sandbox: true,
            }),
            [Some(WITHOUT_SANDBOX)] => Some(Self::Compose {
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
        Some(Task::Compose { needs_sandbox }) => compose(needs_sandbox),
        Some(Task::Check) => check(),
        None => {
            eprintln!(
                "`{COMMAND}` is for the server alone; it takes nothing, {CHECK} or {WITHOUT_SANDBOX}"
            );
            ExitCode::from(USAGE)
        }
    }
}

fn compose(needs_sandbox: bool) -> ExitCode {
    // Less is a courtesy, not a protection.
    let _ = rustix::process::nice(CHILD_NICENESS);
    let Ok(mut socket) = Socket::new() else {
        return ExitCode::FAILURE;
    };
    let entered = match needs_sandbox {
        true => sandbox::enter(&CHILD_LIMITS),
        false => {
            sandbox::enter_what_is_there(&CHILD_LIMITS);
            Ok(())
        }
    };
    let outcome = match entered {
        Err(missing) => refuse(&mut socket, missing.part),
        Ok(()) => serve(&mut socket),
    };
    match outcome {
        // A server that goes away ends its compositions.
        Ok(()) | Err(Ended::Closed) => ExitCode::SUCCESS,
        Err(Ended::Failed) => ExitCode::FAILURE,
    }
}

fn refuse(socket: &mut Socket, part: Part) -> Result<(), Ended> {
    socket.send(&FromChild::NoSandbox { part })?;
    socket.flush()
}

/// Microseconds of the server's clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start_us: u64,
    start: Instant,
}

impl Clock {
    fn now_us(&self) -> u64 {
        let passed = self.start.elapsed().as_micros();
        self.start_us.saturating_add(passed as u64)
    }
}

/// Composes until the server says that it is enough.
fn serve(socket: &mut Socket) -> Result<(), Ended> {
    let setup = loop {
        match socket.receive()? {
            Some(ToChild::Setup(setup)) => break setup,
            Some(_) => return Err(Ended::Failed),
            None => socket.wait(None)?,
        }
    };
    let start = Instant::now();
    let clock = Clock {
        start_us: setup.now_us,
        start,
    };
    let stopwatch = move || start.elapsed().as_micros() as u64;
    let aac = aac_encoder(&setup);
    let engine = Engine::new(setup, Box::new(stopwatch), aac);
    let mut engine = engine.map_err(|_| Ended::Failed)?;
    socket.send(&FromChild::Ready)?;
    while !engine.is_stopped() {
        while let Some(message) = socket.receive()? {
            engine.take(message);
            if clock.now_us() >= engine.due_us() {
                break;
            }
        }
        let now_us = clock.now_us();
        if now_us >= engine.due_us() {
            engine.tick(now_us).map_err(|_| Ended::Failed)?;
        }
        while let Some(message) = engine.poll() {
            socket.send(&message)?;
        }
        let left_us = engine.due_us().saturating_sub(clock.now_us());
        match socket.has_received() {
            true => socket.write()?,
            false => socket.wait(Some(Duration::from_micros(left_us)))?,
        }
    }
    socket.flush()
}

/// The encoder for RTMP, if the setup wants AAC.
fn aac_encoder(_setup: &Setup) -> Option<Box<dyn AacEncode>> {
    None
}

/// Prints what came of each trial. The exit code says whether all were prevented.
fn check() -> ExitCode {
    let trials = match sandbox::check::run(&CHILD_LIMITS) {
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
        let compose = |needs_sandbox| Some(Task::Compose { needs_sandbox });
        assert_eq!(task(&[]), compose(true));
        assert_eq!(task(&[WITHOUT_SANDBOX]), compose(false));
        assert_eq!(task(&[CHECK]), Some(Task::Check));
        assert_eq!(task(&[CHECK, WITHOUT_SANDBOX]), None);
        assert_eq!(task(&["--help"]), None);
    }
}
