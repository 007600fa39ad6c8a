//! What differs between database engines: how to reach one, how to set up a connection, how to own
//! the database. Everything else in the store is the same SQL for all of them, over [`sqlx::Any`].

mod postgres;
pub(super) mod sqlite;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection as _};

use super::StoreConfig;
use super::address::Address;
use super::error::StoreError;

/// How long a statement waits for a lock that someone outside restage holds (a backup, a shell).
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A database that is ours alone until this is dropped.
pub(super) struct Engine {
    name: String,
    options: AnyConnectOptions,
    kind: Kind,
}

enum Kind {
    Sqlite(#[allow(dead_code, reason = "holds the lock")] sqlite::Owned),
    Postgres(postgres::Claim),
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Writer,
    Reader,
}

// The driver's options hold the password.
impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.name).finish()
    }
}

impl Engine {
    /// Takes the database for this process, as far as that needs no connection. Blocks on the file
    /// system.
    pub(super) fn acquire(config: &StoreConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (name, options, kind) = match &config.address {
            Address::Sqlite(path) => {
                let owned = sqlite::Owned::take(path)?;
                let url = sqlite::sqlite_url(&owned.path)?;
                let options = AnyConnectOptions::from_str(&url);
                let options = options.map_err(|error| StoreError::Address {
                    reason: error.to_string(),
                })?;
                let name = owned.path.display().to_string();
                (name, options, Kind::Sqlite(owned))
            }
            Address::Postgres(url) => {
                let claim = Kind::Postgres(postgres::Claim::fresh());
                (config.address.name(), url.options()?, claim)
            }
        };
        Ok(Self {
            name,
            options,
            kind,
        })
    }

    /// The first connection of the writer, with the schema up to date. The database is ours from here on.
    pub(super) async fn open_writer(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.connect_writer().await?;
        if let Kind::Postgres(_) = self.kind {
            postgres::lock(&mut connection, &self.name).await?;
            postgres::prepare_schema(&mut connection)
                .await
                .map_err(|error| self.open_error(&error))?;
        }
        self.migrate(&mut connection).await?;
        if let Kind::Postgres(claim) = &self.kind {
            let claimed = async {
                claim.write(&mut connection).await?;
                // Migrations may take as long as they need; nothing after them may.
                postgres::set_up(&mut connection, Role::Writer).await
            };
            claimed.await.map_err(|error| self.open_error(&error))?;
        }
        Ok(connection)
    }

    /// Another connection for the writer, after the one it had was lost.
    pub(super) async fn reopen_writer(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.connect_writer().await?;
        if let Kind::Postgres(claim) = &self.kind {
            postgres::lock(&mut connection, &self.name).await?;
            let kept = claim.is_kept(&mut connection).await;
            if !kept.map_err(|error| self.open_error(&error))? {
                return Err(StoreError::TakenOver {
                    database: self.name.clone(),
                });
            }
        }
        Ok(connection)
    }

    /// How the writer opens a transaction.
    pub(super) const fn begin_write(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite(_) => sqlite::BEGIN_WRITE,
            Kind::Postgres(_) => postgres::BEGIN_WRITE,
        }
    }

    async fn connect_writer(&self) -> Result<AnyConnection, StoreError> {
        let connecting = async {
            let mut connection = AnyConnection::connect_with(&self.options).await?;
            self.kind.set_up(&mut connection, Role::Writer).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| self.open_error(&error)),
            Err(_) => Err(StoreError::Timeout {
                seconds: CONNECT_TIMEOUT.as_secs(),
            }),
        }
    }

    /// The pool reads come from.
    pub(super) async fn connect_readers(&self) -> Result<AnyPool, StoreError> {
        let set_up: fn(&mut AnyConnection, Role) -> SetUp<'_> = match self.kind {
            Kind::Sqlite(_) => |connection, role| Box::pin(sqlite::set_up(connection, role)),
            Kind::Postgres(_) => |connection, role| Box::pin(postgres::set_up(connection, role)),
        };
        AnyPoolOptions::new()
            .max_connections(super::READERS)
            .acquire_timeout(super::READ_TIMEOUT)
            .after_connect(move |connection, _| set_up(connection, Role::Reader))
            .connect_with(self.options.clone())
            .await
            .map_err(|error| self.open_error(&error))
    }

    /// Brings the schema up to date, forward only.
    async fn migrate(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
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
                database: self.name.clone(),
                found,
                known,
            },
            other => StoreError::Migration {
                database: self.name.clone(),
                reason: other.to_string(),
            },
        })
    }

    fn open_error(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Open {
            database: self.name.clone(),
            reason: error.to_string(),
        }
    }
}

/// How long connecting the writer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

type SetUp<'c> = std::pin::Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

impl Kind {
    async fn set_up(&self, connection: &mut AnyConnection, role: Role) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => sqlite::set_up(connection, role).await,
            Self::Postgres(_) => postgres::set_up(connection, role).await,
        }
    }
}
