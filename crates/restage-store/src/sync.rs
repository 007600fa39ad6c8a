//! The types with which threads share state, for the files that `dev/models` checks: there this module has those of loom.

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
}
