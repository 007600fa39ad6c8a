//! Jobs: what is done beside the rules and outlives a process, such as a recording. The rules say which job is to run
//! (`restage_core::row::Job`); here is who does it.
//!
//! For each kind of job there is a [`Runner`]. [`Jobs`] takes the rules' effects, runs one task for each job, renews its
//! lease as long as the runner shows that it is alive, and reports how it ended. A runner that panics, or hangs, costs its
//! own job one start and nothing else.
//!
//! A runner that was given up may still be at work for a moment, in a thread that does not answer or in a process that was
//! cut off. What it writes outside must therefore carry [`JobContext::generation`], so that the next start is not mixed up
//! with it.

mod context;
mod runner;
mod supervisor;
#[cfg(test)]
mod tests;

pub use context::{JobContext, Order};
pub use runner::{End, Runner, Runners, Running};
pub use supervisor::{JOBS_RUNNING_MAX, Jobs, PAUSE_MAX, RENEW_EVERY, STOP_MAX};
