//! Everything the wire promises, seen from outside.

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
