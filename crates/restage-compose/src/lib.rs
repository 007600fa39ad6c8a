//! One picture and one sound of a whole stage.
//!
//! The server starts a [`child`] for each composition, because the decoders read what strangers wrote.
//!
//! ```text
//!  server ─► protocol ─► engine ─► layout          who is where
//!                          ├─ decode ─► picture    access units become planes, planes are drawn into tiles
//!                          ├─ encode               the canvas becomes H.264
//!                          └─ sound                packets become samples, samples are mixed and encoded
//!  server ◄─ protocol ◄────┘
//! ```
//!
//! Everything but [`child`] is a function of what it is given: it knows no socket, clock or random number. Everything that a stranger can
//! make grow has a bound in [`limits`].
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
