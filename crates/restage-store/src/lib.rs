//! The durable store: stages, sessions, participants, tokens, replicas, connections and history.
//!
//! One writer owns the database. It takes commands in the order they arrive, loads the rows that each one
//! [needs](restage_core::needs), lets the rules [decide](restage_core::decide), writes the changes,
//! and commits. Commands that arrive meanwhile share the next commit, so that the cost of a durable
//! commit is divided among them. After the commit, and in its order, the effects of
//! every decision go to a sink; then the caller is answered.
//!
//! Reads never wait for the writer: they use connections of their own and see the last commit.
//!
//! The SQL is the same for SQLite and PostgreSQL. `sql` runs it on either; `engine` has the differences.

#![deny(missing_docs)]

mod config;
mod engine;
mod error;
mod limits;
mod load;
mod operator;
mod outbox;
mod read;
mod sql;
mod store;
mod sync;
pub mod system;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use config::{OutboxConfig, SqliteSync, StoreConfig};
pub use error::{Cause, StoreError};
pub use limits::{PAGE_ROWS_MAX, READ_TIMEOUT, READERS};
pub use operator::{
    BackupWriter, DumpError, Findings, Look, Mark, backup, check, dead_letters, look, migrate,
    replay, restore,
};
pub use outbox::{
    DEAD_LETTERS_MAX, DeadLetter, OUTBOX_ROWS_MAX, OutboxStats, Outgoing, Settlement, Waiting,
};
pub use read::{
    CompositionFilter, FoundIngest, IngestFilter, LiveCounts, NamedRecording, Page,
    ParticipantFilter, ParticipantRecording, Recorded, RecordedEvent, RecordedParticipant,
    RecordingFilter, ReplicaPosition,
};
pub use store::{Execution, Store, StoreStats, TURN_MAX};
pub use tables::{PARTICIPANT_COLUMNS, REPLICA_COLUMNS};
pub use writer::changes::{Subject, Watch};
pub use writer::health::{PROBE_EVERY, PROBE_TIMEOUT};
pub use writer::retention::{RETENTION_STEP_ROWS, Sweep};
pub use writer::{BATCH_MAX, EffectSink, Outcome, WRITER_QUEUE, durations};
