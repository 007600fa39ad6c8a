//! What kind of failure an engine speaks of, and what that means in plain words.

use rusqlite::ffi;

/// The kinds that an operator does something different about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No space is left.
    DiskFull,
    /// The disk fails: what was written may not be there.
    Disk,
    /// The disk did not take what was to be made durable. The system says so once and forgets it: later attempts would
    /// succeed without what failed.
    Unkept,
    /// Somebody else holds a lock on it: a backup, a shell.
    Locked,
    /// It may not be written.
    ReadOnly,
    /// What is stored is not what was written.
    Damaged,
    /// It does not answer.
    Silent,
    /// It cannot be reached, or the connection to it was lost.
    Unreachable,
    /// Another restage owns it.
    TakenOver,
    /// It was removed.
    Gone,
    /// Anything else.
    Other,
}

impl Cause {
    /// Says why nothing can be written, to somebody who may not be told where the database is.
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

    /// What the engine said, with what it means and what to do where the engine's words do not say so.
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

    /// Whether the connection is of no use any more.
    pub(crate) const fn breaks_connection(self) -> bool {
        matches!(self, Self::Silent | Self::Unreachable)
    }
}

pub(crate) fn of_sqlite(error: &rusqlite::Error) -> Cause {
    let Some(error) = error.sqlite_error() else {
        return Cause::Other;
    };
    match error.extended_code {
        // Of the failures of input and output the only one that speaks of space: the log's index could not grow.
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
        // It shuts down, starts, or has ended this connection.
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
