//! Whether the database can be written, as shown by the writer's commits or, when there are none, by a probe.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::sync::atomic::{AtomicBool, Ordering};

/// A commit or failure within this time answers the question. So there is at most one probe in this time, however many
/// callers ask.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long to wait for the result of a probe.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The row of `meta` that probes write. It is not part of a backup.
pub(crate) const PROBE_ROW: &str = "probe";

/// The writer's last result.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) at: Instant,
    pub(crate) outcome: Result<(), StoreError>,
}

/// State shared by the writer and the callers.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) verdict: watch::Sender<Verdict>,
    is_probing: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        let verdict = Verdict {
            at: Instant::now(),
            outcome: Ok(()),
        };
        Self {
            verdict: watch::Sender::new(verdict),
            is_probing: AtomicBool::new(false),
        }
    }
}

impl Health {
    /// Whether the caller has to probe: `false` while a probe is under way, whose verdict is still to come.
    pub(crate) fn begins_probe(&self) -> bool {
        !self.is_probing.swap(true, Ordering::AcqRel)
    }

    /// A probe has ended without a verdict.
    pub(crate) fn ends_probe(&self) {
        self.is_probing.swap(false, Ordering::AcqRel);
    }

    /// Records a successful or failed commit. It ends a probe first: who sees this verdict and needs a newer one does not wait for a probe
    /// that has had its verdict.
    pub(crate) fn found(&self, outcome: Result<(), StoreError>) {
        self.ends_probe();
        self.verdict.send_replace(Verdict {
            at: Instant::now(),
            outcome,
        });
    }
}
