//! The rules, as scenarios: one topic per file, each a list of steps with what they give.

mod disconnect;
mod history;
mod idle;
mod limits;
mod presence;
mod reconnect_window;
mod recover;
mod replication;
mod replication_refusals;
mod sessions;
mod stages;
mod support;
mod tokens;
mod walk;
