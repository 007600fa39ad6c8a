//! `restage token`: make a participant token through the API, sign one, or explain one.

mod inspect;
mod sign;

use std::process::ExitCode;

use anyhow::Context as _;
use aws_sdk_ivsrealtime::error::SdkError;
use aws_sdk_ivsrealtime::operation::get_stage::GetStageError;
use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use restage_core::StageArn;
use restage_node::token::Endpoints;
use serde::Serialize;

use crate::api::{self, Api};
use crate::cmd::participants::STAGE;
use crate::naming::{self, Words};
use crate::output::{self, Format};
use crate::pair::pair;
use crate::target::Target;

/// Make participant tokens, or explain one.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a participant token through the API and print it
    Create(CreateArgs),
    /// Sign a participant token with the private key of an imported public key and print it
    Sign(sign::Args),
    /// Show what a token allows, and why the server would refuse it
    Inspect(inspect::Args),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage token create lobby
  restage token create lobby --user-id ann --capabilities SUBSCRIBE --duration 60")]
pub(crate) struct CreateArgs {
    /// The stage, in place of its flag
    #[arg(value_name = "STAGE")]
    word: Option<String>,
    /// The stage it is for, by ARN, name or id
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// A user id of your choice, visible to everyone in the stage
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// An attribute, visible to everyone in the stage; repeatable
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// What it allows [default: both]
    #[arg(long, value_name = "PUBLISH|SUBSCRIBE", value_delimiter = ',')]
    capabilities: Vec<String>,
    /// How long the token can be used to join, in minutes [default: 720]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..=20160))]
    duration: Option<i32>,
    /// Output: the token alone, or JSON with all details
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => api::runtime()?.block_on(create(args)),
        Command::Sign(args) => api::runtime()?.block_on(sign::run(args)),
        Command::Inspect(args) => api::runtime()?.block_on(inspect::run(args)),
    }
}

/// The URLs that tokens of this stage contain.
async fn endpoints_of(api: &Api, stage: &StageArn) -> Result<Endpoints, SdkError<GetStageError>> {
    let answer = api.client.get_stage().arn(stage.to_string()).send().await?;
    let given = answer.stage().and_then(|stage| stage.endpoints());
    let text = |url: Option<&str>| url.unwrap_or_default().to_owned();
    Ok(Endpoints {
        whip: text(given.and_then(|given| given.whip())),
        events: text(given.and_then(|given| given.events())),
    })
}

/// The same server in another Region.
fn in_region(target: &Target, region: &str) -> Target {
    Target {
        region: Some(region.to_owned()),
        ..target.clone()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    participant_id: &'a str,
    token: &'a str,
    expiration_time: Option<String>,
}

async fn create(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let capabilities: Vec<_> = args
        .capabilities
        .iter()
        .map(|name| ParticipantTokenCapability::from(name.to_uppercase().as_str()))
        .collect();
    let attributes: std::collections::HashMap<_, _> = args.attributes.into_iter().collect();
    let mut words = Words::new(args.word.into_iter().collect());
    let stage = words.require(args.stage, STAGE)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let stage = naming::stage_arn(&api, &stage).await?;
    let issued = api
        .client
        .create_participant_token()
        .stage_arn(stage)
        .set_user_id(args.user_id)
        .set_attributes((!attributes.is_empty()).then_some(attributes))
        .set_capabilities((!capabilities.is_empty()).then_some(capabilities))
        .set_duration(args.duration)
        .send()
        .await
        .map_err(|error| api.explain(error))?;
    let token = issued
        .participant_token()
        .context("the server answered without a token")?;
    let text = token.token().unwrap_or_default();
    match args.output {
        Format::Text => output::line(text)?,
        Format::Json => output::json(&Created {
            participant_id: token.participant_id().unwrap_or_default(),
            token: text,
            expiration_time: token.expiration_time().map(ToString::to_string),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
