//! `restage sessions`.

use std::process::ExitCode;

use crate::api::{self, Api};
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
  restage sessions list --stage-arn \"$STAGE\"
  restage sessions list --stage-arn \"$STAGE\" --max-items 1 \\
      --query 'stageSessions[0].sessionId' --output text")]
pub(crate) struct ListArgs {
    /// The stage
    #[arg(long, value_name = "ARN")]
    stage_arn: String,
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
    let api = Api::new(&args.target)?;
    let call = api.client.list_stage_sessions().stage_arn(args.stage_arn);
    paging::list(&api, call, &args.paging, &args.output, &SESSIONS).await
}
