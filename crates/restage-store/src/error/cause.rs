//! The kind of an engine's failure, and its meaning in plain words.

use rusqlite::ffi;

/// Kinds of failures for which an operator acts differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No space is left on the disk.
    DiskFull,
    /// The disk fails: data that was written may be missing.
    Disk,
    /// A sync failed. The system reports this only once: later attempts would
    /// succeed without the data that failed.
    Unkept,
    /// Another program holds a lock: a backup, a shell.
    Locked,
    /// The database must not be written.
    ReadOnly,
    /// Stored data is damaged.
    Damaged,
    /// The database does not answer.
    Silent,
    /// The database cannot be reached, or the connection was lost.
    Unreachable,
    /// Another restage owns the database.
    TakenOver,
    /// The database was removed.
    Gone,
    /// Any other failure.
    Other,
}

impl Cause {
    /// Why nothing can be written, for people who may not know where the database is.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::DiskFull => "the disk of the database is full",
            Self::Disk | Self::Unkept => "the disk of the database fails",
            Self::Locked => "the database is locked by another program",
            Self::ReadOnly => "the database is read-only",
            Self::Damaged => "the database is damaged",
            Self::Silent => "the database does not answer",
            Self::Unreachable => "the database cannot be reached",
            Self::TakenOver => "the database is in use by another restage",
            Self::Gone => "the database was removed",
            Self::Other => "the database cannot be written; the log says why",
        }
    }

    /// The engine's message, with its meaning and advice where the message does not contain them.
    pub(crate) fn explained(self, said: String) -> String {
        let means = match self {
            Self::DiskFull => "the disk is full: free some space, nothing needs to be restarted",
            Self::Disk | Self::Unkept => "the disk fails: look at the system's log",
            Self::Locked => "another program holds a lock on it, such as a backup or a shell",
            Self::ReadOnly => {
                "it may not be written: check the mount, the owner and the permissions, or whether it is a standby"
            }
            Self::Damaged => "it is damaged: run `restage db check`, and restore a backup",
            _ => return said,
        };
        format!("{means} ({said})")
    }

    /// Whether the connection cannot be used any more.
    pub(crate) const fn breaks_connection(self) -> bool {
        matches!(self, Self::Silent | Self::Unreachable)
    }
}

pub(crate) fn of_sqlite(error: &rusqlite::Error) -> Cause {
    let Some(error) = error.sqlite_error() else {
        return Cause::Other;
    };
    match error.extended_code {
        // Of SQLite's I/O errors, only this one means a lack of space: the log's index could not grow.
        ffi::SQLITE_IOERR_SHMSIZE => return Cause::DiskFull,
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => return Cause::Unkept,
        _ => {}
    }
    match error.extended_code & 0xff {
        ffi::SQLITE_FULL => Cause::DiskFull,
        ffi::SQLITE_IOERR => Cause::Disk,
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Cause::Locked,
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => Cause::ReadOnly,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Cause::Damaged,
        ffi::SQLITE_CANTOPEN => Cause::Unreachable,
        _ => Cause::Other,
    }
}

pub(crate) fn of_postgres(error: &sqlx::Error) -> Cause {
    let code = match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
            return Cause::Unreachable;
        }
        sqlx::Error::Database(error) => error.code(),
        _ => return Cause::Other,
    };
    match code.as_deref() {
        Some("53100") => Cause::DiskFull,
        Some("25006") => Cause::ReadOnly,
        Some("55P03") => Cause::Locked,
        Some("58030") => Cause::Disk,
        Some("XX001" | "XX002") => Cause::Damaged,
        Some("57014") => Cause::Silent,
        // The server shuts down, starts, or has ended this connection.
        Some("57P01" | "57P02" | "57P03" | "57P05") => Cause::Unreachable,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn what_sqlite_says_is_put_plainly() {
        for (code, cause, words) in [
            (ffi::SQLITE_FULL, Cause::DiskFull, "the disk is full"),
            (
                ffi::SQLITE_IOERR_SHMSIZE,
                Cause::DiskFull,
                "the disk is full",
            ),
            (ffi::SQLITE_IOERR_WRITE, Cause::Disk, "the disk fails"),
            (ffi::SQLITE_BUSY, Cause::Locked, "another program"),
            (
                ffi::SQLITE_READONLY_DBMOVED,
                Cause::ReadOnly,
                "may not be written",
            ),
            (ffi::SQLITE_CORRUPT_VTAB, Cause::Damaged, "db check"),
        ] {
            let error = sqlite(code);
            assert_eq!(of_sqlite(&error), cause, "{code}");
            let said = crate::error::StoreError::from(error);
            assert!(said.to_string().contains(words), "{said}");
            assert_eq!(said.cause(), cause);
        }
        assert_eq!(of_sqlite(&sqlite(ffi::SQLITE_IOERR_FSYNC)), Cause::Unkept);
    }
}
