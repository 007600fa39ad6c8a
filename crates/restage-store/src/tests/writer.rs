//! The writer: one commit for many commands, in their order, and the fate of waiting commands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use restage_core::command::NewToken;
use restage_core::id::{ParticipantId, RunId, StageId, StageSessionId, Time};
use restage_core::row::RecordingId;
use restage_core::{Command, Context, Fault, Limits, Reply, StageArn};

use super::{Bench, Database, StoreConfig};
use crate::{BATCH_MAX, EffectSink, Execution, Store, StoreError, WRITER_QUEUE};

const ACCOUNT: &str = "000000000000";

pub(super) fn create(id: &str, token: Option<&str>) -> Execution {
    let tokens = token.map(|token| NewToken {
        participant: token.into(),
        expires_at: Time(2),
    });
    let command = Command::CreateStage {
        stage: arn(id),
        name: id.to_owned(),
        tags: BTreeMap::new(),
        recording: Default::default(),
        tokens: tokens.into_iter().collect(),
    };
    execution(command)
}

fn execution(command: Command) -> Execution {
    let context = Context {
        account: ACCOUNT.to_owned(),
        now: Time(1),
        wall: Time(1),
        steady: Time(1),
        limits: Limits::OPEN,
        session_idle_s: 60,
        run: RunId::new("run"),
        fresh_session: StageSessionId::new("st-unused"),
        fresh_recording: RecordingId::new("recording"),
    };
    Execution { command, context }
}

pub(super) fn rename(id: &str, name: &str) -> Execution {
    execution(Command::UpdateStage {
        stage: arn(id),
        name: Some(name.to_owned()),
        recording: None,
    })
}

fn arn(id: &str) -> StageArn {
    StageArn {
        region: "eu-west-1".to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(id),
    }
}

/// Waits for all, polled in this order. Without tokio's budget: a used-up budget would let later commands
/// overtake.
pub(super) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    tokio::task::unconstrained(futures_util::future::join_all(futures)).await
}

/// The effects that the sink was given, in order.
pub(super) type Log = Arc<Mutex<Vec<String>>>;

pub(super) async fn logging_bench(database: Database) -> (Bench, Log) {
    let log = Log::default();
    let sink = Arc::clone(&log);
    let sink: EffectSink = Box::new(move |command, decision, _| {
        let name = match command {
            Command::CreateStage { name, .. } => name.clone(),
            other => format!("{other:?}"),
        };
        assert!(decision.reply.is_ok());
        sink.lock().unwrap().push(name);
    });
    (Bench::on(database, sink).await, log)
}

#[tokio::test]
async fn who_has_waited_too_long_for_a_turn_changes_nothing() {
    let (bench, log) = logging_bench(Database::fresh().await).await;
    // PostgreSQL's writer cannot be held in the middle of a command.
    let Some((held, caller)) = bench.hold_at(Duration::from_secs(60)).await else {
        return;
    };
    let late = bench
        .store
        .execute_within(create("late", None), Duration::ZERO)
        .await;
    assert!(matches!(late, Err(StoreError::Late { .. })), "{late:?}");
    drop(held);
    assert!(caller.await.unwrap().unwrap().reply.is_err());
    bench.store.execute(create("next", None)).await.unwrap();
    assert_eq!(*log.lock().unwrap(), ["next"]);
    let late = bench.store.get_stage(&StageId::new("late")).await.unwrap();
    assert_eq!(late, None);
}

#[tokio::test]
async fn what_the_writer_has_begun_is_awaited() {
    let (bench, _) = logging_bench(Database::fresh().await).await;
    let Some((held, caller)) = bench.hold_at(Duration::from_millis(1)).await else {
        return;
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!caller.is_finished());
    drop(held);
    // Renaming a missing stage is refused, and a refusal is an outcome.
    assert!(caller.await.unwrap().unwrap().reply.is_err());
}

#[tokio::test]
async fn commands_that_wait_share_a_commit() {
    let (bench, log) = logging_bench(Database::fresh().await).await;
    let ids: Vec<String> = (0..BATCH_MAX + 1).map(|n| format!("stage{n}")).collect();
    let (outcomes, stats) = bench.together(ids.iter().map(|id| create(id, None))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().reply.is_ok())
    );
    assert_eq!((stats.commits, stats.commands), (2, BATCH_MAX as u64 + 1));
    assert_eq!(
        *log.lock().unwrap(),
        ids,
        "effects come in the order of the commands"
    );
}

#[tokio::test]
async fn commands_beyond_the_queue_wait_for_room() {
    let (bench, log) = logging_bench(Database::fresh().await).await;
    let count = WRITER_QUEUE * 2 + 5;
    let executions = (0..count).map(|n| create(&format!("stage{n}"), None));
    let outcomes = join_all(executions.map(|execution| bench.store.execute(execution))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap().reply.is_ok())
    );
    assert_eq!(log.lock().unwrap().len(), count);
}

#[tokio::test]
async fn effects_are_handed_over_before_the_answer() {
    let (bench, log) = logging_bench(Database::fresh().await).await;
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

/// The later command of a batch decides on the result of the earlier one.
#[tokio::test]
async fn a_batch_sees_its_own_changes() {
    let bench = Bench::open().await;
    let executions = [rename("a", "early"), create("a", None), rename("a", "late")];
    let (outcomes, stats) = bench.together(executions).await;
    let replies: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().reply)
        .collect();
    assert_eq!(stats.commits, 1);
    assert_eq!(replies[0].as_ref().unwrap_err().fault, Fault::NotFound);
    assert!(matches!(&replies[1], Ok(Reply::Stage(stage)) if stage.name == "a"));
    assert!(matches!(&replies[2], Ok(Reply::Stage(stage)) if stage.name == "late"));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_its_command() {
    let (bench, log) = logging_bench(Database::fresh().await).await;
    let held = bench.hold().await;
    // Polled once, which queues the command, and then dropped.
    let abandoned = bench.store.execute(create("a", None)).now_or_never();
    assert!(abandoned.is_none(), "the writer had no chance yet");
    drop(held);
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
    let (bench, log) = logging_bench(Database::fresh().await).await;
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
    let limited = |execution: Execution, stages: u32| {
        let limits = Limits {
            stages,
            ..Limits::OPEN
        };
        Execution {
            context: Context {
                limits,
                ..execution.context
            },
            ..execution
        }
    };
    for n in 0..3 {
        let execution = limited(create(&format!("s{n}"), None), 3);
        bench.store.execute(execution).await.unwrap().reply.unwrap();
    }
    let refused = bench
        .store
        .execute(limited(create("s3", None), 3))
        .await
        .unwrap();
    assert_eq!(refused.reply.unwrap_err().fault, Fault::LimitExceeded);
    for _ in 0..2 {
        // The second time there is nothing to delete or to count.
        let delete = execution(Command::DeleteStage { stage: arn("s1") });
        let _ = bench.store.execute(delete).await.unwrap();
    }
    bench
        .store
        .execute(limited(create("s3", None), 3))
        .await
        .unwrap()
        .reply
        .unwrap();
    assert_eq!(bench.number("SELECT stages FROM stage_counts").await, 3);
}

#[tokio::test]
async fn deleted_stages_are_purged_when_there_is_time() {
    let database = Database::fresh().await;
    let config = StoreConfig::from_address(database.address()).unwrap();
    let store = Store::open(&config, Box::new(|_, _, _| ())).await.unwrap();
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
        store.execute(execution(Command::CreateParticipantToken {
            stage: arn("a"),
            token,
        }))
    });
    assert!(join_all(tokens).await.iter().all(Result::is_ok));
    store
        .execute(execution(Command::DeleteStage { stage: arn("a") }))
        .await
        .unwrap()
        .reply
        .unwrap();
    assert_eq!(
        store.get_token(&"a".into(), &"p2999".into()).await.unwrap(),
        None,
        "out of sight"
    );

    // Far more rows than are removed with the stage. In the end all are gone, without a request.
    let mut rows = database.rows().await;
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
        // The writer works between these queries.
        tokio::task::yield_now().await;
    }
}
