//! `restage participants`.

use std::process::ExitCode;

use restage_api::Operation;

use crate::api::{self, Api};
use crate::exit::{Exit, Failure};
use crate::naming::{self, Words};
use crate::output::{self, Output};
use crate::paging::{self, Paging};
use crate::table::Columns;
use crate::target::Target;

/// List, show and disconnect the participants of a stage.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the participants of a session, present and past (ListParticipants)
    List(ListArgs),
    /// Show a participant (GetParticipant)
    Get(GetArgs),
    /// Disconnect a participant from the stage and revoke its token
    /// (DisconnectParticipant)
    Disconnect(DisconnectArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage participants list lobby
  restage participants list --stage \"$ARN\" --filter-by-state CONNECTED \\
      --query 'participants[].userId'")]
pub(crate) struct ListArgs {
    /// The stage, in place of its flag
    #[arg(value_name = "STAGE")]
    word: Option<String>,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    filter: Filter,
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
  restage participants get lobby ann
  restage participants get --stage \"$ARN\" --participant Xy7zAb3dEf6h --query participant.state")]
pub(crate) struct GetArgs {
    /// The stage and the participant, in place of their flags
    #[arg(value_name = "STAGE PARTICIPANT", num_args = 0..=2)]
    words: Vec<String>,
    #[command(flatten)]
    session: SessionArgs,
    /// The participant, by id or user id
    #[arg(long, visible_alias = "participant-id", value_name = "ID")]
    participant: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage participants disconnect lobby ann --reason 'time is up'")]
pub(crate) struct DisconnectArgs {
    /// The stage and the participant, in place of their flags
    #[arg(value_name = "STAGE PARTICIPANT", num_args = 0..=2)]
    words: Vec<String>,
    /// The stage, by ARN, name or id
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// The participant, by id or user id
    #[arg(long, visible_alias = "participant-id", value_name = "ID")]
    participant: Option<String>,
    /// The reason, which goes to the server's log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// A session of a stage.
#[derive(clap::Args)]
pub(crate) struct SessionArgs {
    /// The stage, by ARN, name or id
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// A session of the stage [default: the active session]
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
}

/// Filters of the list; at most one may be given.
#[derive(clap::Args)]
#[group(multiple = false)]
struct Filter {
    /// Only participants in this state
    #[arg(long, value_name = "STATE", value_parser = ["CONNECTED", "DISCONNECTED"])]
    filter_by_state: Option<String>,
    /// Only participants with this user id
    #[arg(long, value_name = "ID")]
    filter_by_user_id: Option<String>,
    /// Only participants that ever published
    #[arg(long)]
    filter_by_published: bool,
    /// Only participants whose recording is in this state
    #[arg(long, value_name = "STATE", value_parser = ["STARTING", "ACTIVE", "STOPPING", "STOPPED", "FAILED"])]
    filter_by_recording_state: Option<String>,
}

const PARTICIPANTS: Columns = Columns {
    member: "participants",
    columns: &[
        ("PARTICIPANT", "participantId"),
        ("USER", "userId"),
        ("STATE", "state"),
        ("PUBLISHED", "published"),
        ("REPLICATION", "replicationType"),
        ("SOURCE STAGE", "sourceStageArn"),
        ("JOINED", "firstJoinTime"),
    ],
    nothing: "no participants",
};
const PARTICIPANT: Columns = Columns {
    member: "participant",
    columns: &[
        ("PARTICIPANT", "participantId"),
        ("USER", "userId"),
        ("STATE", "state"),
    ],
    nothing: "no participant",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::List(args) => runtime.block_on(list(args)),
        Command::Get(args) => runtime.block_on(get(args)),
        Command::Disconnect(args) => runtime.block_on(disconnect(args)),
    }
}

/// The name of a missing argument and its flags, for error messages.
pub(crate) const STAGE: (&str, &str) = ("the stage", "--stage or --stage-arn");
const WHO: (&str, &str) = ("the participant", "--participant or --participant-id");

impl SessionArgs {
    /// The stage as the user named it.
    fn named(&mut self, words: &mut Words) -> anyhow::Result<String> {
        words.require(self.stage.take(), STAGE)
    }

    /// The stage's ARN, and the given session or the active one.
    async fn resolve(self, api: &Api, named: &str) -> anyhow::Result<(String, String)> {
        let stage = naming::stage_arn(api, named).await?;
        let session = match self.session_id {
            Some(id) => id,
            None => active_session(api, &stage).await?,
        };
        Ok((stage, session))
    }
}

/// The active session of a stage.
pub(crate) async fn active_session(api: &Api, stage_arn: &str) -> anyhow::Result<String> {
    let stage = api.stage(stage_arn).await;
    let stage = stage.map_err(|error| api.explain(error))?;
    let active = stage["activeSessionId"].as_str();
    let active = active.filter(|id| !id.is_empty());
    active.map(str::to_owned).ok_or_else(|| {
        Failure::new(
            Exit::Refused,
            format!("nobody is on the stage {stage_arn} now"),
        )
        .advise(format!(
            "--session-id with one of: restage sessions list {stage_arn}"
        ))
        .into()
    })
}

async fn list(mut args: ListArgs) -> anyhow::Result<ExitCode> {
    let mut words = Words::new(args.word.into_iter().collect());
    let named = args.session.named(&mut words)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let (stage, session) = args.session.resolve(&api, &named).await?;
    let filter = args.filter;
    let call = api
        .call(Operation::ListParticipants)
        .set("stageArn", stage)
        .set("sessionId", session)
        .set_some("filterByState", filter.filter_by_state)
        .set_some("filterByUserId", filter.filter_by_user_id)
        .set_some(
            "filterByPublished",
            filter.filter_by_published.then_some(true),
        )
        .set_some("filterByRecordingState", filter.filter_by_recording_state)
        .listing("participants");
    paging::list(&api, call, &args.paging, &args.output, &PARTICIPANTS).await
}

async fn get(mut args: GetArgs) -> anyhow::Result<ExitCode> {
    let mut words = Words::new(args.words);
    let named = args.session.named(&mut words)?;
    let participant = words.require(args.participant, WHO)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let (stage, session) = args.session.resolve(&api, &named).await?;
    let participant = naming::participant_id(&api, &stage, &participant).await?;
    let call = api
        .call(Operation::GetParticipant)
        .set("stageArn", stage)
        .set("sessionId", session)
        .set("participantId", participant);
    args.output.print(api.answer(call).await?, &PARTICIPANT)?;
    Ok(ExitCode::SUCCESS)
}

async fn disconnect(args: DisconnectArgs) -> anyhow::Result<ExitCode> {
    let mut words = Words::new(args.words);
    let stage = words.require(args.stage, STAGE)?;
    let participant = words.require(args.participant, WHO)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let (stage, participant) = naming::participant_on(&api, &stage, &participant).await?;
    let call = api
        .call(Operation::DisconnectParticipant)
        .set("stageArn", stage)
        .set("participantId", participant.as_str())
        .set_some("reason", args.reason);
    api.answer(call).await?;
    output::note(&format!("disconnected {participant}"));
    Ok(ExitCode::SUCCESS)
}
