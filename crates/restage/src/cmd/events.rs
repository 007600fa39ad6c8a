//! `restage events`.

mod dead_letters;
mod file;
mod history;
mod stage_state;

use std::path::PathBuf;
use std::process::ExitCode;

use restage_client::{EventStream, StageEvent};

use super::watch::choose::advice;
use crate::api::{self, Api};
use crate::cmd::participants::active_session;
use crate::exit::{Exit, Failure};
use crate::join::{self, Capability, Identity, Join, Reconnect, Stop, keep};
use crate::naming;
use crate::output::{self, Lines};
use crate::target::Target;
use history::History;
use stage_state::Changes;

/// Follow what happens on a stage.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    #[command(about = "Print who publishes as it changes, and a participant's events as they come")]
    Tail(Box<TailArgs>),
    #[command(about = "Print the events that a sink would not take")]
    DeadLetters(dead_letters::ListArgs),
    #[command(about = "Send dead letters again")]
    Replay(dead_letters::ReplayArgs),
}

/// Follows a stage: its events socket, and with --participant the participant's events too.
///
/// The socket reports who publishes (STAGE_STATE); ListParticipantEvents reports what a participant did
/// and its errors. The listener is a participant of the stage too. Runs until Ctrl-C; a
/// lost connection is reported and opened again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage events tail lobby
  restage events tail lobby --participant ann
  restage events tail --stage \"$ARN\" --participant Xy7zAb3dEf6h --no-follow
  restage events tail --file data/events.jsonl --no-follow
  restage events tail --token \"$TOKEN\" --output json --query 'payload.participants[].id'")]
pub(crate) struct TailArgs {
    /// The stage, in place of its flag
    #[arg(value_name = "STAGE", group = "join")]
    word: Option<String>,
    #[command(flatten)]
    join: Join,
    #[command(flatten)]
    identity: Identity,
    /// Print the events of this participant too, by id or user id (ListParticipantEvents); needs the
    /// stage
    #[arg(
        long,
        visible_alias = "participant-id",
        value_name = "ID",
        conflicts_with_all = ["token", "file"]
    )]
    participant: Option<String>,
    /// The session of the participant [default: the active session]
    #[arg(long, value_name = "ID", requires = "participant")]
    session_id: Option<String>,
    /// Print the events of all stages in this file instead, which a server writes with --events-file
    #[arg(long, value_name = "FILE", group = "join")]
    file: Option<PathBuf>,
    /// Print the existing events and exit
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    reconnect: Reconnect,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::Tail(args) => runtime.block_on(tail(*args)),
        Command::DeadLetters(args) => runtime.block_on(dead_letters::list(args)),
        Command::Replay(args) => runtime.block_on(dead_letters::replay(args)),
    }
}

async fn tail(mut args: TailArgs) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new(None)?;
    if let Some(stage) = args.word.take() {
        args.join.take_stage(stage)?;
    }
    if let Some(path) = &args.file {
        return file::tail(path, args.no_follow, &args.lines, &mut stop).await;
    }
    args.join = args.join.resolved(&args.target).await?;
    let mut history = history(&args).await?;
    if let Some(history) = &mut history {
        history.print_new(&args.lines).await?;
        if args.no_follow {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let token = args
        .join
        .token(&args.target, &args.identity, Capability::Subscribe)
        .await?;
    let mut changes = Changes::default();
    let trust = args.target.trust()?;
    let mut resumption = None;
    let mut socket = EventStream::join_trusting(&token, &trust)
        .await
        .map_err(join::failure)?;
    loop {
        let ending = follow(&mut socket, &mut changes, &mut history, &args, &mut stop).await?;
        let why = match ending {
            Ending::Stopped => {
                socket.close().await.ok();
                return Ok(ExitCode::SUCCESS);
            }
            Ending::Closed => match socket.closed() {
                Some(close) if !close.is_passing() => {
                    let what = format!("the server closed the events socket: {}", close.reason);
                    return Err(Failure::new(Exit::Refused, what)
                        .advise(advice(close.code))
                        .into());
                }
                Some(close) => format!("the server closed the events socket: {}", close.reason),
                None => "the server closed the events socket".to_owned(),
            },
            Ending::Broken(why) => why,
        };
        keep(&mut resumption, socket.resumption());
        let join = || EventStream::join_resuming(&token, resumption.as_deref(), &trust);
        match args
            .reconnect
            .again(&why, &mut stop, output::note, |_| false, join)
            .await?
        {
            Some(joined) => socket = joined,
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn history(args: &TailArgs) -> anyhow::Result<Option<History>> {
    let Some(participant) = &args.participant else {
        return Ok(None);
    };
    let stage_arn = args.join.stage().ok_or_else(|| {
        Failure::usage("--participant needs the stage, by ARN, name or id")
            .advise("restage events tail STAGE --participant ID")
    })?;
    let api = Api::new(&args.target)?;
    let participant_id = &naming::participant_id(&api, stage_arn, participant).await?;
    let session_id = match &args.session_id {
        Some(id) => id.clone(),
        None => active_session(&api, stage_arn).await?,
    };
    Ok(Some(History::new(
        api,
        stage_arn,
        &session_id,
        participant_id,
    )))
}

enum Ending {
    Stopped,
    Closed,
    Broken(String),
}

async fn follow(
    socket: &mut EventStream,
    changes: &mut Changes,
    history: &mut Option<History>,
    args: &TailArgs,
    stop: &mut Stop,
) -> anyhow::Result<Ending> {
    loop {
        tokio::select! {
            () = stop.wait() => return Ok(Ending::Stopped),
            event = socket.next() => match event {
                Ok(Some(event)) => {
                    print(&event, changes, &args.lines)?;
                    if args.no_follow {
                        return Ok(Ending::Stopped);
                    }
                }
                Ok(None) => return Ok(Ending::Closed),
                Err(error) => return Ok(Ending::Broken(error.to_string())),
            },
            () = History::due(history.as_mut()) => {
                if let Some(history) = history {
                    history.print_new(&args.lines).await?;
                }
            }
        }
    }
}

fn print(event: &StageEvent, changes: &mut Changes, lines: &Lines) -> anyhow::Result<()> {
    match event {
        StageEvent::State(state) if lines.is_json() => lines.json(stage_state::json(state)),
        StageEvent::State(state) => changes.print(state),
        StageEvent::Other { message, .. } if lines.is_json() => lines.json(message.clone()),
        StageEvent::Other { kind, .. } => output::line(&crate::table::printable(kind)),
        _ => Ok(()),
    }
}
