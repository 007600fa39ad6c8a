//! Runs jobs: durable work beside the rules that outlives a process, such as a recording. The rules decide which job
//! must run (`restage_core::row::Job`); this module runs it.
//!
//! For each kind of job there is a [`Runner`]. [`Jobs`] gets the rules' effects, runs one task for each job, renews its
//! lease as long as the runner shows that it is alive, and reports how it ended. If a runner panics or hangs, only this
//! start of its own job fails.
//!
//! A runner that was given up may continue for a moment, in a thread that does not react or in a process that was
//! disconnected. What it writes outside must therefore contain [`JobContext::generation`], so that it is not confused
//! with the output of the next start.

mod context;
mod runner;
mod supervisor;
#[cfg(test)]
mod tests;

pub use context::{JobContext, News, Order};
pub use runner::{End, Runner, Runners, Running};
pub use supervisor::{JOBS_RUNNING_MAX, Jobs, PAUSE_MAX, RENEW_EVERY, STOP_MAX};
