//! Records what participants publish: joins taps, recorders, the spool and buckets.
//!
//! | file | does |
//! |---|---|
//! | `run.rs` | one start of a job of the kind `recording`: when it begins, what it follows, how it ends |
//! | `capture.rs` | the packets of a tap (`intake.rs`) through the recorder; what waits for the disk |
//! | `files.rs` | writes to the spool on threads that may wait |
//! | `finish.rs` | brings to the rules what the uploader says of recordings that are over |
//! | `anchor.rs` | one clock for all recordings of a stage session |
//! | `spec.rs` | what the rules want to be recorded |
//!
//! Nothing here holds media up: a recording that cannot keep up loses packets of its own. A recording is over for its job when the
//! spool has everything; uploads go on by themselves, and need neither the job nor the stage.

mod anchor;
mod capture;
mod figures;
mod files;
mod finish;
mod intake;
mod run;
mod spec;

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use restage_core::id::JobId;
use restage_core::row::RecordingId;
use restage_record::document::FAILED_PATH;
use restage_record::journal::Journal;
use restage_storage::bucket::ContentType;
use restage_storage::spool::Usage;
use restage_storage::upload::UploadStatus;
use restage_storage::{BucketError, Buckets, Key, Spool, SpoolError, UploadHandle};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use self::anchor::Anchors;
use self::figures::Figures;
pub use self::figures::RecordingFigures;
use self::files::Files;
use self::spec::Spec;
use crate::control::{Control, WeakControl};
use crate::jobs::{JobContext, Runner, Running};

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
    spool: Spool,
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
    /// Recordings that go to these buckets by way of this spool. `seed` makes the pauses between attempts of several servers differ.
    pub fn new(buckets: Buckets, spool: Spool, seed: u64) -> Self {
        let inner = Inner {
            buckets,
            spool,
            anchors: Anchors::default(),
            figures: Figures::default(),
            control: OnceLock::new(),
            uploads: OnceLock::new(),
            uploading: Mutex::default(),
        };
        let recordings = Self {
            inner: Arc::new(inner),
        };
        recordings.prepare_uploads(seed);
        recordings
    }

    /// What is counted of recordings.
    pub fn figures(&self) -> RecordingFigures {
        self.inner.figures.read()
    }

    /// How much is in the spool.
    pub fn usage(&self) -> Usage {
        self.inner.spool.usage()
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
    fn check(&self, spec: &Spec) -> JoinHandle<Result<(), BucketError>> {
        let buckets = self.inner.buckets.clone();
        let (account, region) = (spec.account.clone(), spec.region.clone());
        let bucket = spec.bucket.clone();
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
    async fn open_spool(&self, id: &str, spec: &Spec) -> Result<(Files, Journal), SpoolError> {
        let (spool, id, destination) =
            (self.inner.spool.clone(), id.to_owned(), spec.destination());
        let opened = spawn_blocking(move || spool.create(&id, &destination)).await;
        let writer = opened.map_err(|error| SpoolError::Io {
            what: "a recording".to_owned(),
            source: std::io::Error::other(error),
        })??;
        let journal = writer.journal();
        Ok((Files::new(writer, self.inner.figures.clone()), journal))
    }

    /// Puts the document about a start that failed into the bucket, if that accepts it.
    fn put_failed_start(&self, spec: &Spec, document: Vec<u8>) {
        let (buckets, spec) = (self.inner.buckets.clone(), spec.clone());
        tokio::spawn(async move {
            let put = async {
                let bucket = buckets.bucket(&spec.account, &spec.region, &spec.bucket)?;
                let key = Key::below(&spec.prefix, FAILED_PATH)?;
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
