//! What was acknowledged is there after a crash, and a database has one owner.

mod store_support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use restage_core::id::{StageId, Time};
use restage_core::row::ConnectionKind;
use restage_server::store::{Store, StoreConfig, StoreError};
use sqlx::Connection as _;
use store_support::{
    ACCOUNT, REGION, config, connect, create_stage, create_token, execute, fresh, job, nowhere,
    open, publish, replicate,
};
use tempfile::TempDir;

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

/// Tells this test's own process, started again, to be the one that is killed.
const VICTIM: &str = "RESTAGE_TEST_STORE_DIRECTORY";
const KILLS: usize = 5;
const WRITERS: usize = 8;

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        write_until_killed(Path::new(&directory));
    }
    let directory = TempDir::new().unwrap();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..KILLS {
        let mut victim = Process::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_killed_process_loses_nothing_it_acknowledged",
                "--nocapture",
            ])
            .env(VICTIM, directory.path())
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
            // In the middle of its work, at another place each time.
            if seen == 40 + kill * 23 {
                let blocked = in_runtime(Store::open(&config(&directory), nowhere()));
                assert!(
                    matches!(blocked, Err(StoreError::InUse { .. })),
                    "it has the database"
                );
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        assert!(seen >= 40 + kill * 23, "it stopped by itself after {seen}");
        let found = in_runtime(async {
            let store = open(&directory).await;
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

fn write_until_killed(directory: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = StoreConfig::sqlite(directory.join("restage.db"));
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

/// The files as a power cut would leave them: taken while the store is open, right after an answer.
#[tokio::test]
async fn an_acknowledged_change_is_in_the_files() {
    let (store, directory) = fresh().await;
    for round in 0..5 {
        let id = format!("stage{round}");
        execute(&store, round, create_stage(&id)).await;
        let image = TempDir::new().unwrap();
        for file in ["restage.db", "restage.db-wal"] {
            std::fs::copy(directory.path().join(file), image.path().join(file)).unwrap();
        }
        let copy = open(&image).await;
        assert!(
            copy.get_stage(&StageId::new(id)).await.unwrap().is_some(),
            "round {round}"
        );
        assert_eq!(stages(&copy).await.len() as i64, round + 1);
        copy.close().await;
    }
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let (store, directory) = fresh().await;
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

    let store = open(&directory).await;
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
    // Connections too: that is how the next start knows what to close.
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
    let (store, directory) = fresh().await;
    let again = Store::open(&config(&directory), nowhere()).await;
    let error = again.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert!(error.to_string().contains("restage.db"), "{error}");
    // The same file by another name.
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(directory.path().join("restage.db"), &link).unwrap();
    let again = Store::open(&StoreConfig::sqlite(&link), nowhere()).await;
    assert!(matches!(again, Err(StoreError::InUse { .. })));
    execute(&store, 1, create_stage("a")).await;
    store.close().await;
    let store = Store::open(&StoreConfig::sqlite(&link), nowhere())
        .await
        .unwrap();
    assert_eq!(stages(&store).await.len(), 1);
    // Dropped without closing: free as soon as the writer has noticed.
    drop(store);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match Store::open(&config(&directory), nowhere()).await {
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
    let (store, directory) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    store.close().await;
    let address = format!("sqlite://{}", directory.path().join("restage.db").display());
    let mut rows = sqlx::AnyConnection::connect(&address).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, '', 0)",
    )
    .execute(&mut rows)
    .await
    .unwrap();
    rows.close().await.unwrap();
    let error = Store::open(&config(&directory), nowhere())
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

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let directory = TempDir::new().unwrap();
    let nowhere_at_all = directory.path().join("missing").join("restage.db");
    let garbage = directory.path().join("garbage.db");
    std::fs::write(
        &garbage,
        "not a database, but longer than a header would be ".repeat(20),
    )
    .unwrap();
    for path in [
        nowhere_at_all,
        garbage,
        directory.path().to_owned(),
        "/".into(),
    ] {
        let error = Store::open(&StoreConfig::sqlite(&path), nowhere())
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
    let error = StoreConfig::from_address("postgres://user:hunter2@host/db").unwrap_err();
    assert!(matches!(error, StoreError::Address { .. }));
    assert!(error.to_string().contains("postgres") && !error.to_string().contains("hunter2"));
    assert!(StoreConfig::from_address("sqlite:").is_err());
    for address in ["sqlite:/d/r.db", "sqlite:///d/r.db", "/d/r.db"] {
        assert_eq!(
            StoreConfig::from_address(address).unwrap().path(),
            Path::new("/d/r.db")
        );
    }
}

#[tokio::test]
async fn awkward_paths_name_the_file_they_say() {
    for name in [
        "with space.db",
        "a?mode=memory.db",
        "#1.db",
        "100%41.db",
        "Zoë 🎥.db",
        ":memory:",
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(name);
        let store = Store::open(&StoreConfig::sqlite(&path), nowhere())
            .await
            .unwrap();
        store
            .execute(job(1, create_stage("a")))
            .await
            .unwrap()
            .reply
            .unwrap();
        store
            .execute(job(1, create_token("a", "ann")))
            .await
            .unwrap()
            .reply
            .unwrap();
        store.close().await;
        assert!(std::fs::metadata(&path).unwrap().len() > 0, "{name}");
        let store = Store::open(&StoreConfig::sqlite(&path), nowhere())
            .await
            .unwrap();
        let token = store
            .get_token(&"a".into(), &"ann".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(token.expires_at, Time(i64::MAX), "{name}");
    }
}

/// It holds the key of page tokens.
#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (store, directory) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    for file in ["restage.db", "restage.db-wal", "restage.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
    }
}
