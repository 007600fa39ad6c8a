//! Thumbnails: a process for each picture, which can be lost.
//!
//! [`Thumbnailer`] starts the server's own program as a child (restage-picture `child.rs`), gives it one key frame and takes one JPEG. A
//! child serves one picture, so a picture that takes over its child reaches no picture of anybody else. Children are few at a time, and
//! each ends within a time; the rest waits, within a bound in bytes.

mod exchange;
#[cfg(test)]
mod tests;

pub(crate) use self::exchange::{check, ended};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use restage_picture::child::{CHECK, COMMAND, WITHOUT_SANDBOX};
use restage_picture::limits::{CHILD_ENVIRONMENT, KEY_FRAME_BYTES_MAX, THUMBNAIL_SIDE_MAX};
use restage_picture::protocol::{Answer, Request};
use restage_picture::sandbox::Part;
use restage_picture::{PictureError, jpeg_size};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The program that is running, even if its file has been replaced since it started.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
/// Pictures that are decoded at the same time.
pub const CHILDREN_MAX: usize = 2;
/// Bytes of key frames that are decoded, or wait for it.
pub const WAITING_BYTES_MAX: usize = 32 << 20;
/// Time for one picture from the start of its child. A child that takes longer is killed.
pub const PICTURE_TIME_MAX: Duration = Duration::from_secs(10);

/// Whether pictures are decoded where the sandbox is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// They are not.
    Required,
    /// They are, with the parts that are there. An operator has said so.
    Optional,
}

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    /// The key frame is longer than [`KEY_FRAME_BYTES_MAX`].
    #[error("the key frame is larger than {KEY_FRAME_BYTES_MAX} bytes")]
    TooLarge,
    /// More than [`WAITING_BYTES_MAX`] would wait.
    #[error("too many pictures wait for their thumbnails")]
    Busy,
    /// The child decoded nothing.
    #[error(transparent)]
    Refused(#[from] PictureError),
    /// The child ended before it answered, or answered something else.
    #[error("the process that decoded the picture is lost: {0}")]
    Lost(String),
    /// The child was killed after [`PICTURE_TIME_MAX`].
    #[error("the picture took longer than {} s", PICTURE_TIME_MAX.as_secs())]
    TooSlow,
    /// Pictures are not decoded without this part of the sandbox.
    #[error(
        "this machine has no {} to lock the decoder in; `restage doctor` says more, and the setting thumbnails-without-sandbox goes on without it",
        .0.name()
    )]
    NoSandbox(Part),
    /// No child could be started.
    #[error("the process that decodes pictures could not be started: {0}")]
    NotStarted(io::Error),
}

/// How many pictures there were, and what became of them.
#[derive(Debug, Default)]
pub struct Counts {
    made: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    skipped: AtomicU64,
}

impl Counts {
    fn count(&self, outcome: &Result<Vec<u8>, ThumbnailError>) {
        let counter = match outcome {
            Ok(_) => &self.made,
            Err(ThumbnailError::Refused(_) | ThumbnailError::TooLarge) => &self.refused,
            Err(ThumbnailError::Lost(_) | ThumbnailError::TooSlow) => &self.lost,
            Err(
                ThumbnailError::Busy | ThumbnailError::NoSandbox(_) | ThumbnailError::NotStarted(_),
            ) => &self.skipped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// By outcome: `made`, `refused` by the decoder, `lost` with the child, and `skipped` without one.
    pub fn read(&self) -> [(&'static str, u64); 4] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("made", read(&self.made)),
            ("refused", read(&self.refused)),
            ("lost", read(&self.lost)),
            ("skipped", read(&self.skipped)),
        ]
    }
}

/// Makes thumbnails of key frames.
#[derive(Debug)]
pub struct Thumbnailer {
    program: PathBuf,
    sandbox: Sandbox,
    picture_time: Duration,
    children: Semaphore,
    waiting: Semaphore,
    missing: OnceLock<Part>,
    counts: Counts,
}

impl Thumbnailer {
    /// A thumbnailer whose children are this program: `restage`, usually as [`THIS_PROGRAM`].
    pub fn new(program: impl Into<PathBuf>, sandbox: Sandbox) -> Self {
        Self {
            program: program.into(),
            sandbox,
            picture_time: PICTURE_TIME_MAX,
            children: Semaphore::new(CHILDREN_MAX),
            waiting: Semaphore::new(WAITING_BYTES_MAX),
            missing: OnceLock::new(),
            counts: Counts::default(),
        }
    }

    /// What became of the pictures until now.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The part of the sandbox for whose absence pictures are not decoded, as far as it is known.
    pub fn missing(&self) -> Option<Part> {
        self.missing.get().copied()
    }

    /// Makes a JPEG of an H.264 key frame (Annex B with parameter sets), turned clockwise by `rotation_degrees`, of which whole quarters
    /// of a circle count. If the caller stops waiting, the child is killed.
    ///
    /// # Errors
    ///
    /// The picture cannot be decoded, or no child could do it. The next picture may succeed, except after
    /// [`ThumbnailError::NoSandbox`].
    pub async fn thumbnail(
        &self,
        key_frame: &[u8],
        rotation_degrees: u16,
    ) -> Result<Vec<u8>, ThumbnailError> {
        let outcome = self.attempt(key_frame, rotation_degrees).await;
        self.counts.count(&outcome);
        outcome
    }

    async fn attempt(&self, key_frame: &[u8], degrees: u16) -> Result<Vec<u8>, ThumbnailError> {
        if let Some(part) = self.missing() {
            return Err(ThumbnailError::NoSandbox(part));
        }
        let quarters = (degrees / 90 % 4) as u8;
        let head = Request::head(quarters, key_frame).ok_or(ThumbnailError::TooLarge)?;
        // Below `KEY_FRAME_BYTES_MAX`, as the head says.
        let bytes = u32::try_from(key_frame.len()).map_err(|_| ThumbnailError::TooLarge)?;
        let waiting = self.waiting.try_acquire_many(bytes);
        let _waiting = waiting.map_err(|_| ThumbnailError::Busy)?;
        // The semaphore is never closed.
        let child = self.children.acquire().await;
        let _child = child.map_err(|_| ThumbnailError::Busy)?;
        match self.exchange(&head, key_frame).await? {
            Answer::Jpeg(jpeg) if is_thumbnail(&jpeg) => Ok(jpeg),
            Answer::Jpeg(_) => Err(ThumbnailError::Lost("it gave no thumbnail".to_owned())),
            Answer::Refused(error) => Err(error.into()),
            Answer::NoSandbox(part) => {
                let _ = self.missing.set(part);
                Err(ThumbnailError::NoSandbox(part))
            }
        }
    }

    async fn exchange(&self, head: &[u8], key_frame: &[u8]) -> Result<Answer, ThumbnailError> {
        let mut command = self.command();
        if self.sandbox == Sandbox::Optional {
            command.arg(WITHOUT_SANDBOX);
        }
        let mut child = command.spawn().map_err(ThumbnailError::NotStarted)?;
        let exchange = exchange::exchange(&mut child, head, key_frame);
        match timeout(self.picture_time, exchange).await {
            Ok(answer) => answer.map_err(ThumbnailError::Lost),
            // Dropped, it is killed and its end is awaited in the background.
            Err(_) => Err(ThumbnailError::TooSlow),
        }
    }

    /// Starts a child that tries out the sandbox.
    ///
    /// # Errors
    ///
    /// What does not hold, or why it cannot be tried.
    pub async fn check(&self) -> Result<(), String> {
        let mut command = self.command();
        command.arg(CHECK);
        check(command).await
    }

    /// A child without the server's environment, in which secrets may be.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(COMMAND)
            .env_clear()
            .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

fn is_thumbnail(jpeg: &[u8]) -> bool {
    jpeg_size(jpeg).is_some_and(|(width, height)| {
        let sides = 1..=THUMBNAIL_SIDE_MAX;
        sides.contains(&width) && sides.contains(&height)
    })
}
