//! What an edge that performs the effects would hold: it must always agree with the rows.

use std::collections::{BTreeMap, BTreeSet};

use restage_core::id::{ConnectionId, JobId, ParticipantId, StageId};
use restage_core::row::{
    Attributes, CompositionDestinationId, CompositionId, ConnectionKind, RecordingId,
    RecordingState,
};
use restage_core::{Command, Decision, Effect, PublicationKey, World};

/// Open connections, what the media ones are attached to, and the starts of jobs that run.
#[derive(Debug, Default)]
pub struct Edge {
    open: BTreeSet<ConnectionId>,
    feeds: BTreeMap<PublicationKey, ConnectionId>,
    receives: BTreeMap<ConnectionId, PublicationKey>,
    runs: BTreeMap<JobId, u32>,
    /// What the runners were told last.
    tasks: BTreeMap<JobId, String>,
    /// Recordings whose rest was to be brought to the bucket.
    finishes: BTreeSet<RecordingId>,
    /// Destinations of compositions whose rest was to be brought to the bucket.
    composites: BTreeSet<(CompositionId, CompositionDestinationId)>,
}

type Shown = BTreeMap<ParticipantId, (String, Attributes)>;

impl Edge {
    /// Performs the effects of a command that was decided on `before` and whose changes gave `after`.
    ///
    /// # Panics
    /// An effect cannot be performed, or what is open is not what the rows say.
    #[track_caller]
    pub fn perform(
        &mut self,
        before: &World,
        after: &World,
        command: &Command,
        decision: &Decision,
    ) {
        match command {
            Command::OpenConnection { connection, .. }
            | Command::StartIngest { connection, .. }
                if decision.reply.is_ok() =>
            {
                self.open.insert(connection.clone());
            }
            Command::ConnectionClosed {
                connection,
                stage,
                participant,
            }
            | Command::ConnectionFailed {
                connection,
                stage,
                participant,
                is_over: true,
                ..
            } => {
                let known = before.connections.get(connection);
                if known.is_some_and(|row| row.stage == *stage && row.participant == *participant) {
                    self.drop(connection);
                }
            }
            Command::ReportJob { job, .. } if decision.reply.is_ok() => {
                self.runs.remove(job);
            }
            Command::Recover => {
                *self = Self::default();
                let of_recordings = |effect: &Effect| {
                    matches!(
                        effect,
                        Effect::FinishRecording { .. }
                            | Effect::FinishCompositionDestination { .. }
                    )
                };
                assert!(
                    decision.effects.iter().all(of_recordings),
                    "nobody is left to tell"
                );
            }
            _ => {}
        }
        for effect in &decision.effects {
            match effect {
                Effect::Publish {
                    connection,
                    publication,
                } => {
                    let earlier = self.feeds.insert(publication.clone(), connection.clone());
                    assert_eq!(earlier, None, "an earlier feeder is closed first");
                }
                Effect::Subscribe {
                    connection,
                    publication,
                } => {
                    self.receives
                        .insert(connection.clone(), publication.clone());
                }
                Effect::Close { connection, .. } => {
                    assert!(
                        self.open.contains(connection),
                        "{connection} is closed once"
                    );
                    self.drop(connection);
                }
                Effect::RunJob { job } => {
                    self.tasks.insert(job.id.clone(), job.spec.clone());
                    let earlier = self.runs.insert(job.id.clone(), job.generation);
                    assert_eq!(earlier, None, "one start of a job at a time");
                }
                Effect::TellJob { job } => {
                    assert_eq!(
                        self.runs.get(&job.id),
                        Some(&job.generation),
                        "{job:?} runs"
                    );
                    self.tasks.insert(job.id.clone(), job.spec.clone());
                }
                Effect::FinishRecording { recording } => {
                    self.finishes.insert(recording.clone());
                }
                Effect::FinishCompositionDestination {
                    composition,
                    destination,
                } => {
                    let named = (composition.clone(), destination.clone());
                    self.composites.insert(named);
                }
                Effect::StopJob { job, generation } => {
                    assert_eq!(self.runs.get(job), Some(generation), "{job} runs");
                }
                Effect::AbandonJob { job, generation } => {
                    assert_eq!(self.runs.remove(job), Some(*generation), "{job} runs");
                }
                Effect::Revoke { .. }
                | Effect::RevokeConnectionToken { .. }
                | Effect::StageChanged { .. } => {}
            }
        }
        assert_eq!(
            self.open,
            after.connections.keys().cloned().collect(),
            "open connections are those with a row"
        );
        self.check_routes(after);
        let leased = after.jobs.values().filter(|row| row.lease().is_some());
        let leased: BTreeMap<JobId, u32> =
            leased.map(|row| (row.id.clone(), row.generation)).collect();
        assert_eq!(self.runs, leased, "a lease is of a start that runs");
        self.check_recordings(after);
        if !matches!(command, Command::Recover) {
            check_changed(before, after, decision);
        }
    }

    /// Runners know what their jobs are to do, and what is captured is brought to its bucket.
    #[track_caller]
    fn check_recordings(&self, world: &World) {
        // A recording that is to end needs no news.
        for row in world
            .jobs
            .values()
            .filter(|row| row.lease().is_some() && !row.stop_requested)
        {
            assert_eq!(self.tasks.get(&row.id), Some(&row.spec), "{row:?}");
        }
        for row in world.recordings.values() {
            let job = world.jobs.get(&row.id.job());
            let is_captured = job.is_none_or(|job| !job.is_live());
            if row.state == RecordingState::Stopping && is_captured {
                assert!(self.finishes.contains(&row.id), "{row:?} is never finished");
            }
        }
        for row in world.compositions.values() {
            let job = world.jobs.get(&row.id.job());
            let is_made = job.is_none_or(|job| !job.is_live());
            for destination in &row.destinations {
                let is_recorded = destination.target.recording().is_some();
                if is_made && is_recorded && !destination.state.is_final() {
                    let named = (row.id.clone(), destination.id.clone());
                    assert!(
                        self.composites.contains(&named),
                        "{row:?} is never finished"
                    );
                }
            }
        }
    }

    fn drop(&mut self, connection: &ConnectionId) {
        self.open.remove(connection);
        self.receives.remove(connection);
        self.feeds.retain(|_, feeder| feeder != connection);
    }

    #[track_caller]
    fn check_routes(&self, world: &World) {
        for row in world.connections.values() {
            match &row.kind {
                ConnectionKind::Publish => {
                    let key = PublicationKey {
                        session: row.session.clone(),
                        participant: row.participant.clone(),
                    };
                    assert_eq!(
                        self.feeds.get(&key),
                        Some(&row.id),
                        "{row:?} feeds its publication"
                    );
                }
                ConnectionKind::Subscribe { publisher } => {
                    let key = &self.receives[&row.id];
                    assert_eq!(key.participant, *publisher);
                    // What it receives is fed, or was and may be again: never a session that is over.
                    assert!(
                        world.sessions[&key.session].ended_at.is_none(),
                        "{row:?} receives from the past"
                    );
                }
                ConnectionKind::Events => {}
            }
        }
    }
}

/// StageChanged, once, for exactly those stages whose publishers changed.
#[track_caller]
fn check_changed(before: &World, after: &World, decision: &Decision) {
    let shown = |world: &World, stage: &StageId| -> Shown {
        let rows = world
            .participants
            .values()
            .filter(|row| row.publishing && row.stage == *stage);
        rows.map(|row| {
            (
                row.id.clone(),
                (row.user_id.clone(), row.attributes.clone()),
            )
        })
        .collect()
    };
    let expected: Vec<&StageId> = after
        .stages
        .keys()
        .filter(|stage| shown(before, stage) != shown(after, stage))
        .collect();
    let told: Vec<&StageId> = decision
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::StageChanged { stage } => Some(stage),
            _ => None,
        })
        .collect();
    assert_eq!(
        told, expected,
        "stages told of a change are those that changed"
    );
}
