//! Migrates a database of an earlier schema, with its rows.

use restage_core::id::Time;
use restage_core::row::Token;
use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;

use crate::{Store, StoreConfig, engine};

#[tokio::test]
async fn tokens_of_the_first_schema_are_found_under_their_stage() {
    sqlx::any::install_default_drivers();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("restage.db");
    let url = format!("{}?mode=rwc", engine::sqlite::sqlite_url(&path).unwrap());
    let mut old = AnyConnection::connect(&url).await.unwrap();
    engine::migrations_to(1).run(&mut old).await.unwrap();
    let rows = "INSERT INTO stages VALUES ('A', '1', 'r', '', '{}', '{}', 1, NULL); \
                INSERT INTO tokens (participant, stage, expires_at, revoked_at) \
                VALUES ('ann', 'A', 7, NULL), ('bob', 'A', 8, 9)";
    sqlx::raw_sql(rows).execute(&mut old).await.unwrap();
    old.close().await.unwrap();

    let store = Store::open(&StoreConfig::sqlite(&path), Box::new(|_, _, _| ()))
        .await
        .unwrap();
    for (participant, expires_at, revoked_at) in [("ann", 7, None), ("bob", 8, Some(Time(9)))] {
        let expected = Token {
            stage: "A".into(),
            participant: participant.into(),
            expires_at: Time(expires_at),
            revoked_at,
            self_signed: None,
        };
        let found = store
            .get_token(&"A".into(), &participant.into())
            .await
            .unwrap();
        assert_eq!(found, Some(expected));
    }
}

/// A database remembers the checksum of each migration. It is refused if a migration has changed since.
#[test]
fn the_steps_that_databases_have_taken_are_as_they_were() {
    let released = [
        (1, "control plane", "9adc7777151335ba"),
        (2, "keys and tokens", "2e3a67d02396e9a2"),
        (3, "outbox", "bbb6807371f50400"),
        (4, "counts", "918150831760e9d7"),
        (5, "replications", "c580cec548cd4a6b"),
        (6, "jobs", "f301a97e2cdeb835"),
        (7, "encoder configurations", "7df5fdcaa33634e1"),
    ];
    for ((number, description, begins), step) in released.iter().zip(engine::MIGRATIONS.iter()) {
        assert_eq!((step.version, &*step.description), (*number, *description));
        let checksum = hex::encode(&step.checksum);
        assert!(checksum.starts_with(begins), "{number}: {checksum}");
    }
    assert!(engine::MIGRATIONS.iter().len() >= released.len());
}
