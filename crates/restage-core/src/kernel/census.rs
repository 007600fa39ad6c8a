//! How many places are taken by what is live, and by how many a decision changes that. A store keeps these
//! numbers, so that no join has to count those who joined before.

use crate::id::StageSessionId;
use crate::kernel::world::World;
use crate::row::ConnectionKind;

/// By how much the numbers of a stage session, and with it of its account and region, change.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// Participants that hold a publisher's place, as in [`Occupancy`](crate::Occupancy).
    pub publishers: i64,
    /// Participants with at least one subscription open.
    pub subscribers: i64,
    /// Open subscriptions: pairs of a publisher and a subscriber.
    pub subscriptions: i64,
}

impl Census {
    /// Counts the rows of a stage session: what the numbers that are kept of it must be.
    pub fn of(world: &World, session: &StageSessionId) -> Self {
        let occupancy = world.occupancy_of(session);
        let open = world.connections.values().filter(|row| {
            row.session == *session && matches!(row.kind, ConnectionKind::Subscribe { .. })
        });
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            publishers: number(occupancy.publishers),
            subscribers: number(occupancy.subscribers),
            subscriptions: number(open.count() as u64),
        }
    }
}
