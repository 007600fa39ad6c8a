//! Why the spool could not do something.

use std::fmt::Display;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use restage_record::journal::Failure;

/// An error of one recording. The server goes on.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// There is no room: a bound of the spool, or the disk. The recording ends.
    #[error("{0}")]
    Full(String),
    /// The capture of this recording is over, so nothing can be added.
    #[error("the recording has ended, so nothing can be added to it")]
    Ended,
    /// Another writer has the recording.
    #[error("the recording is being written elsewhere in this process")]
    Busy,
    /// Another process has the spool.
    #[error("the spool {0} is used by another process: a data directory is for one server")]
    InUse(String),
    /// What was given breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// The disk does not do what it should.
    #[error("the spool cannot be used for {what}: {source}")]
    Io {
        /// The recording, or the folder.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}

impl SpoolError {
    /// The error for an error of the system.
    pub(crate) fn io(what: impl Display, error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => Self::Full(
                "the disk with the spool is full: free some of it, or set data-dir to a larger one"
                    .to_owned(),
            ),
            _ => Self::Io {
                what: what.to_string(),
                source: error,
            },
        }
    }

    /// The error for an error of the system with the folder of the spool itself.
    pub fn of_folder(path: &Path, error: io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOTDIR) => Self::Invalid(format!(
                "{} is not a folder, and recordings are to wait there for their buckets: remove what is there, or set data-dir",
                path.display()
            )),
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS) => Self::Invalid(format!(
                "recordings are to wait in {} for their buckets, and it cannot be written ({error}): let the server's user write there",
                path.display()
            )),
            _ => Self::io(path.display(), error),
        }
    }

    /// Why the recording fails, as its end says it.
    pub fn failure(&self) -> Failure {
        Failure {
            code: INTERNAL_ERROR.to_owned(),
            reason: self.to_string(),
        }
    }
}

/// The code of a failure that is not the caller's.
pub(crate) const INTERNAL_ERROR: &str = "InternalServerException";
