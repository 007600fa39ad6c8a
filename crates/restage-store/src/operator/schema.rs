//! The schema version of a database, for commands that run beside the server.

use std::cmp::Ordering;

use crate::config::StoreConfig;
use crate::engine;
use crate::error::StoreError;
use crate::sql::{Connection, query};

/// The latest migration of a database; `None` if restage has not created its tables yet.
pub(crate) async fn found(connection: &mut Connection) -> Result<Option<i64>, StoreError> {
    let tables = if connection.is_sqlite() {
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'"
    } else {
        "SELECT COUNT(*) FROM pg_tables \
         WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'"
    };
    if query(tables).number(connection).await? == 0 {
        return Ok(None);
    }
    let version = query("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations");
    version.number(connection).await.map(Some)
}

/// Checks that the database has this build's schema version.
pub(crate) async fn check(
    connection: &mut Connection,
    config: &StoreConfig,
) -> Result<(), StoreError> {
    let database = config.name();
    let known = engine::latest_schema();
    let Some(found) = found(connection).await? else {
        return Err(StoreError::NoSchema { database });
    };
    match found.cmp(&known) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(StoreError::NewerSchema {
            database,
            found,
            known,
        }),
        Ordering::Less => Err(StoreError::OlderSchema {
            database,
            found,
            known,
        }),
    }
}
