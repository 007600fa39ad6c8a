//! Change counters, which show whether data that was read is still current.
//!
//! The writer counts changes after the commit and before any caller gets an answer. If the counters are unchanged
//! since a read, the data is still current; checking this costs two loads.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use restage_core::Change;
use restage_core::id::StageId;

use super::counts::Counts;

/// Number of counters. Subjects that share one only seem to change more often than they do.
const SLOTS: usize = 4_096;

/// A subject that can be watched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Subject<'s> {
    /// The row of a stage.
    Stage(&'s StageId),
    /// The replications out of a stage.
    Replicas(&'s StageId),
}

/// The state that [`Store::watch`](crate::Store::watch) saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    pub(crate) slots: [usize; 2],
    pub(crate) seen: u64,
}

impl Watch {
    /// A watch of these subjects, at this count of changes.
    pub fn of(subjects: [Subject<'_>; 2], seen: u64) -> Self {
        let slots = subjects.map(slot);
        Self { slots, seen }
    }
}

/// The change counters.
#[derive(Debug)]
pub(crate) struct ChangeCounts(Counts);

impl Default for ChangeCounts {
    fn default() -> Self {
        Self(Counts::new(SLOTS))
    }
}

impl ChangeCounts {
    /// Counts changes that are now in the database.
    pub(crate) fn committed(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::PutStage(stage) => self.add(Subject::Stage(&stage.id)),
                Change::DeleteStage(stage) => {
                    self.add(Subject::Stage(stage));
                    self.add(Subject::Replicas(stage));
                }
                Change::PutReplica(replica) => self.add(Subject::Replicas(&replica.source_stage)),
                Change::PutPlain(_)
                | Change::DeletePlain(_)
                | Change::PutToken(_)
                | Change::PutRevokedConnectionToken(_)
                | Change::PutSession(_)
                | Change::PutParticipant(_)
                | Change::PutConnection(_)
                | Change::DeleteConnection(_)
                | Change::PutJob(_)
                | Change::DeleteJob(_)
                | Change::PutRecording(_)
                | Change::PutComposition(_)
                | Change::DeleteComposition(_)
                | Change::AddEvent(_)
                | Change::Count { .. } => {}
            }
        }
    }

    /// Counts a change of everything, because it is not known what has changed.
    pub(crate) fn committed_unknown(&self) {
        self.0.add_to_all();
    }

    fn add(&self, subject: Subject<'_>) {
        self.0.add(slot(subject));
    }

    /// The sum of the subjects' counters; it grows with every change of any of them.
    pub(crate) fn sum(&self, slots: [usize; 2]) -> u64 {
        self.0.sum(slots)
    }
}

fn slot(subject: Subject<'_>) -> usize {
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    // The remainder is less than SLOTS.
    (hasher.finish() % SLOTS as u64) as usize
}
