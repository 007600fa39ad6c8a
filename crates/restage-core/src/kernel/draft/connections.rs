//! Connections of a decision in the making, found by their participant and by the publisher they are for.

use super::{Draft, Index};
use crate::id::{ConnectionId, ParticipantId, StageSessionId};
use crate::row::{Connection, ConnectionKind};

impl Draft<'_> {
    pub(crate) fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.connections.get(id)
    }

    pub(crate) fn edit_connection(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        self.connections.edit(id)
    }

    pub(crate) fn put_connection(&mut self, row: Connection) {
        self.index(&row);
        self.connections.put(row.id.clone(), row);
    }

    pub(crate) fn remove_connection(&mut self, id: &ConnectionId) -> Option<Connection> {
        let row = self.connections.remove(id)?;
        let mut forget = |index: fn(&mut Self) -> &mut Index, of: &ParticipantId| {
            let index = index(self);
            let key = (row.session.clone(), of.clone());
            if let Some(ids) = index.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    index.remove(&key);
                }
            }
        };
        forget(|draft| &mut draft.by_participant, &row.participant);
        if let ConnectionKind::Subscribe { publisher } = &row.kind {
            forget(|draft| &mut draft.by_publisher, publisher);
        }
        Some(row)
    }

    /// A participant's open connections, by id.
    pub(crate) fn connections_of(
        &self,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> Vec<ConnectionId> {
        listed(&self.by_participant, session, participant)
    }

    pub(crate) fn has_connection(
        &self,
        session: &StageSessionId,
        participant: &ParticipantId,
    ) -> bool {
        self.by_participant
            .contains_key(&(session.clone(), participant.clone()))
    }

    /// The open subscriptions to a publisher in a session, by id.
    pub(crate) fn subscriptions_to(
        &self,
        session: &StageSessionId,
        publisher: &ParticipantId,
    ) -> Vec<ConnectionId> {
        listed(&self.by_publisher, session, publisher)
    }

    /// All open connections of a session, by participant.
    pub(crate) fn connections_in(&self, session: &StageSessionId) -> Vec<ConnectionId> {
        let first = (session.clone(), ParticipantId::new(""));
        let of_session = self
            .by_participant
            .range(first..)
            .take_while(|((of, _), _)| of == session);
        of_session
            .flat_map(|(_, ids)| ids.iter().cloned())
            .collect()
    }

    pub(super) fn index(&mut self, row: &Connection) {
        let key = (row.session.clone(), row.participant.clone());
        self.by_participant
            .entry(key)
            .or_default()
            .insert(row.id.clone());
        if let ConnectionKind::Subscribe { publisher } = &row.kind {
            let key = (row.session.clone(), publisher.clone());
            self.by_publisher
                .entry(key)
                .or_default()
                .insert(row.id.clone());
        }
    }
}

fn listed(
    index: &Index,
    session: &StageSessionId,
    participant: &ParticipantId,
) -> Vec<ConnectionId> {
    index
        .get(&(session.clone(), participant.clone()))
        .map_or_else(Vec::new, |ids| ids.iter().cloned().collect())
}
