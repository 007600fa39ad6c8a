//! The simulator: the whole server in virtual time, with everything that can go wrong, from one number.
//!
//! A seed decides everything: which faults a run has, what people do, what the network loses, when the process dies. The rules
//! (`restage-core`), the media workers (`restage-media`) and the recorder (`restage-record`) are the real ones; the node between
//! them is a thin model, and the database is a table in memory. No socket, no thread, no runtime and no clock takes part, so a run is
//! as fast as the processor, and the same seed gives the same run.
//!
//! `plan` (what a seed means) → `run` (phases) → `world` (time and events) → `workload` (what is done), `server`, `client`,
//! `network`; `audit` (what must hold of media; that of the rows is `restage-audit`). `hunt` runs many seeds and shrinks what fails.

mod audit;
mod client;
mod coverage;
pub mod hunt;
mod network;
pub mod plan;
mod random;
mod run;
mod server;
mod workload;
mod world;

pub use audit::Counts;
pub use coverage::Coverage;
pub use run::run;
pub use server::store::Step;
pub use world::Outcome;
