//! Whether the sandbox holds on this machine: a process enters it and tries what it must not be able to do.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::{Missing, Needs, Part, descriptors, enter_part};
use crate::limits::CHILD_ENVIRONMENT;

/// A file that every Linux has, and one that every process may open.
const FILES: [&str; 2] = ["/etc/passwd", "/proc/self/maps"];

/// Bytes beyond what a process may map. Some of what it had when its limit was set has been given back since.
const MORE: u64 = 16 << 20;

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The part that has to prevent it.
    pub part: Part,
    /// What was tried.
    pub what: &'static str,
    /// It was prevented.
    pub is_held: bool,
    /// What the system said.
    pub answer: String,
}

impl Trial {
    fn new<T>(part: Part, what: &'static str, tried: io::Result<T>) -> Self {
        Self {
            part,
            what,
            is_held: tried.is_err(),
            answer: tried
                .err()
                .map_or_else(|| "it succeeded".to_owned(), |error| error.to_string()),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_held { "held" } else { "FAIL" };
        let (part, what) = (self.part.name(), self.what);
        write!(formatter, "{verdict} {part}: {what}: {}", self.answer)
    }
}

/// Enters the sandbox, part after part, and tries after each what it must prevent. The process is good for nothing afterwards.
///
/// # Errors
///
/// A part is not there.
pub fn run(needs: &Needs) -> Result<Vec<Trial>, Missing> {
    let mut trials = Vec::new();
    enter_part(Part::Descriptors, needs)?;
    let mut variables = std::env::vars_os().filter(|(name, _)| name != CHILD_ENVIRONMENT.0);
    trials.push(Trial::new(
        Part::Descriptors,
        "an environment, which may hold secrets",
        found(variables.next().is_some()),
    ));
    // The one that reads the list is in it.
    let open = descriptors::open().map(|open| open.len() > 1);
    trials.push(Trial::new(
        Part::Descriptors,
        "a descriptor of the server",
        open.and_then(found),
    ));
    enter_part(Part::Resources, needs)?;
    trials.push(Trial::new(
        Part::Resources,
        "much memory",
        reserve(needs.memory.saturating_add(MORE)),
    ));
    trials.push(Trial::new(
        Part::Resources,
        "two more descriptors",
        duplicate(),
    ));
    enter_part(Part::Landlock, needs)?;
    trials.extend(FILES.map(|file| Trial::new(Part::Landlock, file, File::open(file))));
    let parent = rustix::process::getppid();
    enter_part(Part::Seccomp, needs)?;
    trials.extend(calls(parent));
    Ok(trials)
}

fn found(is_there: bool) -> io::Result<()> {
    is_there
        .then_some(())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What system calls would do. Limits of resources prevent some of it as well; the answer tells them apart: EPERM is seccomp's.
fn calls(parent: Option<Pid>) -> Vec<Trial> {
    let anywhere = (Ipv4Addr::LOCALHOST, 0);
    let call = |what, tried: io::Result<()>| {
        let tried = match tried {
            // Another refusal would not show that the filter is there.
            Err(error) if error.raw_os_error() != Some(nix::libc::EPERM) => Ok(()),
            other => other,
        };
        Trial::new(Part::Seccomp, what, tried)
    };
    vec![
        call("a file", File::open(FILES[0]).map(drop)),
        call("a UDP socket", UdpSocket::bind(anywhere).map(drop)),
        call("a TCP socket", TcpListener::bind(anywhere).map(drop)),
        call("a Unix socket", UnixDatagram::unbound().map(drop)),
        call("a program", program()),
        call(
            "a thread",
            std::thread::Builder::new().spawn(|| ()).map(drop),
        ),
        call("a signal to the server", signal(parent)),
    ]
}

fn reserve(bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut memory: Vec<u8> = Vec::new();
    let reserved = memory.try_reserve_exact(bytes);
    // What nobody looks at need not be reserved.
    std::hint::black_box(&memory);
    reserved.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn duplicate() -> io::Result<()> {
    let _first = io::stdin().as_fd().try_clone_to_owned()?;
    io::stdin().as_fd().try_clone_to_owned().map(drop)
}

fn program() -> io::Result<()> {
    Command::new("/proc/self/exe")
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .spawn()
        .map(drop)
}

/// Signal 0 reaches nobody and says whether another could.
fn signal(parent: Option<Pid>) -> io::Result<()> {
    rustix::process::test_kill_process(parent.unwrap_or(Pid::INIT))?;
    Ok(())
}
