//! `restage publish`.

mod feed;
mod play;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use restage_client::testcard::{CardSize, TestCardConfig};
use restage_client::{Codec, ParticipantToken, PublishConfig, Publisher, TrackKind};
use serde_json::json;

use crate::api;
use crate::exit::Failure;
use crate::join::{self, Caller, Capability, Identity, Join, Reconnect, Stop, keep};
use crate::live::Figures;
use crate::media::files::{Files, Reading};
use crate::naming;
use crate::output::Lines;
use crate::target::Target;
use feed::Feed;
use play::{Ending, play};

/// Publishes a test card with a beep, or files, into a stage by WHIP.
///
/// The format of a file is detected from its first bytes: IVF with VP8, VP9 or AV1, an H.264 byte stream (Annex B)
/// without B-frames, Opus in Ogg. One video and one audio file may be played together; audio alone
/// offers no video. Statistics go to standard error. A lost connection is reported and opened again. The command ends
/// at the end of the files, after --stop-after, or at Ctrl-C.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage publish --stage lobby
  restage publish --token \"$TOKEN\" --size 720p --title 'CAMERA 1'
  restage publish --stage lobby --loop clip.h264 clip.ogg
  restage token create lobby | restage publish --token - film.ivf

Files from anything else:
  ffmpeg -i FILE -an -c:v libx264 -profile:v baseline -bf 0 -pix_fmt yuv420p -g 60 clip.h264
  ffmpeg -i FILE -vn -c:a libopus clip.ogg")]
pub(crate) struct Args {
    /// Files to publish, instead of the test card; an ARN among them is the stage
    #[arg(value_name = "FILE", num_args = 0..=3)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    join: Join,
    #[command(flatten)]
    identity: Identity,
    /// Start again when the files have ended
    #[arg(long = "loop", requires = "files")]
    is_looped: bool,
    /// Frames per second, of the test card (30) or of an H.264 file that does not state them
    #[arg(long, value_name = "N", value_parser = frame_rate, allow_negative_numbers = true)]
    fps: Option<f64>,
    /// Size of the test card
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    size: Size,
    /// Text at the top of the test card
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "restage",
        conflicts_with = "files"
    )]
    title: String,
    /// Bits per second of the test card's video; by default the quality is constant
    #[arg(long, value_name = "N", conflicts_with = "files")]
    video_bps: Option<u32>,
    /// Publish the test card without its beep
    #[arg(long, conflicts_with = "files")]
    mute: bool,
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

/// The domain of Amazon IVS's media servers.
const AMAZON_HOST: &str = "live-video.net";

/// The media to publish.
enum Programme {
    /// A test card, created again for every connection so that its clock is right.
    Card(TestCardConfig),
    Files(Feed),
}

async fn publish(mut args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::new(args.stop_after)?;
    take_stage(&mut args)?;
    // Files are checked before a token is created: an unusable file needs none.
    let (mut programme, config) = programme(&args)?;
    let caller = Caller::new(&args.target)?;
    let outcome = join(&args, &caller, &mut programme, config, &mut stop).await;
    caller.hang_up().await;
    outcome
}

/// Takes an ARN among the files as the stage, because no file has such a name.
fn take_stage(args: &mut Args) -> anyhow::Result<()> {
    let is_stage = |file: &PathBuf| file.to_str().is_some_and(naming::is_arn);
    if let Some(at) = args.files.iter().position(is_stage) {
        let arn = args.files.remove(at).to_string_lossy().into_owned();
        args.join.take_stage(arn)?;
    }
    if args.files.len() > 2 {
        return Err(Failure::usage("there are three files")
            .advise("one file of pictures and one of sound")
            .into());
    }
    Ok(())
}

/// Joins the stage and publishes until one of the endings. Whichever way this returns, the connection is
/// closed, or closes itself in the background.
async fn join(
    args: &Args,
    caller: &Caller,
    programme: &mut Programme,
    mut config: PublishConfig,
    stop: &mut Stop,
) -> anyhow::Result<ExitCode> {
    let token = args
        .join
        .token(&args.target, &args.identity, Capability::Publish)
        .await?;
    if config.video.is_none() && is_amazon(&token) {
        // Amazon IVS accepts no offer without H.264, not even for audio alone.
        config.video = Some(Codec::H264);
    }
    config.http = Some(caller.http.clone());
    let mut figures = Figures::new();
    let mut publisher = tokio::select! {
        joined = Publisher::join(&token, config.clone()) => joined.map_err(join::failure)?,
        () = stop.wait() => return Ok(ExitCode::SUCCESS),
    };
    announce(&token, &publisher, &args.lines, &figures)?;
    loop {
        let ending = match programme {
            Programme::Files(feed) => play(&mut publisher, feed, &mut figures, stop).await?,
            Programme::Card(card) => {
                let mut feed = Feed::card(card.clone())?;
                play(&mut publisher, &mut feed, &mut figures, stop).await?
            }
        };
        let reason = match ending {
            Ending::Complete | Ending::Stopped => {
                // The server may already be gone; this side has left in any case.
                publisher.close().await.ok();
                return Ok(ExitCode::SUCCESS);
            }
            Ending::Closed(reason) => reason,
        };
        if !reason.is_passing() {
            return Err(join::ended(&reason));
        }
        keep(&mut config.resumption, publisher.resumption());
        let join = || Publisher::join(&token, config.clone());
        let (why, note) = (reason.to_string(), |text: &str| figures.note(text));
        match args
            .reconnect
            .again(&why, stop, note, |_| false, join)
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
        if args.mute {
            config.audio = None;
        }
        // The settings are checked here, before any request to a server.
        Feed::card(card.clone())?;
        return Ok((Programme::Card(card), config));
    }
    let reading = Reading {
        frame_rate: args.fps,
        is_looped: args.is_looped,
    };
    let files = Files::open(&args.files, reading)?;
    // A medium that is not in the files is not offered, so that viewers do not wait for it.
    config.video = files.codec(TrackKind::Video);
    config.audio = files.codec(TrackKind::Audio);
    Ok((Programme::Files(Feed::start(Box::new(files))), config))
}

/// Whether the token's WHIP server is Amazon IVS, whose servers have this host name.
fn is_amazon(token: &ParticipantToken) -> bool {
    let url = token.whip_url().ok();
    let url = url.and_then(|url| reqwest::Url::parse(url).ok());
    let host = url.as_ref().and_then(reqwest::Url::host_str);
    host.is_some_and(|host| host == AMAZON_HOST || host.ends_with(&format!(".{AMAZON_HOST}")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn only_amazons_own_servers_are_offered_a_picture_that_never_comes() {
        let to = |whip: &str| {
            let claims = json!({ "whip_url": whip }).to_string();
            let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
            is_amazon(&ParticipantToken::decode(&format!("e30.{claims}.c2ln")).unwrap())
        };
        assert!(to("https://aab1c2.global-bm.whip.live-video.net"));
        assert!(to("https://live-video.net/"));
        for other in [
            "http://127.0.0.1:4080/whip",
            "https://live-video.net.example.org/whip",
            "https://not-live-video.net/whip",
        ] {
            assert!(!to(other), "{other}");
        }
    }
}
