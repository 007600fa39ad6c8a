//! The connections for reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{AnyConnection, AnyPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Connection, Query, Row};
use crate::error::StoreError;
use crate::limits::{READ_TIMEOUT, READERS};

/// The connections for reads. Clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Readers {
    Sqlite(Arc<Idle>),
    Postgres(Arc<Pools>),
}

/// PostgreSQL's pool, which is replaced when its connections pass no bytes any more.
#[derive(Debug)]
pub(crate) struct Pools {
    settings: AnyPoolOptions,
    address: AnyConnectOptions,
    /// The present pool, and its number in the sequence of pools.
    current: Mutex<(AnyPool, u64)>,
}

/// SQLite's idle connections.
#[derive(Debug)]
pub(crate) struct Idle {
    connections: Mutex<Vec<Connection>>,
    /// One permit for each connection.
    permits: Arc<Semaphore>,
}

impl Readers {
    /// For SQLite: [`READERS`] connections that `open` makes.
    pub(crate) fn open(
        open: impl Fn() -> Result<Connection, StoreError>,
    ) -> Result<Self, StoreError> {
        let connections = (0..READERS).map(|_| open()).collect::<Result<_, _>>()?;
        Ok(Self::Sqlite(Arc::new(Idle {
            connections: Mutex::new(connections),
            permits: Arc::new(Semaphore::new(READERS as usize)),
        })))
    }

    /// For PostgreSQL: a pool with these settings, of which one connection is opened at once.
    pub(crate) async fn connect(
        settings: AnyPoolOptions,
        address: AnyConnectOptions,
    ) -> Result<Self, sqlx::Error> {
        let pool = settings.clone().connect_with(address.clone()).await?;
        Ok(Self::Postgres(Arc::new(Pools {
            settings,
            address,
            current: Mutex::new((pool, 0)),
        })))
    }

    /// Replaces the pool, after its connections were found to pass no bytes.
    pub(crate) fn renew(&self) {
        if let Self::Postgres(pools) = self {
            let (_, number) = pools.current();
            pools.renew(number);
        }
    }

    /// All rows.
    pub(crate) async fn rows<T>(
        &self,
        query: Query,
        decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Sqlite(idle) => query.rows(idle.lend().await?.get()?, decode).await,
            Self::Postgres(pools) => {
                let reading = async |lent: &mut AnyConnection| query.on_any().fetch_all(lent).await;
                let rows = pools.read(reading).await?;
                rows.iter().map(|row| decode(&Row::Any(row))).collect()
            }
        }
    }

    /// The first row, if there is one.
    pub(crate) async fn row<T>(
        &self,
        query: Query,
        decode: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Sqlite(idle) => query.row(idle.lend().await?.get()?, decode).await,
            Self::Postgres(pools) => {
                let reading =
                    async |lent: &mut AnyConnection| query.on_any().fetch_optional(lent).await;
                let row = pools.read(reading).await?;
                row.map(|row| decode(&Row::Any(&row))).transpose()
            }
        }
    }

    /// The first row of a statement that may read many rows: runs in a thread of its own.
    pub(crate) async fn row_aside<T: Send + 'static>(
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
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(idle) => {
                idle.permits.close();
                idle.connections().clear();
            }
            Self::Postgres(pools) => pools.current().0.close().await,
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

/// A connection in use. It returns to the pool when this is dropped, and then the permit does.
struct Lent {
    /// `Some` until it is returned.
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

impl Pools {
    fn current(&self) -> (AnyPool, u64) {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, (AnyPool, u64)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the pool with that number, unless this was done already or reads were closed.
    fn renew(&self, number: u64) {
        let mut current = self.lock();
        if current.1 != number || current.0.is_closed() {
            return;
        }
        let fresh = self
            .settings
            .clone()
            .connect_lazy_with(self.address.clone());
        let (old, _) = std::mem::replace(&mut *current, (fresh, number + 1));
        // Reads under way end by themselves; silent connections cannot be closed properly.
        tokio::spawn(async move { tokio::time::timeout(READ_TIMEOUT, old.close()).await });
    }

    /// Reads within [`READ_TIMEOUT`] in total. A connection that does not answer in time is dropped, because in the
    /// pool it would delay the next readers as well.
    async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let (pool, number) = self.current();
        let mut lent = None;
        let done = async {
            let lent = lent.insert(pool.acquire().await?);
            reading(lent).await
        };
        match tokio::time::timeout(READ_TIMEOUT, done).await {
            Ok(result) => Ok(result?),
            Err(_) => {
                drop(lent.map(PoolConnection::detach));
                self.renew(number);
                Err(timed_out())
            }
        }
    }
}
