//! One file per command.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod compositions;
mod database;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod participants;
pub(crate) mod publish;
pub(crate) mod recordings;
pub(crate) mod replicas;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod stages;
pub(crate) mod token;
pub(crate) mod watch;
