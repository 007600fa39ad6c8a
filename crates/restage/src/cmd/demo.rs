//! `restage demo`: the main job, to look at.

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
use crate::output;
use crate::paging;
use crate::target::Target;

/// A publisher that drops out comes back by itself for this long.
const RECONNECT_WINDOW_S: i32 = 60;
/// How long the server may take to see the publisher.
const PUBLISHING_MAX: Duration = Duration::from_secs(10);

/// Publishes a test card into one stage and replicates it into another.
///
/// Against a running server: makes two stages, publishes a test card with a beep into the first,
/// replicates it into the second, prints where to watch and the replicas, and runs until Ctrl-C.
/// The stages are deleted at the end.
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
    let api = Api::new(&args.target)?;
    let stages = Stages {
        source: create_stage(&api, "demo-source").await?,
        destination: create_stage(&api, "demo-viewers").await?,
    };
    let outcome = tokio::select! {
        outcome = publish(&api, &stages) => outcome,
        _ = tokio::signal::ctrl_c() => {
            output::note("stopping");
            Ok(())
        }
    };
    if !args.keep {
        for arn in [&stages.source, &stages.destination] {
            // The server may be gone already; there is nothing left to delete then.
            api.client.delete_stage().arn(arn).send().await.ok();
        }
    }
    outcome.map(|()| ExitCode::SUCCESS)
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

async fn publish(api: &Api, stages: &Stages) -> anyhow::Result<()> {
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
    let mut publisher = Publisher::join(&token, PublishConfig::default())
        .await
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
        output::note("Ctrl-C ends the demo");
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        played = card.play(&mut publisher) => played.context("the test card ended"),
        shown = show => shown,
    }
}

/// The server sees a publisher as soon as its media is up, which is a moment after it joined.
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
