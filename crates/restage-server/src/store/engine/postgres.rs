//! PostgreSQL: session settings, one owner by an advisory lock, and the collation the schema asks for.

use std::time::Duration;

use sqlx::AnyConnection;

use super::{BUSY_TIMEOUT, Role};
use crate::store::codec::bytes_text;
use crate::store::error::StoreError;

/// How the writer opens a transaction. Its lock keeps other writers out already.
pub(super) const BEGIN_WRITE: &str = "BEGIN";

/// How a reader opens a transaction that sees one moment.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long to wait for the database to notice that its last owner is gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// How long one statement of the writer may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A lock of the session: it goes with the connection, so that whoever writes is the owner. One owner
/// per schema, as a database may hold several restages in schemas of their own.
const LOCK: &str = "SELECT CASE WHEN \
     pg_try_advisory_lock(hashtext('restage'), hashtext(current_schema()::text)) \
     THEN 1::bigint ELSE 0::bigint END";
/// SQLite has a collation of this name, which compares bytes as this does.
const COLLATION: &str = "CREATE COLLATION \"binary\" (provider = libc, locale = 'C')";
const HAS_COLLATION: &str = "SELECT COUNT(*) FROM pg_collation c \
     JOIN pg_namespace n ON n.oid = c.collnamespace \
     WHERE c.collname = 'binary' AND n.nspname = current_schema()::text";
const WRITE_CLAIM: &str = "INSERT INTO meta (name, value) VALUES ('owner', $1) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const READ_CLAIM: &str = "SELECT m.value FROM meta m WHERE m.name = 'owner'";

/// Brings a new connection into the state its role needs.
///
/// A reply means that the change is on disk, so asynchronous commit is switched off; a stricter setting
/// stays. The keepalives let the database notice within half a minute that this host is gone, so that
/// another may take over. A search path of schemas that are not there is taken by PostgreSQL without a word; all that is
/// asked of it later would fail for reasons that name other things.
pub(super) async fn set_up(connection: &mut AnyConnection, role: Role) -> Result<(), sqlx::Error> {
    let timeout = match role {
        Role::Writer => WRITE_TIMEOUT,
        Role::Reader => crate::store::READ_TIMEOUT,
    };
    let read_only = match role {
        Role::Writer => "off",
        Role::Reader => "on",
    };
    let settings = format!(
        "SET TIME ZONE 'UTC'; SET standard_conforming_strings = on; SET jit = off; \
         SET lock_timeout = {}; SET statement_timeout = {}; \
         SET default_transaction_read_only = {read_only}; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
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

/// The same for a connection beside the server's, whose statements may take their time.
pub(super) async fn set_up_visit(
    connection: &mut AnyConnection,
    role: Role,
) -> Result<(), sqlx::Error> {
    set_up(connection, role).await?;
    sqlx::raw_sql("SET statement_timeout = 0")
        .execute(connection)
        .await
        .map(drop)
}

/// Makes this connection the owner's.
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

/// What the migrations take for granted.
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

/// A mark in the database that says who owned it last. A connection may break and its lock be free for a
/// moment: the mark tells whether somebody else was here meanwhile.
pub(super) struct Claim(String);

impl Claim {
    pub(super) fn fresh() -> Self {
        Self(bytes_text(&rand::random::<[u8; 16]>()))
    }

    pub(super) async fn write(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let query = sqlx::query(WRITE_CLAIM).bind(self.0.as_str());
        query.execute(connection).await.map(drop)
    }

    pub(super) async fn is_kept(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<bool, sqlx::Error> {
        let found: Option<String> = sqlx::query_scalar(READ_CLAIM)
            .fetch_optional(connection)
            .await?;
        Ok(found.as_deref() == Some(self.0.as_str()))
    }
}
