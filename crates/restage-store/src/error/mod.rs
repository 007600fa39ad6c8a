//! Errors of the store.

pub(crate) mod cause;

pub use cause::Cause;

use crate::limits::READ_TIMEOUT;

/// A failure of the store. The caller is never the cause, and no message contains a secret.
///
/// Cheap to clone, because one failed commit answers every command of its batch.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names an engine without a driver in this build, or is malformed.
    #[error("the database address is not usable: {reason}")]
    Address {
        /// The fault. Never contains the address, which may have a password.
        reason: String,
    },
    /// The database cannot be created, reached, read or written.
    #[error("the database {database} cannot be opened: {reason}")]
    Open {
        /// The database's name, without secrets.
        database: String,
        /// The message of the operating system or the engine.
        reason: String,
    },
    /// Another process, or another store of this process, owns the database.
    #[error(
        "the database {database} is in use by another restage; stop that one first or give this one another"
    )]
    InUse {
        /// The database's name, without secrets.
        database: String,
    },
    /// The connection was lost, and another server owned the database meanwhile.
    #[error(
        "the database {database} was taken over by another restage; stop one of the two, and start this one again"
    )]
    TakenOver {
        /// The database's name, without secrets.
        database: String,
    },
    /// A newer restage has migrated the database.
    #[error(
        "the database {database} was written by a newer restage (it has schema {found} or a later one, this one knows {known}); \
         run that version or a later one, or restore a backup that this one made into an empty database"
    )]
    NewerSchema {
        /// The database's name, without secrets.
        database: String,
        /// Latest migration found in the database.
        found: i64,
        /// Latest migration of this build.
        known: i64,
    },
    /// The database has no tables of restage.
    #[error(
        "the database {database} has no tables of restage; name another, or run `restage db migrate`, which makes them"
    )]
    NoSchema {
        /// The database's name, without secrets.
        database: String,
    },
    /// The database has not been migrated to this build's schema.
    #[error(
        "the database {database} has schema {found} and this restage {known}; `restage db migrate` or a start of the server brings it up to date"
    )]
    OlderSchema {
        /// The database's name, without secrets.
        database: String,
        /// Latest migration found in the database.
        found: i64,
        /// Latest migration of this build.
        known: i64,
    },
    /// A migration failed, or an applied migration differs from that of this build.
    #[error("the database {database} cannot be brought up to date: {reason}")]
    Migration {
        /// The database's name, without secrets.
        database: String,
        /// What failed.
        reason: String,
    },
    /// The database existed before, and does not exist any more.
    #[error(
        "the database {database} is empty, and {marker} says that this data directory had one with rows in it; put \
         the database back or restore a backup, or start once with --accept-data-loss to begin with an empty one"
    )]
    Missing {
        /// The database's name, without secrets.
        database: String,
        /// The file that shows it.
        marker: String,
    },
    /// The log has a damaged place, with acknowledged changes behind it.
    #[error(
        "{log} is damaged at byte {at}: {changes} later changes in it cannot be applied; restore the file or a backup, \
         or start once with --accept-data-loss to go on without them (the log is kept beside itself as .damaged-<time>)"
    )]
    DamagedLog {
        /// Path of the log.
        log: String,
        /// Offset of the damage in bytes.
        at: u64,
        /// Number of committed transactions behind it.
        changes: u64,
    },
    /// The engine's own check at the start found damage.
    #[error(
        "the database {database} is damaged: {found}; restore a backup, or start once with --accept-data-loss to serve \
         what can still be read"
    )]
    Damaged {
        /// The database's name, without secrets.
        database: String,
        /// The first findings.
        found: String,
    },
    /// The database file was deleted or replaced while it was in use.
    #[error(
        "the database file {file} was removed or replaced while restage used it; put the file back or restore a \
         backup, and start again"
    )]
    Removed {
        /// Path of the file.
        file: String,
    },
    /// The disk failed to store written data, so the state on disk is unknown.
    #[error(
        "the disk of the database {database} failed to keep what was written ({reason}); check the disk, and start \
         again: the start looks at what is there"
    )]
    Unkept {
        /// The database's name, without secrets.
        database: String,
        /// The engine's message.
        reason: String,
    },
    /// The writer ended by a panic.
    #[error("the store's writer ended because of a defect in restage; start again")]
    WriterDied,
    /// [`Store::close`](crate::Store::close) was called, or the writer is gone.
    #[error("the store is closed")]
    Closed,
    /// The command waited too long for the writer; it was withdrawn and nothing was changed.
    #[error(
        "the store did not take the change within {seconds} s; nothing was changed, send it again"
    )]
    Late {
        /// How long it waited in the queue.
        seconds: u64,
    },
    /// The engine exceeded its time limit.
    #[error("the database did not answer within {seconds} s")]
    Timeout {
        /// The time limit.
        seconds: u64,
    },
    /// The command's batch could not be committed durably. Nothing of it was kept, and no
    /// effect was performed.
    #[error("the change could not be made durable: {reason}")]
    Commit {
        /// The engine's message.
        reason: String,
        /// The kind of failure.
        cause: Cause,
    },
    /// The connection was lost during COMMIT, and the database could not be asked since. If the change was
    /// made, its effects follow as soon as the database answers.
    #[error("whether the change was made is not known: {reason}; look before it is repeated")]
    Unknown {
        /// The engine's message.
        reason: String,
    },
    /// A statement failed. The command it belonged to was rolled back.
    #[error("the database failed: {reason}")]
    Engine {
        /// The engine's message, or its meaning.
        reason: String,
        /// The kind of failure.
        cause: Cause,
    },
    /// A stored value is not one that this restage writes.
    #[error("a row of the database cannot be read ({what}): {reason}")]
    Corrupt {
        /// The kind of row and the column.
        what: &'static str,
        /// The fault of the value.
        reason: String,
    },
    /// The rules panicked on this command, which is a bug; its changes were rolled back.
    #[error("the command failed because of a defect in restage; nothing was changed")]
    Defect,
}

impl StoreError {
    /// The kind of failure.
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

    /// Whether the failure is permanent: this process has lost the database and must end.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::TakenOver { .. } | Self::Removed { .. } | Self::Unkept { .. } | Self::WriterDied
        )
    }

    /// Whether the engine itself refused, so that certainly nothing was changed.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Engine { cause, .. } if !cause.breaks_connection())
    }

    /// The same failure, for everything in the same batch.
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

/// The driver's message without its additions: that it is an error of the database (repeated by each layer), and
/// the line in the database's source or configuration.
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
