//! `restage publish`.

mod feed;
mod play;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_ivsrealtime::types::ParticipantTokenCapability;
use clap::ValueEnum;
use restage_client::testcard::{CardSize, TestCardConfig};
use restage_client::{CloseReason, Codec, ParticipantToken, PublishConfig, Publisher, TrackKind};
use serde_json::json;

use crate::api;
use crate::exit::{Exit, Failure};
use crate::live::Figures;
use crate::media::files::{Files, Reading};
use crate::output::Lines;
use crate::stage::{self, Identity, Join, Reconnect, Stop};
use crate::target::Target;
use feed::Feed;
use play::{Ending, play};

/// Publishes a test card with a beep, or files, into a stage by WHIP.
///
/// Files are told apart by their first bytes: IVF with VP8, an H.264 byte stream (Annex B) without
/// B-frames, Opus in Ogg; one of pictures and one of sound may be played together. Figures go to
/// standard error. A lost connection is said and tried again; the end of the files, --stop-after or
/// Ctrl-C is the end.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage publish --stage-arn arn:aws:ivs:us-east-1:000000000000:stage/Ab3dEf6hIj9k
  restage publish --token \"$TOKEN\" --size 720p --title 'CAMERA 1'
  restage publish --stage-arn \"$STAGE\" --loop clip.h264 clip.ogg
  restage token create --stage-arn \"$STAGE\" | restage publish --token - film.ivf

Files from anything else:
  ffmpeg -i FILE -an -c:v libx264 -profile:v baseline -pix_fmt yuv420p -g 60 clip.h264
  ffmpeg -i FILE -vn -c:a libopus clip.ogg")]
pub(crate) struct Args {
    /// Files to publish, instead of the test card
    #[arg(value_name = "FILE", num_args = 0..=2)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    join: Join,
    #[command(flatten)]
    identity: Identity,
    /// Begin again when the files are at their end
    #[arg(long = "loop", requires = "files")]
    is_looped: bool,
    /// Frames a second, of the test card (30) or of an H.264 file that does not say
    #[arg(long, value_name = "N", value_parser = frame_rate, allow_negative_numbers = true)]
    fps: Option<f64>,
    /// Size of the test card
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    size: Size,
    /// Words at the top of the test card
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "restage",
        conflicts_with = "files"
    )]
    title: String,
    /// Bits per second of the test card's picture; without it the quality stays the same
    #[arg(long, value_name = "N", conflicts_with = "files")]
    video_bps: Option<u32>,
    /// The test card without its beep
    #[arg(long, conflicts_with = "files")]
    mute: bool,
    /// End after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = stage::seconds, allow_negative_numbers = true)]
    stop_after: Option<Duration>,
    #[command(flatten)]
    reconnect: Reconnect,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    target: Target,
}

/// Sizes of the test card.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Size {
    /// 640 by 360
    #[default]
    #[value(name = "360p")]
    P360,
    /// 1280 by 720, the most Amazon IVS takes
    #[value(name = "720p")]
    P720,
}

fn frame_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text
        .parse()
        .map_err(|_| "write a number, 29.97 for example".to_owned())?;
    if !(1.0..=240.0).contains(&rate) {
        return Err("it must be 1 to 240".to_owned());
    }
    Ok(rate)
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    api::runtime()?.block_on(publish(args))
}

/// What is published.
enum Programme {
    /// Made anew for every connection, so that its clock is right.
    Card(TestCardConfig),
    Files(Feed),
}

async fn publish(args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new(args.stop_after)?;
    // Before a token is made: a file that cannot be read needs none.
    let (mut programme, config) = programme(&args)?;
    let token = args
        .join
        .token(
            &args.target,
            &args.identity,
            ParticipantTokenCapability::Publish,
        )
        .await?;
    let mut figures = Figures::new();
    let mut publisher = tokio::select! {
        joined = Publisher::join(&token, config.clone()) => joined.map_err(stage::failure)?,
        () = stop.wait() => return Ok(ExitCode::SUCCESS),
    };
    announce(&token, &publisher, &args.lines, &figures)?;
    loop {
        let ending = match &mut programme {
            Programme::Files(feed) => play(&mut publisher, feed, &mut figures, &mut stop).await?,
            Programme::Card(card) => {
                let mut feed = Feed::card(card.clone())?;
                play(&mut publisher, &mut feed, &mut figures, &mut stop).await?
            }
        };
        let reason = match ending {
            Ending::Complete | Ending::Stopped => {
                // The server may be gone already; this end has left in any case.
                publisher.close().await.ok();
                return Ok(ExitCode::SUCCESS);
            }
            Ending::Closed(reason) => reason,
        };
        if reason == CloseReason::Remote {
            return Err(Failure::new(Exit::Refused, "the server ended the connection")
                .advise("restage events tail shows whether the stage is there; another publisher with the same token takes its place")
                .into());
        }
        let join = || Publisher::join(&token, config.clone());
        let (why, note) = (reason.to_string(), |text: &str| figures.note(text));
        match args
            .reconnect
            .again(&why, &mut stop, note, stage::is_passing, join)
            .await?
        {
            Some(joined) => publisher = joined,
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn programme(args: &Args) -> anyhow::Result<(Programme, PublishConfig)> {
    let mut config = PublishConfig::default();
    if args.files.is_empty() {
        let mut card = TestCardConfig::default();
        card.size = match args.size {
            Size::P360 => CardSize::P360,
            Size::P720 => CardSize::P720,
        };
        if let Some(rate) = args.fps {
            card.frame_rate = rate.round() as u32;
        }
        card.title.clone_from(&args.title);
        card.video_bps = args.video_bps;
        card.has_audio = !args.mute;
        // Its settings are checked here, before anything is asked of a server.
        Feed::card(card.clone())?;
        return Ok((Programme::Card(card), config));
    }
    let reading = Reading {
        frame_rate: args.fps,
        is_looped: args.is_looped,
    };
    let files = Files::open(&args.files, reading)?;
    // A stage of Amazon IVS takes no offer without H.264, so sound alone comes with an empty
    // picture.
    config.video = files.codec(TrackKind::Video).or(Some(Codec::H264));
    config.audio = files.codec(TrackKind::Audio);
    Ok((Programme::Files(Feed::start(Box::new(files))), config))
}

fn announce(
    token: &ParticipantToken,
    publisher: &Publisher,
    lines: &Lines,
    figures: &Figures,
) -> anyhow::Result<()> {
    let codecs: Vec<String> = publisher.codecs().iter().map(ToString::to_string).collect();
    let participant = token.participant_id().unwrap_or_default();
    let stage = token.stage_arn().unwrap_or_default();
    if lines.is_json() {
        return lines.json(json!({
            "participantId": participant,
            "stageArn": stage,
            "codecs": codecs,
        }));
    }
    figures.note(&format!(
        "publishing {participant} into {stage} ({})",
        codecs.join(", ")
    ));
    Ok(())
}
