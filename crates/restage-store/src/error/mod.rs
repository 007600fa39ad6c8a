//! What can go wrong between the rules and the disk.

pub(crate) mod cause;

pub use cause::Cause;

use crate::limits::READ_TIMEOUT;

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
    /// The database was there before, and is not any more.
    #[error(
        "the database {database} is empty, and {marker} says that this data directory had one with rows in it; put \
         the database back or restore a backup, or start once with --accept-data-loss to begin with an empty one"
    )]
    Missing {
        /// The database, without secrets.
        database: String,
        /// The file that says so.
        marker: String,
    },
    /// The log of changes has a damaged place, and changes after it that were acknowledged.
    #[error(
        "{log} is damaged at byte {at}: {changes} later changes in it cannot be applied; restore the file or a backup, \
         or start once with --accept-data-loss to go on without them (the log is kept beside itself as .damaged-<time>)"
    )]
    DamagedLog {
        /// The log.
        log: String,
        /// Where the damage begins.
        at: u64,
        /// Committed transactions behind it.
        changes: u64,
    },
    /// The engine's own check at the start found damage.
    #[error(
        "the database {database} is damaged: {found}; restore a backup, or start once with --accept-data-loss to serve \
         what can still be read"
    )]
    Damaged {
        /// The database, without secrets.
        database: String,
        /// The first findings.
        found: String,
    },
    /// Its file was deleted or replaced while it was in use.
    #[error(
        "the database file {file} was removed or replaced while restage used it; put the file back or restore a \
         backup, and start again"
    )]
    Removed {
        /// The file.
        file: String,
    },
    /// The disk did not keep what was written to it: what is on it is not known any more.
    #[error(
        "the disk of the database {database} failed to keep what was written ({reason}); check the disk, and start \
         again: the start looks at what is there"
    )]
    Unkept {
        /// The database, without secrets.
        database: String,
        /// What the engine said.
        reason: String,
    },
    /// The writer ended by a panic.
    #[error("the store's writer ended because of a defect in restage; start again")]
    WriterDied,
    /// [`Store::close`](crate::Store::close) was called, or the writer is gone.
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
        /// What kind of failure it is.
        cause: Cause,
    },
    /// The connection was lost during the COMMIT and the database could not be asked since. The change is made or not;
    /// if it is, its effects follow as soon as the database answers.
    #[error("whether the change was made is not known: {reason}; look before it is repeated")]
    Unknown {
        /// What the engine said.
        reason: String,
    },
    /// A statement failed. The command it belonged to was rolled back.
    #[error("the database failed: {reason}")]
    Engine {
        /// What the engine said, or what that means.
        reason: String,
        /// What kind of failure it is.
        cause: Cause,
    },
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

impl StoreError {
    /// What kind of failure this is.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Commit { cause, .. } | Self::Engine { cause, .. } => *cause,
            Self::Timeout { .. } | Self::Unknown { .. } => Cause::Silent,
            Self::TakenOver { .. } | Self::InUse { .. } => Cause::TakenOver,
            Self::Removed { .. } | Self::Missing { .. } => Cause::Gone,
            Self::Damaged { .. } | Self::DamagedLog { .. } | Self::Corrupt { .. } => Cause::Damaged,
            Self::Unkept { .. } => Cause::Unkept,
            Self::Open { .. } => Cause::Unreachable,
            _ => Cause::Other,
        }
    }

    /// Whether it will not pass: the database is lost for this process, which ends.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::TakenOver { .. } | Self::Removed { .. } | Self::Unkept { .. } | Self::WriterDied
        )
    }

    /// Whether the engine itself refused, so that it is known that nothing was done.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Engine { cause, .. } if !cause.breaks_connection())
    }

    /// The same failure, of everything that was to be committed together.
    pub(crate) fn of_batch(self) -> Self {
        match self {
            Self::Engine { reason, cause } => Self::Commit { reason, cause },
            Self::Timeout { .. } => Self::Commit {
                reason: self.to_string(),
                cause: Cause::Silent,
            },
            other => other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Timeout {
                seconds: READ_TIMEOUT.as_secs(),
            },
            other => {
                let cause = cause::of_postgres(&other);
                Self::Engine {
                    reason: cause.explained(plain(&other)),
                    cause,
                }
            }
        }
    }
}

/// What the driver says, without what it says about itself: that the error is one of the database, wherever it names
/// the line of the database's source, or of configuration, once for each of its layers.
pub(crate) fn plain(error: &sqlx::Error) -> String {
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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let cause = cause::of_sqlite(&error);
        Self::Engine {
            reason: cause.explained(error.to_string()),
            cause,
        }
    }
}
