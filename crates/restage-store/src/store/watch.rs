//! Whether data that was read is still current, without reading it again.

use super::Store;
use crate::sql::Readers;
use crate::writer::changes::{Subject, Watch};

impl Store {
    /// Call this before reading the subjects; later [`Store::holds`] says whether what was read is still current.
    pub fn watch(&self, subjects: [Subject<'_>; 2]) -> Watch {
        let watch = Watch::of(subjects, 0);
        let seen = self.shared.changes.sum(watch.slots);
        Watch { seen, ..watch }
    }

    /// Whether none of the subjects has changed since they were watched. A SQLite file belongs to this process;
    /// a PostgreSQL database may be taken over by another server unnoticed, so there the answer is always no.
    pub fn holds(&self, watch: &Watch) -> bool {
        matches!(self.shared.readers, Readers::Sqlite(_))
            && self.shared.changes.sum(watch.slots) == watch.seen
    }
}
