//! By how much a decision changes the numbers that are kept of stage sessions.

use std::collections::BTreeMap;

use super::Draft;
use crate::id::{ParticipantId, StageId, StageSessionId};
use crate::kernel::census::Census;
use crate::kernel::decision::Change;
use crate::row::{ConnectionKind, Participant};

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
pub(super) fn changes(draft: &Draft<'_>) -> Vec<Change> {
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
