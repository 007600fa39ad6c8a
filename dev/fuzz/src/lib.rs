//! Hostile input: a function for each parser and for each machine that strangers drive, which takes any bytes and panics when a
//! promise is broken.
//!
//! `scripts/fuzz.sh` runs them under libFuzzer, which looks for inputs that reach new code. `cargo test -p restage-fuzz`
//! runs each on its corpus and on some thousand changes of it. CONTRIBUTING.md says how a target is added.

mod api;
mod audio;
mod codec;
mod control;
#[cfg(feature = "runner")]
mod differential;
mod input;
pub mod mutate;
mod network;
mod record;
mod rtmp;
mod sdp;
#[cfg(feature = "server")]
mod server;
mod sfu;
mod target;

// The walk of restage-core's tests, with the audit of its scenes: the target `core` is that walk, and an input decides where it goes.
#[allow(dead_code, unused_imports)]
#[path = "../../../crates/restage-core/tests/rules/support/mod.rs"]
mod support;
#[allow(dead_code)]
#[path = "../../../crates/restage-core/tests/rules/walk.rs"]
mod walk;

pub use target::Target;

const ROOMS: &[&[Target]] = &[
    api::TARGETS,
    audio::TARGETS,
    codec::TARGETS,
    control::TARGETS,
    network::TARGETS,
    record::TARGETS,
    rtmp::TARGETS,
    sdp::TARGETS,
    #[cfg(feature = "server")]
    server::TARGETS,
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
