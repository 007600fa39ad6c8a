//! `restage recordings`.

mod download;
mod names;
mod object;

use std::path::PathBuf;
use std::process::ExitCode;

use restage_api::Extension;

use crate::api::{self, Api, Call};
use crate::exit::{Exit, Failure};
use crate::naming;
use crate::output::Output;
use crate::paging::{self, Paging};
use crate::table::Columns;
use crate::target::Target;

/// List, show, download, pause and resume recordings.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List recordings, the newest first (ListRecordings)
    List(ListArgs),
    /// Show a recording (GetRecording)
    Show(OneArgs),
    /// Download a recording into a directory; what is there already is not downloaded again
    Download(DownloadArgs),
    /// Record nothing until the recording is resumed (PauseRecording)
    Pause(OneArgs),
    /// Record again (ResumeRecording)
    Resume(OneArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage recordings list
  restage recordings list --stage lobby --participant ann
  restage recordings list --stage lobby --max-items 1 \\
      --query 'recordings[0].recordingId' --output text")]
pub(crate) struct ListArgs {
    /// Only recordings of this stage, by ARN, name or id; by ARN if it was deleted
    #[arg(long, visible_alias = "stage-arn", value_name = "STAGE")]
    stage: Option<String>,
    /// Only recordings of this participant, by id or user id, also after it has left
    #[arg(long, visible_alias = "participant-id", value_name = "PARTICIPANT")]
    participant: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub(crate) struct OneArgs {
    /// The recording, by its id
    #[arg(value_name = "RECORDING")]
    recording: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage recordings download aB3dEf6hXy7zAb3dEf6hXy
  ffplay \"$(restage recordings download aB3dEf6hXy7zAb3dEf6hXy --to talk)\"")]
pub(crate) struct DownloadArgs {
    /// The recording, by its id
    #[arg(value_name = "RECORDING")]
    recording: String,
    /// Directory to write into [default: the recording's id, in this directory]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Members of ListRecordings, by which a participant is found.
const ID: &str = "participantId";
const USER_ID: &str = "userId";

const RECORDINGS: Columns = Columns {
    member: "recordings",
    columns: &[
        ("RECORDING", "recordingId"),
        ("STATE", "recordingState"),
        ("PAUSED", "paused"),
        ("STAGE", "stageName"),
        ("USER", "userId"),
        ("PARTICIPANT", "participantId"),
        ("STARTED", "startTime"),
        ("ENDED", "endTime"),
        ("MILLISECONDS", "durationMs"),
    ],
    nothing: "no recordings",
};
const RECORDING: Columns = Columns {
    member: "recording",
    columns: &[
        ("RECORDING", "recordingId"),
        ("STATE", "recordingState"),
        ("PAUSED", "paused"),
        ("PARTICIPANT", "participantId"),
        ("STARTED", "startTime"),
        ("ENDED", "endTime"),
        ("MILLISECONDS", "durationMs"),
    ],
    nothing: "no recording",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::List(args) => runtime.block_on(list(args)),
        Command::Show(args) => runtime.block_on(one(args, Extension::GetRecording)),
        Command::Download(args) => runtime.block_on(download(args)),
        Command::Pause(args) => runtime.block_on(one(args, Extension::PauseRecording)),
        Command::Resume(args) => runtime.block_on(one(args, Extension::ResumeRecording)),
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let stage = match args.stage {
        Some(named) => Some(naming::stage_arn(&api, &named).await?),
        None => None,
    };
    let filter = match &args.participant {
        Some(named) => Some((
            filter_of(&api, stage.as_deref(), named).await?,
            named.clone(),
        )),
        None => None,
    };
    let mut call = recordings(&api, stage.as_deref());
    if let Some((member, named)) = filter {
        call = call.set(member, named);
    }
    let call = call.listing("recordings");
    paging::list(&api, call, &args.paging, &args.output, &RECORDINGS).await
}

fn recordings(api: &Api, stage: Option<&str>) -> Call {
    let call = api.call(Extension::ListRecordings);
    call.set_some("stageArn", stage.map(str::to_owned))
}

/// The member of ListRecordings that finds the recordings of a participant who was named by id or by user id: what looks like an id may be a
/// user id, if it is that of no participant who was recorded.
///
/// # Errors
/// Nobody with this user id was recorded.
async fn filter_of(api: &Api, stage: Option<&str>, named: &str) -> anyhow::Result<&'static str> {
    let finds = async |member| {
        let call = recordings(api, stage).set(member, named);
        let answer = api.answer(call.set("maxResults", 1)).await?;
        let found = answer["recordings"].as_array();
        anyhow::Ok(found.is_some_and(|found| !found.is_empty()))
    };
    let is_id = naming::is_id(named);
    if is_id && finds(ID).await? {
        return Ok(ID);
    }
    if finds(USER_ID).await? {
        return Ok(USER_ID);
    }
    if is_id {
        return Ok(ID);
    }
    let told = format!("no recording of a participant with the user id {named:?} is known");
    let failure = Failure::new(Exit::Refused, told);
    Err(failure
        .advise("restage recordings list, without --participant, shows whose recordings there are")
        .into())
}

async fn one(args: OneArgs, extension: Extension) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let call = api.call(extension).set("recordingId", args.recording);
    args.output.print(api.answer(call).await?, &RECORDING)?;
    Ok(ExitCode::SUCCESS)
}

async fn download(args: DownloadArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    download::run(&api, &args.recording, args.to).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_there_twice() {
        for table in [RECORDINGS, RECORDING] {
            for (at, column) in table.columns.iter().enumerate() {
                assert!(!table.columns[..at].contains(column), "{column:?}");
            }
        }
    }
}
