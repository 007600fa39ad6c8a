//! Loads the rows that a command needs into a [`World`].
//!
//! [`World::select`] defines the meaning of each [`Need`]; this module does the same on tables. It works in rounds
//! over sets of keys, never row by row, so that a participant with a thousand replicas, or a stage with ten
//! thousand connections, needs only a few statements per chunk of keys.

pub(crate) mod compositions;
pub(crate) mod connection_tokens;
pub(crate) mod recordings;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};

use restage_core::id::{JobId, ParticipantId, StageId, StageSessionId};
use restage_core::row::{
    COMPOSITION_JOB, Composition, CompositionId, Connection, ConnectionKind, ConnectionTokenKey,
    IngestConfiguration, Job, Participant, Plain as _, PlainRow, RECORDING_JOB, Recording,
    RecordingId, Replica, Stage,
};
use restage_core::{Need, World};

use crate::error::StoreError;
use crate::sql;

/// A participant in a stage session.
pub(crate) type PresenceKey = (StageSessionId, ParticipantId);

/// Loads what `needs` name, in the connection's open transaction.
pub(crate) async fn world(
    connection: &mut sql::Connection,
    needs: &[Need],
) -> Result<World, StoreError> {
    let mut loader = Loader {
        connection,
        world: World::default(),
        active: BTreeMap::new(),
        wanted: Wanted::default(),
    };
    loader.name_stages(needs).await?;
    loader.expand(needs).await?;
    loader.follow_ingests().await?;
    loader.follow_replications().await?;
    loader.load_audiences().await?;
    loader.load_presences().await?;
    loader.load_recordings().await?;
    loader.load_rest().await?;
    Ok(loader.world)
}

/// The keys that are still to be loaded.
#[derive(Default)]
struct Wanted {
    /// Stages of [`Need::Live`].
    live: BTreeSet<StageId>,
    /// Participants whose reconnect windows are over, by source stage; and those whose connections are to be ended.
    due: BTreeSet<(StageId, ParticipantId)>,
    /// Participants of [`Need::Ingest`], by stage.
    ingests: BTreeSet<(StageId, ParticipantId)>,
    /// Accounts and Regions of [`Need::Ingest`].
    regions: BTreeSet<(String, String)>,
    /// Keys of [`Need::Participant`] in an active session.
    participants: BTreeSet<PresenceKey>,
    /// Participants whose ACTIVE replica rows are needed.
    replications: BTreeSet<ParticipantId>,
    /// Keys of [`Need::Audience`].
    audiences: BTreeSet<PresenceKey>,
    /// Keys of [`Need::Presence`].
    presences: BTreeSet<PresenceKey>,
    /// Keys of which only the participant row is needed.
    rows: BTreeSet<PresenceKey>,
    sessions: BTreeSet<StageSessionId>,
    /// Participants whose open recordings are needed.
    recorded: BTreeSet<ParticipantId>,
    /// Recordings that are captured by jobs.
    recordings: BTreeSet<RecordingId>,
    /// Compositions that are made by jobs.
    compositions: BTreeSet<CompositionId>,
    /// Jobs that capture recordings or make compositions, if they have not ended.
    captures: BTreeSet<JobId>,
    /// Stages whose jobs are to be counted.
    job_counts: BTreeSet<StageId>,
    /// Destination stages of replicas; the row of each is needed.
    destinations: BTreeSet<StageId>,
    occupancies: BTreeSet<StageSessionId>,
    /// Sessions whose connections are all loaded.
    complete: BTreeSet<StageSessionId>,
}

struct Loader<'c> {
    connection: &'c mut sql::Connection,
    world: World,
    /// The active sessions of the needed stages.
    active: BTreeMap<StageId, StageSessionId>,
    wanted: Wanted,
}

impl Loader<'_> {
    /// Finds the stages that the needs name, and their active sessions.
    async fn name_stages(&mut self, needs: &[Need]) -> Result<(), StoreError> {
        let mut named = BTreeSet::new();
        let mut shown = BTreeSet::new();
        for need in needs {
            match need {
                Need::Stage(stage) => {
                    shown.insert(stage.clone());
                }
                Need::Presence(stage, _)
                | Need::Participant(stage, _)
                | Need::Audience(stage, _)
                | Need::Replications(stage, _)
                | Need::Occupancy(stage) => {
                    named.insert(stage.clone());
                }
                Need::Replica {
                    source,
                    destination,
                    ..
                } => {
                    named.extend([source.clone(), destination.clone()]);
                }
                Need::Live(stage) => {
                    self.wanted.live.insert(stage.clone());
                }
                Need::Due {
                    now,
                    idle_before,
                    opened_before,
                } => {
                    for row in rows::replicas_due(self.connection, *now).await? {
                        named.insert(row.source_stage.clone());
                        let due = (row.source_stage.clone(), row.participant.clone());
                        self.wanted.due.insert(due);
                        self.world.replicas.insert(row.key(), row);
                    }
                    let idle = rows::stages_idle(self.connection, *idle_before).await?;
                    self.wanted.live.extend(idle);
                    let overdue = match opened_before {
                        Some(by) => rows::connections_overdue(self.connection, *by).await?,
                        None => Vec::new(),
                    };
                    shown.extend(self.take_connections(overdue));
                }
                Need::ConnectionToken(token) => {
                    let rows = connection_tokens::opened_with(self.connection, token).await?;
                    shown.extend(self.take_connections(rows));
                }
                Need::Ingest(id) => {
                    let row = rows::plain_row(self.connection, &id.clone().into()).await?;
                    let row = row.and_then(IngestConfiguration::take);
                    shown.extend(row.and_then(|row| self.take_ingest(row)));
                }
                Need::IngestBy(stage, participant) => {
                    for row in rows::ingests_by(self.connection, stage, participant).await? {
                        shown.extend(self.take_ingest(row));
                    }
                }
                Need::JobsDue(now) => {
                    let jobs = rows::jobs_due(self.connection, *now).await?;
                    shown.extend(jobs.iter().map(|row| row.stage.clone()));
                    self.take_jobs(jobs);
                }
                Need::Job(id) => {
                    let job = rows::job(self.connection, id).await?;
                    shown.extend(job.iter().map(|row| row.stage.clone()));
                    self.take_jobs(job);
                }
                Need::CompositionsDue(now) => {
                    let rows = compositions::due(self.connection, *now).await?;
                    shown.extend(rows.iter().map(|row| row.stage.clone()));
                    self.take_compositions(rows);
                }
                Need::Everything => {
                    let jobs = rows::jobs_live(self.connection).await?;
                    shown.extend(jobs.iter().map(|row| row.stage.clone()));
                    self.take_jobs(jobs);
                    let stages = rows::stages_with_session(self.connection).await?;
                    self.wanted.live.extend(stages);
                }
                Need::StageCount { .. }
                | Need::PlainCount { .. }
                | Need::RegionCount { .. }
                | Need::Plain(_)
                | Need::IngestsOf(_)
                | Need::PublicKeyPoint { .. }
                | Need::Token(..)
                | Need::Revocation(_)
                | Need::JobsOf(_)
                | Need::Recorded(..)
                | Need::Recording(_)
                | Need::RecordingsOf(_)
                | Need::RecordingsDue(_)
                | Need::RecordingCount(_)
                | Need::StorageUse(_)
                | Need::Composition(_)
                | Need::CompositionByToken { .. }
                | Need::CompositionsOf(_)
                | Need::CompositionCount { .. }
                | Need::EncoderUse(_)
                | Need::ChannelUse(_)
                | Need::Session(_) => {}
            }
        }
        shown.extend(self.wanted.live.iter().cloned());
        named.extend(shown.iter().cloned());
        for row in rows::stages(self.connection, named).await? {
            if let Some(session) = &row.active_session {
                self.active.insert(row.id.clone(), session.clone());
            }
            if shown.contains(&row.id) {
                self.take_stage(row);
            }
        }
        Ok(())
    }

    /// Takes the row, and wants its active session.
    fn take_stage(&mut self, row: Stage) {
        self.wanted.sessions.extend(row.active_session.clone());
        self.world.stages.insert(row.id.clone(), row);
    }

    fn place(&self, stage: &StageId, participant: &ParticipantId) -> Option<PresenceKey> {
        Some((self.active.get(stage)?.clone(), participant.clone()))
    }

    /// Turns needs into sets of keys, and loads those that are single rows.
    async fn expand(&mut self, needs: &[Need]) -> Result<(), StoreError> {
        for need in needs {
            match need {
                Need::StageCount { account, region } => {
                    self.world.stage_count =
                        rows::stage_count(self.connection, account, region).await?;
                }
                Need::PlainCount {
                    kind,
                    account,
                    region,
                } => {
                    let count = rows::plain_count(self.connection, *kind, account, region).await?;
                    self.world.plain_counts.insert(*kind, count);
                }
                Need::RegionCount { account, region } => {
                    self.wanted
                        .regions
                        .insert((account.clone(), region.clone()));
                }
                Need::Plain(id) => {
                    let row = rows::plain_row(self.connection, id).await?;
                    self.take_plain(row);
                }
                Need::IngestsOf(stage) => {
                    for row in rows::ingests_of(self.connection, stage).await? {
                        self.take_plain(Some(row.into()));
                    }
                }
                Need::PublicKeyPoint {
                    account,
                    region,
                    point,
                } => {
                    let row = rows::public_key_with_point(self.connection, account, region, point)
                        .await?;
                    self.take_plain(row);
                }
                Need::Token(stage, participant) => {
                    let row = rows::token(self.connection, stage, participant).await?;
                    self.world
                        .tokens
                        .extend(row.map(|row| ((row.stage.clone(), row.participant.clone()), row)));
                }
                Need::Revocation(token) => self.load_revocation(token).await?,
                Need::ConnectionToken(token) => {
                    self.load_revocation(token).await?;
                    let (account, region) = (&token.account, &token.region);
                    let count =
                        connection_tokens::revocation_count(self.connection, account, region)
                            .await?;
                    let key = (account.clone(), region.clone());
                    self.world.revocation_counts.insert(key, count);
                }
                Need::Presence(stage, participant) => {
                    self.wanted.presences.extend(self.place(stage, participant));
                }
                Need::Audience(stage, participant) => {
                    self.wanted.audiences.extend(self.place(stage, participant));
                }
                Need::Participant(stage, participant) => self.want_participant(stage, participant),
                Need::Replications(stage, participant) => {
                    if let Some(place) = self.place(stage, participant) {
                        let count = rows::replications(self.connection, &place).await?;
                        self.world.replications.insert(place, count);
                    }
                }
                Need::Replica {
                    source,
                    participant,
                    destination,
                } => {
                    self.load_replica(source, participant, destination).await?;
                }
                Need::Occupancy(stage) => {
                    self.wanted
                        .occupancies
                        .extend(self.active.get(stage).cloned());
                }
                Need::Session(id) => {
                    self.wanted.sessions.insert(id.clone());
                }
                Need::Everything => {
                    let rows = rows::replicas_active(self.connection).await?;
                    self.take_replicas(rows);
                    let rows = rows::connections_all(self.connection).await?;
                    self.world
                        .connections
                        .extend(rows.into_iter().map(|row| (row.id.clone(), row)));
                    self.wanted.complete.extend(self.active.values().cloned());
                    let rows = recordings::unfinished(self.connection).await?;
                    self.take_recordings(rows);
                    let rows = compositions::all(self.connection).await?;
                    self.take_compositions(rows);
                }
                Need::JobsOf(stage) => {
                    let jobs = rows::jobs_of(self.connection, stage).await?;
                    self.take_jobs(jobs);
                }
                Need::Recorded(stage, participant) => {
                    self.wanted.recorded.insert(participant.clone());
                    self.wanted.job_counts.insert(stage.clone());
                }
                Need::Recording(id) => {
                    let rows = recordings::recordings(self.connection, [id.clone()].into()).await?;
                    self.take_recordings(rows);
                }
                Need::RecordingsOf(stage) => {
                    let rows = recordings::open_of_stage(self.connection, stage).await?;
                    self.take_recordings(rows);
                }
                Need::RecordingsDue(now) => {
                    let rows = recordings::due(self.connection, *now).await?;
                    self.take_recordings(rows);
                }
                Need::RecordingCount(stage) => {
                    let count = recordings::count_of_stage(self.connection, stage).await?;
                    self.world.recording_counts.insert(stage.clone(), count);
                }
                Need::StorageUse(id) => {
                    let uses = recordings::storage_use(self.connection, id).await?;
                    self.world.storage_uses.insert(id.clone(), uses);
                }
                Need::Composition(_)
                | Need::CompositionByToken { .. }
                | Need::CompositionsOf(_)
                | Need::CompositionCount { .. }
                | Need::EncoderUse(_)
                | Need::ChannelUse(_) => self.expand_compositions(need).await?,
                Need::Stage(_)
                | Need::Live(_)
                | Need::Due { .. }
                | Need::Ingest(_)
                | Need::IngestBy(..)
                | Need::Job(_)
                | Need::JobsDue(_)
                | Need::CompositionsDue(_) => {}
            }
        }
        for (account, region) in std::mem::take(&mut self.wanted.regions) {
            let count = rows::region_count(self.connection, &account, &region).await?;
            self.world.regions.insert((account, region), count);
        }
        let mut wanted = std::mem::take(&mut self.wanted.due);
        wanted.append(&mut self.wanted.ingests);
        for (stage, participant) in wanted {
            self.want_participant(&stage, &participant);
        }
        for stage in std::mem::take(&mut self.wanted.live) {
            self.load_live(&stage).await?;
        }
        Ok(())
    }

    /// [`expand`](Self::expand) for what is about compositions.
    async fn expand_compositions(&mut self, need: &Need) -> Result<(), StoreError> {
        match need {
            Need::Composition(id) => {
                let ids = [id.clone()].into();
                let rows = compositions::compositions(self.connection, ids).await?;
                self.take_compositions(rows);
            }
            Need::CompositionByToken {
                account,
                region,
                token,
            } => {
                let rows = compositions::by_token(self.connection, account, region, token).await?;
                self.take_compositions(rows);
            }
            Need::CompositionsOf(stage) => {
                let rows = compositions::of_stage(self.connection, stage).await?;
                self.take_compositions(rows);
            }
            Need::CompositionCount {
                account,
                region,
                stage,
            } => {
                let count = compositions::count(self.connection, account, region).await?;
                let key = (account.clone(), region.clone());
                self.world.composition_counts.insert(key, count);
                let count = compositions::count_of_stage(self.connection, stage).await?;
                let counts = &mut self.world.stage_composition_counts;
                counts.insert(stage.clone(), count);
            }
            Need::EncoderUse(id) => {
                let count = compositions::encoder_use(self.connection, id).await?;
                self.world.encoder_uses.insert(id.clone(), count);
            }
            Need::ChannelUse(arn) => {
                let count = compositions::channel_use(self.connection, arn).await?;
                self.world.channel_uses.insert(arn.clone(), count);
            }
            _ => {}
        }
        Ok(())
    }

    fn want_participant(&mut self, stage: &StageId, participant: &ParticipantId) {
        self.wanted.replications.insert(participant.clone());
        self.wanted.recorded.insert(participant.clone());
        self.wanted.job_counts.insert(stage.clone());
        if let Some(place) = self.place(stage, participant) {
            self.wanted.presences.insert(place.clone());
            self.wanted.audiences.insert(place.clone());
            self.wanted.occupancies.insert(place.0.clone());
            self.wanted.participants.insert(place);
        }
    }

    async fn load_revocation(&mut self, token: &ConnectionTokenKey) -> Result<(), StoreError> {
        let row = connection_tokens::revocation(self.connection, token).await?;
        let row = row.map(|row| (row.key(), row));
        self.world.revocations.extend(row);
        Ok(())
    }

    async fn load_replica(
        &mut self,
        source: &StageId,
        participant: &ParticipantId,
        destination: &StageId,
    ) -> Result<(), StoreError> {
        let between = self.active.get(source).zip(self.active.get(destination));
        if let Some((source, destination)) = between {
            let row = rows::replica(self.connection, source, participant, destination).await?;
            self.take_replicas(row);
        }
        Ok(())
    }

    async fn load_live(&mut self, stage: &StageId) -> Result<(), StoreError> {
        let Some(session) = self.active.get(stage).cloned() else {
            return Ok(());
        };
        if self.wanted.complete.insert(session.clone()) {
            let rows = rows::connections_of_session(self.connection, &session).await?;
            self.world
                .connections
                .extend(rows.into_iter().map(|row| (row.id.clone(), row)));
        }
        for row in rows::participants_live(self.connection, &session).await? {
            self.want_participant(stage, &row.id);
            self.take_participant(row);
        }
        Ok(())
    }

    /// Adds the other participants of redundant ingests.
    async fn follow_ingests(&mut self) -> Result<(), StoreError> {
        let places = self.wanted.participants.clone();
        for row in self.missing_participants(places.clone()).await? {
            self.take_participant(row);
        }
        let rows = places
            .iter()
            .filter_map(|place| self.world.participants.get(place));
        let linked: Vec<(StageId, ParticipantId)> = rows
            .flat_map(|row| {
                let others = row.ingest.iter().flat_map(|link| link.others(&row.id));
                others.map(|id| (row.stage.clone(), id.clone()))
            })
            .collect();
        for (stage, participant) in linked {
            self.want_participant(&stage, &participant);
        }
        Ok(())
    }

    /// Loads ACTIVE replica rows and adds the keys that follow from them.
    async fn follow_replications(&mut self) -> Result<(), StoreError> {
        let wanted = std::mem::take(&mut self.wanted.replications);
        let replicas = rows::replicas_of(self.connection, wanted).await?;
        let mut sources = BTreeSet::new();
        for row in &replicas {
            let source = (row.source_session.clone(), row.participant.clone());
            let destination = (row.destination_session.clone(), row.participant.clone());
            if self.wanted.participants.contains(&source) {
                self.wanted
                    .destinations
                    .insert(row.destination_stage.clone());
                self.wanted.job_counts.insert(row.destination_stage.clone());
                self.wanted.sessions.insert(destination.0.clone());
                self.wanted.occupancies.insert(destination.0.clone());
                self.wanted.audiences.insert(destination.clone());
                self.wanted.rows.insert(destination.clone());
            }
            if self.wanted.participants.contains(&destination) {
                sources.insert(source);
            }
        }
        self.take_replicas(replicas);
        for row in self.missing_participants(sources.clone()).await? {
            self.take_participant(row);
        }
        let away = |place: &PresenceKey| {
            self.world
                .participants
                .get(place)
                .is_some_and(|row| !row.publishing)
        };
        self.wanted
            .audiences
            .extend(sources.into_iter().filter(away));
        Ok(())
    }

    /// Turns the subscribers of each needed publisher into presences.
    async fn load_audiences(&mut self) -> Result<(), StoreError> {
        let (known, unknown): (BTreeSet<PresenceKey>, BTreeSet<PresenceKey>) =
            std::mem::take(&mut self.wanted.audiences)
                .into_iter()
                .partition(|(session, _)| self.wanted.complete.contains(session));
        for row in self.world.connections.values() {
            if let ConnectionKind::Subscribe { publisher } = &row.kind
                && known.contains(&(row.session.clone(), publisher.clone()))
            {
                self.wanted
                    .presences
                    .insert((row.session.clone(), row.participant.clone()));
            }
        }
        self.wanted
            .presences
            .extend(rows::subscribers(self.connection, unknown).await?);
        Ok(())
    }

    /// Loads rows and connections of each needed presence, and adds the publishers they watch as rows to load.
    async fn load_presences(&mut self) -> Result<(), StoreError> {
        let presences = std::mem::take(&mut self.wanted.presences);
        let unknown = presences
            .iter()
            .filter(|(session, _)| !self.wanted.complete.contains(session))
            .cloned()
            .collect();
        let rows = rows::connections_of(self.connection, unknown).await?;
        self.world
            .connections
            .extend(rows.into_iter().map(|row| (row.id.clone(), row)));
        for row in self.world.connections.values() {
            if let ConnectionKind::Subscribe { publisher } = &row.kind
                && presences.contains(&(row.session.clone(), row.participant.clone()))
            {
                self.wanted
                    .rows
                    .insert((row.session.clone(), publisher.clone()));
            }
        }
        self.wanted.rows.extend(presences);
        Ok(())
    }

    /// Loads the open recordings of participants, the recordings and compositions of jobs, the jobs of both, and what decides
    /// whether another recording may begin.
    async fn load_recordings(&mut self) -> Result<(), StoreError> {
        let wanted = std::mem::take(&mut self.wanted.recorded);
        let rows = recordings::open_of(self.connection, wanted).await?;
        self.take_recordings(rows);
        let mut wanted = std::mem::take(&mut self.wanted.captures);
        wanted.retain(|id| !self.world.jobs.contains_key(id));
        for row in recordings::jobs(self.connection, wanted).await? {
            self.world.jobs.insert(row.id.clone(), row);
        }
        let mut wanted = std::mem::take(&mut self.wanted.compositions);
        wanted.retain(|id| !self.world.compositions.contains_key(id));
        for row in compositions::compositions(self.connection, wanted).await? {
            self.world.compositions.insert(row.id.clone(), row);
        }
        let mut wanted = std::mem::take(&mut self.wanted.recordings);
        wanted.retain(|id| !self.world.recordings.contains_key(id));
        for row in recordings::recordings(self.connection, wanted).await? {
            self.world.recordings.insert(row.id.clone(), row);
        }
        let wanted = std::mem::take(&mut self.wanted.job_counts);
        let counts = recordings::job_counts(self.connection, wanted).await?;
        self.world.job_counts.extend(counts);
        let mut wanted = std::mem::take(&mut self.wanted.destinations);
        wanted.retain(|id| !self.world.stages.contains_key(id));
        for row in rows::stages(self.connection, wanted).await? {
            self.take_stage(row);
        }
        Ok(())
    }

    async fn load_rest(&mut self) -> Result<(), StoreError> {
        let wanted = std::mem::take(&mut self.wanted.rows);
        for row in self.missing_participants(wanted).await? {
            self.take_participant(row);
        }
        let wanted = std::mem::take(&mut self.wanted.sessions);
        for row in rows::sessions(self.connection, wanted).await? {
            self.world.sessions.insert(row.id.clone(), row);
        }
        let wanted = std::mem::take(&mut self.wanted.occupancies);
        self.world.occupancy = rows::occupancies(self.connection, wanted).await?;
        Ok(())
    }

    async fn missing_participants(
        &mut self,
        mut places: BTreeSet<PresenceKey>,
    ) -> Result<Vec<Participant>, StoreError> {
        places.retain(|place| !self.world.participants.contains_key(place));
        rows::participants(self.connection, places).await
    }

    /// Takes connections, and wants all that changes when their participants go. Returns their stages.
    fn take_connections(&mut self, rows: Vec<Connection>) -> BTreeSet<StageId> {
        let mut stages = BTreeSet::new();
        for row in rows {
            stages.insert(row.stage.clone());
            let due = (row.stage.clone(), row.participant.clone());
            self.wanted.due.insert(due);
            self.world.connections.insert(row.id.clone(), row);
        }
        stages
    }

    fn take_participant(&mut self, row: Participant) {
        self.world
            .participants
            .insert((row.session.clone(), row.id.clone()), row);
    }

    fn take_plain(&mut self, row: Option<PlainRow>) {
        self.world.plain.extend(row.map(|row| (row.id(), row)));
    }

    /// Takes an ingest configuration, and wants its participants in its stage, which it returns.
    fn take_ingest(&mut self, row: IngestConfiguration) -> Option<StageId> {
        let stage = row.stage.clone();
        if let Some(stage) = &stage {
            let participants = row.participants().into_iter();
            let places = participants.map(|id| (stage.clone(), id.clone()));
            self.wanted.ingests.extend(places);
            let region = (row.account.clone(), row.region.clone());
            self.wanted.regions.insert(region);
        }
        self.take_plain(Some(row.into()));
        stage
    }

    /// Takes jobs, and wants the recordings that they capture and the compositions that they make.
    fn take_jobs(&mut self, rows: impl IntoIterator<Item = Job>) {
        for row in rows {
            if row.kind == RECORDING_JOB {
                self.wanted.recordings.insert(RecordingId::of_job(&row.id));
            }
            if row.kind == COMPOSITION_JOB {
                let id = CompositionId::of_job(&row.id);
                self.wanted.compositions.insert(id);
            }
            self.world.jobs.insert(row.id.clone(), row);
        }
    }

    /// Takes recordings, and wants the jobs that capture them.
    fn take_recordings(&mut self, rows: impl IntoIterator<Item = Recording>) {
        for row in rows {
            self.wanted.captures.insert(row.id.job());
            self.world.recordings.insert(row.id.clone(), row);
        }
    }

    /// Takes compositions, and wants the jobs that make them.
    fn take_compositions(&mut self, rows: impl IntoIterator<Item = Composition>) {
        for row in rows {
            self.wanted.captures.insert(row.id.job());
            self.world.compositions.insert(row.id.clone(), row);
        }
    }

    fn take_replicas(&mut self, rows: impl IntoIterator<Item = Replica>) {
        self.world
            .replicas
            .extend(rows.into_iter().map(|row| (row.key(), row)));
    }
}
