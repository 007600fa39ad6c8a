//! Puts what is in the spool into buckets: at least once, in any number of tries, for as long as the spool keeps it. There is
//! one uploader in a node; it knows recordings only by their folders in the spool, not by jobs and leases.
//!
//! An object is put with one request, and the same key always gets the same bytes, so that putting it again does no harm. Inits,
//! segments and other files go first. While the recording goes on, its playlists are written again every few seconds and list
//! what is in the bucket. At the end follow the VOD playlist, the multivariant playlist, and the document of the end as the last
//! object. Then the end is reported, and when it is known there, the folder is removed.

mod lanes;
mod lost;
mod perform;
mod remains;
mod uploader;

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bucket::Buckets;
use crate::spool::{News, Room, Spool, locked};

pub use self::lanes::{LaneStatus, Pace};
pub use self::lost::Lost;
use self::lost::LostOnes;
use self::uploader::Uploader;
pub use crate::spool::Finished;

/// How an uploader works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadSettings {
    /// How long a bucket that failed is left alone.
    pub pace: Pace,
    /// Least time between two playlists of a recording that goes on.
    pub playlist_interval: Duration,
    /// For the differences between rests.
    pub seed: u64,
}

impl UploadSettings {
    /// The settings of a server. `seed` differs from process to process.
    pub fn new(seed: u64) -> Self {
        Self {
            pace: Pace::default(),
            playlist_interval: Duration::from_secs(6),
            seed,
        }
    }
}

/// The answer of a [`Report`]: whether the end is known for good.
pub type Reported = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Who is told that a recording has ended and that everything is in its bucket.
pub trait Report: Send + Sync + 'static {
    /// Stores the end. `false`: it could not be stored, and is reported again later. The same end may come again after `true`,
    /// because the process may crash before the recording's folder is removed.
    fn finished(&self, finished: Finished) -> Reported;
}

impl<F, R> Report for F
where
    F: Fn(Finished) -> R + Send + Sync + 'static,
    R: Future<Output = bool> + Send + 'static,
{
    fn finished(&self, finished: Finished) -> Reported {
        Box::pin(self(finished))
    }
}

/// What an uploader has done, and how its buckets are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UploadStatus {
    /// Objects that were put.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Uploads that failed. Each is tried again.
    pub failures: u64,
    /// Files that were missing or damaged in the spool, or that no line of a damaged journal names.
    pub lost: u64,
    /// Recordings that were given up because they were too old.
    pub given_up: u64,
    /// Recordings whose end was reported, with a failure or without.
    pub finished: u64,
    /// Buckets with something to upload.
    pub lanes: Vec<LaneStatus>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    objects: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    lost: AtomicU64,
    given_up: AtomicU64,
    finished: AtomicU64,
    lanes: Mutex<Vec<LaneStatus>>,
}

impl Counters {
    pub(crate) fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// The way to a running uploader.
#[derive(Clone, Debug)]
pub struct UploadHandle {
    /// Recordings whose capture is over.
    over: Arc<News>,
    /// What is known of those of which nothing can be read in the spool.
    lost: Arc<LostOnes>,
    counters: Arc<Counters>,
    room: Arc<Room>,
}

impl UploadHandle {
    /// The capture of a recording is over, whoever ended it. If its journal does not say so, it ends with a failure and with what
    /// is there. If nothing of it is in the spool, that is reported. It may be called again, and before the uploader runs.
    pub fn finish(&self, recording: &str) {
        if !self.over.tell(recording) {
            tracing::warn!(
                recording,
                "the end of a recording is reported after the next start"
            );
        }
    }

    /// The capture of a recording is over, and nothing of it can be read in the spool. Its playlist in the bucket is closed, and the
    /// document of a failure is put beside it; then its end is reported. It may be called again.
    pub fn finish_lost(&self, recording: &str, lost: Lost) {
        if self.lost.put(recording, lost) {
            self.finish(recording);
        }
    }

    /// What the uploader has done.
    pub fn status(&self) -> UploadStatus {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        UploadStatus {
            objects: of(&counters.objects),
            bytes: of(&counters.bytes),
            failures: of(&counters.failures),
            lost: of(&counters.lost) + self.room.lost(),
            given_up: of(&counters.given_up),
            finished: of(&counters.finished),
            lanes: locked(&counters.lanes).clone(),
        }
    }
}

/// Starts an uploader over a spool. The future runs until it is dropped; what it was doing then is done again by the next one.
pub fn uploader(
    spool: Spool,
    buckets: Buckets,
    settings: UploadSettings,
    report: impl Report,
) -> (UploadHandle, impl Future<Output = ()> + Send) {
    let handle = UploadHandle {
        over: Arc::default(),
        lost: Arc::default(),
        counters: Arc::default(),
        room: Arc::clone(spool.room()),
    };
    let counters = Arc::clone(&handle.counters);
    let lost = Arc::clone(&handle.lost);
    let uploader = Uploader::new(spool, buckets, settings, Arc::new(report), (counters, lost));
    let running = uploader.run(Arc::clone(&handle.over));
    (handle, running)
}
