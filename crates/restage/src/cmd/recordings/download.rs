//! `restage recordings download`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::Extension;
use serde_json::Value;

use super::names::referred;
use super::object::{Change, Fetched, fetch};
use crate::api::Api;
use crate::exit::{Exit, Failure};
use crate::live::Transfer;
use crate::output;

/// Where links of the server begin.
const LINKS: &str = "/recordings/";
/// The playlist that players open.
const MULTIVARIANT: &str = "media/hls/multivariant.m3u8";
/// Documents that a recording may have.
const DOCUMENTS: [&str; 3] = [
    "events/recording-started.json",
    "events/recording-ended.json",
    "events/recording-failed.json",
];
const LATEST_THUMBNAIL: &str = "media/latest_thumbnail/high/thumb.jpg";
const THUMBNAILS: &str = "media/thumbnails/high";
/// Longest playlist that is read: a week of segments of two seconds has 15 MB.
const PLAYLIST_BYTES_MAX: u64 = 32 << 20;
/// Most playlists of one recording.
const PLAYLISTS_MAX: usize = 16;
/// Most numbered thumbnails: one a second for 11 days.
const THUMBNAILS_MAX: u64 = 1_000_000;
/// How often in a row a link may have ended at once.
const LINKS_MAX: u32 = 3;

/// Downloads a recording, and prints where its playlist is.
pub(super) async fn run(api: &Api, id: &str, to: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let call = api.call(Extension::GetRecording).set("recordingId", id);
    let recording = api.answer(call).await?["recording"].take();
    let to = to.unwrap_or_else(|| PathBuf::from(id));
    let mut download = Download {
        link: link_of(api, id).await?,
        api,
        id,
        to,
        bar: Transfer::new(),
    };
    let is_playable = download.all(&recording).await?;
    let state = recording["recordingState"].as_str().unwrap_or_default();
    if !matches!(state, "STOPPED" | "FAILED") {
        let told = format!(
            "the recording is {state}: this is what there was; the same again gets the rest"
        );
        download.bar.note(&told);
    }
    if !is_playable {
        let told = "there is nothing to play; its documents and thumbnails, if any, are in";
        download
            .bar
            .note(&format!("{told} {}", download.to.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let playlist = download.to.join(MULTIVARIANT);
    download.bar.note(&download.bar.told());
    drop(download);
    output::line(&playlist.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

struct Download<'a> {
    api: &'a Api,
    id: &'a str,
    to: PathBuf,
    /// The URL of the recording; it ends in a slash.
    link: reqwest::Url,
    bar: Transfer,
}

impl Download<'_> {
    /// Whether there is something to play.
    async fn all(&mut self, recording: &Value) -> anyhow::Result<bool> {
        let stored = recording["thumbnailStorage"].as_array();
        let has = |kind: &str| stored.is_some_and(|kinds| kinds.iter().any(|one| one == kind));
        for document in DOCUMENTS {
            self.get(document, Change::Possible).await?;
        }
        if has("LATEST") {
            self.get(LATEST_THUMBNAIL, Change::Possible).await?;
        }
        if has("SEQUENTIAL") {
            for number in 1..=THUMBNAILS_MAX {
                let path = format!("{THUMBNAILS}/{number}.jpg");
                if !self.get(&path, Change::Never).await? {
                    break;
                }
            }
        }
        self.media().await
    }

    async fn media(&mut self) -> anyhow::Result<bool> {
        if !self.get(MULTIVARIANT, Change::Possible).await? {
            return Ok(false);
        }
        for playlist in self.names_in(MULTIVARIANT)?.iter().take(PLAYLISTS_MAX) {
            self.needed(playlist, Change::Possible).await?;
            let parts = self.names_in(playlist)?;
            self.bar.expect(parts.len() as u64);
            for part in &parts {
                self.needed(part, Change::Never).await?;
            }
        }
        Ok(true)
    }

    fn names_in(&self, playlist: &str) -> anyhow::Result<Vec<String>> {
        let text = read(&self.to.join(playlist))?;
        Ok(referred(playlist, &text)?)
    }

    /// Downloads an object that must be there.
    async fn needed(&mut self, path: &str, change: Change) -> anyhow::Result<()> {
        if self.get(path, change).await? {
            return Ok(());
        }
        let failure = Failure::new(
            Exit::Refused,
            format!("the recording's playlist names {path}, and the bucket does not have it"),
        );
        Err(failure
            .advise(
                "look whether somebody, or a rule of the bucket, removed objects of the recording",
            )
            .into())
    }

    /// Downloads an object; whether there is one.
    async fn get(&mut self, path: &str, change: Change) -> anyhow::Result<bool> {
        let file = self.to.join(path);
        for _ in 0..LINKS_MAX {
            let url = self.link.join(path)?;
            let bar = &self.bar;
            let fetched = fetch(self.api.http(), &url, &file, change, |bytes| {
                bar.bytes(bytes)
            });
            match fetched.await? {
                Fetched::Complete(_) => {
                    self.bar.file();
                    return Ok(true);
                }
                Fetched::Missing => return Ok(false),
                Fetched::Expired => self.link = link_of(self.api, self.id).await?,
            }
        }
        let failure = Failure::new(
            Exit::Refused,
            "the server does not take the links to the recording that it makes",
        );
        Err(failure
            .advise("compare the clocks of the servers that answer at this address")
            .into())
    }
}

/// A new link to a recording, on the server that the API is called at: its public URL may be meant for others.
async fn link_of(api: &Api, id: &str) -> anyhow::Result<reqwest::Url> {
    let call = api.call(Extension::GetRecordingUrl).set("recordingId", id);
    let answer = api.answer(call).await?;
    let url = answer["recordingUrl"]["url"].as_str().unwrap_or_default();
    let (_, link) = url.split_once(LINKS).with_context(|| {
        "the server's link to the recording is not under /recordings/".to_owned()
    })?;
    Ok(api.url_of(&format!("{LINKS}{link}")))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(file)?.len();
    if size > PLAYLIST_BYTES_MAX {
        let told = format!(
            "{} has {size} bytes, more than a playlist may have",
            file.display()
        );
        return Err(Failure::new(Exit::NoAnswer, told).into());
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
