//! Statements on SQLite.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, OpenFlags, Statement, ToSql};

use super::Cell;
use super::{Query, Row};
use crate::error::StoreError;

/// Cached statements per connection: more than exist, including those for runs of each size.
const STATEMENTS_KEPT: usize = 256;

/// A connection to a database file.
#[derive(Debug)]
pub(crate) struct SqliteConnection(rusqlite::Connection);

impl SqliteConnection {
    /// Opens an existing file.
    pub(crate) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        // A connection is only used by one thread at a time, so it needs no lock of its own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // Otherwise statements would be planned again whenever other values are bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self(connection))
    }

    /// Runs pragmas.
    pub(crate) fn set(&self, pragmas: &str) -> Result<(), rusqlite::Error> {
        self.0.execute_batch(pragmas)
    }

    pub(super) fn close(self) -> Result<(), StoreError> {
        self.0.close().map_err(|(_, error)| error.into())
    }

    pub(super) fn command(&self, sql: &str) -> Result<(), StoreError> {
        self.0.prepare_cached(sql)?.execute(())?;
        Ok(())
    }

    pub(super) fn execute(&self, query: &Query) -> Result<u64, StoreError> {
        let changed = self.prepare(query)?.get().raw_execute()?;
        Ok(changed as u64)
    }

    pub(super) fn row<T>(
        &self,
        query: &Query,
        decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut prepared = self.prepare(query)?;
        let mut rows = prepared.get().raw_query();
        rows.next()?
            .map(|row| decode(&Row::Sqlite(row)))
            .transpose()
    }

    pub(super) fn each<E: From<StoreError>>(
        &self,
        query: &Query,
        mut take: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut prepared = self.prepare(query)?;
        let mut rows = prepared.get().raw_query();
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            take(&Row::Sqlite(row))?;
        }
        Ok(())
    }

    /// Prepares the statement and binds its values. For SQLite `$1` is a name, numbered in the order of appearance,
    /// while `?1` is always the first value.
    fn prepare(&self, query: &Query) -> Result<Prepared<'_>, StoreError> {
        let sql = query.sql.replace('$', "?");
        let mut prepared = if query.is_kept {
            Prepared::Kept(self.0.prepare_cached(&sql)?)
        } else {
            Prepared::Once(self.0.prepare(&sql)?)
        };
        let statement = prepared.get();
        for (at, cell) in (1..).zip(&query.cells) {
            statement.raw_bind_parameter(at, cell)?;
        }
        Ok(prepared)
    }
}

enum Prepared<'c> {
    Kept(CachedStatement<'c>),
    Once(Statement<'c>),
}

impl<'c> Prepared<'c> {
    fn get(&mut self) -> &mut Statement<'c> {
        match self {
            Self::Kept(statement) => statement,
            Self::Once(statement) => statement,
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(text) | Self::OptText(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Int(number) | Self::OptInt(Some(number)) => ValueRef::Integer(*number),
            Self::OptText(None) | Self::OptInt(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
