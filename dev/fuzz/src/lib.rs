//! Hostile input: a function for each parser and for each machine that strangers drive, which takes any bytes and panics when a
//! promise is broken.
//!
//! `scripts/fuzz.sh` runs them under libFuzzer, which looks for inputs that reach new code. `cargo test -p restage-fuzz`
//! runs each on its corpus and on some thousand changes of it. CONTRIBUTING.md says how a target is added.

mod api;
mod codec;
#[cfg(feature = "differential")]
mod differential;
mod input;
pub mod mutate;
mod network;
mod record;
mod rtmp;
mod sfu;
mod target;

pub use target::Target;

const ROOMS: &[&[Target]] = &[
    api::TARGETS,
    codec::TARGETS,
    network::TARGETS,
    record::TARGETS,
    rtmp::TARGETS,
    sfu::TARGETS,
];

/// All targets.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    ROOMS.iter().copied().flatten()
}

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets().find(|target| target.name == name)
}
