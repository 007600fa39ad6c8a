//! The rules of restage: stages, stage sessions, participants, tokens, their keys, and replicas.
//!
//! Everything here is pure. [`needs`] says which rows a command looks at, the edge
//! loads them into a [`World`], and [`decide`] turns (rows, context, command) into a reply, row
//! changes and effects. No clock, no randomness, no I/O: time and fresh ids arrive in [`Context`].
#![deny(missing_docs)]

pub mod arn;
pub mod census;
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
pub mod rate;
mod replica;
pub mod row;
mod select;
mod session;
mod token;
pub mod world;

pub use arn::{PublicKeyArn, ResourceArn, StageArn};
pub use census::Census;
pub use command::{Claims, Command, Need, Signer, needs};
pub use decision::{Change, CloseReason, Decision, Effect, PublicationKey, Reply};
pub use error::{Error, Fault};
pub use limits::{ATTRIBUTES_BYTES_MAX, ISSUED_AHEAD_MAX_S, Limits, Rates, TAGS_MAX};
pub use notice::{Notice, Occurrence};
pub use op::{Context, decide};
pub use world::{Occupancy, RegionCount, World};
