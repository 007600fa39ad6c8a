//! From a draft to the decision: what follows from the changes, and the changes in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draft, census, notices};
use crate::error::Error;
use crate::id::{StageId, StageSessionId};
use crate::kernel::decision::{Change, Decision, Effect, Reply};
use crate::row::{Attributes, Participant};

impl Draft<'_> {
    /// Drops the effects so far, except those on recordings and on what is recorded of compositions, which outlive the
    /// process: for a decision about connections that are gone already.
    pub(crate) fn without_effects(mut self, reply: Result<Reply, Error>) -> Decision {
        self.settle_idle();
        let mut effects = std::mem::take(&mut self.effects);
        effects.retain(|effect| {
            matches!(
                effect,
                Effect::FinishRecording { .. } | Effect::FinishCompositionDestination { .. }
            )
        });
        Decision {
            reply,
            notices: notices::of(&self),
            changes: self.changes(),
            effects,
        }
    }

    /// Makes the decision: reply, changes, notices and effects.
    pub(crate) fn finish(mut self, reply: Result<Reply, Error>) -> Decision {
        self.settle_idle();
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(
            self.changed_stages()
                .into_iter()
                .map(|stage| Effect::StageChanged { stage }),
        );
        Decision {
            reply,
            notices: notices::of(&self),
            changes: self.changes(),
            effects,
        }
    }

    /// A session is idle from the moment the last of its publishers stops.
    fn settle_idle(&mut self) {
        let mut publishing: BTreeMap<StageSessionId, u64> = BTreeMap::new();
        for ((session, _), before, after) in self.participants.differences() {
            let was = before.is_some_and(Participant::is_publisher);
            let is = after.is_some_and(Participant::is_publisher);
            if was != is {
                let count = publishing
                    .entry(session.clone())
                    .or_insert_with(|| self.world.publishing_in(session));
                *count = if is {
                    count.saturating_add(1)
                } else {
                    count.saturating_sub(1)
                };
            }
        }
        let now = self.context.steady;
        for (session, count) in publishing {
            let Some(row) = self.sessions.edit(&session) else {
                continue;
            };
            row.idle_since = (count == 0).then_some(now);
        }
    }

    /// Stages whose publishers are others now, or say other things of themselves.
    fn changed_stages(&self) -> BTreeSet<StageId> {
        fn shown(row: &Participant) -> Option<(&str, &Attributes)> {
            row.publishing
                .then_some((row.user_id.as_str(), &row.attributes))
        }
        self.participants
            .differences()
            .filter(|(_, before, after)| before.and_then(shown) != after.and_then(shown))
            .filter_map(|(_, before, after)| after.or(before).map(|row| row.stage.clone()))
            .filter(|stage| !self.deleted.contains(stage))
            .collect()
    }

    /// Rows in the order of what refers to what, history in the order it happened, deletions last.
    fn changes(self) -> Vec<Change> {
        let gone = |stage: &StageId| self.deleted.contains(stage);
        let gone_session =
            |id: &StageSessionId| self.sessions.get(id).is_some_and(|row| gone(&row.stage));
        let mut changes = Vec::new();
        let stages = self
            .stages
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.id));
        changes.extend(stages.cloned().map(Change::PutStage));
        let tokens = self
            .tokens
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.stage));
        changes.extend(tokens.cloned().map(Change::PutToken));
        let revocations = self.revocations.differences().filter_map(|(_, _, row)| row);
        changes.extend(revocations.cloned().map(Change::PutRevokedConnectionToken));
        changes.extend(
            self.plain
                .differences()
                .map(|(id, _, row)| match row.cloned() {
                    Some(row) => Change::PutPlain(row),
                    None => Change::DeletePlain(id.clone()),
                }),
        );
        let sessions = self
            .sessions
            .differences()
            .filter_map(|(_, _, row)| row)
            .filter(|row| !gone(&row.stage));
        changes.extend(sessions.cloned().map(Change::PutSession));
        let participants = self
            .participants
            .differences()
            .filter_map(|(_, _, row)| row);
        changes.extend(
            participants
                .filter(|row| !gone(&row.stage))
                .cloned()
                .map(Change::PutParticipant),
        );
        let replicas = self.replicas.differences().filter_map(|(_, _, row)| row);
        changes.extend(
            replicas
                .filter(|row| !gone(&row.source_stage))
                .cloned()
                .map(Change::PutReplica),
        );
        let closed = self
            .connections
            .differences()
            .filter(|(_, _, row)| row.is_none());
        changes.extend(closed.map(|(id, _, _)| Change::DeleteConnection(id.clone())));
        let open = self.connections.differences().filter_map(|(_, _, row)| row);
        changes.extend(open.cloned().map(Change::PutConnection));
        changes.extend(
            self.jobs
                .differences()
                .map(|(id, _, row)| match row.cloned() {
                    Some(row) => Change::PutJob(row),
                    None => Change::DeleteJob(id.clone()),
                }),
        );
        let recordings = self.recordings.differences().filter_map(|(_, _, row)| row);
        changes.extend(recordings.cloned().map(Change::PutRecording));
        changes.extend(
            self.compositions
                .differences()
                .map(|(id, _, row)| match row.cloned() {
                    Some(row) => Change::PutComposition(Box::new(row)),
                    None => Change::DeleteComposition(id.clone()),
                }),
        );
        changes.extend(
            self.events
                .iter()
                .filter(|row| !gone_session(&row.session))
                .cloned()
                .map(Change::AddEvent),
        );
        changes.extend(census::changes(&self));
        changes.extend(self.deleted.iter().cloned().map(Change::DeleteStage));
        changes
    }
}
