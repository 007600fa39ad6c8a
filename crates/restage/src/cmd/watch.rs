//! `restage watch`.

pub(crate) mod choose;
mod gauge;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use restage_client::{
    CloseReason, ConnectionState, Error, ParticipantToken, ReceivedFrame, SubscribeConfig,
    Subscriber,
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::api;
use crate::exit::{Exit, Failure};
use crate::join::{self, Caller, Capability, Identity, Join, Reconnect, Stop, keep};
use crate::live::Figures;
use crate::media::save::Recorder;
use crate::naming::{self, Words};
use crate::output::Lines;
use crate::target::Target;
use gauge::Gauge;

/// Interval at which the connection updates its statistics.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// Codes of a subscription's regular end.
const OVER: [&str; 3] = ["PUBLISHER_LEFT", "REPLICATION_STOPPED", "SESSION_ENDED"];

/// Watches one publisher of a stage by WHEP: statistics every second, and files with --save.
///
/// Without a participant it watches the only one that publishes, and waits if nobody does.
/// Ends when the publisher leaves, after --stop-after, or at Ctrl-C; a lost connection is reported and
/// opened again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage watch lobby
  restage watch lobby ann --save talk
  restage watch --token \"$TOKEN\" Xy7zAb3dEf6h
  restage watch --stage \"$ARN\" --query 'tracks[?kind==`video`].framesPerSecond | [0]'
  ffmpeg -i talk.h264 -i talk.ogg -c copy talk.mkv")]
pub(crate) struct Args {
    /// The stage, if no flag and no RESTAGE_TOKEN gives it, and the participant to watch, by id or
    /// user id; a replica has the id of its source
    #[arg(value_name = "STAGE PARTICIPANT", num_args = 0..=2)]
    words: Vec<String>,
    #[command(flatten)]
    join: Join,
    #[command(flatten)]
    identity: Identity,
    /// Save the media: NAME.h264 (byte stream) or NAME.ivf (VP8, VP9, AV1), and NAME.ogg (Opus)
    #[arg(long, value_name = "NAME")]
    save: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, requires = "save")]
    overwrite: bool,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = join::seconds, allow_negative_numbers = true)]
    stop_after: Option<Duration>,
    #[command(flatten)]
    reconnect: Reconnect,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    api::runtime()?.block_on(watch(args))
}

/// Why watching ended.
enum Ending {
    Stopped,
    Closed(CloseReason),
}

/// A viewer: where the frames go.
struct Viewer<'a> {
    gauge: Gauge,
    recorder: Option<Recorder>,
    figures: Figures,
    lines: &'a Lines,
}

/// The participant that was named. A stage that was named is moved to the flags.
fn participant(args: &mut Args) -> anyhow::Result<Option<String>> {
    let mut words = Words::new(std::mem::take(&mut args.words));
    let mut word = words.take(None);
    if let Some(stage) = word.take_if(|word| naming::is_arn(word) || !args.join.is_given()) {
        args.join.take_stage(stage)?;
        word = words.take(None);
    }
    words.end()?;
    Ok(word)
}

async fn watch(mut args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new(args.stop_after)?;
    let named = participant(&mut args)?;
    let caller = Caller::new(&args.target)?;
    let outcome = join(&args, named.as_deref(), &caller, &mut stop).await;
    caller.hang_up().await;
    outcome
}

/// Joins the stage and watches until one of the endings.
async fn join(
    args: &Args,
    named: Option<&str>,
    caller: &Caller,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    let recorder = match &args.save {
        Some(name) => Some(Recorder::new(name, args.overwrite)?),
        None => None,
    };
    let token = args
        .join
        .token(&args.target, &args.identity, Capability::Subscribe)
        .await?;
    let figures = Figures::new();
    let participant_id = match named {
        Some(named) if naming::is_id(named) => named.to_owned(),
        named => tokio::select! {
            chosen = choose::publisher(&token, named, caller, &figures) => chosen?,
            () = stop.wait() => return Err(nothing_came("nobody published")),
        },
    };
    let mut viewer = Viewer {
        gauge: Gauge::new(&participant_id),
        recorder,
        figures,
        lines: &args.lines,
    };
    let to = (&token, participant_id.as_str());
    let outcome = follow(args, to, caller, &mut viewer, stop).await;
    let Viewer {
        gauge,
        recorder,
        figures,
        lines,
    } = viewer;
    drop(figures);
    // Whatever ended it, the received media is saved.
    if let Some(recorder) = recorder {
        report_saved(recorder.finish()?, lines)?;
    }
    outcome?;
    match gauge.frames() {
        0 => Err(nothing_came("no frame came")),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn nothing_came(what: &str) -> anyhow::Error {
    Failure::new(Exit::NoAnswer, what)
        .advise("restage events tail shows who publishes; restage doctor, on the server, checks the media port")
        .into()
}

fn report_saved(saved: Vec<PathBuf>, lines: &Lines) -> anyhow::Result<()> {
    let saved: Vec<String> = saved
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if lines.is_json() {
        return lines.json(json!({ "saved": saved }));
    }
    crate::output::note(&format!("saved {}", saved.join(" and ")));
    Ok(())
}

async fn follow(
    args: &Args,
    (token, participant_id): (&ParticipantToken, &str),
    caller: &Caller,
    viewer: &mut Viewer<'_>,
    stop: &mut Stop,
) -> anyhow::Result<()> {
    let mut config = SubscribeConfig::default();
    config.http = Some(caller.http.clone());
    let mut subscriber = tokio::select! {
        joined = Subscriber::join(token, participant_id, config.clone()) => joined.map_err(join::failure)?,
        () = stop.wait() => return Ok(()),
    };
    loop {
        let reason = match view(&mut subscriber, viewer, stop).await? {
            Ending::Stopped => {
                // The server may already be gone; this side has left in any case.
                subscriber.close().await.ok();
                return Ok(());
            }
            Ending::Closed(reason) => reason,
        };
        if is_over(&reason) {
            viewer
                .figures
                .note(&format!("the server ended it: {reason}"));
            return Ok(());
        }
        if !reason.is_passing() {
            return Err(join::ended(&reason));
        }
        keep(&mut config.resumption, subscriber.resumption());
        let join = || Subscriber::join(token, participant_id, config.clone());
        let (why, note) = (reason.to_string(), |text: &str| viewer.figures.note(text));
        match args
            .reconnect
            .again(&why, stop, note, is_not_back_yet, join)
            .await?
        {
            Some(joined) => subscriber = joined,
            None => return Ok(()),
        }
    }
}

/// Whether the publication has ended. An end without a reason from the server counts as such, too.
fn is_over(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Remote => true,
        CloseReason::Ended { code, .. } => OVER.contains(&code.as_str()),
        _ => false,
    }
}

/// Whether the error only means that the publisher has not reconnected yet after a crash of the server.
fn is_not_back_yet(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 404, .. })
}

async fn view(
    subscriber: &mut Subscriber,
    viewer: &mut Viewer<'_>,
    stop: &mut Stop,
) -> anyhow::Result<Ending> {
    let mut state = subscriber.state_watch();
    let mut is_state_known = true;
    let mut tick = interval(FIGURES_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, when there is nothing to report yet.
    tick.tick().await;
    viewer.gauge.connected(Instant::now());
    loop {
        tokio::select! {
            biased;
            () = stop.wait() => return Ok(Ending::Stopped),
            _ = tick.tick() => viewer.show(subscriber)?,
            frame = subscriber.frame() => match frame {
                Some(received) => viewer.take(&received)?,
                None => {
                    return Ok(Ending::Closed(match subscriber.state() {
                        ConnectionState::Closed(reason) => reason,
                        _ => CloseReason::Lost,
                    }));
                }
            },
            changed = state.changed(), if is_state_known => {
                is_state_known = changed.is_ok();
                let now = state.borrow_and_update().clone();
                match now {
                    ConnectionState::Disconnected => viewer.figures.note("the path is silent"),
                    ConnectionState::Connected => viewer.figures.note("media flows"),
                    ConnectionState::Connecting | ConnectionState::Closed(_) => {}
                }
            }
        }
    }
}

impl Viewer<'_> {
    fn take(&mut self, received: &ReceivedFrame) -> anyhow::Result<()> {
        self.gauge.count(received);
        match &mut self.recorder {
            Some(recorder) => recorder.write(&received.frame),
            None => Ok(()),
        }
    }

    fn show(&mut self, subscriber: &Subscriber) -> anyhow::Result<()> {
        let reading = self.gauge.read(&subscriber.stats(), Instant::now());
        if self.lines.is_json() {
            return self.lines.json(serde_json::to_value(&reading)?);
        }
        self.figures.show(reading.to_string());
        Ok(())
    }
}
