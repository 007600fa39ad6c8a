//! The files of a SQLite database: their owner, their contents and their names.

use crate::support::{Database, create_stage, create_token, execute, execution, nowhere, open};
use restage_core::id::{StageId, Time};
use restage_store::{Store, StoreConfig, StoreError};
use tempfile::TempDir;

async fn fresh() -> (Store, Database) {
    let database = Database::sqlite();
    (open(&database).await, database)
}

/// The files as a power cut would leave them: copied while the store is open, right after an answer.
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
        let config = StoreConfig::sqlite(image.path().join("restage.db"));
        let copy = Store::open(&config, nowhere()).await.unwrap();
        assert!(
            copy.get_stage(&StageId::new(id)).await.unwrap().is_some(),
            "round {round}"
        );
        copy.close().await;
    }
}

/// The same file by another name.
/// A commit leaves its changes in the log. They are moved into the database without making a commit wait.
#[tokio::test]
async fn changes_are_moved_from_the_log_into_the_file() {
    let (store, database) = fresh().await;
    store.meta_put_if_absent("k", b"moved").await.unwrap();
    let text = hex::encode("moved");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let file = std::fs::read(database.path().join("restage.db")).unwrap();
        if file.windows(text.len()).any(|part| part == text.as_bytes()) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "still in the log");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    store.close().await;
}

#[tokio::test]
async fn two_ways_to_a_file_meet_at_one_lock() {
    let (store, directory) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(directory.path().join("restage.db"), &link).unwrap();
    let again = Store::open(&StoreConfig::sqlite(&link), nowhere()).await;
    assert!(matches!(again, Err(StoreError::InUse { .. })));
    store.close().await;
    let store = Store::open(&StoreConfig::sqlite(&link), nowhere())
        .await
        .unwrap();
    assert!(store.get_stage(&StageId::new("a")).await.unwrap().is_some());
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
            .execute(execution(1, create_stage("a")))
            .await
            .unwrap()
            .reply
            .unwrap();
        store
            .execute(execution(1, create_token("a", "ann")))
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
