//! Whether a sink takes anything at all. While it does not, it is asked for few stages, and less and less often.

use std::collections::HashSet;
use std::time::Duration;

use restage_core::id::StageId;
use tokio::time::Instant;

use super::{BACKOFF_MAX, backoff};

/// Stages that are refused, with none taken in between, until the sink counts as down. One event may be what a receiver
/// dislikes; that many stages are not. As many are tried at once while it is down.
pub(super) const PROBES_MAX: usize = 4;

/// How a sink is doing.
#[derive(Default)]
pub(super) struct Health {
    /// Stages that were refused since it took something.
    refused: HashSet<StageId>,
    /// How often it was found to be down, in a row.
    failures: u32,
    /// It is left alone until then.
    rests_until: Option<Instant>,
    /// What it asked for.
    retry_after: Option<Duration>,
}

impl Health {
    /// It took an event.
    pub(super) fn took(&mut self) {
        *self = Self::default();
    }

    /// It refused one.
    pub(super) fn refused(&mut self, stage: &StageId, retry_after: Option<Duration>, now: Instant) {
        self.refused.insert(stage.clone());
        self.retry_after = self.retry_after.max(retry_after);
        if self.refused.len() < PROBES_MAX {
            return;
        }
        self.refused.clear();
        self.failures = self.failures.saturating_add(1);
        let asked_for = self.retry_after.take().unwrap_or_default();
        let rest = backoff(self.failures).max(asked_for).min(BACKOFF_MAX);
        self.rests_until = Some(now + rest);
    }

    /// How many turns there may be at once.
    pub(super) fn room(&self, lanes_max: usize, now: Instant) -> usize {
        match self.rests_until {
            None => lanes_max,
            Some(until) if until > now => 0,
            Some(_) => lanes_max.min(PROBES_MAX),
        }
    }

    /// Until when it is left alone; the time may be over.
    pub(super) const fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }
}
