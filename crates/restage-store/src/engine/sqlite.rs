//! SQLite: one file, one owner, pragmas.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sqlx::{AnyConnection, Connection as _};

use super::{Access, BUSY_TIMEOUT, wal};
use crate::config::SqliteSync;
use crate::error::Cause;
use crate::error::StoreError;
use crate::sql::{Connection, SqliteConnection};
use crate::system::files;

/// The write-ahead log is truncated to this size when it is written from its beginning again.
const WAL_KEPT_BYTES: u64 = 4 * 1024 * 1024;
/// A commit that finds the log this long (64 MiB) moves it into the database. `checkpoint` normally does so
/// before.
const WAL_PAGES_MAX: u64 = 16 * 1024;
/// Size of a trial write that shows whether a failing disk is full: more than the file system reserves for a name.
const TRIAL_BYTES: usize = 64 * 1024;
/// Page cache of a reading or writing connection, in KiB.
const CACHE_KIB: u32 = 16 * 1024;

/// How the writer opens a transaction. SQLite's default would take the write lock only at the first
/// change, and then fail instead of waiting for it.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// How a reader opens a transaction with a consistent snapshot.
pub(super) const BEGIN_READ: &str = "BEGIN";

/// A file that this process owns until this is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) path: PathBuf,
    pub(super) sync: SqliteSync,
    /// Identity of the opened file in the file system.
    file: FileId,
    /// The same for the log, once it exists.
    log: OnceLock<FileId>,
    /// While this lock is held, another process that opens the same database fails. Without it, that process would
    /// treat our connections as left over from a crash.
    lock: File,
}

/// Unlocks explicitly. Closing the file is not sufficient, because child processes of this process share it until they
/// run their own program.
impl Drop for Owned {
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the database's lock was not released");
        }
    }
}

impl Owned {
    /// Takes the file for this process and creates it if necessary. Blocks on the file system.
    ///
    /// # Errors
    /// [`StoreError::DamagedLog`] unless losses are `accepted`, and errors of the file system.
    pub(super) fn take(path: &Path, sync: SqliteSync, accepted: bool) -> Result<Self, StoreError> {
        let path = absolute(path)?;
        let lock = lock(&path)?;
        wal::check(&path, sync, accepted)?;
        let file = create_private(&path).map_err(|error| open_error(&path, &error))?;
        Ok(Self {
            path,
            sync,
            file,
            log: OnceLock::new(),
            lock,
        })
    }

    /// Whether the file and its log are still those that were opened. After they were deleted or replaced, acknowledged
    /// changes would be lost, and the engine does not notice.
    pub(super) fn check_place(&self) -> Result<(), StoreError> {
        let removed = |path: &Path| StoreError::Removed {
            file: path.display().to_string(),
        };
        if file_id(&self.path) != Some(self.file) {
            return Err(removed(&self.path));
        }
        let log = log_path(&self.path);
        let found = file_id(&log);
        match (self.log.get(), found) {
            (Some(known), found) if found != Some(*known) => Err(removed(&log)),
            (None, Some(found)) => {
                // Only the writer sets it.
                let _ = self.log.set(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The engine reports many refusals of the file system as a disk failure. Writing a small file shows the true
    /// cause; a failed sync is final.
    pub(super) fn explain(&self, error: StoreError) -> StoreError {
        match (error.cause(), &error) {
            (
                Cause::Unkept,
                StoreError::Engine { reason, .. } | StoreError::Commit { reason, .. },
            ) => StoreError::Unkept {
                database: self.path.display().to_string(),
                reason: reason.clone(),
            },
            (Cause::Disk, StoreError::Engine { .. }) => match self.trial() {
                Some(cause) => StoreError::Engine {
                    reason: cause.explained("the engine speaks of a disk I/O error".to_owned()),
                    cause,
                },
                None => error,
            },
            _ => error,
        }
    }

    /// Why nothing can be written beside the database, if a trial write shows it.
    fn trial(&self) -> Option<Cause> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".trial");
        let written = std::fs::write(&path, [0; TRIAL_BYTES]);
        // The file was only a trial.
        let _ = std::fs::remove_file(&path);
        match written.err()?.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Cause::DiskFull),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Some(Cause::ReadOnly),
            _ => None,
        }
    }
}

/// The log beside a database file.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

/// Device and number of a file.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Opens a connection to the file and sets it up for this access.
pub(super) fn connect(owned: &Owned, access: Access) -> Result<Connection, rusqlite::Error> {
    let connection = SqliteConnection::open(&owned.path)?;
    connection.set(&pragmas(access, owned.sync))?;
    Ok(Connection::Sqlite(connection))
}

/// Refuses a database with a damaged log, if no server has it open.
pub(super) fn check_unused(path: &Path) -> Result<(), StoreError> {
    let path = absolute(path)?;
    if !path.exists() {
        return Ok(());
    }
    match lock(&path) {
        Ok(_held) => wal::check(&path, SqliteSync::Full, false),
        // A running server has checked its log at the start. Where nothing can be locked, nothing can be written
        // either.
        Err(_) => Ok(()),
    }
}

/// A connection beside the server's, which does not change the file's settings.
pub(super) fn connect_visit(path: &Path, access: Access) -> Result<Connection, rusqlite::Error> {
    let connection = SqliteConnection::open(path)?;
    connection.set(&visit_pragmas(access))?;
    Ok(Connection::Sqlite(connection))
}

/// The connection that moves the write-ahead log into the file.
pub(super) fn connect_checkpoints(owned: &Owned) -> Result<SqliteConnection, rusqlite::Error> {
    let connection = SqliteConnection::open(&owned.path)?;
    connection.set(&pragmas(Access::Writer, owned.sync))?;
    Ok(connection)
}

/// Migrations use another driver.
pub(super) async fn connect_migrating(path: &Path) -> Result<AnyConnection, StoreError> {
    let connecting = AnyConnection::connect(&sqlite_url(path)?);
    let failed = |error: sqlx::Error| open_error(path, &error);
    let mut connection = connecting.await.map_err(failed)?;
    let pragmas = sqlx::AssertSqlSafe(pragmas(Access::Writer, SqliteSync::Full));
    let set = sqlx::raw_sql(pragmas).execute(&mut connection).await;
    set.map_err(failed)?;
    Ok(connection)
}

fn pragmas(access: Access, sync: SqliteSync) -> String {
    let synchronous = match sync {
        // A commit waits for the disk: an acknowledged call survives a power cut.
        SqliteSync::Full => "FULL",
        // Only moving the log into the database waits for the disk.
        SqliteSync::Normal => "NORMAL",
    };
    let mut pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA foreign_keys = OFF; \
         PRAGMA temp_store = MEMORY;",
        BUSY_TIMEOUT.as_millis(),
    );
    match access {
        Access::Writer => write!(
            pragmas,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
             PRAGMA journal_size_limit = {WAL_KEPT_BYTES}; \
             PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX};"
        ),
        Access::Reader => write!(pragmas, "PRAGMA query_only = ON;"),
    }
    .expect("writing to a String succeeds");
    pragmas
}

fn visit_pragmas(access: Access) -> String {
    let query_only = match access {
        Access::Writer => "OFF",
        Access::Reader => "ON",
    };
    format!(
        "PRAGMA busy_timeout = {}; PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; \
         PRAGMA query_only = {query_only};",
        BUSY_TIMEOUT.as_millis(),
    )
}

/// The file by its real path, so that two paths to it use the same lock.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let real = match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(_) => {
            let name = path.file_name().ok_or_else(|| StoreError::Open {
                database: path.display().to_string(),
                reason: "it does not name a file".to_owned(),
            })?;
            let directory = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            directory
                .canonicalize()
                .map(|directory| directory.join(name))
        }
    };
    real.map_err(|error| open_error(path, &error))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    // A separate file, because locks on the database file itself would conflict with the engine's.
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| open_error(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            database: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(open_error(path, &error)),
    }
}

/// Creates the file readable by its owner only, because it contains keys. The engine gives its journal the
/// same mode.
fn create_private(path: &Path) -> std::io::Result<FileId> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if is_new {
        files::sync_folder_of(path)?;
    }
    let found = file.metadata()?;
    Ok((found.dev(), found.ino()))
}

pub(crate) fn sqlite_url(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Open {
        database: path.display().to_string(),
        reason: "its path is not UTF-8".to_owned(),
    })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                url.push(char::from(byte));
            }
            other => write!(url, "%{other:02X}").expect("writing to a String succeeds"),
        }
    }
    Ok(url)
}

fn open_error(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open {
        database: path.display().to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_given_free_is_free_whoever_else_has_its_lock_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("restage.db");
        let first = Owned::take(&path, SqliteSync::Full, false).unwrap();
        // As in a child process that has not run its own program yet.
        let inherited = first.lock.try_clone().unwrap();
        assert!(matches!(
            Owned::take(&path, SqliteSync::Full, false),
            Err(StoreError::InUse { .. })
        ));
        drop(first);
        Owned::take(&path, SqliteSync::Full, false).unwrap();
        drop(inherited);
    }
}
