//! The table in memory is held to the database: both are given the same commands, and have to decide the same.

use std::sync::{Arc, Mutex};

use restage_core::{Decision, Occurrence};
use restage_sim::plan::Plan;
use restage_sim::{Step, run};
use restage_store::{Execution, OutboxConfig, SqliteSync, Store, StoreConfig};

/// Runs whose commands are repeated.
const SEEDS: u64 = 25;
/// More of them are run if this environment variable says so.
const SEEDS_VARIABLE: &str = "RESTAGE_SIM_SEEDS";
/// Most commands that the writer is given at a time: they share a commit.
const TOGETHER: usize = 24;
const SINK: &str = "webhook";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_database_decides_as_the_table_in_memory_does() {
    let wanted = std::env::var(SEEDS_VARIABLE).ok();
    let seeds = wanted.and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let steps = run(&Plan::of(seed)).steps;
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::sqlite(folder.path().join("restage.db"))
            .syncing(SqliteSync::Normal)
            .with_outbox(OutboxConfig {
                sinks: vec![SINK],
                extra: true,
            });
        let decided = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let decided = Arc::clone(&decided);
            Box::new(move |_: &_, decision: &Decision, _| {
                decided.lock().unwrap().push(decision.clone());
            })
        };
        let store = Store::open(&config, sink).await.unwrap();
        repeat(&store, seed, &steps).await;
        compare(seed, &steps, &decided.lock().unwrap());
        compare_outbox(&store, seed, &steps).await;
        store.close().await;
    }
}

/// Gives the store all commands, in order, several at a time.
async fn repeat(store: &Store, seed: u64, steps: &[Step]) {
    let mut rest = steps;
    let mut size = seed as usize;
    while !rest.is_empty() {
        size = (size * 31 + 7) % TOGETHER + 1;
        let (together, after) = rest.split_at(size.min(rest.len()));
        let executions = together.iter().map(|step| {
            store.execute(Execution {
                command: step.command.clone(),
                context: step.context.clone(),
            })
        });
        // Without a budget: one that is used up would let later commands overtake.
        let outcomes = futures_util::future::join_all(executions);
        for (step, outcome) in together
            .iter()
            .zip(tokio::task::unconstrained(outcomes).await)
        {
            let reply = outcome.unwrap().reply;
            assert_eq!(
                reply, step.decision.reply,
                "seed {seed}: {:?}",
                step.command
            );
        }
        rest = after;
    }
}

/// Effects and changes are the same, in the same order.
fn compare(seed: u64, steps: &[Step], decided: &[Decision]) {
    assert_eq!(decided.len(), steps.len());
    for (step, decision) in steps.iter().zip(decided) {
        assert_eq!(decision, &step.decision, "seed {seed}: {:?}", step.command);
    }
}

/// Every notice waits for its sink, in the order of the commits.
async fn compare_outbox(store: &Store, seed: u64, steps: &[Step]) {
    let notices: Vec<_> = steps
        .iter()
        .flat_map(|step| &step.decision.notices)
        .collect();
    let mut waiting = Vec::new();
    loop {
        let after = waiting
            .last()
            .map_or(0, |row: &restage_store::Outgoing| row.seq);
        let page = store.outbox(SINK, after, 500).await.unwrap();
        if page.is_empty() {
            break;
        }
        waiting.extend(page);
    }
    let told = waiting.iter().map(|row| (row.stage.clone(), row.at));
    let expected = notices
        .iter()
        .map(|notice| (notice.stage.clone(), notice.at));
    assert_eq!(
        told.collect::<Vec<_>>(),
        expected.collect::<Vec<_>>(),
        "seed {seed}: what waits for the sink is what was reported"
    );
    let histories =
        |notice: &&&restage_core::Notice| matches!(notice.what, Occurrence::History { .. });
    assert!(
        notices.iter().filter(histories).count() > 0,
        "seed {seed} reports nothing"
    );
}
