//! The writer: one commit for many, each command on its own, and failures below it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use restage_core::command::NewToken;
use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
use restage_core::{Command, Context, Fault, Limits, Reply, StageArn};
use sqlx::{Connection as _, Row as _};
use tempfile::TempDir;

use super::{Bench, StoreConfig};
use crate::store::engine::{BUSY_TIMEOUT, Engine};
use crate::store::{BATCH_MAX, Job, Store, StoreError, WRITER_QUEUE};

const ACCOUNT: &str = "000000000000";

fn create(id: &str, token: Option<&str>) -> Job {
    let tokens = token.map(|token| NewToken {
        participant: token.into(),
        expires_at: Time(2),
    });
    let command = Command::CreateStage {
        stage: arn(id),
        name: id.to_owned(),
        tags: BTreeMap::new(),
        recording: "{}".to_owned(),
        tokens: tokens.into_iter().collect(),
    };
    job(command)
}

fn job(command: Command) -> Job {
    let context = Context {
        account: ACCOUNT.to_owned(),
        now: Time(1),
        limits: Limits::OPEN,
        session_idle_s: 60,
        fresh_session: StageSessionId::new("st-unused"),
    };
    Job { command, context }
}

fn arn(id: &str) -> StageArn {
    StageArn {
        region: "eu-west-1".to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(id),
    }
}

/// Waits for all, polled in this order. Without a budget: one that is used up would let later commands
/// overtake.
async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    tokio::task::unconstrained(futures_util::future::join_all(futures)).await
}

/// What the sink was given, in order.
type Log = Arc<Mutex<Vec<String>>>;

async fn logging_bench() -> (Bench, Log) {
    let log = Log::default();
    let sink = Arc::clone(&log);
    let bench = Bench::with_sink(Box::new(move |command, decision| {
        let name = match command {
            Command::CreateStage { name, .. } => name.clone(),
            other => format!("{other:?}"),
        };
        assert!(decision.reply.is_ok());
        sink.lock().unwrap().push(name);
    }))
    .await;
    (bench, log)
}

/// The test's runtime has one thread: all of these are queued before the writer looks.
#[tokio::test]
async fn commands_that_wait_share_a_commit() {
    let (bench, log) = logging_bench().await;
    let ids: Vec<String> = (0..BATCH_MAX + 1).map(|n| format!("stage{n}")).collect();
    let outcomes = join_all(ids.iter().map(|id| bench.store.execute(create(id, None)))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().reply.is_ok())
    );
    let stats = bench.store.stats();
    assert_eq!((stats.commits, stats.commands), (2, BATCH_MAX as u64 + 1));
    assert_eq!(
        *log.lock().unwrap(),
        ids,
        "effects come in the order of the commands"
    );
}

#[tokio::test]
async fn commands_beyond_the_queue_wait_for_room() {
    let (bench, log) = logging_bench().await;
    let count = WRITER_QUEUE * 2 + 5;
    let jobs = (0..count).map(|n| create(&format!("stage{n}"), None));
    let outcomes = join_all(jobs.map(|job| bench.store.execute(job))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().reply.is_ok())
    );
    assert_eq!(log.lock().unwrap().len(), count);
}

#[tokio::test]
async fn effects_are_handed_over_before_the_answer() {
    let (bench, log) = logging_bench().await;
    for n in 0..20 {
        let id = format!("stage{n}");
        bench
            .store
            .execute(create(&id, None))
            .await
            .unwrap()
            .reply
            .unwrap();
        assert_eq!(log.lock().unwrap().last(), Some(&id));
    }
}

/// The later command of a batch decides on what the earlier one did.
#[tokio::test]
async fn a_batch_sees_its_own_changes() {
    let bench = Bench::open().await;
    let rename = |name: &str| {
        let name = Some(name.to_owned());
        job(Command::UpdateStage {
            stage: arn("a"),
            name,
            recording: None,
        })
    };
    let jobs = [rename("early"), create("a", None), rename("late")];
    let outcomes = join_all(jobs.into_iter().map(|job| bench.store.execute(job))).await;
    let replies: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().reply)
        .collect();
    assert_eq!(bench.store.stats().commits, 1);
    assert_eq!(replies[0].as_ref().unwrap_err().fault, Fault::NotFound);
    assert!(matches!(&replies[1], Ok(Reply::Stage(stage)) if stage.name == "a"));
    assert!(matches!(&replies[2], Ok(Reply::Stage(stage)) if stage.name == "late"));
}

#[tokio::test]
async fn a_command_that_fails_takes_only_itself_back() {
    let (mut bench, log) = logging_bench().await;
    bench.poison("ABORT").await;
    let jobs = [
        create("a", None),
        create("b", Some("poison")),
        create("c", Some("fine")),
    ];
    let outcomes = join_all(jobs.into_iter().map(|job| bench.store.execute(job))).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(
        matches!(outcomes[1], Err(StoreError::Engine(_))),
        "{:?}",
        outcomes[1]
    );
    assert_eq!(bench.store.stats().commits, 1);
    assert_eq!(*log.lock().unwrap(), ["a", "c"]);
    let world = bench.dump().await;
    // The stage of the failed command was written before its token failed.
    assert_eq!(
        world.stages.keys().map(StageId::as_str).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert!(world.tokens.contains_key(&ParticipantId::new("fine")));
}

/// Some failures (a full disk, say) end the whole transaction: nobody in the batch may be told otherwise.
#[tokio::test]
async fn a_failure_of_the_transaction_fails_its_batch_and_no_later_one() {
    let (mut bench, log) = logging_bench().await;
    bench.poison("ROLLBACK").await;
    let jobs = [
        create("a", None),
        create("b", Some("poison")),
        create("c", None),
    ];
    let outcomes = join_all(jobs.into_iter().map(|job| bench.store.execute(job))).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(bench.store.stats().commits, 0);
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
    let (mut bench, log) = logging_bench().await;
    let outside = bench.rows.begin_with("BEGIN IMMEDIATE").await.unwrap();
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
    outside.rollback().await.unwrap();
    waiting.await.unwrap().unwrap().reply.unwrap();
    assert_eq!(*log.lock().unwrap(), ["b"]);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_its_command() {
    let (bench, log) = logging_bench().await;
    let abandoned =
        tokio::time::timeout(Duration::ZERO, bench.store.execute(create("a", None))).await;
    assert!(abandoned.is_err(), "the writer had no chance yet");
    bench
        .store
        .execute(create("b", None))
        .await
        .unwrap()
        .reply
        .unwrap();
    assert_eq!(*log.lock().unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_refuses_the_rest() {
    let (bench, log) = logging_bench().await;
    let other = bench.store.clone();
    let early = join_all((0..300).map(|n| other.execute(create(&format!("s{n}"), None))));
    let (early, ()) = tokio::join!(early, bench.store.clone().close());
    assert!(early.iter().all(Result::is_ok));
    assert_eq!(log.lock().unwrap().len(), 300);
    let late = other.execute(create("late", None)).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    let late = other.get_stage(&StageId::new("s0")).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    other.close().await;
}

#[tokio::test]
async fn the_count_of_stages_follows_creation_and_deletion() {
    let mut bench = Bench::open().await;
    let limited = |job: Job, stages: u32| {
        let limits = Limits {
            stages,
            ..Limits::OPEN
        };
        Job {
            context: Context {
                limits,
                ..job.context
            },
            ..job
        }
    };
    for n in 0..3 {
        let job = limited(create(&format!("s{n}"), None), 3);
        bench.store.execute(job).await.unwrap().reply.unwrap();
    }
    let refused = bench
        .store
        .execute(limited(create("s3", None), 3))
        .await
        .unwrap();
    assert_eq!(refused.reply.unwrap_err().fault, Fault::LimitExceeded);
    for _ in 0..2 {
        // The second time there is nothing to delete, nor to count.
        let delete = job(Command::DeleteStage { stage: arn("s1") });
        let _ = bench.store.execute(delete).await.unwrap();
    }
    bench
        .store
        .execute(limited(create("s3", None), 3))
        .await
        .unwrap()
        .reply
        .unwrap();
    let row = sqlx::query("SELECT stages FROM stage_counts")
        .fetch_one(&mut bench.rows)
        .await;
    assert_eq!(row.unwrap().get::<i64, _>(0), 3);
}

#[tokio::test]
async fn deleted_stages_are_purged_when_there_is_time() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("restage.db");
    let store = Store::open(&StoreConfig::sqlite(&path), Box::new(|_, _| ()))
        .await
        .unwrap();
    store
        .execute(create("a", None))
        .await
        .unwrap()
        .reply
        .unwrap();
    let tokens = (0..3_000).map(|n| {
        let participant = ParticipantId::new(format!("p{n}"));
        let token = NewToken {
            participant,
            expires_at: Time(2),
        };
        store.execute(job(Command::CreateParticipantToken {
            stage: arn("a"),
            token,
        }))
    });
    assert!(join_all(tokens).await.iter().all(Result::is_ok));
    store
        .execute(job(Command::DeleteStage { stage: arn("a") }))
        .await
        .unwrap()
        .reply
        .unwrap();
    assert_eq!(
        store.get_token(&ParticipantId::new("p2999")).await.unwrap(),
        None,
        "out of sight"
    );

    // Far more rows than go with the stage; all are gone in the end, without anyone asking.
    let mut rows = raw(&path).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tokens")
            .fetch_one(&mut rows)
            .await
            .unwrap();
        let listed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM deleted_stages")
            .fetch_one(&mut rows)
            .await
            .unwrap();
        if (left, listed) == (0, 0) {
            break;
        }
        assert!(Instant::now() < deadline, "{left} tokens are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_commit_waits_for_the_disk() {
    let directory = TempDir::new().unwrap();
    let config = StoreConfig::sqlite(directory.path().join("restage.db"));
    let mut writer = Engine::acquire(&config)
        .unwrap()
        .connect_writer()
        .await
        .unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut writer)
        .await
        .unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut writer)
        .await
        .unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"), "2 is FULL");
}

async fn raw(path: &std::path::Path) -> sqlx::AnyConnection {
    sqlx::AnyConnection::connect(&super::engine::sqlite_url(path).unwrap())
        .await
        .unwrap()
}

impl Bench {
    /// Makes writing the token named poison fail, in one of SQLite's ways.
    async fn poison(&mut self, how: &str) {
        let trigger = format!(
            "CREATE TRIGGER poison BEFORE INSERT ON tokens WHEN NEW.participant = 'poison' \
             BEGIN SELECT RAISE({how}, 'poisoned'); END"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger))
            .execute(&mut self.rows)
            .await
            .unwrap();
    }
}
