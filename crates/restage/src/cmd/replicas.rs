//! `restage replicas`: a participant of one stage, shown in others.

use std::process::ExitCode;

use restage_api::Operation;

use crate::api::{self, Api, Call};
use crate::live::Progress;
use crate::naming::{self, Words};
use crate::output::Output;
use crate::paging::{self, Paging};
use crate::pair::pair;
use crate::table::Columns;
use crate::target::Target;

/// List, start and stop replicas of a participant in other stages.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    #[command(about = "List the replicas of a participant (ListParticipantReplicas)")]
    List(ListArgs),
    /// Show a participant in other stages too (StartParticipantReplication)
    Start(StartArgs),
    /// No longer show a participant in other stages (StopParticipantReplication)
    Stop(StopArgs),
}

/// Lists the stages to which a participant is replicated, the oldest replication first.
///
/// A list that was truncated by --max-items continues with --starting-token and the NextToken in its
/// output. boto3 and the AWS CLI use the same token.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage replicas list main ann
  restage replicas list --source-stage \"$ARN\" --participant Xy7zAb3dEf6h --max-items 7
  restage replicas list main ann \\
      --query 'replicas[?replicationState==`ACTIVE`].destinationStageArn' --output text")]
pub(crate) struct ListArgs {
    /// The source stage and the participant, in place of their flags
    #[arg(value_name = "STAGE PARTICIPANT", num_args = 0..=2)]
    words: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage replicas start main ann viewers
  restage replicas start main ann viewers lobby hall --reconnect-window-seconds 30
  restage replicas start --source-stage \"$A\" --participant Xy7zAb3dEf6h \\
      --destination-stage \"$B\" \"$C\" --attribute order=1")]
pub(crate) struct StartArgs {
    #[command(flatten)]
    route: Route,
    /// How long a replica outlives its publisher's connection (0 to 300) [default: 0]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    reconnect_window_seconds: Option<i32>,
    /// An attribute of the replica, which overrides the participant's own; repeatable
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage replicas stop main ann viewers
  restage replicas stop --source-stage \"$A\" --participant Xy7zAb3dEf6h \\
      --destination-stage \"$B\"")]
pub(crate) struct StopArgs {
    #[command(flatten)]
    route: Route,
    #[command(flatten)]
    target: Target,
}

/// The participant that is replicated.
#[derive(clap::Args)]
struct SourceArgs {
    /// The stage the participant publishes to, by ARN, name or id
    #[arg(long, visible_alias = "source-stage-arn", value_name = "STAGE")]
    source_stage: Option<String>,
    /// The participant, by id or user id
    #[arg(long, visible_alias = "participant-id", value_name = "ID")]
    participant: Option<String>,
}

impl SourceArgs {
    /// The stage and the participant as the user named them.
    fn named(self, words: &mut Words) -> anyhow::Result<(String, String)> {
        let stage = words.require(
            self.source_stage,
            ("the source stage", "--source-stage or --source-stage-arn"),
        )?;
        let participant = words.require(
            self.participant,
            ("the participant", "--participant or --participant-id"),
        )?;
        Ok((stage, participant))
    }
}

/// The participant and the destination stages.
#[derive(clap::Args)]
struct Route {
    /// The source stage, the participant and the stages of the replicas, in place of their flags
    #[arg(value_name = "STAGE PARTICIPANT DESTINATION", num_args = 0..)]
    words: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// The stage of the replica, by ARN, name or id; several may follow
    #[arg(
        long = "destination-stage",
        visible_alias = "destination-stage-arn",
        value_name = "STAGE",
        num_args = 1..
    )]
    destinations: Vec<String>,
}

/// The same with all names resolved.
struct Resolved {
    source_stage_arn: String,
    participant_id: String,
    destinations: Vec<String>,
}

impl Route {
    // Missing arguments are reported before any request to a server.
    async fn resolve(self, target: &Target) -> anyhow::Result<(Api, Resolved)> {
        let mut words = Words::new(self.words);
        let (stage, participant) = self.source.named(&mut words)?;
        let destinations = words.require_all(
            self.destinations,
            (
                "the destination stage",
                "--destination-stage or --destination-stage-arn",
            ),
        )?;
        words.end()?;
        let api = Api::new(target)?;
        let (source_stage_arn, participant_id) =
            naming::participant_on(&api, &stage, &participant).await?;
        let destinations = naming::stage_arns(&api, &destinations).await?;
        let resolved = Resolved {
            source_stage_arn,
            participant_id,
            destinations,
        };
        Ok((api, resolved))
    }
}

impl Resolved {
    /// A call about the replica in this stage.
    fn call(&self, api: &Api, operation: Operation, destination_stage_arn: &str) -> Call {
        api.call(operation)
            .set("sourceStageArn", self.source_stage_arn.as_str())
            .set("participantId", self.participant_id.as_str())
            .set("destinationStageArn", destination_stage_arn)
    }
}

const REPLICAS: Columns = Columns {
    member: "replicas",
    columns: &[
        ("DESTINATION STAGE", "destinationStageArn"),
        ("DESTINATION SESSION", "destinationSessionId"),
        ("STATE", "replicationState"),
    ],
    nothing: "no replicas",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::List(args) => runtime.block_on(list(args)),
        Command::Start(args) => runtime.block_on(start(args)),
        Command::Stop(args) => runtime.block_on(stop(args)),
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let mut words = Words::new(args.words);
    let (stage, participant) = args.source.named(&mut words)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let (stage, participant) = naming::participant_on(&api, &stage, &participant).await?;
    let call = api
        .call(Operation::ListParticipantReplicas)
        .set("sourceStageArn", stage)
        .set("participantId", participant)
        .listing("replicas");
    paging::list(&api, call, &args.paging, &args.output, &REPLICAS).await
}

async fn start(args: StartArgs) -> anyhow::Result<ExitCode> {
    let (api, route) = args.route.resolve(&args.target).await?;
    let calls = route.destinations.iter().map(|arn| {
        let call = route.call(&api, Operation::StartParticipantReplication, arn);
        let call = call.set_some("reconnectWindowSeconds", args.reconnect_window_seconds);
        (arn, call.set_pairs("attributes", &args.attributes))
    });
    each(&api, "replicated into", calls).await
}

async fn stop(args: StopArgs) -> anyhow::Result<ExitCode> {
    let (api, route) = args.route.resolve(&args.target).await?;
    let calls = route.destinations.iter().map(|arn| {
        let call = route.call(&api, Operation::StopParticipantReplication, arn);
        (arn, call)
    });
    each(&api, "no longer replicated into", calls).await
}

/// Makes one call for each destination, in order. The first refusal ends it and reports how many calls succeeded.
async fn each<'a>(
    api: &Api,
    done: &str,
    calls: impl ExactSizeIterator<Item = (&'a String, Call)>,
) -> anyhow::Result<ExitCode> {
    let count = calls.len();
    let mut progress = Progress::new(Some(count as u64), "stages");
    for (index, (arn, call)) in calls.enumerate() {
        if let Err(error) = api.answer(call).await {
            return Err(match count {
                1 => error,
                _ => error.context(format!("stopped at {arn}, after {index} of {count} stages")),
            });
        }
        progress.note(&format!("{done} {arn}"));
        progress.add(1);
    }
    Ok(ExitCode::SUCCESS)
}
