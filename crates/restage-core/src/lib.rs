//! The rules of restage: stages, stage sessions, participants, tokens and replicas.
//!
//! Everything here is pure. [`needs`] says which rows a command looks at, the edge
//! loads them into a [`World`], and [`decide`] turns (rows, context, command) into a reply, row
//! changes and effects. No clock, no randomness, no I/O: time and fresh ids arrive in [`Context`].
#![deny(missing_docs)]

pub mod arn;
pub mod command;
pub mod decision;
mod draft;
pub mod error;
pub mod id;
pub mod limits;
pub mod notice;
pub mod op;
mod overlay;
mod presence;
mod publication;
mod replica;
pub mod row;
mod select;
mod session;
pub mod world;

pub use arn::StageArn;
pub use command::{Command, Need, needs};
pub use decision::{Change, CloseReason, Decision, Effect, PublicationKey, Reply};
pub use error::{Error, Fault};
pub use limits::{ATTRIBUTES_BYTES_MAX, Limits};
pub use notice::{Notice, Occurrence};
pub use op::{Context, decide};
pub use world::{Occupancy, World};
