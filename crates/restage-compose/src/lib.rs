//! Composition: the participants of a stage in one picture, with one sound.
//!
//! | module | does |
//! |---|---|
//! | [`layout`] | says where whom is: a pure function |
//! | [`protocol`] | what the server and the process that composes say to each other |
//! | `engine` | what is due, and what comes of it: a pure machine |
//! | `picture` | scales and draws |
//! | `decode`, `encode` | pictures of participants, pictures for destinations |
//! | `sound` | voices, the mix, a limiter |
//! | [`child`] | the process, locked in before it reads what strangers wrote |
#![deny(missing_docs)]

#[doc(hidden)]
pub mod bench;
pub mod child;
mod decode;
mod encode;
mod engine;
pub mod layout;
mod picture;
pub mod protocol;
mod sound;

use sound::AacEncode;

/// The encoder of the sound of channels.
fn aac_encoder() -> Option<Box<dyn AacEncode>> {
    None
}
