//! `restage demo`: shows replication with a test card.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use restage_client::replication::Replication;
use restage_client::testcard::{TestCard, TestCardConfig};
use restage_client::token::ParticipantToken;
use restage_client::{PublishConfig, Publisher};

use crate::api::{self, Api};
use crate::exit::{Exit, Failure};
use crate::join::{self, Caller, Stop};
use crate::output;
use crate::paging;
use crate::target::Target;

/// A publisher that is disconnected can return within this time.
const RECONNECT_WINDOW_S: i32 = 60;
/// Longest wait at the end for the stages to be deleted.
const CLEAN_UP_MAX: Duration = Duration::from_secs(10);
/// How long the server may take to see the publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);

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
            if let Err(error) = api.client.delete_stage().arn(arn).send().await {
                let why = api.explain(error);
                output::note(&format!("{arn} was not deleted: {why:#}"));
            }
        }
    };
    if tokio::time::timeout(CLEAN_UP_MAX, deleted).await.is_err() {
        output::note("the server does not answer; the stages of the demo stay");
    }
}

async fn create_stage(api: &Api, name: &str) -> anyhow::Result<String> {
    let created = api
        .client
        .create_stage()
        .name(name)
        .send()
        .await
        .map_err(|error| api.explain(error))?;
    let stage = created
        .stage()
        .context("the server answered without a stage")?;
    output::note(&format!("stage      {name:<14} {}", stage.arn()));
    Ok(stage.arn().to_owned())
}

async fn publish(api: &Api, caller: &Caller, stages: &Stages) -> anyhow::Result<()> {
    let issued = api
        .client
        .create_participant_token()
        .stage_arn(&stages.source)
        .user_id("test card")
        .capabilities(ParticipantTokenCapability::Publish)
        .send()
        .await
        .map_err(|error| api.explain(error))?;
    let issued = issued
        .participant_token()
        .context("the server answered without a token")?;
    let participant = issued
        .participant_id()
        .context("the token has no participant id")?;
    let token = ParticipantToken::decode(issued.token().unwrap_or_default())?;
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
    let replication = Replication::new(&stages.source, participant, &stages.destination)
        .reconnect_window_seconds(RECONNECT_WINDOW_S);
    let started = replication.start_within(&api.client, PUBLISHING_MAX).await;
    started.map_err(|error| match error.as_service_error() {
        Some(refusal) if refusal.is_conflict_exception() => {
            Failure::new(Exit::NoAnswer, "the publisher's media did not get through")
                .advise("restage doctor checks the media port and its addresses")
                .into()
        }
        _ => api.explain(error),
    })?;
    output::note(&format!("replicated into {}", stages.destination));
    Ok(())
}

async fn list_replicas(api: &Api, source: &str, participant: &str) -> anyhow::Result<()> {
    let call = api
        .client
        .list_participant_replicas()
        .source_stage_arn(source)
        .participant_id(participant);
    let replicas = paging::all(api, call).await?;
    output::json(&serde_json::json!({ "replicas": replicas }))
}
