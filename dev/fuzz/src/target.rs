//! What a target is.

use std::time::Instant;

/// A function that is given hostile bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its corpus.
    pub name: &'static str,
    /// Panics if the bytes break a promise.
    pub run: fn(&[u8]),
    /// What it covers, in a line.
    pub about: &'static str,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// It takes milliseconds for an input.
    pub is_slow: bool,
}

impl Target {
    pub(crate) const fn new(name: &'static str, run: fn(&[u8]), about: &'static str) -> Self {
        Self {
            name,
            run,
            about,
            seeds: Vec::new,
            is_slow: false,
        }
    }

    pub(crate) const fn from(self, seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { seeds, ..self }
    }

    pub(crate) const fn slow(self) -> Self {
        Self {
            is_slow: true,
            ..self
        }
    }
}

/// An instant to which all others are relative; no target depends on what it is.
#[allow(clippy::disallowed_methods)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
