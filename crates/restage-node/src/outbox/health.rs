//! Whether a sink accepts anything. While it does not, only a few stages are tried, at growing intervals.

use std::collections::HashSet;
use std::time::Duration;

use restage_core::id::StageId;
use tokio::time::Instant;

use super::{BACKOFF_MAX, backoff};

/// A sink counts as down when it refused this many stages and accepted nothing in between. One bad event must not
/// look like an outage, so one refused stage is not enough. While the sink is down, as many stages are tried at once.
pub(super) const PROBES_MAX: usize = 4;

/// The state of a sink.
#[derive(Default)]
pub(super) struct Health {
    /// Stages that were refused since it last accepted an event.
    refused: HashSet<StageId>,
    /// How often in a row it was found to be down.
    failures: u32,
    /// It is not tried before this time.
    rests_until: Option<Instant>,
    /// The wait that it asked for.
    retry_after: Option<Duration>,
}

impl Health {
    /// Records that it accepted an event.
    pub(super) fn took(&mut self) {
        *self = Self::default();
    }

    /// Records that it refused one.
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

    /// Number of turns allowed at the same time.
    pub(super) fn room(&self, lanes_max: usize, now: Instant) -> usize {
        match self.rests_until {
            None => lanes_max,
            Some(until) if until > now => 0,
            Some(_) => lanes_max.min(PROBES_MAX),
        }
    }

    /// The time before which it is not tried; it may have passed.
    pub(super) const fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }
}
