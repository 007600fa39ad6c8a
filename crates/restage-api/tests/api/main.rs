//! The public interface of the crate: the wire format.

mod bodies;
mod common;
mod constraints;
mod hostile;
mod ids;
mod lists;
mod pages;
mod public_keys;
mod recording;
mod refusals;
mod responses;
mod signatures;
mod stages;
mod tags;
mod tokens;
