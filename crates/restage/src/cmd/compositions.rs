//! `restage compositions`.

use std::process::ExitCode;

use restage_api::Operation;
use serde_json::{Map, Value, json};

use crate::api::{self, Api};
use crate::exit::{Exit, Failure};
use crate::naming;
use crate::output::Output;
use crate::paging::{self, Paging};
use crate::pair::pair;
use crate::table::Columns;
use crate::target::Target;

/// Compose the participants of a stage into one picture: start, show, list and stop.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Compose a stage: record it, send it on by RTMP, or both (StartComposition)
    Start(StartArgs),
    /// Show a composition (GetComposition)
    Get(OneArgs),
    /// List compositions that have not ended, or ended within five minutes (ListCompositions)
    List(ListArgs),
    /// Stop a composition (StopComposition)
    Stop(StopArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage compositions start lobby --storage k2Pq8RtZ0aLm --encoder Nd6uRf3GpQ9s
  restage compositions start lobby --channel youtube
  restage compositions start lobby --channel youtube --encoder Nd6uRf3GpQ9s \\
      --layout '{\"grid\": {\"featuredParticipantAttribute\": \"host\"}}'")]
pub(crate) struct StartArgs {
    /// The stage, by ARN, name or id
    #[arg(
        value_name = "STAGE",
        required_unless_present = "flag",
        conflicts_with = "flag"
    )]
    stage: Option<String>,
    /// The same, as a flag
    #[arg(
        id = "flag",
        long = "stage",
        visible_alias = "stage-arn",
        value_name = "STAGE"
    )]
    stage_flag: Option<String>,
    /// Send it to this channel, by ARN or id; the server's configuration file says which RTMP server that is
    #[arg(
        long,
        visible_alias = "channel-arn",
        value_name = "CHANNEL",
        required_unless_present = "storage"
    )]
    channel: Option<String>,
    /// Record it to the bucket of this storage configuration, by ARN or id
    #[arg(long, value_name = "STORAGE", requires = "encoder")]
    storage: Option<String>,
    /// Encode it by this encoder configuration, by ARN or id [default, of a channel: 1280x720, 30 pictures a second, 2.5 Mbit/s]
    #[arg(long, value_name = "ENCODER")]
    encoder: Option<String>,
    /// Length of the segments of the recording, 2 to 10 [default: 2]
    #[arg(long, value_name = "SECONDS", requires = "storage")]
    segment_seconds: Option<u32>,
    /// Store a thumbnail so often, 1 to 86400 [default: none]
    #[arg(long, value_name = "SECONDS", requires = "storage")]
    thumbnail_seconds: Option<u32>,
    /// The layout as JSON: {"grid": {…}} or {"pip": {…}}, with the members of the API [default: a grid]
    #[arg(long, value_name = "JSON", value_parser = object)]
    layout: Option<Value>,
    /// A tag; repeatable
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// A token by which the same call is recognised when it is repeated
    #[arg(long, value_name = "TOKEN")]
    idempotency_token: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// A JSON object.
fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be an object, as {\"grid\": {}}".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(clap::Args)]
pub(crate) struct OneArgs {
    /// The composition, by ARN or id
    #[arg(value_name = "COMPOSITION")]
    composition: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct StopArgs {
    /// The composition, by ARN or id
    #[arg(value_name = "COMPOSITION")]
    composition: String,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage compositions list
  restage compositions list --stage lobby --query 'compositions[].arn' --output text")]
pub(crate) struct ListArgs {
    /// Only compositions of this stage, by ARN, name or id; by ARN if it was deleted
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// Only compositions with this encoder configuration, by ARN or id
    #[arg(long, value_name = "ENCODER")]
    encoder: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

const COMPOSITIONS: Columns = Columns {
    member: "compositions",
    columns: &[
        ("ARN", "arn"),
        ("STATE", "state"),
        ("STAGE", "stageArn"),
        ("STARTED", "startTime"),
        ("ENDED", "endTime"),
    ],
    nothing: "no compositions",
};
const COMPOSITION: Columns = Columns {
    member: "composition",
    columns: &[
        ("ARN", "arn"),
        ("STATE", "state"),
        ("STAGE", "stageArn"),
        ("STARTED", "startTime"),
        ("ENDED", "endTime"),
    ],
    nothing: "no composition",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::Start(args) => runtime.block_on(start(args)),
        Command::Get(args) => runtime.block_on(get(args)),
        Command::List(args) => runtime.block_on(list(args)),
        Command::Stop(args) => runtime.block_on(stop(args)),
    }
}

async fn start(args: StartArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let named = args.stage.or(args.stage_flag).unwrap_or_default();
    let stage = naming::stage_arn(&api, &named).await?;
    let beside = |kind: &str, named: Option<String>| named.map(|named| beside(&stage, kind, named));
    let encoder = beside("encoder-configuration", args.encoder);
    let mut destinations = Vec::new();
    if let Some(channel) = beside("channel", args.channel) {
        let mut members = Map::new();
        members.insert("channelArn".to_owned(), channel.into());
        let encoder = encoder.clone().map(Value::from);
        members.extend(encoder.map(|arn| ("encoderConfigurationArn".to_owned(), arn)));
        destinations.push(json!({ "channel": members }));
    }
    if let Some(storage) = beside("storage-configuration", args.storage) {
        let mut members = json!({
            "storageConfigurationArn": storage,
            "encoderConfigurationArns": encoder.into_iter().collect::<Vec<_>>(),
        });
        if let Some(seconds) = args.segment_seconds {
            let hls = json!({ "targetSegmentDurationSeconds": seconds });
            members["recordingConfiguration"] = json!({ "hlsConfiguration": hls });
        }
        if let Some(seconds) = args.thumbnail_seconds {
            members["thumbnailConfigurations"] = json!([{ "targetIntervalSeconds": seconds }]);
        }
        destinations.push(json!({ "s3": members }));
    }
    let call = api
        .call(Operation::StartComposition)
        .set("stageArn", stage)
        .set("destinations", destinations)
        .set_some("layout", args.layout)
        .set_some("idempotencyToken", args.idempotency_token)
        .set_pairs("tags", &args.tags);
    args.output.print(api.answer(call).await?, &COMPOSITION)?;
    Ok(ExitCode::SUCCESS)
}

/// The ARN of a resource in the account and Region of a stage that was named by its ARN or its id.
fn beside(stage_arn: &str, kind: &str, named: String) -> String {
    match (naming::is_arn(&named), stage_arn.rsplit_once(":stage/")) {
        (false, Some((place, _))) => format!("{place}:{kind}/{named}"),
        _ => named,
    }
}

async fn get(args: OneArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let arn = composition_arn(&api, args.composition).await?;
    let call = api.call(Operation::GetComposition).set("arn", arn);
    args.output.print(api.answer(call).await?, &COMPOSITION)?;
    Ok(ExitCode::SUCCESS)
}

/// The ARN of a composition that was named by its ARN or its id.
async fn composition_arn(api: &Api, named: String) -> anyhow::Result<String> {
    if naming::is_arn(&named) {
        return Ok(named);
    }
    let call = api.call(Operation::ListCompositions);
    let there_are = paging::all(api, call.listing("compositions")).await?;
    let arns = there_are.iter().filter_map(|one| one["arn"].as_str());
    let mut found = arns.filter(|arn| arn.rsplit('/').next() == Some(named.as_str()));
    found.next().map(str::to_owned).ok_or_else(|| {
        let region = &api.connection.region;
        Failure::new(
            Exit::Refused,
            format!("there is no composition {named:?} in {region}"),
        )
        .advise("restage compositions list shows the compositions; one that has ended is gone after five minutes")
        .into()
    })
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let stage = match args.stage {
        Some(named) => Some(naming::stage_arn(&api, &named).await?),
        None => None,
    };
    let encoder = match args.encoder {
        Some(named) => Some(encoder_arn(&api, named).await?),
        None => None,
    };
    let call = api
        .call(Operation::ListCompositions)
        .set_some("filterByStageArn", stage)
        .set_some("filterByEncoderConfigurationArn", encoder)
        .listing("compositions");
    paging::list(&api, call, &args.paging, &args.output, &COMPOSITIONS).await
}

/// The ARN of an encoder configuration that was named by its ARN or its id.
async fn encoder_arn(api: &Api, named: String) -> anyhow::Result<String> {
    if naming::is_arn(&named) {
        return Ok(named);
    }
    let call = api.call(Operation::ListEncoderConfigurations);
    let there_are = paging::all(api, call.listing("encoderConfigurations")).await?;
    let is_it = |one: &&Value| {
        let id = one["arn"].as_str().and_then(|arn| arn.rsplit('/').next());
        id == Some(named.as_str())
    };
    let found = there_are.iter().find(is_it);
    found
        .and_then(|one| one["arn"].as_str())
        .map(str::to_owned)
        .ok_or_else(|| {
            let region = &api.connection.region;
            let told = format!("there is no encoder configuration {named:?} in {region}");
            Failure::new(Exit::Refused, told).into()
        })
}

async fn stop(args: StopArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let arn = composition_arn(&api, args.composition).await?;
    let call = api
        .call(Operation::StopComposition)
        .set("arn", arn.as_str());
    api.answer(call).await?;
    crate::note::note(&format!("stopped {arn}"));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_completed_by_the_place_of_the_stage() {
        let stage = "arn:aws:ivs:eu-west-1:111122223333:stage/Ab3dEf6hIj9k";
        let arn = |named: &str| beside(stage, "channel", named.to_owned());
        let expected = "arn:aws:ivs:eu-west-1:111122223333:channel/youtube";
        assert_eq!(arn("youtube"), expected);
        assert_eq!(arn(expected), expected);
        assert_eq!(beside("lobby", "channel", "x".to_owned()), "x");
    }

    #[test]
    fn a_layout_is_an_object() {
        assert!(object("{\"pip\": {}}").is_ok());
        assert!(object("[]").is_err() && object("{").is_err());
    }
}
