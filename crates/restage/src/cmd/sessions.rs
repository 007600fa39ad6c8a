//! `restage sessions`.

use std::process::ExitCode;

use restage_api::Operation;

use crate::api::{self, Api};
use crate::cmd::participants::STAGE;
use crate::naming::{self, Words};
use crate::output::Output;
use crate::paging::{self, Paging};
use crate::table::Columns;
use crate::target::Target;

/// List the sessions of a stage.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the sessions of a stage, the newest first (ListStageSessions)
    List(ListArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage sessions list lobby
  restage sessions list --stage \"$ARN\" --max-items 1 \\
      --query 'stageSessions[0].sessionId' --output text")]
pub(crate) struct ListArgs {
    /// The stage, in place of its flag
    #[arg(value_name = "STAGE")]
    word: Option<String>,
    /// The stage, by ARN, name or id
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

const SESSIONS: Columns = Columns {
    member: "stageSessions",
    columns: &[
        ("SESSION", "sessionId"),
        ("STARTED", "startTime"),
        ("ENDED", "endTime"),
    ],
    nothing: "no sessions",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(args) => api::runtime()?.block_on(list(args)),
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let mut words = Words::new(args.word.into_iter().collect());
    let stage = words.require(args.stage, STAGE)?;
    words.end()?;
    let api = Api::new(&args.target)?;
    let stage = naming::stage_arn(&api, &stage).await?;
    let call = api
        .call(Operation::ListStageSessions)
        .set("stageArn", stage)
        .listing("stageSessions");
    paging::list(&api, call, &args.paging, &args.output, &SESSIONS).await
}
