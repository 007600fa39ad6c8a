//! What can happen only to a database behind a connection: the connection breaks, and another process may own the
//! database in between. On SQLite, which has no connection to lose, these tests check nothing.

use crate::support::{Database, config, create_stage, execute, execution, nowhere, open};
use restage_core::id::StageId;
use restage_store::{Store, StoreConfig, StoreError, check, look};
use sqlx::{AnyConnection, Connection as _};

/// Ends the session that owns this test's schema, as a restart of PostgreSQL or a broken network would.
async fn cut_off_owner(database: &Database) {
    let mut outside: AnyConnection = database.rows().await;
    let ended: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT pg_terminate_backend(l.pid) FROM pg_locks l \
         WHERE l.locktype = 'advisory' AND l.classid::bigint = hashtext('restage')::bigint & 4294967295 \
         AND l.objid::bigint = hashtext(current_schema()::text)::bigint & 4294967295) AS ended",
    )
    .fetch_one(&mut outside)
    .await
    .unwrap();
    assert_eq!(ended, 1, "one session owns the schema");
    outside.close().await.unwrap();
}

/// Creates a stage, over as many attempts as the store fails for.
async fn create_at_last(store: &Store, stage: &str) -> Result<(), StoreError> {
    let mut attempts = 0;
    loop {
        match store.execute(execution(1, create_stage(stage))).await {
            Ok(outcome) => {
                outcome.reply.unwrap();
                return Ok(());
            }
            Err(error @ StoreError::TakenOver { .. }) => return Err(error),
            Err(error) => {
                attempts += 1;
                assert!(attempts < 5, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_replaced() {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        return;
    }
    let store = open(&database).await;
    execute(&store, 1, create_stage("before")).await;
    cut_off_owner(&database).await;
    create_at_last(&store, "after").await.unwrap();
    for stage in ["before", "after"] {
        let found = store.get_stage(&StageId::new(stage)).await.unwrap();
        assert!(found.is_some(), "{stage}");
    }
    let error = Store::open(&config(&database), nowhere())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::InUse { .. }),
        "it is owned again: {error}"
    );
}

#[tokio::test]
async fn who_was_replaced_meanwhile_writes_no_more() {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        return;
    }
    let first = open(&database).await;
    execute(&first, 1, create_stage("before")).await;
    cut_off_owner(&database).await;
    let second = open(&database).await;
    execute(&second, 1, create_stage("second")).await;
    second.close().await;
    let error = create_at_last(&first, "late").await.unwrap_err();
    assert!(error.to_string().contains("taken over"), "{error}");
    let found = first.get_stage(&StageId::new("late")).await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn why_a_database_cannot_be_opened_is_said_once_and_plainly() {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        return;
    }
    let (server, _) = database.address().split_once("?").unwrap();
    let (place, _) = server.rsplit_once('/').unwrap();
    let (_, host) = place.split_once('@').unwrap();
    let closed = host.rsplit_once(':').unwrap().0;
    for (address, reason) in [
        (
            format!("{server}?sslmode=sometimes"),
            "unknown value \"sometimes\" for `ssl_mode`",
        ),
        (
            format!("postgres://restage:not-it@{host}/postgres"),
            "password authentication failed for user \"restage\"",
        ),
        (
            format!("postgres://restage@{host}/postgres"),
            "password authentication failed for user \"restage\"",
        ),
        (
            format!("{place}/nobody_made_it"),
            "database \"nobody_made_it\" does not exist",
        ),
        (
            format!("postgres://restage@{closed}:1/postgres"),
            "Connection refused (os error 111)",
        ),
        (
            format!("{server}?options=-csearch_path%3Dnobody_made_it"),
            "there is no schema of its search_path (nobody_made_it); make it with CREATE SCHEMA",
        ),
    ] {
        let config = StoreConfig::from_address(&address).unwrap();
        let expected = format!("the database {} cannot be opened: {reason}", config.name());
        let opened = Store::open(&config, nowhere()).await.map(drop);
        for refused in [opened, check(&config).await.map(drop)] {
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
    }
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_named() {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        return;
    }
    let (start, _) = database.address().split_once("search_path").unwrap();
    let address = format!("{start}search_path%3Dnobody_made_it");
    let config = StoreConfig::from_address(&address).unwrap();
    let opened = Store::open(&config, nowhere()).await.map(drop);
    for refused in [
        opened,
        check(&config).await.map(drop),
        look(&config).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("nobody_made_it") && text.contains("CREATE SCHEMA"),
            "{text}"
        );
    }
}
