//! Records what participants publish: joins taps, recorders, the spool and buckets.
//!
//! | file | does |
//! |---|---|
//! | `run.rs` | one start of a job of the kind `recording`: when it begins, what it follows, how it ends |
//! | `home.rs`, `away.rs` | whether the spool is the one in which the server's recordings wait; what happens until it is |
//! | `capture.rs` | the packets of a tap (`intake.rs`) through the recorder; what waits for the disk |
//! | `thumbnails.rs` | when a key frame becomes a thumbnail |
//! | `files.rs` | writes to the spool on threads that may wait |
//! | `finish.rs` | brings to the rules what the uploader says of recordings that are over |
//! | `anchor.rs` | one clock for all recordings of a stage session |
//! | `spec.rs` | what the rules want to be recorded |
//! | `composite.rs` | the same for a destination of a composition: what the compositor makes, into the spool |
//!
//! Nothing here holds media up: a recording that cannot keep up loses packets of its own. A recording is over for its job when the
//! spool has everything; uploads go on by themselves, and need neither the job nor the stage.

mod anchor;
mod away;
mod capture;
mod composite;
mod composites;
mod figures;
mod files;
mod finish;
mod home;
mod intake;
mod run;
mod spec;
mod thumbnails;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use restage_core::id::JobId;
use restage_core::row::RecordingId;
use restage_record::document::FAILED_PATH;
use restage_storage::bucket::ContentType;
use restage_storage::spool::Usage;
use restage_storage::upload::UploadStatus;
use restage_storage::{
    BucketError, Buckets, Destination, Key, Spool, SpoolError, SpoolLock, UploadHandle,
};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use self::anchor::Anchors;
pub(crate) use self::composite::{CompositeNews, CompositeRecording, CompositeTask, Ending};
pub(crate) use self::composites::CompositeEncoder;
pub use self::composites::{of_recording, recording_id};
use self::figures::Figures;
pub use self::figures::RecordingFigures;
use self::files::Files;
pub use self::home::{MissingSpool, SpoolHome, SpoolHomeError};
use crate::control::{Control, WeakControl};
use crate::jobs::{JobContext, Runner, Running};
use crate::thumbnails::Thumbnailer;

/// How long a bucket has to say whether it is there. One that does not answer may be back later, so the recording begins.
const CHECK_MAX: Duration = Duration::from_secs(10);

/// Records what participants publish. Clones share everything.
#[derive(Clone, Debug)]
pub struct Recordings {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    buckets: Buckets,
    /// Set once it is there.
    spool: Arc<OnceLock<Spool>>,
    missing: Mutex<Option<MissingSpool>>,
    /// Where a missing spool is looked for.
    home: Mutex<Option<SpoolHome>>,
    /// Held until the spool is opened.
    lock: Mutex<Option<SpoolLock>>,
    seed: u64,
    thumbnailer: Arc<Thumbnailer>,
    anchors: Anchors,
    figures: Figures,
    /// Set once the control plane is there, which has the runner of recordings.
    control: OnceLock<WeakControl>,
    uploads: OnceLock<UploadHandle>,
    /// What brings recordings to their buckets, until it is started.
    uploading: Mutex<Option<Uploading>>,
}

struct Uploading(Pin<Box<dyn Future<Output = ()> + Send>>);

impl std::fmt::Debug for Uploading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Uploading")
    }
}

impl Recordings {
    /// Recordings that go to these buckets, by way of the spool that [`open`](Self::open) finds. `seed` makes the pauses between attempts
    /// of several servers differ.
    pub fn new(buckets: Buckets, thumbnailer: Thumbnailer, seed: u64) -> Self {
        let inner = Inner {
            buckets,
            spool: Arc::default(),
            missing: Mutex::default(),
            home: Mutex::default(),
            lock: Mutex::default(),
            seed,
            thumbnailer: Arc::new(thumbnailer),
            anchors: Anchors::default(),
            figures: Figures::default(),
            control: OnceLock::new(),
            uploads: OnceLock::new(),
            uploading: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The spool, or where it will be.
    pub fn spool_slot(&self) -> Arc<OnceLock<Spool>> {
        Arc::clone(&self.inner.spool)
    }

    fn spool(&self) -> Option<&Spool> {
        self.inner.spool.get()
    }

    /// The spool that is missing, if it is.
    pub fn missing_spool(&self) -> Option<MissingSpool> {
        self.missing_slot().clone()
    }

    fn missing_slot(&self) -> MutexGuard<'_, Option<MissingSpool>> {
        let missing = self.inner.missing.lock();
        missing.unwrap_or_else(PoisonError::into_inner)
    }

    fn home_slot(&self) -> MutexGuard<'_, Option<SpoolHome>> {
        let home = self.inner.home.lock();
        home.unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted of recordings.
    pub fn figures(&self) -> RecordingFigures {
        self.inner.figures.read()
    }

    /// What becomes of pictures of which thumbnails are wanted, by outcome ([`Counts::read`](crate::thumbnails::Counts::read)).
    pub fn thumbnails(&self) -> [(&'static str, u64); 4] {
        self.inner.thumbnailer.counts().read()
    }

    /// How much is in the spool; `None` while it is missing.
    pub fn usage(&self) -> Option<Usage> {
        Some(self.spool()?.usage())
    }

    /// What has been brought to buckets, and how these are. `None` before it has begun.
    pub fn uploads(&self) -> Option<UploadStatus> {
        Some(self.inner.uploads.get()?.status())
    }

    /// The buckets.
    pub fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    /// Gives it the control plane, whose publications it taps and to which it reports. The first one counts.
    pub fn attach(&self, control: &Control) {
        self.inner.control.set(control.downgrade()).ok();
    }

    fn control(&self) -> Option<Control> {
        self.inner.control.get()?.upgrade()
    }

    /// Asks a bucket whether it can be written.
    fn check(&self, destination: &Destination) -> JoinHandle<Result<(), BucketError>> {
        let buckets = self.inner.buckets.clone();
        let Destination {
            account,
            region,
            bucket,
            ..
        } = destination.clone();
        tokio::spawn(async move {
            let probing = buckets.probe(&account, &region, &bucket);
            let silent = |_| {
                BucketError::Unavailable(format!(
                    "the bucket {bucket} did not answer within {} s",
                    CHECK_MAX.as_secs()
                ))
            };
            timeout(CHECK_MAX, probing).await.map_err(silent)?
        })
    }

    /// Opens the folder of a recording in the spool, which waits for the disk.
    async fn open_spool(&self, id: &str, destination: &Destination) -> Result<Files, SpoolError> {
        let Some(spool) = self.spool().cloned() else {
            return Err(SpoolError::Invalid("the spool is missing".to_owned()));
        };
        let (id, destination) = (id.to_owned(), destination.clone());
        let opened = spawn_blocking(move || spool.create(&id, &destination)).await;
        let writer = opened.map_err(|error| SpoolError::Io {
            what: "a recording".to_owned(),
            source: std::io::Error::other(error),
        })??;
        Ok(Files::new(writer, self.inner.figures.clone()))
    }

    /// Puts the document about a start that failed into the bucket, if that accepts it.
    fn put_failed_start(&self, destination: &Destination, document: Vec<u8>) {
        let (buckets, goes) = (self.inner.buckets.clone(), destination.clone());
        tokio::spawn(async move {
            let put = async {
                let bucket = buckets.bucket(&goes.account, &goes.region, &goes.bucket)?;
                let key = Key::below(&goes.prefix, FAILED_PATH)?;
                bucket.put(&key, document.into(), ContentType::Json).await
            };
            if let Ok(Err(error)) = timeout(CHECK_MAX, put).await {
                tracing::warn!(%error, "the document about a recording that could not start is not in its bucket");
            }
        });
    }
}

impl Runner for Recordings {
    fn run(&self, context: JobContext) -> Running {
        Box::pin(run::run(self.clone(), context))
    }

    fn complete(&self, job: &JobId) {
        self.finish(&RecordingId::of_job(job));
    }
}
