//! Limits of memory, processor time and files.

use std::fs;

use nix::sys::resource::{Resource, setrlimit};

use super::Limits;

/// Standard input, output and error, and the ruleset of Landlock while it is made.
const DESCRIPTORS_MAX: u64 = 4;

pub(super) fn limit(limits: &Limits) -> Result<(), String> {
    let mapped = mapped().ok_or("the size of this process cannot be read in /proc/self/statm")?;
    let time = limits.cpu_seconds.map(|most| (Resource::RLIMIT_CPU, most));
    let others = [
        (Resource::RLIMIT_AS, mapped.saturating_add(limits.memory)),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
    ];
    for (resource, most) in others.into_iter().chain(time) {
        setrlimit(resource, most, most).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    Ok(())
}

/// Bytes of address space that the process has. The allocator reserves much of it when the process starts, and uses little.
fn mapped() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm")
        .ok()?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    pages.checked_mul(page)
}
