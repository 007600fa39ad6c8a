//! One picture and one sound of a whole stage.
//!
//! The server starts a process for each composition, because the decoders read what strangers wrote. What it is told and what it answers
//! are the messages of [`protocol`]; where each person is shown is decided by [`layout`].
#![deny(missing_docs)]

pub mod child;
pub mod decode;
pub mod encode;
pub mod engine;
pub mod layout;
pub mod limits;
pub mod picture;
pub mod protocol;
pub mod sound;
