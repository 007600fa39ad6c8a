//! A world after a decision: for tests and the simulator, which keep every row in memory.

use std::collections::BTreeSet;

use crate::id::{StageId, StageSessionId};
use crate::kernel::decision::Change;
use crate::kernel::world::World;

impl World {
    /// Takes over the changes of a decision. Total: a change of a row that is not there inserts it, a
    /// deletion of one that is not there does nothing.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            match change.clone() {
                Change::PutStage(row) => {
                    self.stages.insert(row.id.clone(), row);
                }
                Change::DeleteStage(id) => self.delete_stage(&id),
                Change::PutToken(row) => {
                    self.tokens
                        .insert((row.stage.clone(), row.participant.clone()), row);
                }
                Change::PutRevokedConnectionToken(row) => {
                    self.revocations.insert(row.key(), row);
                }
                Change::PutPlain(row) => {
                    self.plain.insert(row.id(), row);
                }
                Change::DeletePlain(id) => {
                    self.plain.remove(&id);
                }
                Change::PutSession(row) => {
                    self.sessions.insert(row.id.clone(), row);
                }
                Change::PutParticipant(row) => {
                    self.participants
                        .insert((row.session.clone(), row.id.clone()), row);
                }
                Change::PutReplica(row) => {
                    self.replicas.insert(row.key(), row);
                }
                Change::PutConnection(row) => {
                    self.connections.insert(row.id.clone(), row);
                }
                Change::DeleteConnection(id) => {
                    self.connections.remove(&id);
                }
                Change::PutJob(row) => {
                    self.jobs.insert(row.id.clone(), row);
                }
                Change::DeleteJob(id) => {
                    self.jobs.remove(&id);
                }
                Change::PutRecording(row) => {
                    self.recordings.insert(row.id.clone(), row);
                }
                Change::PutComposition(row) => {
                    self.compositions.insert(row.id.clone(), *row);
                }
                Change::DeleteComposition(id) => {
                    self.compositions.remove(&id);
                }
                Change::AddEvent(row) => self.events.push(row),
                Change::Count { .. } => {}
            }
        }
    }

    fn delete_stage(&mut self, id: &StageId) {
        let sessions: BTreeSet<StageSessionId> = self
            .sessions
            .values()
            .filter(|row| row.stage == *id)
            .map(|row| row.id.clone())
            .collect();
        self.stages.remove(id);
        self.sessions.retain(|_, row| row.stage != *id);
        self.tokens.retain(|_, row| row.stage != *id);
        self.participants.retain(|_, row| row.stage != *id);
        self.replicas.retain(|_, row| row.source_stage != *id);
        self.connections.retain(|_, row| row.stage != *id);
        self.jobs.retain(|_, row| row.stage != *id || row.is_live());
        self.events
            .retain(|event| !sessions.contains(&event.session));
    }
}
