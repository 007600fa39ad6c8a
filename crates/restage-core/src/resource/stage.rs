//! Stages: created, updated, deleted.

pub(crate) mod create;
pub(crate) mod delete;
mod recording;
pub(crate) mod update;
