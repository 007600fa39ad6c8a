//! The rules as scenarios: one topic per file, each a list of steps with the expected results.

mod clock;
mod disconnect;
mod exchange;
mod failures;
mod history;
mod idle;
mod jobs;
mod limits;
mod plain;
mod presence;
mod public_keys;
mod reconnect_window;
mod recover;
mod replication;
mod replication_refusals;
mod resumption;
mod self_signed;
mod sessions;
mod stages;
mod support;
mod tags;
mod tokens;
mod walk;
