//! Jobs in a running node, with its database, its clock and its one entry for commands, and in a process that is
//! killed.

mod crash;
#[path = "../../../restage-store/tests/store/support/database.rs"]
mod database;
mod node;

use std::time::Duration;

use restage_core::Command;
use restage_core::id::JobId;
use restage_core::row::JobState;
use restage_node::jobs::{End, JobContext, Order, Runners};

use database::Database;
use node::{Node, arn};

/// Ends when it is told to, and returns the order.
async fn follows_orders(mut context: JobContext) -> End {
    loop {
        context.alive();
        let pause = Duration::from_millis(20);
        if let Ok(order) = tokio::time::timeout(pause, context.ordered()).await {
            return match order {
                Order::Pause => End::Paused,
                _ => End::Done(format!("stopped in start {}", context.generation())),
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_its_row_to_its_runner_and_back() {
    let runner = |context: JobContext| async move {
        match context.generation() {
            1 => End::Failed("not yet".to_owned()),
            last => End::Done(format!("{} in start {last}", context.job().spec)),
        }
    };
    let database = Database::fresh().await;
    let node = Node::start(database.address(), Runners::default().with("test", runner)).await;
    node.create_stage("A").await;
    node.start_job("A", "j").await;
    // The clock of the node starts it again after a second.
    node.until_state(
        "j",
        "it is done",
        |state| matches!(state, JobState::Done { result } if result == "{} in start 2"),
    )
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_leaves_its_jobs_to_the_next_one() {
    let database = Database::fresh().await;
    let runners = || Runners::default().with("test", follows_orders);
    let node = Node::start(database.address(), runners()).await;
    node.create_stage("A").await;
    node.start_job("A", "j").await;
    node.until_running(1).await;
    node.stop().await;

    let node = Node::start(database.address(), runners()).await;
    node.until_running(1).await;
    let job = node.job("j").await.unwrap();
    assert_eq!((job.generation, job.attempts), (2, 0), "{job:?}");
    let job = JobId::new("j");
    node.execute(Command::StopJob { job }).await;
    node.until_state(
        "j",
        "it is done",
        |state| matches!(state, JobState::Done { result } if result == "stopped in start 2"),
    )
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_deleted_stage_is_stopped_and_leaves_no_row() {
    let database = Database::fresh().await;
    let runners = Runners::default().with("test", follows_orders);
    let node = Node::start(database.address(), runners).await;
    node.create_stage("A").await;
    node.start_job("A", "j").await;
    node.until_running(1).await;
    let stage = arn("A");
    node.execute(Command::DeleteStage { stage }).await;
    node.until_running(0).await;
    assert_eq!(node.job("j").await, None);
    node.stop().await;
}
