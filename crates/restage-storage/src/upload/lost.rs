//! Recordings of which nothing can be read in the spool: their folder is gone, or its journal is. What is in the bucket is closed by what
//! is there.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use restage_record::document::{self, End, FAILED_PATH};
use restage_record::journal::Failure;
use restage_record::playlist::{self, HLS_PATH, ListEnd, MEDIA_NAME, MULTIVARIANT_NAME, RENDITION};
use tokio::sync::Semaphore;

use crate::bucket::{Asked, Bucket, BucketError, Buckets, ContentType};
use crate::key::Key;
use crate::spool::{Destination, Finished, INTERNAL_ERROR, Spool, locked, now_s};
use crate::upload::remains::Remains;

/// Most recordings of which it is known that they are lost. The rows of others ask again at the next start.
const LOST_MAX: usize = 10_000;
/// Most of them that are closed at the same time.
const CLOSING_MAX: usize = 4;
/// Largest playlist that is read: of 30,000 segments.
const PLAYLIST_BYTES_MAX: u64 = 2 << 20;
const MICROSECONDS: i64 = 1_000_000;
/// What is added where segments, or their inits, cannot be read.
const STAYS: &str =
    "segments that the playlist does not list are in the bucket, and stay in the spool";

/// What is known of a recording of which nothing can be read in the spool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Where it goes.
    pub destination: Destination,
    /// When it started, UTC in microseconds since 1970.
    pub started_us: i64,
    /// When its capture ended, UTC in microseconds since 1970.
    pub ended_us: i64,
    /// A sentence for people: what is lost.
    pub reason: String,
}

impl Lost {
    /// Whether its bucket has not accepted its end for so long that it is reported without. Zero means without limit.
    pub(super) fn is_old(&self, age_max_s: u64) -> bool {
        let ended_s = u64::try_from(self.ended_us / MICROSECONDS).unwrap_or_default();
        age_max_s > 0 && now_s().saturating_sub(ended_s) > age_max_s
    }

    pub(super) fn finished(&self, id: &str) -> Finished {
        failed(id, &self.reason)
    }
}

/// The end of a recording that no row describes.
pub(super) fn nothing_of(id: &str) -> Finished {
    failed(id, "nothing of the recording can be read in the spool")
}

fn failed(id: &str, reason: &str) -> Finished {
    Finished {
        recording: id.to_owned(),
        duration_ms: 0,
        message: Some(reason.to_owned()),
        failure: Some(Failure {
            code: INTERNAL_ERROR.to_owned(),
            reason: reason.to_owned(),
        }),
    }
}

/// The recordings that are lost, until their end is reported.
#[derive(Debug)]
pub(crate) struct LostOnes {
    all: Mutex<BTreeMap<String, Lost>>,
    closing: Semaphore,
}

impl Default for LostOnes {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            closing: Semaphore::new(CLOSING_MAX),
        }
    }
}

impl LostOnes {
    /// Adds one; `false`: there is no room.
    pub(super) fn put(&self, id: &str, lost: Lost) -> bool {
        let mut all = locked(&self.all);
        if all.len() >= LOST_MAX && !all.contains_key(id) {
            tracing::warn!(
                recording = id,
                "the end of a recording is reported after the next start"
            );
            return false;
        }
        all.insert(id.to_owned(), lost);
        true
    }

    pub(super) fn get(&self, id: &str) -> Option<Lost> {
        locked(&self.all).get(id).cloned()
    }

    pub(super) fn forget(&self, id: &str) {
        locked(&self.all).remove(id);
    }

    /// Puts what is in the spool into the bucket, closes the playlist there, and puts the document of the failure. Doing it again changes
    /// nothing.
    pub(super) async fn close(
        &self,
        spool: &Spool,
        buckets: &Buckets,
        (id, lost): (&str, &Lost),
    ) -> Result<ClosedLost, BucketError> {
        // The semaphore is never closed.
        let _turn = self.closing.acquire().await.ok();
        let goes = &lost.destination;
        let Destination {
            account,
            region,
            bucket,
            ..
        } = goes;
        let was = spool.place_of_remains(id);
        if let Some(was) = was.filter(|was| *was != buckets.place(account, region))
            && !buckets.accepts_moved()
        {
            return Err(buckets.moved((account, region), &was));
        }
        let bucket = buckets.bucket(account, region, bucket)?;
        let key = goes.key(&format!("{HLS_PATH}/{RENDITION}/{MEDIA_NAME}"))?;
        let text = read(&bucket, &key).await?;
        let (mut more, mut stays) = (Vec::new(), false);
        if let Some(mut remains) = Remains::find(spool, id, &bucket, goes) {
            let end = match text.as_deref() {
                Some(text) => ListEnd::read(text),
                None => ListEnd {
                    date_us: Some(lost.started_us),
                    ..ListEnd::default()
                },
            };
            let (entries, is_all) = remains.list(end).await?;
            (more, stays) = (entries, !is_all);
        }
        let closed = match &text {
            Some(text) => playlist::close_with(text, &more),
            None => {
                let made = playlist::playlists_of(&more, goes.rendition());
                if let Some((_, multivariant)) = &made {
                    let key = goes.key(&format!("{HLS_PATH}/{MULTIVARIANT_NAME}"))?;
                    let bytes = Bytes::from(multivariant.clone());
                    bucket.put(&key, bytes, ContentType::Playlist).await?;
                }
                made.map(|(closed, _)| closed)
            }
        };
        stays |= closed.is_none() && !more.is_empty();
        let mut duration_us = 0;
        if let Some(closed) = closed {
            duration_us = closed.duration_us;
            if text.as_ref() != Some(&closed.text) {
                let bytes = Bytes::from(closed.text);
                bucket.put(&key, bytes, ContentType::Playlist).await?;
            }
        }
        let reason = match stays {
            true => format!("{}; {STAYS}", lost.reason),
            false => lost.reason.clone(),
        };
        let end = End {
            started_us: lost.started_us,
            ended_us: lost.ended_us,
            duration_us,
            message: Some(&reason),
        };
        let document = document::ended_with_failure(&goes.subject(), end);
        let key = goes.key(FAILED_PATH)?;
        bucket.put(&key, document.into(), ContentType::Json).await?;
        Ok(ClosedLost {
            finished: Finished {
                duration_ms: duration_us / 1_000,
                ..failed(id, &reason)
            },
            stays,
        })
    }
}

/// A recording without a journal that was closed.
#[derive(Debug)]
pub(super) struct ClosedLost {
    /// How it ended.
    pub(super) finished: Finished,
    /// Its files stay in the spool.
    pub(super) stays: bool,
}

/// The playlist in the bucket; `None` if there is none that can be read as one.
async fn read(bucket: &Bucket, key: &Key) -> Result<Option<String>, BucketError> {
    let object = match bucket.get(key, Asked::Whole).await {
        Ok(object) if object.size <= PLAYLIST_BYTES_MAX => object,
        Ok(_) | Err(BucketError::NoObject(_) | BucketError::Invalid(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let pieces: Vec<Bytes> = object.bytes.try_collect().await?;
    Ok(String::from_utf8(pieces.concat()).ok())
}
