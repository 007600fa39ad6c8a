//! Acknowledged changes are there after a crash, and a database has one owner.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use crate::support::{
    ACCOUNT, Database, REGION, config, connect, create_stage, execute, fresh, nowhere, open,
    publish, replicate,
};
use restage_core::id::StageId;
use restage_core::row::ConnectionKind;
use restage_store::{Store, StoreConfig, StoreError};
use sqlx::Connection as _;

async fn stages(store: &Store) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store
            .list_stages(ACCOUNT, REGION, after.take(), 1_000)
            .await
            .unwrap();
        after = page.rows.last().map(|row| (row.created_at, row.id.clone()));
        ids.extend(page.rows.into_iter().map(|row| row.id.to_string()));
        if !page.more {
            return ids;
        }
    }
}

/// If set, this test's process, which is started again, is the one that will be killed.
const VICTIM: &str = "RESTAGE_TEST_STORE_VICTIM";
const KILLS: usize = 5;
const WRITERS: usize = 8;

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    if let Ok(address) = std::env::var(VICTIM) {
        write_until_killed(&address);
    }
    let database = in_runtime(Database::fresh());
    let mut acknowledged = BTreeSet::new();
    for kill in 0..KILLS {
        let mut victim = Process::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "durability::a_killed_process_loses_nothing_it_acknowledged",
                "--nocapture",
            ])
            .env(VICTIM, database.address())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in &mut lines {
            if let Some(id) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged.insert(id.to_owned());
                seen += 1;
            }
            // In the middle of its work, each time at another moment.
            if seen == 40 + kill * 23 {
                if kill == 0 {
                    let blocked = in_runtime(Store::open(&config(&database), nowhere()));
                    assert!(
                        matches!(blocked, Err(StoreError::InUse { .. })),
                        "it has the database"
                    );
                }
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        assert!(seen >= 40 + kill * 23, "it stopped by itself after {seen}");
        let found = in_runtime(async {
            let store = open(&database).await;
            let found = stages(&store).await;
            store.close().await;
            found
        });
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert_eq!(lost, [""; 0], "after kill {kill}");
    }
}

fn in_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn write_until_killed(address: &str) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = StoreConfig::from_address(address).unwrap();
        let store = Arc::new(Store::open(&config, nowhere()).await.unwrap());
        let process = std::process::id();
        let writers = (0..WRITERS).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0.. {
                    let id = format!("s{process}x{writer}x{n}");
                    execute(&store, 1, create_stage(&id)).await;
                    println!("acknowledged {id}");
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
    unreachable!("the writers write for ever");
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (store, database) = fresh().await;
    publish(&store, "source", "ann").await;
    execute(&store, 3, create_stage("destination")).await;
    execute(&store, 4, replicate("source", "ann", "destination")).await;
    let secret = store.meta_put_if_absent("key", b"secret").await.unwrap();
    let source = store
        .get_stage(&StageId::new("source"))
        .await
        .unwrap()
        .unwrap();
    let session = source.active_session.clone().unwrap();
    let ann = store
        .get_participant(&session, &"ann".into())
        .await
        .unwrap();
    let events = store
        .list_events(&session, &"ann".into(), 0, 100)
        .await
        .unwrap();
    let replicas = store
        .list_replicas(&source.id, &"ann".into(), None, 100)
        .await
        .unwrap();
    assert!(ann.is_some() && events.rows.len() > 2 && replicas.rows.len() == 1);
    store.close().await;

    let store = open(&database).await;
    assert_eq!(
        store.get_stage(&source.id).await.unwrap(),
        Some(source.clone())
    );
    assert_eq!(
        store
            .get_participant(&session, &"ann".into())
            .await
            .unwrap(),
        ann
    );
    assert_eq!(
        store
            .list_events(&session, &"ann".into(), 0, 100)
            .await
            .unwrap(),
        events
    );
    assert_eq!(
        store
            .list_replicas(&source.id, &"ann".into(), None, 100)
            .await
            .unwrap(),
        replicas
    );
    assert_eq!(
        store.meta_put_if_absent("key", b"other").await.unwrap(),
        secret
    );
    // Including connections, by which the next start knows what to close.
    let taken_over = connect("source", "ann", "again", ConnectionKind::Publish);
    execute(&store, 5, taken_over).await;
    let events = store
        .list_events(&session, &"ann".into(), 0, 100)
        .await
        .unwrap();
    let joined = events
        .rows
        .iter()
        .filter(|row| format!("{:?}", row.event.name) == "Joined");
    assert_eq!(
        joined.count(),
        1,
        "the old connection was replaced, not joined by another"
    );
}

#[tokio::test]
async fn a_database_has_one_owner() {
    let (store, database) = fresh().await;
    let error = Store::open(&config(&database), nowhere())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    let name = config(&database).name();
    assert!(error.to_string().contains(&name), "{error}");
    execute(&store, 1, create_stage("a")).await;
    store.close().await;
    let store = open(&database).await;
    assert_eq!(stages(&store).await.len(), 1);
    // Dropped without closing. The database is free as soon as the writer has noticed.
    drop(store);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match Store::open(&config(&database), nowhere()).await {
            Ok(store) => break assert_eq!(stages(&store).await.len(), 1),
            Err(StoreError::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_database_of_a_newer_restage_is_left_alone() {
    let (store, database) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    store.close().await;
    let mut rows = database.rows().await;
    let (yes, sum) = if database.is_postgres() {
        ("true", "''::bytea")
    } else {
        ("1", "''")
    };
    let later = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', {yes}, {sum}, 0)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(later))
        .execute(&mut rows)
        .await
        .unwrap();
    rows.close().await.unwrap();
    let error = Store::open(&config(&database), nowhere())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::NewerSchema {
                found: 9_999,
                known: 1..,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer restage"), "{error}");
}
