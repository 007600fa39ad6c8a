//! How many places are taken by what is live, and by how many a decision changes that. A store keeps these
//! numbers, so that no join has to count those who joined before.

use std::collections::BTreeMap;

use crate::decision::Change;
use crate::draft::Draft;
use crate::id::{ParticipantId, StageId, StageSessionId};
use crate::row::{ConnectionKind, Participant};
use crate::world::World;

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

/// A participant that is looked at, and by how many its connections change.
struct Touched {
    stage: StageId,
    publishing: i64,
    subscribing: i64,
}

impl Touched {
    fn of(stage: &StageId) -> Self {
        Self {
            stage: stage.clone(),
            publishing: 0,
            subscribing: 0,
        }
    }
}

/// What the decision changes, one line per stage session.
pub(crate) fn changes(draft: &Draft<'_>) -> Vec<Change> {
    let mut sums: BTreeMap<(StageId, StageSessionId), Census> = BTreeMap::new();
    for ((session, id), touched) in touched(draft) {
        let key = (session, id);
        let (mut publishing, mut subscribing) = (0, 0);
        for open in draft.connections_of(&key.0, &key.1) {
            match draft.connection(&open).map(|row| &row.kind) {
                Some(ConnectionKind::Publish) => publishing += 1,
                Some(ConnectionKind::Subscribe { .. }) => subscribing += 1,
                Some(ConnectionKind::Events) | None => {}
            }
        }
        let holds = |row: Option<&Participant>| row.is_some_and(Participant::holds_place);
        let published =
            holds(draft.given().participants.get(&key)) || publishing - touched.publishing > 0;
        let publishes = holds(draft.participant(&key.0, &key.1)) || publishing > 0;
        let subscribed = subscribing - touched.subscribing > 0;
        let sum = sums.entry((touched.stage, key.0)).or_default();
        sum.publishers += i64::from(publishes) - i64::from(published);
        sum.subscribers += i64::from(subscribing > 0) - i64::from(subscribed);
        sum.subscriptions += touched.subscribing;
    }
    sums.into_iter()
        .filter(|(_, by)| *by != Census::default())
        .map(|((stage, session), by)| Change::Count { stage, session, by })
        .collect()
}

fn touched(draft: &Draft<'_>) -> BTreeMap<(StageSessionId, ParticipantId), Touched> {
    let mut touched = BTreeMap::new();
    for (key, before, after) in draft.participant_differences() {
        if let Some(row) = after.or(before) {
            touched.insert(key.clone(), Touched::of(&row.stage));
        }
    }
    for (_, before, after) in draft.connection_differences() {
        let gone = before.map(|row| (row, -1));
        let come = after.map(|row| (row, 1));
        for (row, by) in gone.into_iter().chain(come) {
            let entry = touched
                .entry((row.session.clone(), row.participant.clone()))
                .or_insert_with(|| Touched::of(&row.stage));
            match row.kind {
                ConnectionKind::Publish => entry.publishing += by,
                ConnectionKind::Subscribe { .. } => entry.subscribing += by,
                ConnectionKind::Events => {}
            }
        }
    }
    touched
}
