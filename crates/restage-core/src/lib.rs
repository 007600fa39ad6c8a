//! The rules of restage: stages, stage sessions, participants, tokens, their keys, and replicas.
//!
//! Everything here is pure. [`needs`] says which rows a command looks at, the edge
//! loads them into a [`World`], and [`decide`] turns (rows, context, command) into a reply, row
//! changes and effects. No clock, no randomness, no I/O: time and fresh ids arrive in [`Context`].
#![deny(missing_docs)]

pub mod arn;
mod decide;
pub mod error;
pub mod id;
mod job;
mod kernel;
pub mod limits;
mod live;
pub mod notice;
pub mod rate;
mod resource;
pub mod row;

pub use arn::{Arn, ChannelArn, CompositionArn, PublicKeyArn, ResourceArn, StageArn};
pub use decide::{decide, needs};
pub use error::{ConnectionTokenFault, Error, Fault};
pub use kernel::census::Census;
pub use kernel::command;
pub use kernel::command::{Claims, Command, ConnectionTokenClaims, Signer};
pub use kernel::context::Context;
pub use kernel::decision::{Change, CloseReason, Decision, Effect, Reply};
pub use kernel::need::Need;
pub use kernel::world::{Occupancy, RegionCount, StorageUse, World};
pub use limits::{
    ATTRIBUTES_BYTES_MAX, ISSUED_AHEAD_MAX_S, Limits, Rates, TAGS_MAX, VideoCodec, VideoCodecs,
};
pub use notice::{CompositionNotice, Notice, Occurrence, RecordingNotice};
pub use row::PublicationKey;
