//! Whether what was read still holds, without reading it again.

use super::Store;
use crate::sql::Readers;
use crate::writer::changes::{Subject, Watch};

impl Store {
    /// To be asked before the subjects are read: later, [`Store::holds`] says whether what was read is still so.
    pub fn watch(&self, subjects: [Subject<'_>; 2]) -> Watch {
        let watch = Watch::of(subjects, 0);
        let seen = self.shared.changes.sum(watch.slots);
        Watch { seen, ..watch }
    }

    /// Whether none of the subjects has changed since they were watched. A SQLite file is ours for as long as we run;
    /// a PostgreSQL database may be taken over while nobody here writes, so there it is never known.
    pub fn holds(&self, watch: &Watch) -> bool {
        matches!(self.shared.readers, Readers::Sqlite(_))
            && self.shared.changes.sum(watch.slots) == watch.seen
    }
}
