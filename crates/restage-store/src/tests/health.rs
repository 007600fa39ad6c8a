//! Tests that the store's health is reported correctly, and that a missing file is noticed.

use std::time::{Duration, Instant};

use super::writer::{create, logging_bench};
use super::{Bench, Database};
use crate::{Cause, EffectSink, PROBE_EVERY, StoreError};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

impl Bench {
    /// Repeats the question until the answer is as expected.
    async fn until_writable(&self, expected: Result<(), Cause>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.store.can_write().await.map_err(|error| error.cause());
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?} and not {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_lock_from_outside_is_seen_while_nobody_writes_and_gone_when_it_is() {
    let (mut bench, _) = logging_bench(Database::sqlite()).await;
    bench.until_writable(Ok(())).await;
    bench.rows.command("BEGIN IMMEDIATE").await.unwrap();
    // First it takes long; then the attempt has failed.
    bench.until_writable(Err(Cause::Silent)).await;
    bench.until_writable(Err(Cause::Locked)).await;
    assert!(
        bench.store.get_stage(&"a".into()).await.is_ok(),
        "reading goes on"
    );
    bench.rows.command("ROLLBACK").await.unwrap();
    bench.until_writable(Ok(())).await;
}

#[tokio::test]
async fn a_write_that_fails_is_seen_and_one_that_works_again_too() {
    let (mut bench, _) = logging_bench(Database::sqlite()).await;
    let poison =
        "CREATE TRIGGER poison BEFORE UPDATE ON meta BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    super::query(poison).execute(&mut bench.rows).await.unwrap();
    // The first probe makes the row, the second changes it.
    bench.until_writable(Ok(())).await;
    bench.until_writable(Err(Cause::Other)).await;
    super::query("DROP TRIGGER poison")
        .execute(&mut bench.rows)
        .await
        .unwrap();
    bench.until_writable(Ok(())).await;
}

#[tokio::test]
async fn many_who_ask_share_a_probe() {
    let (bench, _) = logging_bench(Database::sqlite()).await;
    tokio::time::sleep(PROBE_EVERY).await;
    let before = bench.store.stats().commits;
    let all = (0..200).map(|_| bench.store.can_write());
    assert!(super::writer::join_all(all).await.iter().all(Result::is_ok));
    // A second commit if these took longer than the first result is valid.
    assert!((1..=2).contains(&(bench.store.stats().commits - before)));
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_is_lost() {
    for is_log in [false, true] {
        let (bench, _) = logging_bench(Database::sqlite()).await;
        bench.store.execute(create("a", None)).await.unwrap();
        // Until the log file was seen.
        tokio::time::sleep(PROBE_EVERY).await;
        bench.store.can_write().await.unwrap();
        let file = bench._database.path().join(if is_log {
            "restage.db-wal"
        } else {
            "restage.db"
        });
        let moved = file.with_extension("moved");
        std::fs::rename(&file, &moved).unwrap();
        std::fs::copy(&moved, &file).unwrap();
        bench.until_writable(Err(Cause::Gone)).await;
        let lost = tokio::time::timeout(PATIENCE, bench.store.lost())
            .await
            .unwrap();
        assert!(matches!(lost, StoreError::Removed { .. }), "{lost}");
        assert!(lost.to_string().contains("removed or replaced"), "{lost}");
        let late = bench.store.execute(create("late", None)).await;
        assert!(matches!(late, Err(StoreError::Removed { .. })), "{late:?}");
    }
}

#[tokio::test]
async fn a_writer_that_dies_is_noticed() {
    let sink: EffectSink = Box::new(|_, _, _| panic!("a defect"));
    let bench = Bench::on(Database::fresh().await, sink).await;
    let unanswered = bench.store.execute(create("a", None)).await;
    assert!(
        matches!(unanswered, Err(StoreError::Closed)),
        "{unanswered:?}"
    );
    let lost = tokio::time::timeout(PATIENCE, bench.store.lost())
        .await
        .unwrap();
    assert!(matches!(lost, StoreError::WriterDied), "{lost}");
    assert!(bench.store.can_write().await.is_err());
}
