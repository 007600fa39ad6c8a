//! The numbers a store keeps of what is live, kept by changes alone.

use std::collections::BTreeMap;

use restage_core::id::StageSessionId;
use restage_core::{Census, Change, World};

/// The counters.
#[derive(Debug, Default)]
pub struct Counted(BTreeMap<StageSessionId, Census>);

impl Counted {
    /// Adds what these changes say.
    pub fn take(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Count { session, by, .. } = change {
                let sum = self.0.entry(session.clone()).or_default();
                sum.publishers += by.publishers;
                sum.subscribers += by.subscribers;
                sum.subscriptions += by.subscriptions;
            }
        }
        self.0.retain(|_, sum| *sum != Census::default());
    }

    /// They are what the rows come to, and nothing is left of sessions that are gone.
    ///
    /// # Panics
    /// They are not.
    #[track_caller]
    pub fn compare(&self, world: &World) {
        let expected = Self::of(world);
        assert_eq!(self.0, expected.0, "the numbers kept, and those counted");
    }

    /// Counts the rows.
    pub fn of(world: &World) -> Self {
        let sessions = world.sessions.keys();
        let counted = sessions.map(|session| (session.clone(), Census::of(world, session)));
        Self(
            counted
                .filter(|(_, census)| *census != Census::default())
                .collect(),
        )
    }
}
