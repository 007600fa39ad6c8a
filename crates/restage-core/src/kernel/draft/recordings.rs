//! Recordings and jobs of a decision in the making.

use super::Draft;
use crate::id::{JobId, ParticipantId, StageId};
use crate::kernel::decision::Effect;
use crate::row::{Job, Recording, RecordingId};

impl Draft<'_> {
    pub(crate) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(crate) fn put_job(&mut self, row: Job) {
        self.jobs.put(row.id.clone(), row);
    }

    pub(crate) fn remove_job(&mut self, id: &JobId) {
        self.jobs.remove(id);
    }

    /// Jobs that are others now, as (id, before, after).
    pub(crate) fn job_differences(
        &self,
    ) -> impl Iterator<Item = (&JobId, Option<&Job>, Option<&Job>)> {
        self.jobs.differences()
    }

    /// How many jobs of a stage have not ended, those included that this decision starts.
    pub(crate) fn job_count(&self, stage: &StageId) -> u64 {
        let started = self.jobs.differences().filter(|(_, before, after)| {
            before.is_none() && after.is_some_and(|row| row.stage == *stage && row.is_live())
        });
        let started = started.count() as u64;
        self.world.job_count_of(stage).saturating_add(started)
    }

    pub(crate) fn recording(&self, id: &RecordingId) -> Option<&Recording> {
        self.recordings.get(id)
    }

    pub(crate) fn put_recording(&mut self, row: Recording) {
        self.index_recording(&row);
        self.recordings.put(row.id.clone(), row);
    }

    /// The open recordings of a participant id, by id, whatever their stage.
    pub(crate) fn open_recordings_of(&self, participant: &ParticipantId) -> Vec<Recording> {
        let ids = self.by_recorded.get(participant).into_iter().flatten();
        let rows = ids.filter_map(|id| self.recordings.get(id));
        rows.filter(|row| row.is_open()).cloned().collect()
    }

    /// Recordings that are others now, as (id, before, after).
    pub(crate) fn recording_differences(
        &self,
    ) -> impl Iterator<Item = (&RecordingId, Option<&Recording>, Option<&Recording>)> {
        self.recordings.differences()
    }

    /// An id for the next recording that this decision begins.
    pub(crate) fn fresh_recording(&mut self) -> RecordingId {
        /// What is kept of the fresh id; a number of four digits follows.
        const KEPT: usize = 18;
        let fresh = self.context.fresh_recording.as_str();
        let kept = &fresh[..fresh.floor_char_boundary(KEPT)];
        let number = self.recordings_begun;
        self.recordings_begun += 1;
        RecordingId::new(format!("{kept}{number:04x}"))
    }

    /// Orders something done after the commit.
    pub(crate) fn order(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn index_recording(&mut self, row: &Recording) {
        self.by_recorded
            .entry(row.participant.clone())
            .or_default()
            .insert(row.id.clone());
    }
}
