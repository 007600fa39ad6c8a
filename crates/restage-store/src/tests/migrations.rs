//! A database of an earlier schema is brought up to date with what it holds.

use std::borrow::Cow;

use restage_core::id::Time;
use restage_core::row::Token;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, Connection as _};
use tempfile::TempDir;

use crate::{Store, StoreConfig, engine};

/// Every schema there was, up to this version.
fn up_to(version: i64) -> Migrator {
    let all = sqlx::migrate!("./migrations");
    let migrations = all.iter().filter(|migration| migration.version <= version);
    Migrator {
        migrations: Cow::Owned(migrations.cloned().collect()),
        ..Migrator::DEFAULT
    }
}

#[tokio::test]
async fn tokens_of_the_first_schema_are_found_under_their_stage() {
    sqlx::any::install_default_drivers();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("restage.db");
    let url = format!("{}?mode=rwc", engine::sqlite::sqlite_url(&path).unwrap());
    let mut old = AnyConnection::connect(&url).await.unwrap();
    up_to(1).run(&mut old).await.unwrap();
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
