//! The differences between database engines: how to connect, how to set up a connection, how to own
//! the database. Everything else in the store is the same SQL for all engines: see `sql`.

mod checkpoint;
mod postgres;
pub(crate) mod sqlite;
mod wal;

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection as _, SqlSafeStr as _};

use crate::config::{Address, StoreConfig};
use crate::error::{StoreError, cause, plain};
use crate::limits::{READ_TIMEOUT, READERS};
use crate::sql::{Connection, Readers, query};

/// How long a statement waits for a lock that another program holds (a backup, a shell).
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A larger database is not checked completely when it is opened, because reading it would take more than a second or
/// two.
const CHECKED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Reads every page and reports at most this many faults.
const QUICK_CHECK: &str = "PRAGMA quick_check(5)";

pub(crate) use checkpoint::Checkpoints;

// The number, the description and the SQL of each file in `migrations`, written by `build.rs`. The macro of sqlx
// would do the same, but has the build compile sqlx, SQLite and the TLS library a second time, for the compiler's own
// use.
include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The migrations, in order.
pub(crate) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let step = |&(number, description, sql): &(i64, &'static str, &'static str)| {
        let description = Cow::Borrowed(description);
        Migration::new(
            number,
            description,
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(MIGRATION_FILES.iter().map(step).collect())
});

/// A database that this process owns until this is dropped.
pub(crate) struct Engine {
    name: String,
    kind: Kind,
    /// Whether damage is reported instead of refused.
    accepts_loss: bool,
}

enum Kind {
    Sqlite(sqlite::Owned),
    Postgres(Box<AnyConnectOptions>, postgres::Claim),
}

/// The purpose of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// The only writer, or an operator's command that makes small changes beside it.
    Writer,
    /// Reads only.
    Reader,
}

/// A connection beside a server that may be running.
pub(crate) struct Visit {
    pub(crate) connection: Connection,
    /// How to open a transaction; for a reader, one with a consistent snapshot.
    pub(crate) begin: &'static str,
}

/// The schema version of this build.
pub(crate) fn latest_schema() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// The migrations up to a version.
pub(crate) fn migrations_to(version: i64) -> Migrator {
    let upto = MIGRATIONS.iter().filter(|step| step.version <= version);
    Migrator {
        migrations: Cow::Owned(upto.cloned().collect()),
        ..Migrator::DEFAULT
    }
}

// Written by hand, because the driver's options contain the password.
impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.name).finish()
    }
}

impl Engine {
    /// Takes the database for this process, as far as that needs no connection. Blocks on the file
    /// system.
    pub(crate) fn acquire(config: &StoreConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (name, kind) = match &config.address {
            Address::Sqlite(path) => {
                let owned = sqlite::Owned::take(path, config.sync, config.accepts_loss)?;
                (owned.path.display().to_string(), Kind::Sqlite(owned))
            }
            Address::Postgres(url) => {
                let options = Box::new(url.options()?);
                let claim = postgres::Claim::fresh();
                (config.address.name(), Kind::Postgres(options, claim))
            }
        };
        Ok(Self {
            name,
            kind,
            accepts_loss: config.accepts_loss,
        })
    }

    /// The database's name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Opens a connection and takes ownership of the database, whatever its schema is.
    pub(crate) async fn claim(&self) -> Result<Connection, StoreError> {
        match &self.kind {
            Kind::Sqlite(owned) => self.connect_file(owned, Access::Writer),
            Kind::Postgres(options, _) => {
                let mut connection = self.connect_server(options).await?;
                postgres::lock(&mut connection, &self.name).await?;
                postgres::prepare_schema(&mut connection)
                    .await
                    .map_err(|error| self.open_error(plain(&error)))?;
                Ok(Connection::Postgres(connection))
            }
        }
    }

    /// Connects without owning the database.
    pub(crate) async fn visit(config: &StoreConfig, access: Access) -> Result<Visit, StoreError> {
        sqlx::any::install_default_drivers();
        let failed = |reason: String| StoreError::Open {
            database: config.name(),
            reason,
        };
        match &config.address {
            Address::Sqlite(path) => {
                // Opening a damaged log, even for reading, makes the engine discard everything behind the damage.
                sqlite::check_unused(path)?;
                let connection = sqlite::connect_visit(path, access);
                Ok(Visit {
                    connection: connection.map_err(|error| failed(sqlite_said(&error)))?,
                    begin: match access {
                        Access::Writer => sqlite::BEGIN_WRITE,
                        Access::Reader => sqlite::BEGIN_READ,
                    },
                })
            }
            Address::Postgres(url) => {
                let options = url.options()?;
                let connecting = async {
                    let mut connection = AnyConnection::connect_with(&options).await?;
                    postgres::set_up_visit(&mut connection, access).await?;
                    Ok::<_, sqlx::Error>(connection)
                };
                let connection = in_time(connecting).await?;
                Ok(Visit {
                    connection: Connection::Postgres(
                        connection.map_err(|error| failed(plain(&error)))?,
                    ),
                    begin: match access {
                        Access::Writer => postgres::BEGIN_WRITE,
                        Access::Reader => postgres::BEGIN_READ,
                    },
                })
            }
        }
    }

    /// The writer's first connection, with the schema up to date. The database is owned from here on.
    pub(crate) async fn open_writer(&self) -> Result<Connection, StoreError> {
        let mut connection = self.claim().await?;
        self.check_pages(&mut connection).await?;
        self.migrate_to(&mut connection, latest_schema()).await?;
        if let (Kind::Postgres(_, claim), Connection::Postgres(connection)) =
            (&self.kind, &mut connection)
        {
            let claimed = async {
                claim.write(connection).await?;
                // Migrations have no time limit; everything after them has.
                postgres::set_up(connection, Access::Writer).await
            };
            claimed
                .await
                .map_err(|error| self.open_error(plain(&error)))?;
        }
        Ok(connection)
    }

    /// Makes the engine check every page, if that takes only a moment.
    async fn check_pages(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let Kind::Sqlite(owned) = &self.kind else {
            return Ok(());
        };
        let bytes = std::fs::metadata(&owned.path).map_or(0, |found| found.len());
        if bytes > CHECKED_BYTES_MAX {
            tracing::info!(
                bytes,
                "the database is too large to be checked at the start; `restage db check` does it"
            );
            return Ok(());
        }
        let said = query(QUICK_CHECK).rows(connection, |row| row.text(0).map(str::to_owned));
        let faults: Vec<String> = said
            .await?
            .into_iter()
            .filter(|line| line != "ok")
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        let error = StoreError::Damaged {
            database: self.name.clone(),
            found: faults.join("; ").replace('\n', " "),
        };
        if !self.accepts_loss {
            return Err(error);
        }
        tracing::error!(%error, "the start goes on, as it was told");
        Ok(())
    }

    /// A new connection for the writer, after the previous one was lost.
    pub(crate) async fn reopen_writer(&self) -> Result<Connection, StoreError> {
        match &self.kind {
            Kind::Sqlite(owned) => self.connect_file(owned, Access::Writer),
            Kind::Postgres(options, claim) => {
                let reopened = self.own_again(options, claim);
                within(postgres::REOPEN_TIMEOUT, reopened).await
            }
        }
    }

    async fn own_again(
        &self,
        options: &AnyConnectOptions,
        claim: &postgres::Claim,
    ) -> Result<Connection, StoreError> {
        let mut connection = self.connect_server(options).await?;
        if !claim.is_kept(&mut connection).await? {
            return Err(self.taken_over());
        }
        claim.end_old_session(&mut connection).await?;
        postgres::lock(&mut connection, &self.name).await?;
        // Before this process had the lock again, another one may have owned the database.
        if !claim.is_kept(&mut connection).await? {
            return Err(self.taken_over());
        }
        claim.note_session(&mut connection).await?;
        Ok(Connection::Postgres(connection))
    }

    fn taken_over(&self) -> StoreError {
        StoreError::TakenOver {
            database: self.name.clone(),
        }
    }

    /// The result of a batch, or a timeout. SQLite runs in the writer's own thread and has no time limit.
    pub(crate) async fn in_time<T>(
        &self,
        batch: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.kind {
            Kind::Sqlite(_) => batch.await,
            Kind::Postgres(..) => within(postgres::WRITE_TIMEOUT, batch).await,
        }
    }

    /// Whether a transaction of a lost connection was committed.
    pub(crate) async fn is_committed(
        &self,
        connection: &mut Connection,
        transaction: i64,
    ) -> Result<bool, StoreError> {
        match connection {
            // SQLite rolls a transaction back when its connection closes.
            Connection::Sqlite(_) => Ok(false),
            Connection::Postgres(connection) => {
                let asked = postgres::is_committed(connection, transaction);
                within(postgres::REOPEN_TIMEOUT, asked).await
            }
        }
    }

    /// Closes a connection.
    pub(crate) async fn close(&self, connection: Connection) -> Result<(), StoreError> {
        match self.kind {
            Kind::Sqlite(_) => connection.close().await,
            Kind::Postgres(..) => within(postgres::CLOSE_TIMEOUT, connection.close()).await,
        }
    }

    /// An error of the engine, completed by what the engine itself can find out.
    pub(crate) fn explain(&self, error: StoreError) -> StoreError {
        match &self.kind {
            Kind::Sqlite(owned) => owned.explain(error),
            Kind::Postgres(..) => error,
        }
    }

    /// Whether the database is still in the place where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Sqlite(owned) => owned.check_place(),
            Kind::Postgres(..) => Ok(()),
        }
    }

    /// How the writer opens a transaction.
    pub(crate) const fn begin_write(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite(_) => sqlite::BEGIN_WRITE,
            Kind::Postgres(..) => postgres::BEGIN_WRITE,
        }
    }

    fn connect_file(
        &self,
        owned: &sqlite::Owned,
        access: Access,
    ) -> Result<Connection, StoreError> {
        sqlite::connect(owned, access).map_err(|error| self.open_error(sqlite_said(&error)))
    }

    async fn connect_server(
        &self,
        options: &AnyConnectOptions,
    ) -> Result<AnyConnection, StoreError> {
        let connecting = async {
            let mut connection = AnyConnection::connect_with(options).await?;
            postgres::set_up(&mut connection, Access::Writer).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        in_time(connecting)
            .await?
            .map_err(|error| self.open_error(plain(&error)))
    }

    /// The connections for reads.
    pub(crate) async fn connect_readers(&self) -> Result<Readers, StoreError> {
        let options = match &self.kind {
            Kind::Sqlite(owned) => {
                return Readers::open(|| self.connect_file(owned, Access::Reader));
            }
            Kind::Postgres(options, _) => options.as_ref().clone(),
        };
        let settings = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READ_TIMEOUT)
            .after_connect(|connection, _| Box::pin(postgres::set_up(connection, Access::Reader)));
        Readers::connect(settings, options)
            .await
            .map_err(|error| self.open_error(plain(&error)))
    }

    /// The thread that keeps the log short while the writer writes, if the engine has such a log.
    pub(crate) fn checkpoints(
        &self,
        rows: &Arc<AtomicU64>,
    ) -> Result<Option<Checkpoints>, StoreError> {
        let Kind::Sqlite(owned) = &self.kind else {
            return Ok(None);
        };
        let connection = sqlite::connect_checkpoints(owned);
        let connection = connection.map_err(|error| self.open_error(sqlite_said(&error)))?;
        Checkpoints::start(connection, sqlite::log_path(&owned.path), Arc::clone(rows))
            .map(Some)
            .map_err(|error| self.open_error(error.to_string()))
    }

    /// Migrates the schema to a version, forward only.
    pub(crate) async fn migrate_to(
        &self,
        connection: &mut Connection,
        version: i64,
    ) -> Result<(), StoreError> {
        let migrations = migrations_to(version);
        let migrated = match (&self.kind, connection) {
            (Kind::Sqlite(owned), _) => {
                let mut migrating = sqlite::connect_migrating(&owned.path).await?;
                let migrated = migrations.run(&mut migrating).await;
                migrating.close().await?;
                migrated
            }
            (_, Connection::Postgres(connection)) => migrations.run(connection).await,
            (Kind::Postgres(..), Connection::Sqlite(_)) => return Err(StoreError::Defect),
        };
        let Err(error) = migrated else {
            return Ok(());
        };
        let known = latest_schema();
        Err(match error {
            MigrateError::VersionMissing(found) => StoreError::NewerSchema {
                database: self.name.clone(),
                found,
                known,
            },
            other => StoreError::Migration {
                database: self.name.clone(),
                reason: match other {
                    MigrateError::Execute(error) => plain(&error),
                    MigrateError::ExecuteMigration(error, version) => {
                        format!("migration {version}: {}", plain(&error))
                    }
                    other => other.to_string(),
                },
            },
        })
    }

    fn open_error(&self, reason: String) -> StoreError {
        StoreError::Open {
            database: self.name.clone(),
            reason,
        }
    }
}

fn sqlite_said(error: &rusqlite::Error) -> String {
    cause::of_sqlite(error).explained(error.to_string())
}

/// Time limit for connecting to a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

async fn in_time<T>(connecting: impl Future<Output = T>) -> Result<T, StoreError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    connected.map_err(|_| StoreError::Timeout {
        seconds: CONNECT_TIMEOUT.as_secs(),
    })
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or(Err(StoreError::Timeout {
        seconds: limit.as_secs(),
    }))
}
