//! What a process gives up before it reads what a stranger wrote: files, network, other processes, and most of memory and time.
//!
//! | part | what it takes away |
//! |---|---|
//! | descriptors | everything that is open but standard input, output and error |
//! | resources | memory, processor time, descriptors, files that grow, core dumps, new processes |
//! | Landlock | files by their paths, TCP, signals to others and abstract sockets, as far as the kernel knows them |
//! | seccomp | every system call but the few that decoding needs: no `open`, no `socket`, no `clone`, no `execve`, no memory that can be executed |
//!
//! Nothing of it can be undone by the process. It must have one thread when it enters.

pub mod check;
mod descriptors;
mod landlock;
mod resources;
mod seccomp;

/// A part of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Descriptors that are open.
    Descriptors,
    /// Limits of resources.
    Resources,
    /// Landlock, of Linux 5.13 and newer, if it is switched on.
    Landlock,
    /// System calls.
    Seccomp,
}

impl Part {
    /// In the order in which a process enters them; the place in the list is the code on the wire.
    pub const ALL: [Self; 4] = [
        Self::Descriptors,
        Self::Resources,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Landlock => "landlock",
            Self::Resources => "resources",
            Self::Seccomp => "seccomp",
        }
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// How much a process may have, and what it may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory that it may map beside what it has when it enters.
    pub memory: u64,
    /// Seconds of processor time; `None` for a process that lives as long as it is needed.
    pub cpu_seconds: Option<u64>,
    /// It may wait for standard input and output (`poll`), because it talks for as long as it lives.
    pub may_wait: bool,
}

/// A part that is not there.
#[derive(Debug, thiserror::Error)]
#[error("{} is not available here: {reason}", part.name())]
pub struct Missing {
    /// Which.
    pub part: Part,
    /// What the system said.
    pub reason: String,
}

/// Enters every part.
///
/// # Errors
///
/// A part is not there. Those before it hold.
pub fn enter(limits: &Limits) -> Result<(), Missing> {
    Part::ALL
        .into_iter()
        .try_for_each(|part| enter_part(part, limits))
}

/// Enters the parts that are there, and leaves out the others.
pub fn enter_what_is_there(limits: &Limits) {
    for part in Part::ALL {
        // A part that is missing is what the caller has accepted.
        let _ = enter_part(part, limits);
    }
}

fn enter_part(part: Part, limits: &Limits) -> Result<(), Missing> {
    let entered = match part {
        Part::Descriptors => descriptors::close().map_err(|error| error.to_string()),
        Part::Landlock => landlock::enter(),
        Part::Resources => resources::limit(limits),
        Part::Seccomp => seccomp::enter(limits.may_wait),
    };
    entered.map_err(|reason| Missing { part, reason })
}
