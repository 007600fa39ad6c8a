//! PostgreSQL: session settings, ownership by an advisory lock, and the collation that the schema needs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::AnyConnection;

use super::{Access, BUSY_TIMEOUT};
use crate::error::StoreError;
use crate::sql::bytes_text;

/// How the writer opens a transaction. The ownership lock already keeps other writers out. The transaction's number
/// identifies it later, if the connection is lost during COMMIT.
pub(super) const BEGIN_WRITE: &str = "BEGIN; SELECT txid_current()";
const FATE: &str = "SELECT COALESCE(txid_status($1), 'forgotten')";

/// How a reader opens a transaction with a consistent snapshot.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long to wait until the database notices that its previous owner is gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// Time limit of one statement of the writer, by the database's clock, and of a whole batch by ours, because a
/// connection that passes no bytes does not report an error.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for reconnecting and owning the database again.
pub(super) const REOPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// Time limit for closing a connection properly.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A lock of the session: it ends with the connection, so the connection that writes is the owner. One owner
/// per schema, because a database may have several restages in schemas of their own.
const LOCK: &str = "SELECT CASE WHEN \
     pg_try_advisory_lock(hashtext('restage'), hashtext(current_schema()::text)) \
     THEN 1::bigint ELSE 0::bigint END";
/// SQLite has a built-in collation of this name; this one compares bytes in the same way.
const COLLATION: &str = "CREATE COLLATION \"binary\" (provider = libc, locale = 'C')";
const HAS_COLLATION: &str = "SELECT COUNT(*) FROM pg_collation c \
     JOIN pg_namespace n ON n.oid = c.collnamespace \
     WHERE c.collname = 'binary' AND n.nspname = current_schema()::text";
/// Ends an old session of this server that the database still considers alive. Only a session that holds this lock.
const END_OLD: &str = "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(l.pid) FROM pg_locks l \
     WHERE l.locktype = 'advisory' AND l.pid = $1::bigint::integer \
     AND l.classid::bigint = hashtext('restage')::bigint & 4294967295 \
     AND l.objid::bigint = hashtext(current_schema()::text)::bigint & 4294967295) AS ended";
const BACKEND: &str = "SELECT pg_backend_pid()::bigint";
const WRITE_CLAIM: &str = "INSERT INTO meta (name, value) VALUES ('owner', $1) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const READ_CLAIM: &str = "SELECT m.value FROM meta m WHERE m.name = 'owner'";

/// Sets a new connection up for this access.
///
/// A reply means that the change is on disk, so asynchronous commit is switched off; a stricter setting
/// is kept. The keepalives and the user timeout let the database notice within half a minute that this host is gone, so
/// that another one can take over. The search path is checked, because PostgreSQL silently accepts schemas that do not
/// exist, and later statements would then fail with misleading errors.
pub(super) async fn set_up(
    connection: &mut AnyConnection,
    access: Access,
) -> Result<(), sqlx::Error> {
    let timeout = match access {
        Access::Writer => WRITE_TIMEOUT,
        Access::Reader => crate::limits::READ_TIMEOUT,
    };
    let read_only = match access {
        Access::Writer => "off",
        Access::Reader => "on",
    };
    let settings = format!(
        "SET TIME ZONE 'UTC'; SET standard_conforming_strings = on; SET jit = off; \
         SET lock_timeout = {}; SET statement_timeout = {}; \
         SET default_transaction_read_only = {read_only}; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 25000; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'; \
         DO $$ BEGIN IF current_schema() IS NULL THEN \
         RAISE EXCEPTION 'there is no schema of its search_path (%); make it with CREATE SCHEMA', \
         current_setting('search_path'); END IF; END $$;",
        BUSY_TIMEOUT.as_millis(),
        timeout.as_millis(),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(settings))
        .execute(connection)
        .await?;
    Ok(())
}

/// The same for a connection beside the server's, whose statements have no time limit.
pub(super) async fn set_up_visit(
    connection: &mut AnyConnection,
    access: Access,
) -> Result<(), sqlx::Error> {
    set_up(connection, access).await?;
    sqlx::raw_sql("SET statement_timeout = 0")
        .execute(connection)
        .await
        .map(drop)
}

/// Makes this connection the owner of the database.
pub(super) async fn lock(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        let taken: i64 = sqlx::query_scalar(LOCK).fetch_one(&mut *connection).await?;
        if taken == 1 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(StoreError::InUse {
                database: name.to_owned(),
            });
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

/// Prepares what the migrations need.
pub(super) async fn prepare_schema(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let there: i64 = sqlx::query_scalar(HAS_COLLATION)
        .fetch_one(&mut *connection)
        .await?;
    if there == 0 {
        sqlx::raw_sql(COLLATION).execute(&mut *connection).await?;
    }
    sqlx::raw_sql("SET statement_timeout = 0")
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a transaction was committed. Its connection has ended, so the result is final.
pub(super) async fn is_committed(
    connection: &mut AnyConnection,
    transaction: i64,
) -> Result<bool, StoreError> {
    let fate: String = sqlx::query_scalar(FATE)
        .bind(transaction)
        .fetch_one(connection)
        .await?;
    match fate.as_str() {
        "committed" => Ok(true),
        "in progress" => Err(StoreError::Unknown {
            reason: "the database has not yet ended the lost connection's transaction".to_owned(),
        }),
        _ => Ok(false),
    }
}

/// A row in the database that names its last owner. A connection may break and its lock be free for a
/// moment; the row shows whether another server owned the database meanwhile.
pub(super) struct Claim {
    mark: String,
    /// The database's number of the writer's session; 0 if there is none.
    session: AtomicI64,
}

impl Claim {
    pub(super) fn fresh() -> Self {
        Self {
            mark: bytes_text(&rand::random::<[u8; 16]>()),
            session: AtomicI64::new(0),
        }
    }

    pub(super) async fn write(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let query = sqlx::query(WRITE_CLAIM).bind(self.mark.as_str());
        query.execute(&mut *connection).await?;
        self.note_session(connection).await
    }

    pub(super) async fn is_kept(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<bool, sqlx::Error> {
        let found: Option<String> = sqlx::query_scalar(READ_CLAIM)
            .fetch_optional(connection)
            .await?;
        Ok(found.as_deref() == Some(self.mark.as_str()))
    }

    /// Records that this connection's session is now the writer's.
    pub(super) async fn note_session(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<(), sqlx::Error> {
        let session = sqlx::query_scalar(BACKEND).fetch_one(connection).await?;
        self.session.store(session, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the previous writer's session, if the database still has it: the database would notice only after half a
    /// minute that the session's connection was lost.
    pub(super) async fn end_old_session(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<(), sqlx::Error> {
        let session = self.session.load(Ordering::Relaxed);
        if session != 0 {
            let query = sqlx::query_scalar::<_, i64>(END_OLD).bind(session);
            query.fetch_one(connection).await?;
        }
        Ok(())
    }
}
