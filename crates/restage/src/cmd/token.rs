//! `restage token`: make a participant token through the API, sign one or a connection token, explain or revoke one.

mod connection;
mod inspect;
mod sign;

use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::Operation;
use restage_core::StageArn;
use restage_node::token::Endpoints;
use serde::Serialize;

use crate::api::{self, Api, CallError};
use crate::cmd::participants::STAGE;
use crate::naming::{self, Words};
use crate::output::{self, Format};
use crate::pair::pair;
use crate::target::Target;

/// Make participant and connection tokens, explain one, or revoke a connection token.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Create a participant token through the API and print it
    Create(CreateArgs),
    /// Sign a participant token, or a connection token, with the private key of an imported public key and print it
    Sign(sign::Args),
    /// Show what a token allows, and why the server would refuse it
    Inspect(inspect::Args),
    /// Revoke a connection token: end all that was opened with it, and forbid it
    Revoke(connection::RevokeArgs),
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
        Command::Revoke(args) => api::runtime()?.block_on(connection::revoke(args)),
    }
}

/// The URLs that tokens of this stage contain.
async fn endpoints_of(api: &Api, stage: &StageArn) -> Result<Endpoints, CallError> {
    let stage = api.stage(&stage.to_string()).await?;
    let text = |member: &str| {
        let url = stage["endpoints"][member].as_str();
        url.unwrap_or_default().to_owned()
    };
    Ok(Endpoints {
        whip: text("whip"),
        events: text("events"),
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
    expiration_time: Option<&'a str>,
}

async fn create(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let capabilities: Vec<_> = args
        .capabilities
        .iter()
        .map(|name| name.to_uppercase())
        .collect();
    let mut words = Words::new(args.word.into_iter().collect());
    let stage = words.require(args.stage, STAGE)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let stage = naming::stage_arn(&api, &stage).await?;
    let call = api
        .call(Operation::CreateParticipantToken)
        .set("stageArn", stage)
        .set_some("userId", args.user_id)
        .set_pairs("attributes", &args.attributes)
        .set_some(
            "capabilities",
            (!capabilities.is_empty()).then_some(capabilities),
        )
        .set_some("duration", args.duration);
    let token = &api.answer(call).await?["participantToken"];
    let text = token["token"]
        .as_str()
        .context("the server answered without a token")?;
    match args.output {
        Format::Text => output::line(text)?,
        Format::Json => output::json(&Created {
            participant_id: token["participantId"].as_str().unwrap_or_default(),
            token: text,
            expiration_time: token["expirationTime"].as_str(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
