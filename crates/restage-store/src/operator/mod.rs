//! Operations on a database from outside the server.

pub(crate) mod backup;
mod check;
mod mark;
mod schema;

pub use backup::{BackupWriter, DumpError, backup, restore};
pub use check::{Findings, check};
pub use mark::Mark;

use crate::config::StoreConfig;
use crate::engine::{self, Access, Engine};
use crate::error::StoreError;
use crate::outbox::{self, DeadLetter};
use crate::sql::query;

/// Migrates the schema to this build's version, as the start of a server does, and returns the version. The
/// server must not be running.
///
/// # Errors
/// Errors of [`Store::open`](crate::Store::open).
pub async fn migrate(config: &StoreConfig) -> Result<i64, StoreError> {
    let owned = config.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::acquire(&owned))
        .await
        .map_err(|_| StoreError::Defect)??;
    engine.open_writer().await?.close().await?;
    Ok(engine::latest_schema())
}

/// A description of a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// PostgreSQL's version.
    pub server: String,
    /// The schema version; `None` if restage has not created its tables yet.
    pub schema: Option<i64>,
    /// The schema version of this build.
    pub known: i64,
}

/// Describes a PostgreSQL database without changing it; `None` for any other. Can run beside a server.
///
/// # Errors
/// Any [`StoreError`]; each names the database without its password.
pub async fn look(config: &StoreConfig) -> Result<Option<Look>, StoreError> {
    if config.path().is_some() {
        return Ok(None);
    }
    let mut connection = Engine::visit(config, Access::Reader).await?.connection;
    let server = query("SELECT current_setting('server_version')")
        .only(&mut connection, |row| row.text(0).map(str::to_owned))
        .await?;
    let schema = schema::found(&mut connection).await?;
    connection.close().await?;
    Ok(Some(Look {
        server,
        schema,
        known: engine::latest_schema(),
    }))
}

/// The oldest dead letters. Can run beside a server.
///
/// # Errors
/// Any [`StoreError`].
pub async fn dead_letters(config: &StoreConfig, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
    let mut visit = Engine::visit(config, Access::Reader).await?;
    schema::check(&mut visit.connection, config).await?;
    let letters = outbox::dead_letters(&mut visit.connection, limit).await?;
    visit.connection.close().await?;
    Ok(letters)
}

/// Queues dead letters again, in one transaction; a running server sends them within seconds.
///
/// # Errors
/// Any [`StoreError`]; then none of them was queued.
pub async fn replay(config: &StoreConfig, letters: &[DeadLetter]) -> Result<(), StoreError> {
    let mut visit = Engine::visit(config, Access::Writer).await?;
    visit.connection.command(visit.begin).await?;
    for letter in letters {
        outbox::replay(&mut visit.connection, &letter.sink, letter.event.seq).await?;
    }
    visit.connection.command("COMMIT").await?;
    visit.connection.close().await?;
    Ok(())
}
