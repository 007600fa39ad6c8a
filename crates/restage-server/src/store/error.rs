//! What can go wrong between the rules and the disk.

use std::fmt;
use std::sync::Arc;

/// A failure of the store. None of these is the caller's fault, and none names a secret.
///
/// Cheap to clone: one failed commit answers every command of its batch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names an engine this build has no driver for, or is malformed.
    #[error("the database address is not usable: {reason}")]
    Address {
        /// What is wrong with it. Never contains the address, which may hold a password.
        reason: String,
    },
    /// It cannot be created, reached, read or written.
    #[error("the database {database} cannot be opened: {reason}")]
    Open {
        /// The database, without secrets.
        database: String,
        /// What the operating system or the engine said.
        reason: String,
    },
    /// Another process, or another store of this one, has it.
    #[error(
        "the database {database} is in use by another restage; stop that one first or give this one another"
    )]
    InUse {
        /// The database, without secrets.
        database: String,
    },
    /// The connection was lost, and somebody else owned the database meanwhile.
    #[error(
        "the database {database} was taken over by another restage; stop one of the two, and start this one again"
    )]
    TakenOver {
        /// The database, without secrets.
        database: String,
    },
    /// A later restage has migrated the database.
    #[error(
        "the database {database} was written by a newer restage (schema {found}, this one knows {known}); \
         run that version or a later one"
    )]
    NewerSchema {
        /// The database, without secrets.
        database: String,
        /// Latest migration found in the database.
        found: i64,
        /// Latest migration this build has.
        known: i64,
    },
    /// Restage has not made its tables there.
    #[error(
        "the database {database} has no tables of restage; name another, or run `restage db migrate`, which makes them"
    )]
    NoSchema {
        /// The database, without secrets.
        database: String,
    },
    /// The database has not been migrated yet.
    #[error(
        "the database {database} has schema {found} and this restage {known}; `restage db migrate` or a start of the server brings it up to date"
    )]
    OlderSchema {
        /// The database, without secrets.
        database: String,
        /// Latest migration found in the database.
        found: i64,
        /// Latest migration this build has.
        known: i64,
    },
    /// A migration failed, or one that was applied is not the one this build has.
    #[error("the database {database} cannot be brought up to date: {reason}")]
    Migration {
        /// The database, without secrets.
        database: String,
        /// What failed.
        reason: String,
    },
    /// [`Store::close`](super::Store::close) was called, or the writer is gone.
    #[error("the store is closed")]
    Closed,
    /// The writer had no time for the command; it was taken back and nothing was changed.
    #[error(
        "the store did not take the change within {seconds} s; nothing was changed, send it again"
    )]
    Late {
        /// How long it waited in the queue.
        seconds: u64,
    },
    /// The engine took longer than the bound.
    #[error("the database did not answer within {seconds} s")]
    Timeout {
        /// The bound.
        seconds: u64,
    },
    /// The batch this command was in could not be made durable. Nothing of it was kept, and no
    /// effect was performed.
    #[error("the change could not be made durable: {reason}")]
    Commit {
        /// What the engine said.
        reason: String,
    },
    /// A statement failed. The command it belonged to was rolled back.
    #[error("the database failed: {0}")]
    Engine(Arc<dyn std::error::Error + Send + Sync>),
    /// A stored value is not one that this restage writes.
    #[error("the database holds a {what} that restage cannot read: {reason}")]
    Corrupt {
        /// Kind of row and column.
        what: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// The rules panicked on this command, which is a bug; its changes were rolled back.
    #[error("the command failed because of a defect in restage; nothing was changed")]
    Defect,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Timeout {
                seconds: super::READ_TIMEOUT.as_secs(),
            },
            other => Self::Engine(Arc::new(Spoken(other))),
        }
    }
}

/// What the driver says, without what it says about itself: that the error is one of the database, wherever it names
/// the line of the database's source, or of configuration, once for each of its layers.
pub(super) fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Configuration(error) => match error.downcast_ref() {
            Some(inner) => plain(inner),
            None => error.to_string(),
        },
        other => other.to_string(),
    }
}

/// An error of the driver in plain words.
#[derive(Debug)]
struct Spoken(sqlx::Error);

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.0))
    }
}

impl std::error::Error for Spoken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(Arc::new(error))
    }
}
