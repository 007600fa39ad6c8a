//! `restage demo`: shows replication with a test card.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use restage_api::Operation;
use restage_client::testcard::{TestCard, TestCardConfig};
use restage_client::token::ParticipantToken;
use restage_client::{PublishConfig, Publisher};
use tokio::time::Instant;

use crate::api::{self, Api};
use crate::exit::{Exit, Failure};
use crate::join::{self, Caller, Capability, Stop};
use crate::output;
use crate::paging;
use crate::target::Target;

/// A publisher that is disconnected can return within this time.
const RECONNECT_WINDOW_S: i32 = 60;
/// Longest wait at the end for the stages to be deleted.
const CLEAN_UP_MAX: Duration = Duration::from_secs(10);
/// How long the server may take to see the publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);
/// Pause before it is asked again.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Publishes a test card into one stage and replicates it into another.
///
/// Needs a running server. Creates two stages, publishes a test card with a beep into the first,
/// replicates it into the second, prints where to watch and the replicas, and runs until Ctrl-C or
/// SIGTERM. Then it leaves the stage and deletes both stages.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the stages in place at the end
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    api::runtime()?.block_on(demo(args))
}

struct Stages {
    source: String,
    destination: String,
}

async fn demo(args: Args) -> anyhow::Result<ExitCode> {
    // The handler is installed before anything is created, so that a signal always leads to the clean-up.
    let mut stop = Stop::new(None)?;
    let api = Api::new(&args.target)?;
    let caller = Caller::new(&args.target)?;
    let mut made = Vec::new();
    // Boxed, because it holds a publisher, a test card and several calls: about twenty kilobytes.
    let outcome = Box::pin(show(&api, &caller, &mut made, &mut stop)).await;
    // The publisher has been dropped. Its session ends before its stage is deleted.
    caller.hang_up().await;
    if !args.keep {
        delete_stages(&api, &made).await;
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The demonstration until its end. `made` lists the stages that exist, whatever this returns.
async fn show(
    api: &Api,
    caller: &Caller,
    made: &mut Vec<String>,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    // The calls are not interrupted, because a stage whose ARN never arrived could not be deleted. A
    // signal that arrives meanwhile is handled afterwards.
    for name in ["demo-source", "demo-viewers"] {
        made.push(create_stage(api, name).await?);
    }
    let stages = Stages {
        source: made[0].clone(),
        destination: made[1].clone(),
    };
    tokio::select! {
        outcome = publish(api, caller, &stages) => outcome,
        () = stop.wait() => {
            output::note("stopping");
            Ok(())
        }
    }
}

/// Deletes the stages and reports those that remain. When the server is gone, another error has already said so.
async fn delete_stages(api: &Api, stages: &[String]) {
    let deleted = async {
        for arn in stages {
            let call = api.call(Operation::DeleteStage).set("arn", arn.as_str());
            if let Err(why) = api.answer(call).await {
                output::note(&format!("{arn} was not deleted: {why:#}"));
            }
        }
    };
    if tokio::time::timeout(CLEAN_UP_MAX, deleted).await.is_err() {
        output::note("the server does not answer; the stages of the demo stay");
    }
}

async fn create_stage(api: &Api, name: &str) -> anyhow::Result<String> {
    let call = api.call(Operation::CreateStage).set("name", name);
    let created = api.answer(call).await?;
    let arn = created["stage"]["arn"].as_str();
    let arn = arn.context("the server answered without a stage")?;
    output::note(&format!("stage      {name:<14} {arn}"));
    Ok(arn.to_owned())
}

async fn publish(api: &Api, caller: &Caller, stages: &Stages) -> anyhow::Result<()> {
    let call = api
        .call(Operation::CreateParticipantToken)
        .set("stageArn", stages.source.as_str())
        .set("userId", "test card")
        .set("capabilities", vec![Capability::Publish.name()]);
    let issued = &api.answer(call).await?["participantToken"];
    let participant = issued["participantId"]
        .as_str()
        .context("the server answered without a participant id")?;
    let token = ParticipantToken::decode(issued["token"].as_str().unwrap_or_default())?;
    let mut config = PublishConfig::default();
    config.http = Some(caller.http.clone());
    let joined = Publisher::join(&token, config).await;
    let mut publisher = joined
        .map_err(join::failure)
        .context("publishing by WHIP failed")?;
    output::note(&format!(
        "publishing {participant} (H.264 test card and an Opus beep)"
    ));
    #[allow(clippy::disallowed_methods)]
    let card = TestCard::new(TestCardConfig::default(), std::time::SystemTime::now())?;
    let show = async {
        replicate(api, stages, participant).await?;
        list_replicas(api, &stages.source, participant).await?;
        match api::console_url(&api.connection.data_dir) {
            Some(console) => output::note(&format!("\nwatch it   {console}")),
            None => output::note("\nwatch it   at the console address the server printed"),
        }
        output::note(&format!(
            "           restage watch {}\nCtrl-C ends the demo",
            stages.destination
        ));
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        played = card.play(&mut publisher) => played.context("the test card ended"),
        shown = show => shown,
    }
}

/// Repeats the call until it succeeds: the server sees a publisher a moment after it has joined.
async fn replicate(api: &Api, stages: &Stages, participant: &str) -> anyhow::Result<()> {
    let call = api
        .call(Operation::StartParticipantReplication)
        .set("sourceStageArn", stages.source.as_str())
        .set("participantId", participant)
        .set("destinationStageArn", stages.destination.as_str())
        .set("reconnectWindowSeconds", RECONNECT_WINDOW_S);
    let begun_at = Instant::now();
    loop {
        let Err(error) = call.clone().send().await else {
            break;
        };
        let is_early = matches!(
            error.code(),
            Some("ConflictException" | "ResourceNotFoundException")
        );
        if !is_early {
            return Err(api.explain(error));
        }
        if begun_at.elapsed() > PUBLISHING_MAX {
            return Err(
                Failure::new(Exit::NoAnswer, "the publisher's media did not get through")
                    .advise("restage doctor checks the media port and its addresses")
                    .into(),
            );
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    output::note(&format!("replicated into {}", stages.destination));
    Ok(())
}

async fn list_replicas(api: &Api, source: &str, participant: &str) -> anyhow::Result<()> {
    let call = api
        .call(Operation::ListParticipantReplicas)
        .set("sourceStageArn", source)
        .set("participantId", participant)
        .listing("replicas");
    let replicas = paging::all(api, call).await?;
    output::json(&serde_json::json!({ "replicas": replicas }))
}
