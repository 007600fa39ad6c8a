//! The engine in virtual time: what is made of real streams.

mod changes;
mod reference;
mod rig;
#[path = "../support/mod.rs"]
mod support;
