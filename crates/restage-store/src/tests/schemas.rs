//! Migrates a database of every earlier schema, with its rows. For each migration but the latest there is a file of
//! rows as a restage of that schema wrote them, with the migration's checksum, because a migration that was
//! released must never be edited.

use std::collections::BTreeMap;

use restage_core::id::Time;
use restage_core::row::StageRecording;
use sqlx::{AnyConnection, Connection as _};

use super::Database;
use crate::engine::{self, Engine};
use crate::{Store, StoreConfig, backup, check, restore, tables};

/// The first schema with a table of jobs.
const FIRST_WITH_JOBS: i64 = 6;

/// Rows of each schema but the latest, which may be here as well.
const LEFT_BEHIND: &[(i64, &str)] = &[
    (1, include_str!("../../tests/schemas/0001.sql")),
    (2, include_str!("../../tests/schemas/0002.sql")),
    (3, include_str!("../../tests/schemas/0003.sql")),
    (4, include_str!("../../tests/schemas/0004.sql")),
    (5, include_str!("../../tests/schemas/0005.sql")),
    (6, include_str!("../../tests/schemas/0006.sql")),
    (7, include_str!("../../tests/schemas/0007.sql")),
    (8, include_str!("../../tests/schemas/0008.sql")),
    (9, include_str!("../../tests/schemas/0009.sql")),
    (10, include_str!("../../tests/schemas/0010.sql")),
    (11, include_str!("../../tests/schemas/0011.sql")),
];

#[test]
fn every_schema_but_the_latest_has_its_rows_and_stays_as_it_was() {
    let rows: BTreeMap<i64, &str> = LEFT_BEHIND.iter().copied().collect();
    let latest = engine::latest_schema();
    for migration in engine::MIGRATIONS.iter() {
        if migration.version == latest && !rows.contains_key(&latest) {
            continue;
        }
        let version = migration.version;
        let text = rows.get(&version).unwrap_or_else(|| {
            panic!("add tests/schemas/{version:04}.sql: rows as schema {version} has them")
        });
        let sum = hex::encode(&migration.checksum);
        assert!(
            text.starts_with(&format!("-- migration sha384 {sum}\n")),
            "migration {version} is not the one whose rows are kept ({sum}): add a new one instead of editing it"
        );
    }
}

/// A database as a restage of that schema wrote it.
async fn left_behind(version: i64, rows: &'static str) -> (Database, StoreConfig) {
    let database = Database::fresh().await;
    let config = StoreConfig::from_address(database.address()).unwrap();
    let engine = Engine::acquire(&config).unwrap();
    let mut connection = engine.claim().await.unwrap();
    engine.migrate_to(&mut connection, version).await.unwrap();
    let mut filling = database.rows().await;
    sqlx::raw_sql(rows).execute(&mut filling).await.unwrap();
    filling.close().await.unwrap();
    connection.close().await.unwrap();
    (database, config.purged_by_caller())
}

async fn count(connection: &mut AnyConnection, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn every_schema_is_brought_up_to_date_with_what_it_holds() {
    for (version, rows) in LEFT_BEHIND {
        let (database, config) = left_behind(*version, rows).await;
        let tables = [
            "stages",
            "tokens",
            "stage_sessions",
            "participants",
            "replicas",
            "connections",
            "stage_events",
            "deleted_stages",
            "jobs",
        ];
        let mut before = Vec::new();
        let mut connection = database.rows().await;
        for table in tables {
            if table != "jobs" || *version >= FIRST_WITH_JOBS {
                before.push((table, count(&mut connection, table).await));
            }
        }
        let store = Store::open(&config, Box::new(|_, _, _| ())).await.unwrap();
        for (table, rows) in before {
            assert_eq!(
                count(&mut connection, table).await,
                rows,
                "{table} of schema {version}"
            );
        }
        let stage = store
            .get_stage(&"SourceStage1".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stage.recording, StageRecording::default());
        assert_eq!(
            (stage.name.as_str(), stage.created_at),
            ("lobby", Time(1_000))
        );
        let session = stage.active_session.unwrap();
        let ann = store
            .get_participant(&session, &"annAnnAnnAnn".into())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ann.recording, None);
        let ann = ann.row;
        assert_eq!(ann.user_id, "Ann Ünïcode");
        assert_eq!(ann.client.browser_name, "Chrome");
        let replicas = store
            .list_replicas(&stage.id, &ann.id, None, 10)
            .await
            .unwrap();
        assert_eq!(replicas.rows.len(), 1);
        let events = store.list_events(&session, &ann.id, 0, 10).await.unwrap();
        assert_eq!(events.rows.len(), 3);
        assert_eq!(
            store.meta_get("page-token-key").await.unwrap(),
            Some(vec![0, 255])
        );
        assert_eq!(check(&config).await.unwrap().faults, [""; 0]);
        store.close().await;
    }
}

/// Every table is in a backup, and a restored backup gives the same backup again.
#[tokio::test]
async fn a_backup_holds_every_row_and_goes_into_either_engine() {
    let (version, rows) = LEFT_BEHIND[LEFT_BEHIND.len() - 1];
    let (database, config) = left_behind(version, rows).await;
    Store::open(&config, Box::new(|_, _, _| ()))
        .await
        .unwrap()
        .close()
        .await;
    let mut first = Vec::new();
    let written = backup(&config, &mut first).await.unwrap();
    let mut connection = database.rows().await;
    let mut there = 0;
    for table in tables::ALL {
        there += count(&mut connection, table.name).await;
    }
    // The row that names the database's owner, if there is one, is not in the backup.
    let has_owner = i64::from(database.is_postgres());
    assert_eq!(i64::try_from(written).unwrap(), there - has_owner);

    for other in [Database::sqlite(), Database::fresh().await] {
        let config = StoreConfig::from_address(other.address()).unwrap();
        let restored = restore(&config, &mut first.as_slice()).await.unwrap();
        assert_eq!(restored, written);
        let mut second = Vec::new();
        backup(&config, &mut second).await.unwrap();
        let lines = |backup: &[u8]| {
            let text = String::from_utf8(backup.to_vec()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            // Rows of a table have no order, and the seal depends on theirs.
            lines.pop();
            lines.sort();
            lines
        };
        assert_eq!(lines(&first), lines(&second));
        assert_eq!(check(&config).await.unwrap().faults, [""; 0]);
        let again = restore(&config, &mut first.as_slice()).await.unwrap_err();
        assert!(again.to_string().contains("not empty"), "{again}");
    }
}

/// A table of the schema that is missing from the list would be missing from every backup.
#[tokio::test]
async fn the_list_of_tables_is_complete() {
    let database = Database::sqlite();
    let config = StoreConfig::from_address(database.address()).unwrap();
    Store::open(&config, Box::new(|_, _, _| ()))
        .await
        .unwrap()
        .close()
        .await;
    let mut connection = database.rows().await;
    let mut found: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations' \
         AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    found.sort();
    let mut listed: Vec<&str> = tables::ALL.iter().map(|table| table.name).collect();
    listed.sort_unstable();
    assert_eq!(found, listed);
}
