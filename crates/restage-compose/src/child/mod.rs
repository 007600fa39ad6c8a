//! The process that composes: `restage internal-compose`.
//!
//! It has one thread, which waits for the socket until the next picture or piece of sound is due. Before it reads anything it gives up what
//! the sandbox of restage-picture takes away.

mod check;

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use restage_picture::sandbox::{self, Needs};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::Engine;
use crate::protocol::{FRAME_BYTES_MAX, FromChild, LENGTH_BYTES, ToChild};

/// The name by which the server's program is told to be a child.
pub const COMMAND: &str = "internal-compose";
/// The argument by which a child goes on where parts of the sandbox are missing.
pub const WITHOUT_SANDBOX: &str = restage_picture::child::WITHOUT_SANDBOX;
/// The argument by which a child tries out its sandbox and composes one picture, and prints a line for each trial.
pub const CHECK: &str = restage_picture::child::CHECK;
/// All that is in a child's environment.
pub const CHILD_ENVIRONMENT: (&str, &str) = restage_picture::limits::CHILD_ENVIRONMENT;

/// Memory that a child may map beside what it has when it starts: decoders of [`INPUTS_MAX`](crate::protocol::INPUTS_MAX) pictures of 1080p take most of it.
const MEMORY_MAX: u64 = 2 << 30;
/// How much less of the processor a child gets than the server, where both want it: 0 to 19.
const NICENESS: i32 = 5;
/// Bytes that wait for the server to read them. One that does not read so much is gone.
const OUT_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;
/// What a child needs of what the sandbox takes away.
const NEEDS: Needs = Needs {
    memory: MEMORY_MAX,
    cpu_seconds: None,
    waits: true,
};
/// Exit code for wrong arguments.
const USAGE: u8 = 2;

/// What a child is told to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    let outcome = match Task::of(arguments) {
        Some(Task::Compose { needs_sandbox }) => compose(needs_sandbox),
        Some(Task::Check) => return check::run(),
        None => {
            eprintln!(
                "`{COMMAND}` is for the server alone; it takes nothing, {CHECK} or {WITHOUT_SANDBOX}"
            );
            return ExitCode::from(USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The server is gone, or is none.
        Err(_) => ExitCode::FAILURE,
    }
}

fn compose(needs_sandbox: bool) -> io::Result<()> {
    // Less is a courtesy, not a protection.
    let _ = rustix::process::nice(NICENESS);
    let mut wire = Wire::default();
    Wire::prepare()?;
    let entered = match needs_sandbox {
        true => sandbox::enter(&NEEDS),
        false => {
            sandbox::enter_what_is_there(&NEEDS);
            Ok(())
        }
    };
    match entered {
        Ok(()) => serve(&mut wire),
        Err(missing) => {
            let part = missing.part.name().to_owned();
            wire.put(&FromChild::NoSandbox { part })?;
            wire.flush()
        }
    }
}

/// Composes until it is told to stop.
fn serve(wire: &mut Wire) -> io::Result<()> {
    let setup = loop {
        wire.wait(None)?;
        match wire.next()? {
            Some(ToChild::Setup(setup)) => break setup,
            Some(_) => return Err(io::ErrorKind::InvalidData.into()),
            None => {}
        }
    };
    let (begun, begun_us) = (Instant::now(), setup.now_us);
    let mut clock = || {
        let lived = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        begun_us.saturating_add(lived)
    };
    let aac = crate::aac_encoder();
    let engine = Engine::new(setup, clock(), aac);
    let mut engine = engine.ok_or(io::ErrorKind::OutOfMemory)?;
    loop {
        while let Some(message) = wire.next()? {
            if message == ToChild::Stop {
                return wire.flush();
            }
            engine.take(message, &mut clock);
            // Whatever comes, what is due is done.
            if engine.due_us() <= clock() {
                engine.advance(&mut clock);
            }
        }
        engine.advance(&mut clock);
        if engine.is_broken() {
            return Err(io::Error::other("an encoder makes nothing"));
        }
        while let Some(said) = engine.poll() {
            wire.put(&said)?;
        }
        let wait_us = engine.due_us().saturating_sub(clock());
        wire.wait(Some(wait_us))?;
    }
}

/// The socket, which is standard input and output.
#[derive(Default)]
struct Wire {
    come: BytesMut,
    going: BytesMut,
    has_ended: bool,
}

fn input() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

fn output() -> BorrowedFd<'static> {
    rustix::stdio::stdout()
}

impl Wire {
    fn prepare() -> io::Result<()> {
        rustix::io::ioctl_fionbio(input(), true)?;
        rustix::io::ioctl_fionbio(output(), true)?;
        Ok(())
    }

    /// Waits until there is something to read or the time is over, and writes what can be written. Without a time it waits for input.
    fn wait(&mut self, wait_us: Option<u64>) -> io::Result<()> {
        let mut interest = [
            PollFd::from_borrowed_fd(input(), PollFlags::IN),
            PollFd::from_borrowed_fd(output(), PollFlags::OUT),
        ];
        // Room for output is no reason to wake where there is none.
        let count = if self.going.is_empty() { 1 } else { 2 };
        let time = wait_us.map(|us| Timespec {
            tv_sec: (us / 1_000_000) as i64,
            tv_nsec: (us % 1_000_000 * 1_000) as i64,
        });
        match poll(&mut interest[..count], time.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.write()?;
        self.read()
    }

    fn read(&mut self) -> io::Result<()> {
        // A flood is read in parts, so that what is due is done in between.
        if self.come.len() > FRAME_BYTES_MAX + LENGTH_BYTES {
            return Ok(());
        }
        let filled = self.come.len();
        self.come.resize(filled + READ_BYTES, 0);
        let read = rustix::io::read(input(), &mut self.come[filled..]);
        let count = match read {
            Ok(0) => {
                self.has_ended = true;
                0
            }
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.come.truncate(filled + count);
        Ok(())
    }

    /// The next message that has come whole.
    fn next(&mut self) -> io::Result<Option<ToChild>> {
        let Some((length, rest)) = self.come.split_first_chunk::<LENGTH_BYTES>() else {
            return self.ended();
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if rest.len() < length {
            return self.ended();
        }
        self.come.advance(LENGTH_BYTES);
        let frame: Bytes = self.come.split_to(length).freeze();
        let message = ToChild::parse(frame).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some(message))
    }

    fn ended(&self) -> io::Result<Option<ToChild>> {
        match self.has_ended {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(None),
        }
    }

    fn put(&mut self, said: &FromChild) -> io::Result<()> {
        let bytes = said.encode().ok_or(io::ErrorKind::InvalidData)?;
        if self.going.len() + bytes.len() > OUT_BYTES_MAX {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.going.extend_from_slice(&bytes);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.going.is_empty() {
            match rustix::io::write(output(), &self.going) {
                Ok(count) => self.going.advance(count),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes all that waits.
    fn flush(&mut self) -> io::Result<()> {
        while !self.going.is_empty() {
            let mut interest = [PollFd::from_borrowed_fd(output(), PollFlags::OUT)];
            poll(&mut interest, None)
                .map(|_| ())
                .or_else(|error| match error {
                    rustix::io::Errno::INTR => Ok(()),
                    error => Err(error),
                })?;
            self.write()?;
        }
        Ok(())
    }
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
