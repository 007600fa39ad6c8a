//! Runs statements on either engine. They are the same for both: `$1`, `$2`, … are bound values.
//!
//! SQLite runs in the calling thread. Passing every statement and row to another thread and back costs more
//! than the statements: a look-up takes tens of microseconds, and waking a thread takes as long. Reads
//! are bounded pages from an index, and the writer has a thread of its own. PostgreSQL is awaited.

mod cell;
mod readers;
mod sqlite;

use std::borrow::Cow;

use futures_util::TryStreamExt as _;
use sqlx::any::{AnyArguments, AnyRow, AnyTypeInfoKind};
use sqlx::query::Query as AnyQuery;
use sqlx::{Any, AnyConnection, Column as _, Connection as _, Row as _, ValueRef as _};

pub(crate) use cell::Cell;
pub(crate) use readers::Readers;
pub(crate) use sqlite::SqliteConnection;

use crate::error::StoreError;

/// A connection to a database.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(AnyConnection),
}

impl Connection {
    /// Runs statements without parameters and results, such as those that open and end a transaction. A transaction
    /// that is open when the connection is dropped is rolled back.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.command(sql),
            Self::Postgres(connection) => {
                sqlx::raw_sql(sql).execute(connection).await?;
                Ok(())
            }
        }
    }

    /// Opens a transaction and returns its number, if the engine has such numbers.
    pub(crate) async fn begin(&mut self, sql: &'static str) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(connection) => connection.command(sql).map(|()| None),
            Self::Postgres(connection) => {
                // Of several statements, the first returns no row.
                let rows = sqlx::raw_sql(sql).fetch_all(connection).await?;
                Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
            }
        }
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.close(),
            Self::Postgres(connection) => Ok(connection.close().await?),
        }
    }

    pub(crate) const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// A statement with its bound values.
#[derive(Debug)]
#[must_use = "it has not been run"]
pub(crate) struct Query {
    sql: Cow<'static, str>,
    cells: Vec<Cell>,
    is_kept: bool,
}

/// A statement of our own. Text from a client must never be part of it, but must be bound.
pub(crate) fn query(sql: impl Into<Cow<'static, str>>) -> Query {
    Query {
        sql: sql.into(),
        cells: Vec::new(),
        is_kept: true,
    }
}

impl Query {
    /// Binds the next value.
    pub(crate) fn bind(mut self, cell: impl Into<Cell>) -> Self {
        self.cells.push(cell.into());
        self
    }

    /// Marks a statement that will hardly run again, so that the engine does not cache it.
    pub(crate) const fn once(mut self) -> Self {
        self.is_kept = false;
        self
    }

    /// Runs a change and returns the number of changed rows.
    pub(crate) async fn execute(self, on: &mut Connection) -> Result<u64, StoreError> {
        match on {
            Connection::Sqlite(connection) => connection.execute(&self),
            Connection::Postgres(connection) => {
                let done = self.on_any().execute(connection).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// All rows.
    pub(crate) async fn rows<T>(
        self,
        on: &mut Connection,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(on, |row| {
            found.push(decode(row)?);
            Ok::<_, StoreError>(())
        })
        .await?;
        Ok(found)
    }

    /// The first row, if there is one.
    pub(crate) async fn row<T>(
        self,
        on: &mut Connection,
        decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match on {
            Connection::Sqlite(connection) => connection.row(&self, decode),
            Connection::Postgres(connection) => {
                let found = self.on_any().fetch_optional(connection).await?;
                found.map(|row| decode(&Row::Any(&row))).transpose()
            }
        }
    }

    /// The only row of a statement that always returns exactly one.
    pub(crate) async fn only<T>(
        self,
        on: &mut Connection,
        decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let found = self.row(on, decode).await?;
        found.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    /// The whole number of a statement that always returns one.
    pub(crate) async fn number(self, on: &mut Connection) -> Result<i64, StoreError> {
        self.only(on, |row| row.number(0)).await
    }

    /// Processes rows one by one, without storing them.
    pub(crate) async fn each<E: From<StoreError>>(
        self,
        on: &mut Connection,
        mut take: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match on {
            Connection::Sqlite(connection) => connection.each(&self, take),
            Connection::Postgres(connection) => {
                let mut rows = self.on_any().fetch(connection);
                while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                    take(&Row::Any(&row))?;
                }
                Ok(())
            }
        }
    }

    fn on_any(self) -> AnyQuery<'static, Any, AnyArguments> {
        let query = match self.sql {
            Cow::Borrowed(sql) => sqlx::query(sql),
            Cow::Owned(sql) => sqlx::query(sqlx::AssertSqlSafe(sql)),
        };
        let bind = |query: AnyQuery<'static, Any, AnyArguments>, cell| match cell {
            Cell::Text(text) => query.bind(text),
            Cell::OptText(text) => query.bind(text),
            Cell::Int(number) => query.bind(number),
            Cell::OptInt(number) => query.bind(number),
        };
        let query = self.cells.into_iter().fold(query, bind);
        query.persistent(self.is_kept)
    }
}

/// A row that is being read.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Any(&'r AnyRow),
}

/// A value of one of the stored types.
pub(crate) enum Value<'r> {
    Null,
    Number(i64),
    Text(&'r str),
}

impl<'r> Row<'r> {
    /// Text or NULL. The error names what is stored instead.
    pub(crate) fn opt_text(&self, at: usize) -> Result<Option<&'r str>, String> {
        match self {
            Self::Sqlite(row) => {
                let cell = row.get_ref(at).map_err(|error| error.to_string())?;
                cell.as_str_or_null().map_err(|error| error.to_string())
            }
            Self::Any(row) => row.try_get(at).map_err(|error| error.to_string()),
        }
    }

    /// A whole number or NULL. The error names what is stored instead.
    pub(crate) fn opt_number(&self, at: usize) -> Result<Option<i64>, String> {
        match self {
            Self::Sqlite(row) => {
                let cell = row.get_ref(at).map_err(|error| error.to_string())?;
                cell.as_i64_or_null().map_err(|error| error.to_string())
            }
            Self::Any(row) => row.try_get(at).map_err(|error| error.to_string()),
        }
    }

    /// A computed whole number, which cannot have another type.
    pub(crate) fn number(&self, at: usize) -> Result<i64, StoreError> {
        let found = self
            .opt_number(at)
            .and_then(|number| number.ok_or_else(null));
        found.map_err(|reason| StoreError::Corrupt {
            what: "number",
            reason,
        })
    }

    /// Text that is a key, or computed.
    pub(crate) fn text(&self, at: usize) -> Result<&'r str, StoreError> {
        let found = self.opt_text(at).and_then(|text| text.ok_or_else(null));
        found.map_err(|reason| StoreError::Corrupt {
            what: "text",
            reason,
        })
    }

    /// The value, of any type.
    pub(crate) fn value(&self, at: usize) -> Result<Value<'r>, StoreError> {
        let is_number = match self {
            Self::Sqlite(row) => match row.get_ref(at)?.data_type() {
                rusqlite::types::Type::Null => return Ok(Value::Null),
                kind => kind == rusqlite::types::Type::Integer,
            },
            Self::Any(row) => {
                let raw = row.try_get_raw(at)?;
                if raw.is_null() {
                    return Ok(Value::Null);
                }
                raw.type_info().kind() != AnyTypeInfoKind::Text
            }
        };
        if is_number {
            self.number(at).map(Value::Number)
        } else {
            self.text(at).map(Value::Text)
        }
    }

    /// The names of the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        match self {
            Self::Sqlite(row) => {
                let names = row.as_ref().column_names();
                names.into_iter().map(str::to_owned).collect()
            }
            Self::Any(row) => {
                let columns = row.columns().iter();
                columns.map(|column| column.name().to_owned()).collect()
            }
        }
    }
}

/// The error text for a NULL in a column that must not be NULL.
pub(crate) fn null() -> String {
    "it is NULL".to_owned()
}

/// Bytes as stored: as text, in the same way for every engine.
pub(crate) fn bytes_text(bytes: &[u8]) -> String {
    hex::encode(bytes)
}
