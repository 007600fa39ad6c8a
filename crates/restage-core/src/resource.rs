//! The resources that have an ARN, and participant tokens: one room per kind, with one file per command.

mod encoder_configuration;
pub(crate) mod ingest_configuration;
pub(crate) mod plain;
mod public_key;
pub(crate) mod stage;
mod storage_configuration;
pub(crate) mod tag;
pub(crate) mod token;
