//! The connections that serve reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::AnyPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Connection, Query, Row};
use crate::store::error::StoreError;
use crate::store::{READ_TIMEOUT, READERS};

/// Connections that serve reads. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::store) enum Readers {
    Sqlite(Arc<Idle>),
    Postgres(AnyPool),
}

/// Those of SQLite that nobody uses right now.
#[derive(Debug)]
pub(in crate::store) struct Idle {
    connections: Mutex<Vec<Connection>>,
    /// One for each of them.
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Of SQLite: [`READERS`] connections that `open` makes.
    pub(in crate::store) fn open(
        open: impl Fn() -> Result<Connection, StoreError>,
    ) -> Result<Self, StoreError> {
        let connections = (0..READERS).map(|_| open()).collect::<Result<_, _>>()?;
        Ok(Self::Sqlite(Arc::new(Idle {
            connections: Mutex::new(connections),
            permits: Arc::new(Semaphore::new(READERS as usize)),
        })))
    }

    /// All rows.
    pub(in crate::store) async fn rows<T>(
        &self,
        query: Query,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(idle) => query.rows(idle.lend().await?.get()?, decode).await,
            Self::Postgres(pool) => {
                let rows = within(query.on_any().fetch_all(pool)).await?;
                rows.iter().map(|row| decode(&Row::Any(row))).collect()
            }
        }
    }

    /// The first row, if there is one.
    pub(in crate::store) async fn row<T>(
        &self,
        query: Query,
        decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(idle) => query.row(idle.lend().await?.get()?, decode).await,
            Self::Postgres(pool) => {
                let row = within(query.on_any().fetch_optional(pool)).await?;
                row.map(|row| decode(&Row::Any(&row))).transpose()
            }
        }
    }

    /// The first row of a statement that may look at many: in a thread that nobody else needs.
    pub(in crate::store) async fn row_aside<T: Send + 'static>(
        &self,
        query: Query,
        decode: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Self::Sqlite(idle) = self else {
            return self.row(query, decode).await;
        };
        let mut lent = idle.lend().await?;
        let aside = tokio::task::spawn_blocking(move || match lent.get()? {
            Connection::Sqlite(connection) => connection.row(&query, decode),
            Connection::Postgres(_) => Ok(None),
        });
        aside.await.map_err(|_| StoreError::Closed)?
    }

    /// Refuses further reads.
    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(idle) => {
                idle.permits.close();
                idle.connections().clear();
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Idle {
    async fn lend(self: &Arc<Self>) -> Result<Lent, StoreError> {
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let permit = match tokio::time::timeout(READ_TIMEOUT, waiting).await {
            Ok(permit) => permit.map_err(|_| StoreError::Closed)?,
            Err(_) => return Err(timed_out()),
        };
        let connection = self.connections().pop().ok_or(StoreError::Closed)?;
        Ok(Lent {
            connection: Some(connection),
            of: Arc::clone(self),
            _permit: permit,
        })
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It goes back when this is dropped, and the permit after it.
struct Lent {
    /// There until it goes back.
    connection: Option<Connection>,
    of: Arc<Idle>,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn get(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Closed)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.of.permits.is_closed() {
            self.of.connections().extend(self.connection.take());
        }
    }
}

fn timed_out() -> StoreError {
    StoreError::Timeout {
        seconds: READ_TIMEOUT.as_secs(),
    }
}

async fn within<T>(read: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(timed_out()),
    }
}
