//! The runtime of a server without HTTP: executes commands with the rules and the store, performs their effects,
//! runs the media workers and jobs, and delivers events.
#![deny(missing_docs)]

mod budget;
pub mod channels;
pub mod composition;
pub mod control;
pub mod executor;
pub mod jobs;
pub mod media;
pub mod outbox;
pub mod push;
pub mod recording;
pub mod retention;
mod secret;
pub mod seldom;
pub mod supervise;
mod sync;
pub mod thumbnails;
pub mod token;

pub use secret::Secret;
