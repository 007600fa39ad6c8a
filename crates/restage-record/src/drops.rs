//! What was left out, counted.

use std::collections::BTreeMap;

use restage_codec::MediaKind;

use crate::output::{DropReason, Dropped};

/// Counts what was left out until it is told.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    counts: BTreeMap<(MediaKind, DropReason), u64>,
}

impl Drops {
    pub(crate) fn count(&mut self, kind: MediaKind, reason: DropReason, count: u64) {
        if count > 0 {
            let sum = self.counts.entry((kind, reason)).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// What was counted since the last call.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = Dropped> {
        let counts = std::mem::take(&mut self.counts);
        counts.into_iter().map(|((kind, reason), count)| Dropped {
            kind,
            reason,
            count,
        })
    }
}
