//! The thumbnails of one recording: when a key frame is wanted, and the process that makes one of it.

use std::sync::Arc;
use std::time::Duration;

use restage_media::Codec;
use restage_record::{Picture, ThumbnailSchedule};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::capture::{Capture, no_thumbnails_of};
use crate::seldom::Seldom;
use crate::thumbnails::{ThumbnailError, Thumbnailer};

/// How long the end of a recording waits for its last thumbnail.
const LAST_MAX: Duration = Duration::from_secs(3);
/// One line in the log for all pictures of which no thumbnail can be made: publishers can send them at any rate.
static LOGGED: Seldom = Seldom::new();

/// Makes thumbnails, one after the other.
#[derive(Debug)]
pub(super) struct Thumbnails {
    thumbnailer: Arc<Thumbnailer>,
    /// `None`: no thumbnails are wanted, or none can be made.
    schedule: Option<ThumbnailSchedule>,
    /// The one that is being made, if there is one. Dropped, it is not made.
    making: JoinSet<Result<Vec<u8>, ThumbnailError>>,
    /// What has been said to people, which is said once.
    said: Vec<String>,
}

impl Thumbnails {
    /// `None`: no thumbnails are wanted.
    pub(super) fn new(thumbnailer: Arc<Thumbnailer>, schedule: Option<ThumbnailSchedule>) -> Self {
        Self {
            thumbnailer,
            schedule,
            making: JoinSet::new(),
            said: Vec::new(),
        }
    }

    /// Asks for a key frame when one is due, and has a thumbnail made of the one that has come.
    pub(super) fn follow(&mut self, now_us: u64, capture: &mut Capture) {
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        if !self.making.is_empty() {
            return;
        }
        if schedule.is_due(now_us) {
            capture.want_picture(now_us);
        }
        let Some(picture) = capture.take_picture() else {
            return;
        };
        schedule.taken(now_us);
        match picture.codec {
            Codec::H264 => self.begin(picture),
            codec => self.say(capture, no_thumbnails_of(codec)),
        }
    }

    fn begin(&mut self, picture: Picture) {
        let thumbnailer = self.thumbnailer.clone();
        self.making.spawn(async move {
            let degrees = picture.rotation_degrees;
            thumbnailer.thumbnail(&picture.bytes, degrees).await
        });
    }

    /// Waits until the thumbnail that is being made is. It waits for ever if there is none, and can be cancelled.
    pub(super) async fn made(&mut self) -> Result<Vec<u8>, ThumbnailError> {
        match self.making.join_next().await {
            Some(made) => made.unwrap_or_else(|error| Err(ThumbnailError::Lost(error.to_string()))),
            None => std::future::pending().await,
        }
    }

    /// Hands a thumbnail to the spool, or says why there is none.
    pub(super) fn keep(&mut self, made: Result<Vec<u8>, ThumbnailError>, capture: &mut Capture) {
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        let error = match made {
            Ok(jpeg) => {
                capture.thumbnail(schedule.paths(), jpeg);
                schedule.kept();
                return;
            }
            Err(error) => error,
        };
        if let Some(kept_back) = LOGGED.admit() {
            tracing::warn!(%error, "a thumbnail could not be made{kept_back}");
        }
        match error {
            ThumbnailError::NoSandbox(_) | ThumbnailError::NotStarted(_) => {
                self.schedule = None;
                self.say(
                    capture,
                    "Thumbnails were wanted; this server cannot decode pictures safely.",
                );
            }
            _ => self.say(capture, "Some thumbnails could not be made."),
        }
    }

    /// Waits a little for the last one.
    pub(super) async fn finish(&mut self, now_us: u64, capture: &mut Capture) {
        self.follow(now_us, capture);
        if self.making.is_empty() {
            return;
        }
        match timeout(LAST_MAX, self.made()).await {
            Ok(made) => self.keep(made, capture),
            Err(_) => self.say(capture, "The last thumbnail took too long."),
        }
    }

    fn say(&mut self, capture: &mut Capture, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.said.contains(&sentence) {
            capture.note(&sentence);
            self.said.push(sentence);
        }
    }
}
