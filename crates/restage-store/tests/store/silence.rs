//! A connection to PostgreSQL that stops passing bytes without an error. On SQLite, which has no connection, these
//! tests check nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::proxy::{Proxy, Silence};
use crate::support::{Database, create_stage, execute, execution};
use restage_core::id::StageId;
use restage_store::{Cause, PROBE_TIMEOUT, Store, StoreConfig, StoreError};

/// A batch may take 10 s and connecting again 8 s; the rest is for a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(40);
const PATIENCE: Duration = Duration::from_secs(60);

type Log = Arc<Mutex<Vec<String>>>;

struct Bench {
    store: Store,
    /// Names of the commands whose effects were passed on.
    effects: Log,
    proxy: Proxy,
    _database: Database,
}

/// A store behind a proxy; `None` if the tests run on SQLite.
async fn bench() -> Option<Bench> {
    let database = Database::fresh().await;
    if !database.is_postgres() {
        return None;
    }
    let (before, after) = database.address().split_once("@127.0.0.1:").unwrap();
    let (port, after) = after.split_once('/').unwrap();
    let proxy = Proxy::start(port.parse().unwrap()).await;
    let address = format!("{before}@127.0.0.1:{}/{after}", proxy.port());
    let effects = Log::default();
    let log = Arc::clone(&effects);
    let sink = move |command: &restage_core::Command, _: &_, _| {
        if let restage_core::Command::CreateStage { stage, .. } = command {
            log.lock().unwrap().push(stage.id.to_string());
        }
    };
    let config = StoreConfig::from_address(&address).unwrap();
    let store = Store::open(&config, Box::new(sink)).await.unwrap();
    execute(&store, 1, create_stage("before")).await;
    Some(Bench {
        store,
        effects,
        proxy,
        _database: database,
    })
}

impl Bench {
    async fn create(&self, stage: &str) -> Result<(), StoreError> {
        let began = Instant::now();
        let outcome = self.store.execute(execution(1, create_stage(stage))).await;
        let took = began.elapsed();
        assert!(took < ANSWER_MAX, "{stage}: {took:?}");
        outcome.map(|outcome| drop(outcome.reply.unwrap()))
    }

    /// Tries as often as necessary, until the store has another connection.
    async fn create_at_last(&self, stage: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.create(stage).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn is_there(&self, stage: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.store.get_stage(&StageId::new(stage)).await {
                Ok(found) => return found.is_some(),
                // The readers lose their silent connections one by one.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    fn effects(&self, stage: &str) -> usize {
        let log = self.effects.lock().unwrap();
        log.iter().filter(|name| *name == stage).count()
    }
}

#[tokio::test]
async fn a_silent_connection_is_given_up_and_replaced() {
    let Some(bench) = bench().await else { return };
    bench.proxy.refuse(true);
    bench.proxy.silence(Silence::Whole);
    let began = Instant::now();
    // Until the silence is noticed, the last commit decides about the store's health.
    while bench.store.can_write().await.is_ok() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(bench.create("during").await.is_err());
    let began = Instant::now();
    assert!(bench.store.can_write().await.is_err());
    assert!(began.elapsed() < PROBE_TIMEOUT * 5, "{:?}", began.elapsed());
    bench.proxy.silence(Silence::Whole);
    bench.proxy.refuse(false);
    // Its old session, which the database considers alive, holds the lock.
    bench.create_at_last("after").await;
    bench.store.can_write().await.unwrap();
    assert!(!bench.is_there("during").await);
    assert!(bench.is_there("after").await);
    assert_eq!((bench.effects("during"), bench.effects("after")), (0, 1));
}

#[tokio::test]
async fn a_commit_that_was_made_and_not_answered_is_answered_and_has_its_effects_once() {
    let Some(bench) = bench().await else { return };
    bench.proxy.silence(Silence::AfterCommit);
    bench.create("made").await.unwrap();
    assert_eq!(bench.effects("made"), 1);
    assert!(bench.is_there("made").await);
    bench.create_at_last("after").await;
}

#[tokio::test]
async fn a_commit_that_did_not_arrive_is_refused_and_has_no_effects() {
    let Some(bench) = bench().await else { return };
    bench.proxy.silence(Silence::BeforeCommit);
    let refused = bench.create("lost").await.unwrap_err();
    assert!(matches!(refused, StoreError::Commit { .. }), "{refused}");
    assert_eq!(bench.effects("lost"), 0);
    assert!(!bench.is_there("lost").await);
    bench.create_at_last("lost").await;
    assert_eq!(bench.effects("lost"), 1);
}

#[tokio::test]
async fn what_is_not_known_is_said_and_found_out_later() {
    let Some(bench) = bench().await else { return };
    bench.proxy.refuse(true);
    bench.proxy.silence(Silence::AfterCommit);
    let unknown = bench.create("made").await.unwrap_err();
    assert!(matches!(unknown, StoreError::Unknown { .. }), "{unknown}");
    assert_eq!(unknown.cause(), Cause::Silent);
    assert_eq!(bench.effects("made"), 0, "nobody knows yet");
    bench.proxy.silence(Silence::Whole);
    bench.proxy.refuse(false);
    bench.create_at_last("after").await;
    assert_eq!(*bench.effects.lock().unwrap(), ["before", "made", "after"]);
    assert!(bench.is_there("made").await);
}

#[tokio::test]
async fn a_store_that_is_closed_over_a_silent_connection_is_closed_in_time() {
    let Some(bench) = bench().await else { return };
    bench.proxy.refuse(true);
    bench.proxy.silence(Silence::Whole);
    let began = Instant::now();
    bench.store.clone().close().await;
    assert!(began.elapsed() < ANSWER_MAX, "{:?}", began.elapsed());
}
