//! Which packets a subscriber gets: pure decisions, one small machine per rule.

pub(crate) mod simulcast;
