//! Stages: created, updated, deleted.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod update;
