//! A clock that was ahead: what a later start finds in the rows, and the times of the rows that follow.

use restage_core::id::{StageId, Time};

use super::writer::create;
use super::*;
use crate::system::clock;
use crate::writer::newest::{self, AHEAD_MAX_S};

async fn open(database: &Database) -> Store {
    let config = StoreConfig::from_address(database.address()).unwrap();
    Store::open(&config, Box::new(|_, _, _| ())).await.unwrap()
}

/// Creates a stage while the clock is ahead by this many seconds, and returns its time.
async fn created(store: &Store, id: &str, ahead_s: u32) -> Time {
    let mut wanted = create(id, None);
    let now = clock::now().plus_seconds(ahead_s);
    (wanted.context.now, wanted.context.wall) = (now, now);
    store.execute(wanted).await.unwrap().reply.unwrap();
    let row = store.get_stage(&StageId::new(id)).await.unwrap();
    row.unwrap().created_at
}

#[tokio::test]
async fn rows_follow_those_of_a_clock_that_was_ahead_also_after_a_restart() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let ahead = created(&store, "ahead", 86_400).await;
    let right = created(&store, "right", 0).await;
    assert_eq!(right, Time(ahead.0 + 1));
    store.close().await;
    let store = open(&database).await;
    assert_eq!(created(&store, "again", 0).await, Time(ahead.0 + 2));
    store.close().await;
}

#[tokio::test]
async fn a_clock_that_was_wrong_by_years_is_left_alone() {
    let database = Database::fresh().await;
    let store = open(&database).await;
    let ahead = created(&store, "ahead", 400 * 86_400).await;
    store.close().await;
    let store = open(&database).await;
    let right = created(&store, "right", 0).await;
    assert!(right.plus_seconds(AHEAD_MAX_S) < ahead);
    store.close().await;
}

#[tokio::test]
async fn the_newest_row_is_found_wherever_it_is() {
    let mut bench = Bench::open().await;
    assert_eq!(
        newest::time(&mut bench.rows).await.unwrap(),
        Time::default()
    );
    let now = clock::now().0 / 1_000_000 * 1_000_000;
    let statements = [
        "INSERT INTO stage_sessions (id, stage, started_at, ended_at) VALUES ('x', 's', 1, $1)",
        "INSERT INTO stage_sessions (id, stage, started_at, ended_at) VALUES ('y', 's', $1, NULL)",
    ];
    for (n, sql) in statements.into_iter().enumerate() {
        let at = now - 100 + n as i64;
        query(sql).bind(at).execute(&mut bench.rows).await.unwrap();
        assert_eq!(newest::time(&mut bench.rows).await.unwrap(), Time(at));
    }
}
