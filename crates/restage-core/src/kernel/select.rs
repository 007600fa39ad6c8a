//! Which rows each [`Need`] names, on a world that holds every row. This is the reference that the store's
//! queries are compared with, and shows in tests that decisions look at nothing else.

use crate::id::{JobId, ParticipantId, StageId, StageSessionId, Time};
use crate::kernel::need::Need;
use crate::kernel::world::World;
use crate::row::{
    COMPOSITION_JOB, Composition, CompositionId, Connection, ConnectionKind, ConnectionTokenKey,
    IngestConfiguration, IngestConfigurationId, Job, Participant, Plain as _, PlainRow, PublicKey,
    RECORDING_JOB, Recording, RecordingId, Replica,
};

impl World {
    /// The rows these needs name, and no others.
    pub fn select(&self, needs: &[Need]) -> Self {
        let mut selection = Selection {
            all: self,
            rows: Self::default(),
        };
        for need in needs {
            selection.need(need);
        }
        selection.rows
    }
}

struct Selection<'a> {
    all: &'a World,
    rows: World,
}

impl<'a> Selection<'a> {
    fn need(&mut self, need: &Need) {
        match need {
            Need::Stage(id) => self.stage(id),
            Need::StageCount { account, region } => {
                self.rows.stage_count = self.all.stage_count_of(account, region)
            }
            Need::PlainCount {
                kind,
                account,
                region,
            } => {
                let count = self.all.plain_count_of(*kind, account, region);
                self.rows.plain_counts.insert(*kind, count);
            }
            Need::RegionCount { account, region } => {
                let key = (account.clone(), region.clone());
                let count = self.all.region_count(account, region);
                self.rows.regions.insert(key, count);
            }
            Need::Plain(id) => self.plain(|row| row.id() == *id),
            Need::PublicKeyPoint {
                account,
                region,
                point,
            } => self.plain(|row| {
                let named = |row: &PublicKey| {
                    (&row.account, &row.region, &row.point) == (account, region, point)
                };
                PublicKey::of(row).is_some_and(named)
            }),
            Need::Ingest(id) => self.ingest(id),
            Need::IngestsOf(stage) => self.ingests(|row| row.stage.as_ref() == Some(stage)),
            Need::IngestBy(stage, participant) => {
                let all = self.all.plain_of::<IngestConfiguration>();
                let here = all.filter(|row| row.stage.as_ref() == Some(stage));
                let named = here.filter(|row| row.participants().contains(&participant));
                for id in named.map(|row| row.id.clone()).collect::<Vec<_>>() {
                    self.ingest(&id);
                }
            }
            Need::Token(stage, id) => {
                let key = (stage.clone(), id.clone());
                let row = self.all.tokens.get(&key).cloned();
                self.rows.tokens.extend(row.map(|row| (key, row)));
            }
            Need::Revocation(token) => self.revocation(token),
            Need::ConnectionToken(token) => {
                self.revocation(token);
                let count = self.all.revocation_count_of(&token.account, &token.region);
                let key = (token.account.clone(), token.region.clone());
                self.rows.revocation_counts.insert(key, count);
                self.connections(self.all.opened_with(token));
            }
            Need::Presence(stage, id) => {
                self.in_active(stage, |this, session| this.presence(session, id))
            }
            Need::Replications(stage, id) => self.in_active(stage, |this, session| {
                let count = this.all.replications_of(session, id);
                let key = (session.clone(), id.clone());
                this.rows.replications.insert(key, count);
            }),
            Need::Participant(stage, id) => self.everything_of(stage, id),
            Need::Recorded(stage, id) => self.recorded(stage, id),
            Need::Audience(stage, id) => {
                self.in_active(stage, |this, session| this.audience(session, id))
            }
            Need::Replica {
                source,
                participant,
                destination,
            } => {
                if let Some(between) = self.active(source).zip(self.active(destination)) {
                    let named = |row: &Replica| {
                        (row.source_session.clone(), row.destination_session.clone()) == between
                    };
                    self.replicas(|row| row.participant == *participant && named(row));
                }
            }
            Need::Live(stage) => self.live(stage),
            Need::Occupancy(stage) => self.in_active(stage, Self::occupancy),
            Need::Due {
                now,
                idle_before,
                opened_before,
            } => {
                self.due(*now, *idle_before);
                if let Some(opened_before) = opened_before {
                    self.overdue(*opened_before);
                }
            }
            Need::Everything => {
                let stages = self
                    .all
                    .stages
                    .values()
                    .filter(|row| row.active_session.is_some());
                for id in stages.map(|row| row.id.clone()).collect::<Vec<_>>() {
                    self.live(&id);
                }
                self.replicas(|row| row.active);
                self.rows.connections.clone_from(&self.all.connections);
                let jobs = self.all.jobs.values().filter(|row| row.is_live());
                self.jobs_with_stages(jobs.collect());
                self.recordings(|row| !row.state.is_final());
                self.compositions(|_| true);
            }
            Need::Job(id) => self.job(id),
            Need::JobsOf(stage) => self.jobs(|row| row.stage == *stage && row.is_live()),
            Need::Recording(id) => self.recordings(|row| row.id == *id),
            Need::RecordingsOf(stage) => self.recordings(|row| {
                row.is_open() && (row.stage == *stage || row.source.as_ref() == Some(stage))
            }),
            Need::RecordingsDue(now) => {
                let due = self.all.due_recordings(*now);
                let due: Vec<&RecordingId> = due.into_iter().map(|row| &row.id).collect();
                self.recordings(|row| due.contains(&&row.id));
            }
            Need::RecordingCount(stage) => {
                let count = self.all.recording_count_of(stage);
                self.rows.recording_counts.insert(stage.clone(), count);
            }
            Need::StorageUse(id) => {
                let uses = self.all.storage_use_of(id);
                self.rows.storage_uses.insert(id.clone(), uses);
            }
            Need::JobsDue(now) => {
                self.jobs_with_stages(self.all.due_jobs(*now));
            }
            Need::Composition(_)
            | Need::CompositionByToken { .. }
            | Need::CompositionsOf(_)
            | Need::CompositionsDue(_)
            | Need::CompositionCount { .. }
            | Need::EncoderUse(_)
            | Need::ChannelUse(_) => self.of_compositions(need),
            Need::Session(id) => self.session(id),
        }
    }

    fn of_compositions(&mut self, need: &Need) {
        match need {
            Need::Composition(id) => self.compositions(|row| row.id == *id),
            Need::CompositionByToken {
                account,
                region,
                token,
            } => self.compositions(|row| {
                let used = row.idempotency.as_ref().map(|used| &used.token);
                (&row.account, &row.region, used) == (account, region, Some(token))
            }),
            Need::CompositionsOf(stage) => {
                self.compositions(|row| row.stage == *stage && !row.state.is_final());
            }
            Need::CompositionsDue(now) => {
                let due = self.all.due_compositions(*now);
                let due: Vec<&CompositionId> = due.into_iter().map(|row| &row.id).collect();
                self.compositions(|row| due.contains(&&row.id));
                for id in due {
                    if let Some(row) = self.all.compositions.get(id) {
                        self.stage(&row.stage);
                    }
                }
            }
            Need::CompositionCount {
                account,
                region,
                stage,
            } => {
                let key = (account.clone(), region.clone());
                let count = self.all.composition_count_of(account, region);
                self.rows.composition_counts.insert(key, count);
                let count = self.all.stage_composition_count_of(stage);
                self.rows
                    .stage_composition_counts
                    .insert(stage.clone(), count);
            }
            Need::EncoderUse(id) => {
                let count = self.all.encoder_use_of(id);
                self.rows.encoder_uses.insert(id.clone(), count);
            }
            Need::ChannelUse(arn) => {
                let count = self.all.channel_use_of(arn);
                self.rows.channel_uses.insert(arn.clone(), count);
            }
            _ => {}
        }
    }

    fn active(&self, stage: &StageId) -> Option<StageSessionId> {
        self.all.stages.get(stage)?.active_session.clone()
    }

    fn in_active(&mut self, stage: &StageId, load: impl FnOnce(&mut Self, &StageSessionId)) {
        if let Some(session) = self.active(stage) {
            load(self, &session);
        }
    }

    fn stage(&mut self, id: &StageId) {
        let Some(row) = self.all.stages.get(id) else {
            return;
        };
        self.rows.stages.insert(id.clone(), row.clone());
        self.in_active(id, Self::session);
    }

    fn plain(&mut self, wanted: impl Fn(&PlainRow) -> bool) {
        let rows = self.all.plain.iter().filter(|(_, row)| wanted(row));
        self.rows
            .plain
            .extend(rows.map(|(id, row)| (id.clone(), row.clone())));
    }

    fn ingests(&mut self, wanted: impl Fn(&IngestConfiguration) -> bool) {
        self.plain(|row| IngestConfiguration::of(row).is_some_and(&wanted));
    }

    fn ingest(&mut self, id: &IngestConfigurationId) {
        let id = id.clone().into();
        self.plain(|row| row.id() == id);
        let row = self.all.plain.get(&id).and_then(IngestConfiguration::of);
        let Some((row, stage)) = row.and_then(|row| Some((row, row.stage.as_ref()?))) else {
            return;
        };
        self.need(&Need::Stage(stage.clone()));
        self.need(&Need::Occupancy(stage.clone()));
        self.need(&Need::RegionCount {
            account: row.account.clone(),
            region: row.region.clone(),
        });
        for participant in row.participants() {
            self.everything_of(stage, participant);
        }
    }

    fn session(&mut self, id: &StageSessionId) {
        let row = self.all.sessions.get(id);
        self.rows
            .sessions
            .extend(row.map(|row| (id.clone(), row.clone())));
    }

    fn jobs(&mut self, wanted: impl Fn(&Job) -> bool) {
        for row in self.all.jobs.values().filter(|row| wanted(row)) {
            self.take_job(row);
        }
    }

    fn jobs_with_stages(&mut self, jobs: Vec<&Job>) {
        for row in jobs {
            self.take_job(row);
            self.stage(&row.stage);
        }
    }

    /// The job, with the recording that it captures or the composition that it makes.
    fn take_job(&mut self, job: &Job) {
        self.rows.jobs.insert(job.id.clone(), job.clone());
        if job.kind == COMPOSITION_JOB {
            let id = CompositionId::of_job(&job.id);
            let row = self.all.compositions.get(&id).cloned();
            self.rows.compositions.extend(row.map(|row| (id, row)));
        }
        if job.kind == RECORDING_JOB {
            let id = RecordingId::of_job(&job.id);
            let row = self.all.recordings.get(&id).cloned();
            self.rows.recordings.extend(row.map(|row| (id, row)));
        }
    }

    /// The recordings, each with its job unless that has ended.
    fn recordings(&mut self, wanted: impl Fn(&Recording) -> bool) {
        for row in self.all.recordings.values().filter(|row| wanted(row)) {
            self.rows.recordings.insert(row.id.clone(), row.clone());
            let job = self.all.jobs.get(&row.id.job());
            let job = job.filter(|job| job.is_live()).cloned();
            self.rows.jobs.extend(job.map(|job| (job.id.clone(), job)));
        }
    }

    /// The compositions, each with its job unless that has ended.
    fn compositions(&mut self, wanted: impl Fn(&Composition) -> bool) {
        for row in self.all.compositions.values().filter(|row| wanted(row)) {
            self.rows.compositions.insert(row.id.clone(), row.clone());
            let job = self.all.jobs.get(&row.id.job());
            let job = job.filter(|job| job.is_live()).cloned();
            self.rows.jobs.extend(job.map(|job| (job.id.clone(), job)));
        }
    }

    fn recorded(&mut self, stage: &StageId, id: &ParticipantId) {
        self.recordings(|row| row.participant == *id && row.is_open());
        self.job_count(stage);
    }

    fn job_count(&mut self, stage: &StageId) {
        let count = self.all.job_count_of(stage);
        self.rows.job_counts.insert(stage.clone(), count);
    }

    fn job(&mut self, id: &JobId) {
        let Some(row) = self.all.jobs.get(id) else {
            return;
        };
        if row.is_live() || self.all.stages.contains_key(&row.stage) {
            self.take_job(row);
            self.stage(&row.stage);
        }
    }

    fn participant(
        &mut self,
        session: &StageSessionId,
        id: &ParticipantId,
    ) -> Option<&Participant> {
        let key = (session.clone(), id.clone());
        let row = self.all.participants.get(&key)?;
        self.rows.participants.insert(key, row.clone());
        Some(row)
    }

    fn presence(&mut self, session: &StageSessionId, id: &ParticipantId) {
        self.participant(session, id);
        for row in self
            .all
            .connections
            .values()
            .filter(|row| row.session == *session && row.participant == *id)
        {
            self.rows.connections.insert(row.id.clone(), row.clone());
            if let ConnectionKind::Subscribe { publisher } = &row.kind {
                self.participant(session, publisher);
            }
        }
    }

    fn audience(&mut self, session: &StageSessionId, publisher: &ParticipantId) {
        let watching = ConnectionKind::Subscribe {
            publisher: publisher.clone(),
        };
        for row in self
            .all
            .connections
            .values()
            .filter(|row| row.session == *session && row.kind == watching)
        {
            self.presence(session, &row.participant);
        }
    }

    fn occupancy(&mut self, session: &StageSessionId) {
        self.rows
            .occupancy
            .insert(session.clone(), self.all.occupancy_of(session));
    }

    fn replicas(&mut self, wanted: impl Fn(&Replica) -> bool) {
        let rows = self.all.replicas.iter().filter(|(_, row)| wanted(row));
        self.rows
            .replicas
            .extend(rows.map(|(key, row)| (key.clone(), row.clone())));
    }

    fn everything_of(&mut self, stage: &StageId, id: &ParticipantId) {
        let row = self
            .active(stage)
            .and_then(|session| self.all.participants.get(&(session, id.clone())));
        let link = row.and_then(|row| row.ingest.clone());
        self.everything_of_one(stage, id);
        for other in link.iter().flat_map(|link| link.others(id)) {
            self.everything_of_one(stage, other);
        }
    }

    fn everything_of_one(&mut self, stage: &StageId, id: &ParticipantId) {
        let here = self.active(stage);
        if let Some(session) = &here {
            self.presence(session, id);
            self.audience(session, id);
            self.occupancy(session);
        }
        self.recorded(stage, id);
        for row in self
            .all
            .replicas
            .values()
            .filter(|row| row.active && row.participant == *id)
        {
            self.rows.replicas.insert(row.key(), row.clone());
            if here.as_ref() == Some(&row.source_session) {
                let there = &row.destination_session;
                self.stage(&row.destination_stage);
                self.job_count(&row.destination_stage);
                self.session(there);
                self.occupancy(there);
                self.participant(there, id);
                self.audience(there, id);
            }
            if here.as_ref() == Some(&row.destination_session) {
                let source = self.participant(&row.source_session, id);
                if source.is_some_and(|row| !row.publishing) {
                    self.audience(&row.source_session, id);
                }
            }
        }
    }

    fn live(&mut self, stage: &StageId) {
        self.stage(stage);
        let Some(session) = self.active(stage) else {
            return;
        };
        let connections = self
            .all
            .connections
            .iter()
            .filter(|(_, row)| row.session == session);
        self.rows
            .connections
            .extend(connections.map(|(id, row)| (id.clone(), row.clone())));
        let live = |row: &&Participant| row.connected || row.publishing || row.in_replication();
        let ids: Vec<ParticipantId> = self
            .all
            .participants_of(&session)
            .filter(live)
            .map(|row| row.id.clone())
            .collect();
        for id in ids {
            self.everything_of(stage, &id);
        }
    }

    fn overdue(&mut self, opened_before: Time) {
        self.connections(self.all.overdue(opened_before));
    }

    /// Connections, each with its stage and all that changes when its participant goes.
    fn connections(&mut self, rows: impl IntoIterator<Item = &'a Connection>) {
        for row in rows {
            self.rows.connections.insert(row.id.clone(), row.clone());
            self.stage(&row.stage);
            self.everything_of(&row.stage, &row.participant);
        }
    }

    fn revocation(&mut self, token: &ConnectionTokenKey) {
        let row = self.all.revocations.get(token).cloned();
        self.rows
            .revocations
            .extend(row.map(|row| (row.key(), row)));
    }

    fn due(&mut self, now: Time, idle_before: Time) {
        let over =
            |row: &&Replica| row.active && row.window_ends_at.is_some_and(|ends_at| ends_at <= now);
        for row in self.all.replicas.values().filter(over) {
            self.rows.replicas.insert(row.key(), row.clone());
            self.everything_of(&row.source_stage, &row.participant);
        }
        for row in self.all.sessions.values() {
            if row.ended_at.is_none() && row.idle_since.is_some_and(|since| since <= idle_before) {
                self.live(&row.stage);
            }
        }
    }
}
