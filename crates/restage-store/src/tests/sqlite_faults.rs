//! Failures below the writer, caused by SQLite's own means, and SQLite's settings.

use std::time::Instant;

use restage_core::id::StageId;

use super::writer::{create, logging_bench};
use super::{Bench, Database, StoreConfig};
use crate::engine::{BUSY_TIMEOUT, Engine};
use crate::sql::query;
use crate::{SqliteSync, StoreError};

#[tokio::test]
async fn a_command_that_fails_takes_only_itself_back() {
    let (mut bench, log) = logging_bench(Database::sqlite()).await;
    bench.poison("ABORT").await;
    let executions = [
        create("a", None),
        create("b", Some("poison")),
        create("c", Some("fine")),
    ];
    let (outcomes, stats) = bench.together(executions).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(
        matches!(outcomes[1], Err(StoreError::Engine { .. })),
        "{:?}",
        outcomes[1]
    );
    assert_eq!(stats.commits, 1);
    assert_eq!(*log.lock().unwrap(), ["a", "c"]);
    let world = bench.dump().await;
    // The stage of the failed command was written before its token failed.
    assert_eq!(
        world.stages.keys().map(StageId::as_str).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert!(world.tokens.contains_key(&("c".into(), "fine".into())));
}

#[tokio::test]
async fn a_command_that_fails_alone_leaves_nothing_and_the_writer_as_it_was() {
    for how in ["ABORT", "ROLLBACK"] {
        let (mut bench, log) = logging_bench(Database::sqlite()).await;
        bench.poison(how).await;
        for round in 0..2 {
            let failed = bench.store.execute(create("b", Some("poison"))).await;
            assert!(failed.is_err(), "{how}: {failed:?}");
            let name = format!("after{round}");
            let outcome = bench.store.execute(create(&name, None)).await;
            outcome.unwrap().reply.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["after0", "after1"]);
        let stages = bench.dump().await.stages;
        assert_eq!(
            stages.keys().map(StageId::as_str).collect::<Vec<_>>(),
            ["after0", "after1"]
        );
    }
}

/// Some failures (for example a full disk) end the whole transaction. Then every caller in the batch must learn that.
#[tokio::test]
async fn a_failure_of_the_transaction_fails_its_batch_and_no_later_one() {
    let (mut bench, log) = logging_bench(Database::sqlite()).await;
    bench.poison("ROLLBACK").await;
    let executions = [
        create("a", None),
        create("b", Some("poison")),
        create("c", None),
    ];
    let (outcomes, stats) = bench.together(executions).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(stats.commits, 0);
    assert_eq!(*log.lock().unwrap(), [""; 0]);
    assert!(bench.dump().await.stages.is_empty());

    bench
        .store
        .execute(create("d", None))
        .await
        .unwrap()
        .reply
        .unwrap();
    assert_eq!(*log.lock().unwrap(), ["d"]);
}

#[tokio::test]
async fn a_lock_from_outside_delays_or_fails_a_batch_and_no_later_one() {
    let (mut bench, log) = logging_bench(Database::sqlite()).await;
    bench.rows.command("BEGIN IMMEDIATE").await.unwrap();
    let started = Instant::now();
    let outcome = bench.store.execute(create("a", None)).await;
    assert!(
        matches!(outcome, Err(StoreError::Commit { .. })),
        "{outcome:?}"
    );
    assert!(started.elapsed() >= BUSY_TIMEOUT.mul_f32(0.5), "it waited");

    let waiting = bench.store.clone();
    let waiting = tokio::spawn(async move { waiting.execute(create("b", None)).await });
    tokio::task::yield_now().await;
    bench.rows.command("ROLLBACK").await.unwrap();
    waiting.await.unwrap().unwrap().reply.unwrap();
    assert_eq!(*log.lock().unwrap(), ["b"]);
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_unless_it_is_told_not_to() {
    let database = Database::sqlite();
    let default = StoreConfig::from_address(database.address()).unwrap();
    let normal = default.clone().syncing(SqliteSync::Normal);
    for (config, expected) in [(default, 2), (normal, 1)] {
        let mut writer = Engine::acquire(&config)
            .unwrap()
            .open_writer()
            .await
            .unwrap();
        let synchronous = query("PRAGMA synchronous").number(&mut writer).await;
        let journal = query("PRAGMA journal_mode")
            .only(&mut writer, |row| row.text(0).map(str::to_owned))
            .await;
        let (synchronous, journal) = (synchronous.unwrap(), journal.unwrap());
        assert_eq!((synchronous, journal.as_str()), (expected, "wal"));
    }
}

impl Bench {
    /// Makes the writing of a token named "poison" fail, in one of SQLite's ways.
    async fn poison(&mut self, how: &str) {
        let trigger = format!(
            "CREATE TRIGGER poison BEFORE INSERT ON tokens WHEN NEW.participant = 'poison' \
             BEGIN SELECT RAISE({how}, 'poisoned'); END"
        );
        query(trigger).execute(&mut self.rows).await.unwrap();
    }
}
