//! What differs between database engines: how to reach one, how to set up a connection, how to own
//! the database. Everything else in the store is the same SQL for all of them, over [`sqlx::Any`].

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _};

use super::StoreConfig;
use super::error::StoreError;

/// How long a statement waits for a lock that someone outside restage holds (a backup, a shell).
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this size when it is reset.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Pages a reading or writing connection keeps, in KiB.
const CACHE_KIB: u32 = 16 * 1024;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A database that is ours alone until the lock is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    path: PathBuf,
    options: AnyConnectOptions,
    /// Held, not used: another process that opens the same database fails instead of closing our
    /// connections as left over from a crash.
    _lock: File,
}

impl Engine {
    /// Takes the database for this process, creating the file if need be. Blocks on the file system.
    pub(super) fn acquire(config: &StoreConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let path = absolute(config.path())?;
        let lock = lock(&path)?;
        create_private(&path).map_err(|error| open_error(&path, &error))?;
        let options = AnyConnectOptions::from_str(&sqlite_url(&path)?).map_err(|error| {
            StoreError::Address {
                reason: error.to_string(),
            }
        })?;
        Ok(Self {
            path,
            options,
            _lock: lock,
        })
    }

    /// A connection for the writer.
    pub(super) async fn connect_writer(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = AnyConnection::connect_with(&self.options)
            .await
            .map_err(|error| open_error(&self.path, &error))?;
        set_up(&mut connection, Role::Writer)
            .await
            .map_err(|error| open_error(&self.path, &error))?;
        Ok(connection)
    }

    /// The pool reads come from.
    pub(super) async fn connect_readers(&self) -> Result<AnyPool, StoreError> {
        AnyPoolOptions::new()
            .max_connections(super::READERS)
            .acquire_timeout(super::READ_TIMEOUT)
            .after_connect(|connection, _| Box::pin(set_up(connection, Role::Reader)))
            .connect_with(self.options.clone())
            .await
            .map_err(|error| open_error(&self.path, &error))
    }

    /// Brings the schema up to date, forward only.
    pub(super) async fn migrate(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let Err(error) = MIGRATIONS.run(connection).await else {
            return Ok(());
        };
        let known = MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        Err(match error {
            MigrateError::VersionMissing(found) => StoreError::NewerSchema {
                path: self.path.clone(),
                found,
                known,
            },
            other => StoreError::Migration {
                path: self.path.clone(),
                reason: other.to_string(),
            },
        })
    }
}

/// How the writer opens a transaction. SQLite's default would take the write lock only at the first
/// change, and then fail instead of waiting for it.
pub(super) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

#[derive(Clone, Copy)]
enum Role {
    Writer,
    Reader,
}

async fn set_up(connection: &mut AnyConnection, role: Role) -> Result<(), sqlx::Error> {
    let mut pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA foreign_keys = OFF; \
         PRAGMA temp_store = MEMORY;",
        BUSY_TIMEOUT.as_millis(),
    );
    match role {
        // FULL makes a commit wait for the disk: an acknowledged call survives a power cut.
        Role::Writer => write!(
            pragmas,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA journal_size_limit = {WAL_BYTES_MAX};"
        ),
        Role::Reader => write!(pragmas, "PRAGMA query_only = ON;"),
    }
    .expect("writing to a String succeeds");
    sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas))
        .execute(connection)
        .await?;
    Ok(())
}

/// The file by its real name, so that two ways to it meet at one lock.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let real = match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(_) => {
            let name = path.file_name().ok_or_else(|| StoreError::Open {
                path: path.to_owned(),
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
    // A file of its own: locks on the database file itself would get in the engine's way.
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| open_error(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(open_error(path, &error)),
    }
}

/// Creates the file readable by its owner only: it holds keys. The engine gives its journal the
/// same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

pub(super) fn sqlite_url(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Open {
        path: path.to_owned(),
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
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
