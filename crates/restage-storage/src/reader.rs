//! Reads a recording for people: from its spool what is not in its bucket yet, and from the bucket all else. Whoever reads names
//! a path below the recording's prefix; no other object can be reached.

use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt as _, stream};
use restage_record::playlist::{HLS_PATH, MULTIVARIANT_NAME};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bucket::{Asked, BucketError, BucketPlace, Buckets, ContentType, Object, of_file};
use crate::key::Key;
use crate::spool::Spool;

/// Most objects that are read at the same time.
const READS_MAX: usize = 64;

/// The path of the playlist for players, below the prefix of every recording of sound or picture.
pub fn playlist_path() -> String {
    format!("{HLS_PATH}/{MULTIVARIANT_NAME}")
}

/// Where a recording is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct RecordingPlace {
    /// Its id, by which it is found in the spool.
    pub recording: String,
    pub account: String,
    pub region: String,
    pub bucket: String,
    pub prefix: String,
}

/// Reads recordings.
#[derive(Clone, Debug)]
pub struct RecordingReader {
    spool: Arc<OnceLock<Spool>>,
    buckets: Buckets,
    seats: Arc<Semaphore>,
}

impl RecordingReader {
    /// A reader of recordings that are in this spool, once there is one, or in these buckets.
    pub fn new(spool: Arc<OnceLock<Spool>>, buckets: Buckets) -> Self {
        Self {
            spool,
            buckets,
            seats: Arc::new(Semaphore::new(READS_MAX)),
        }
    }

    /// Reads the object at a path below the recording's prefix. Playlists of a recording that is not wholly in its bucket name
    /// everything that can be read, also from the spool. The error is [`BucketError::Unavailable`] while too many objects are
    /// being read, [`BucketError::Invalid`] for a path that leaves the prefix or a range outside the object.
    pub async fn read(
        &self,
        place: &RecordingPlace,
        path: &str,
        asked: Asked,
    ) -> Result<Object, BucketError> {
        let key = Key::below(&place.prefix, path)?;
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            BucketError::Unavailable(format!(
                "{READS_MAX} objects of recordings are being read, which is as many as may be: try again"
            ))
        })?;
        let (spool, id, name) = (self.spool.clone(), place.recording.clone(), path.to_owned());
        let now = self.buckets.place(&place.account, &place.region);
        let found = tokio::task::spawn_blocking(move || in_spool(spool.get()?, (&id, &now), &name));
        let found = found
            .await
            .map_err(|_| BucketError::Unavailable("the server is stopping".to_owned()))?;
        let object = match found {
            Some(Found::File(file)) => of_file(file, asked, path)?,
            Some(Found::Text(text)) => of_text(text, asked)?,
            Some(Found::Elsewhere(was)) => {
                return Err(self.buckets.moved((&place.account, &place.region), &was));
            }
            None => {
                let bucket = self
                    .buckets
                    .bucket(&place.account, &place.region, &place.bucket)?;
                bucket.get(&key, asked).await?
            }
        };
        Ok(seated(object, seat))
    }
}

enum Found {
    File(std::fs::File),
    /// What is not in the spool is in another place than its bucket is now.
    Elsewhere(BucketPlace),
    Text(Vec<u8>),
}

fn in_spool(spool: &Spool, (id, now): (&str, &BucketPlace), path: &str) -> Option<Found> {
    let job = spool.job(id)?;
    let elsewhere = || job.elsewhere(now).map(Found::Elsewhere);
    if ContentType::of_key(path) != ContentType::Playlist {
        return job.open_waiting(path).map(Found::File).or_else(elsewhere);
    }
    let mut playlists = job.whole_playlists().into_iter();
    let (_, text) = playlists.find(|(playlist, _)| playlist == path)?;
    Some(Found::Text(text))
}

fn of_text(text: Vec<u8>, asked: Asked) -> Result<Object, BucketError> {
    let size = text.len() as u64;
    let range = asked.of(size)?;
    let (from, to) = (usize::try_from(range.start), usize::try_from(range.end));
    let text = bytes::Bytes::from(text);
    let piece = match (from, to) {
        (Ok(from), Ok(to)) => text.slice(from..to),
        _ => bytes::Bytes::new(),
    };
    Ok(Object {
        size,
        range,
        bytes: stream::iter([Ok(piece)]).boxed(),
    })
}

/// The object, which keeps its seat until it is read or dropped.
fn seated(object: Object, seat: OwnedSemaphorePermit) -> Object {
    let bytes = object.bytes.map(move |piece| {
        let _seat = &seat;
        piece
    });
    Object {
        bytes: bytes.boxed(),
        ..object
    }
}
