//! Downloads one object of a recording into a file. What arrived of one that broke off is kept beside its place, and the rest is
//! asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode};

use crate::exit::{Exit, Failure};

/// How long the server may send nothing.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often an object is asked for again without that anything of it arrives.
const ATTEMPTS_MAX: u32 = 4;
/// Pause before it is asked for again; it doubles before each further time.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fetched {
    /// It is in its file; so many bytes of it were sent.
    Complete(u64),
    /// The recording has no such object.
    Missing,
    /// The link has ended.
    Expired,
}

/// Whether an object can change after it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A segment: a file of its size is complete.
    Never,
    /// A playlist: it is downloaded whole, every time.
    Possible,
}

/// Why an attempt failed.
enum Fault {
    /// Trying again may help.
    Passing(String),
    Lasting(anyhow::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Lasting(error.into())
    }
}

/// Downloads the object at a URL into a file.
pub(super) async fn fetch(
    http: &reqwest::Client,
    url: &reqwest::Url,
    file: &Path,
    change: Change,
    mut on_bytes: impl FnMut(u64),
) -> anyhow::Result<Fetched> {
    let part = beside(file);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    if change == Change::Possible {
        remove(&part).with_context(|| format!("cannot remove {}", part.display()))?;
    }
    let (mut failures, mut pause, mut total) = (0, PAUSE, 0);
    loop {
        let mut arrived = 0;
        let mut count = |bytes| {
            arrived += bytes;
            on_bytes(bytes);
        };
        let outcome = attempt(http, url, file, &part, change, &mut count).await;
        total += arrived;
        let why = match outcome {
            Ok(Outcome::Complete) => return Ok(Fetched::Complete(total)),
            Ok(Outcome::Missing) => return Ok(Fetched::Missing),
            Ok(Outcome::Expired) => return Ok(Fetched::Expired),
            Err(Fault::Lasting(error)) => return Err(error.context(file.display().to_string())),
            Err(Fault::Passing(why)) => why,
        };
        if arrived > 0 {
            (failures, pause) = (0, PAUSE);
        }
        failures += 1;
        if failures >= ATTEMPTS_MAX {
            let failure = Failure::new(Exit::NoAnswer, format!("{}: {why}", file.display()));
            return Err(failure
                .advise("the same again: it goes on where it broke off")
                .into());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

enum Outcome {
    Complete,
    Missing,
    Expired,
}

async fn attempt(
    http: &reqwest::Client,
    url: &reqwest::Url,
    file: &Path,
    part: &Path,
    change: Change,
    on_bytes: &mut impl FnMut(u64),
) -> Result<Outcome, Fault> {
    let there = size_of(file)?.filter(|_| change == Change::Never);
    let have = size_of(part)?.unwrap_or(0);
    // The last byte of a complete file, which shows its size and costs nothing.
    let from = match there {
        Some(size) => size.saturating_sub(1),
        None => have,
    };
    let mut request = http.get(url.clone());
    if from > 0 || there.is_some() {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    let answer = tokio::time::timeout(SILENCE_MAX, request.send()).await;
    let answer = answer.map_err(|_| silence())?.map_err(broken)?;
    let told = Told::of(&answer);
    match answer.status() {
        StatusCode::NOT_FOUND => return Ok(Outcome::Missing),
        StatusCode::FORBIDDEN => return Ok(Outcome::Expired),
        StatusCode::PARTIAL_CONTENT | StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE => {}
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Fault::Passing(format!("the server answered {status}")));
        }
        status => {
            let failure = Failure::new(Exit::Refused, format!("the server answered {status}"));
            return Err(Fault::Lasting(failure.into()));
        }
    }
    if let Some(size) = there {
        if told.size == Some(size) {
            return Ok(Outcome::Complete);
        }
        // Another size than it should have: it is downloaded again.
        fs::remove_file(file)?;
        return Err(Fault::Passing("the file had another size".to_owned()));
    }
    match answer.status() {
        StatusCode::RANGE_NOT_SATISFIABLE if told.size == Some(have) => {}
        StatusCode::PARTIAL_CONTENT if told.from == Some(have) => {
            append(answer, part, have, on_bytes).await?;
        }
        StatusCode::OK => append(answer, part, 0, on_bytes).await?,
        _ => {
            remove(part)?;
            return Err(Fault::Passing("what had arrived does not fit".to_owned()));
        }
    }
    let size = size_of(part)?.unwrap_or(0);
    if let Some(whole) = told.size.filter(|whole| *whole != size) {
        if size > whole {
            remove(part)?;
        }
        return Err(Fault::Passing(format!("{size} of {whole} bytes arrived")));
    }
    fs::rename(part, file)?;
    Ok(Outcome::Complete)
}

/// What an answer says about the object.
struct Told {
    /// The place of the first byte that follows.
    from: Option<u64>,
    /// The bytes of the whole object.
    size: Option<u64>,
}

impl Told {
    fn of(answer: &Response) -> Self {
        let range = answer.headers().get(CONTENT_RANGE);
        let Some(range) = range.and_then(|range| range.to_str().ok()) else {
            return Self {
                from: None,
                size: answer.content_length(),
            };
        };
        let (place, size) = range.split_once('/').unwrap_or((range, ""));
        let from = place.strip_prefix("bytes ").and_then(|place| {
            let (from, _) = place.split_once('-')?;
            from.parse().ok()
        });
        Self {
            from,
            size: size.parse().ok(),
        }
    }
}

async fn append(
    mut answer: Response,
    part: &Path,
    from: u64,
    on_bytes: &mut impl FnMut(u64),
) -> Result<(), Fault> {
    let mut file = match from {
        0 => File::create(part)?,
        _ => OpenOptions::new().append(true).open(part)?,
    };
    loop {
        let chunk = tokio::time::timeout(SILENCE_MAX, answer.chunk()).await;
        let Some(chunk) = chunk.map_err(|_| silence())?.map_err(broken)? else {
            break;
        };
        file.write_all(&chunk)?;
        on_bytes(chunk.len() as u64);
    }
    file.sync_all()?;
    Ok(())
}

fn silence() -> Fault {
    Fault::Passing(format!(
        "the server sent nothing for {} seconds",
        SILENCE_MAX.as_secs()
    ))
}

fn broken(error: reqwest::Error) -> Fault {
    // Without the URL, which works like a password.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Fault::Passing(format!("the server broke off: {cause}"))
}

/// Where an object is until it is complete.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    file.with_file_name(name)
}

fn size_of(file: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(file) {
        Ok(data) => Ok(Some(data.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
