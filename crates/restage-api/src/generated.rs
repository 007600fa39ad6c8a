//! Requests, answers and rules of all operations of the service, built or not: one file per resource.
// Written by scripts/generate_shapes.py from the service's model and scripts/shapes/choices.toml; do not edit.

pub(crate) mod composition;
pub(crate) mod connection_token;
pub(crate) mod constraint;
pub(crate) mod encoder_configuration;
pub(crate) mod event;
pub(crate) mod ingest_configuration;
pub(crate) mod layout;
pub(crate) mod participant;
pub(crate) mod public_key;
pub(crate) mod recording;
pub(crate) mod replication;
pub(crate) mod session;
pub(crate) mod stage;
pub(crate) mod storage_configuration;
pub(crate) mod tag;
pub(crate) mod token;
