//! The turn of a command: either the writer begins with it, or the caller withdraws it after waiting too long, never
//! both.

use crate::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Whether the writer has begun with a command.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU8);

impl Turn {
    /// The writer begins; `false` means that the caller has withdrawn the command.
    pub(crate) fn begin(&self) -> bool {
        self.settle(BEGUN)
    }

    /// The caller withdraws; `false` means that the writer has begun.
    pub(crate) fn withdraw(&self) -> bool {
        self.settle(WITHDRAWN)
    }

    fn settle(&self, outcome: u8) -> bool {
        let settled =
            self.0
                .compare_exchange(WAITING, outcome, Ordering::AcqRel, Ordering::Acquire);
        settled.is_ok()
    }
}
