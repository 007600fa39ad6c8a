//! What is live in a stage: its session, who takes part in it, their connections, what they publish, and replicas.
//! These rules call each other, because one thing ends another; nothing outside of this room depends on how.

pub(crate) mod claims;
pub(crate) mod composition;
pub(crate) mod connection;
pub(crate) mod connection_token;
pub(crate) mod ingest;
mod json;
pub(crate) mod participant;
mod presence;
mod publication;
pub(crate) mod recording;
pub(crate) mod recover;
pub(crate) mod replica;
pub(crate) mod session;
pub(crate) mod tick;
