//! Whether the database can be written, as the writer's own commits tell or, when there are none, a write of its own.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::StoreError;

/// For so long a commit, or a failure, tells how things are. So there is at most one probe in this time, however many
/// ask.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long an answer to a probe is waited for.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The row of `meta` that probes write. It is no part of a backup.
pub(crate) const PROBE_ROW: &str = "probe";

/// What the writer found last.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) at: Instant,
    pub(crate) outcome: Result<(), StoreError>,
}

/// What the writer and those who ask share.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) verdict: watch::Sender<Verdict>,
    pub(crate) is_probing: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        let verdict = Verdict {
            at: Instant::now(),
            outcome: Ok(()),
        };
        Self {
            verdict: watch::Sender::new(verdict),
            is_probing: AtomicBool::default(),
        }
    }
}

impl Health {
    /// Something was committed, or could not be.
    pub(crate) fn found(&self, outcome: Result<(), StoreError>) {
        self.verdict.send_replace(Verdict {
            at: Instant::now(),
            outcome,
        });
    }
}
