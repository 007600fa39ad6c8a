//! A database for one test: a SQLite file in a directory of its own, or, when `RESTAGE_TEST_POSTGRES` names
//! a PostgreSQL database, a schema of its own there. `scripts/test.sh` runs the store's tests once each way.
#![allow(dead_code, reason = "each user takes its part")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;

/// The URL of a PostgreSQL database that tests may fill with schemas.
const POSTGRES: &str = "RESTAGE_TEST_POSTGRES";

/// An empty database that is gone after the test; schemas go with the cluster they are in.
pub(crate) struct Database {
    directory: TempDir,
    address: String,
}

impl Database {
    pub(crate) async fn fresh() -> Self {
        sqlx::any::install_default_drivers();
        match std::env::var(POSTGRES) {
            Ok(url) if !url.is_empty() => Self::postgres(&url).await,
            _ => Self::sqlite(),
        }
    }

    /// SQLite, whatever the tests run on.
    pub(crate) fn sqlite() -> Self {
        sqlx::any::install_default_drivers();
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("restage.db");
        let address = format!("sqlite:{}", file.display());
        Self { directory, address }
    }

    async fn postgres(url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("t{}x{number}", std::process::id());
        let mut connection = AnyConnection::connect(url).await.unwrap();
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        let create = sqlx::raw_sql(sqlx::AssertSqlSafe(create));
        create.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let joint = if url.contains('?') { '&' } else { '?' };
        Self {
            directory: TempDir::new().unwrap(),
            address: format!("{url}{joint}options=-csearch_path%3D{schema}"),
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.address.starts_with("postgres")
    }

    /// The address as an operator would give it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A directory beside it, for other files of a test.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A second connection to its rows.
    pub(crate) async fn rows(&self) -> AnyConnection {
        let address = match self.address.strip_prefix("sqlite:") {
            Some(file) => format!("sqlite://{file}"),
            None => self.address.clone(),
        };
        AnyConnection::connect(&address).await.unwrap()
    }
}
