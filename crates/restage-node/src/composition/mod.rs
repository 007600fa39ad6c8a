//! Compositions: a stage's participants in one picture, sent to buckets and channels.
//!
//! | file | does |
//! |---|---|
//! | `run.rs` | one start of a job of the kind `composition`: joins everything below, restarts the compositor, reports |
//! | `run/compositor.rs`, `run/scene.rs`, `run/reports.rs` | its compositor; what that is told of participants; what the rules are told |
//! | `people.rs` | who publishes in the stage, as the compositor knows them |
//! | `input.rs`, `assemble.rs`, `pace.rs` | a tap of each participant: packets become pictures and packets of Opus, with the times when they were captured |
//! | `child.rs` | the process that composes (restage-compose) |
//! | `output.rs` | a destination: a recording (`recording/composite.rs`) or a stream to another server (`push/`) |
//! | `status.rs` | what is known of compositions that run |
//! | `spec.rs` | what the rules want to be composed |

mod assemble;
mod child;
mod input;
mod output;
mod pace;
pub(crate) mod people;
mod relation;
mod run;
mod spec;
mod status;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use restage_compose::protocol::Health as CompositorHealth;
use restage_compose::protocol::Rendition;
use restage_core::id::JobId;

pub use self::status::{
    CompositionEncoding, CompositionStatus, CompositionTile, CompositorRestart, RecentHealth,
    WhyName,
};
use self::status::{Status, Statuses};
use crate::channels::Channels;
use crate::control::{Control, WeakControl};
use crate::jobs::{JobContext, Runner, Running};
use crate::recording::{Recordings, recording_id};
use crate::thumbnails::Sandbox;

/// Whether `program`, which is `restage`, can compose on this machine: a child of it enters its sandbox and composes one picture with sound.
///
/// # Errors
///
/// What is missing.
pub async fn check(program: impl AsRef<Path>) -> Result<(), String> {
    child::check(program.as_ref()).await
}

/// Composes stages. Clones share everything.
#[derive(Clone, Debug)]
pub struct Compositions {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    recordings: Recordings,
    channels: Channels,
    /// The program whose children compose.
    program: PathBuf,
    sandbox: Sandbox,
    statuses: Statuses,
    /// Set once the control plane is there, which has the runner of compositions.
    control: OnceLock<WeakControl>,
}

impl Compositions {
    /// Compositions that go to the buckets of `recordings` and to these channels. `program` is `restage`, usually as
    /// [`THIS_PROGRAM`](crate::thumbnails::THIS_PROGRAM).
    pub fn new(
        recordings: Recordings,
        channels: Channels,
        program: impl Into<PathBuf>,
        sandbox: Sandbox,
    ) -> Self {
        let inner = Inner {
            recordings,
            channels,
            program: program.into(),
            sandbox,
            statuses: Statuses::default(),
            control: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Gives it the control plane, whose publications it taps and to which it reports. The first one counts.
    pub fn attach(&self, control: &Control) {
        self.inner.control.set(control.downgrade()).ok();
    }

    /// What is known of a composition; `None` if it does not run here.
    pub fn status(&self, composition: &str) -> Option<CompositionStatus> {
        self.inner.statuses.get(composition)
    }

    /// How many compositions run, what their compositors have done, and how often these were started again.
    pub fn totals(&self) -> (usize, CompositorHealth, u64) {
        self.inner.statuses.totals()
    }

    fn control(&self) -> Option<Control> {
        self.inner.control.get()?.upgrade()
    }

    fn recordings(&self) -> &Recordings {
        &self.inner.recordings
    }

    /// The channels of the configuration.
    pub fn channels(&self) -> &Channels {
        &self.inner.channels
    }

    fn program(&self) -> &Path {
        &self.inner.program
    }

    fn sandbox(&self) -> Sandbox {
        self.inner.sandbox
    }

    fn begin(&self, composition: &str, renditions: &[Rendition]) -> Status {
        self.inner.statuses.begin(composition, renditions)
    }
}

impl Runner for Compositions {
    fn run(&self, context: JobContext) -> Running {
        Box::pin(run::run(self.clone(), context))
    }

    fn complete_part(&self, job: &JobId, destination: &str) {
        let recording = recording_id(job.as_str(), destination);
        self.recordings().finish_composite(&recording);
    }
}
