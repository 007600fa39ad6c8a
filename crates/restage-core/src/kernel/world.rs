//! The rows a command looks at. The edge loads just what [`crate::needs`] names; tests and the
//! simulator keep a whole one and apply changes to it. Both must lead to the same decision.

use std::collections::{BTreeMap, BTreeSet};

use crate::arn::ChannelArn;
use crate::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId, Time};
use crate::limits::{JOBS_PER_TICK_MAX, OVERDUE_PER_TICK_MAX, RECORDINGS_PER_TICK_MAX};
use crate::row::{
    Composition, CompositionId, Connection, ConnectionKind, ConnectionTokenKey,
    EncoderConfigurationId, Job, Participant, Plain, PlainId, PlainKind, PlainRow, Recording,
    RecordingId, Replica, ReplicaKey, RevokedConnectionToken, Stage, StageEvent, StageSession,
    StorageConfigurationId, Token,
};

mod compositions;

/// How many participants a stage session has, counted over all its rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Occupancy {
    /// Participants that are publishing right now, replicas included. Of a redundant ingest its streams count, and not the
    /// virtual participant.
    pub publishing: u64,
    /// Participants that hold a publisher's place: they are publishing, or are an ACTIVE replica (its
    /// reconnect window included), or have a publishing connection open, established or not.
    pub publishers: u64,
    /// Participants with at least one subscription open, established or not.
    pub subscribers: u64,
}

/// What is live in one region of an account.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct RegionCount {
    /// Participants that hold a publisher's place, as in [`Occupancy`].
    pub publishers: u64,
    /// Subscriptions that are open, established or not.
    pub subscriptions: u64,
}

/// What uses a storage configuration.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StorageUse {
    /// Stages that refer to it.
    pub stages: u64,
    /// Recordings with it that are neither STOPPED nor FAILED.
    pub recordings: u64,
    /// Compositions that are recorded with it and are neither STOPPED nor FAILED.
    pub compositions: u64,
}

/// A set of rows by key.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct World {
    /// Stages, by id.
    pub stages: BTreeMap<StageId, Stage>,
    /// Stage sessions, by id.
    pub sessions: BTreeMap<StageSessionId, StageSession>,
    /// Tokens, by stage and participant id: self-signed tokens choose their own id, so two stages may have the same one.
    pub tokens: BTreeMap<(StageId, ParticipantId), Token>,
    /// Connection tokens that were revoked.
    pub revocations: BTreeMap<ConnectionTokenKey, RevokedConnectionToken>,
    /// Plain resources of every kind, by kind and id.
    pub plain: BTreeMap<PlainId, PlainRow>,
    /// Participants, by session and participant id.
    pub participants: BTreeMap<(StageSessionId, ParticipantId), Participant>,
    /// Replicas, by source session, participant and destination session.
    pub replicas: BTreeMap<ReplicaKey, Replica>,
    /// Open connections by id.
    pub connections: BTreeMap<ConnectionId, Connection>,
    /// Jobs by id.
    pub jobs: BTreeMap<JobId, Job>,
    /// Recordings by id.
    pub recordings: BTreeMap<RecordingId, Recording>,
    /// Compositions by id.
    pub compositions: BTreeMap<CompositionId, Composition>,
    /// Written history; never read by the rules, kept here for tests and the simulator.
    pub events: Vec<StageEvent>,
    /// How many stages the caller's account and region have, for the stage limit. A world that holds every
    /// row may leave it at zero: loaded stages are counted as well, and the larger number holds.
    pub stage_count: u64,
    /// How many plain resources of a kind they have, in the same way.
    pub plain_counts: BTreeMap<PlainKind, u64>,
    /// Counts of sessions whose rows are not all loaded. A world that holds every row leaves it empty:
    /// loaded rows are counted as well, and the larger numbers hold.
    pub occupancy: BTreeMap<StageSessionId, Occupancy>,
    /// How many ACTIVE replicas participants are the source of, by source session and participant, in the same way.
    pub replications: BTreeMap<(StageSessionId, ParticipantId), u64>,
    /// How many jobs of stages have not ended, in the same way.
    pub job_counts: BTreeMap<StageId, u64>,
    /// How many recordings of stages are neither STOPPED nor FAILED, in the same way.
    pub recording_counts: BTreeMap<StageId, u64>,
    /// What uses storage configurations, in the same way.
    pub storage_uses: BTreeMap<StorageConfigurationId, StorageUse>,
    /// How many compositions accounts have in Regions (account, Region) that are neither STOPPED nor FAILED, in the same
    /// way.
    pub composition_counts: BTreeMap<(String, String), u64>,
    /// How many such compositions stages have, in the same way.
    pub stage_composition_counts: BTreeMap<StageId, u64>,
    /// How many such compositions are encoded by encoder configurations, in the same way.
    pub encoder_uses: BTreeMap<EncoderConfigurationId, u64>,
    /// How many such compositions are sent to channels, in the same way.
    pub channel_uses: BTreeMap<ChannelArn, u64>,
    /// Counts of the connection tokens that are remembered as revoked, by (account, Region), in the same way.
    pub revocation_counts: BTreeMap<(String, String), u64>,
    /// Counts of regions (account, region) whose rows are not all loaded, in the same way.
    pub regions: BTreeMap<(String, String), RegionCount>,
}

impl World {
    /// How many stages an account has in a region.
    pub fn stage_count_of(&self, account: &str, region: &str) -> u64 {
        let loaded = self
            .stages
            .values()
            .filter(|row| row.account == account && row.region == region)
            .count();
        self.stage_count.max(loaded as u64)
    }

    /// The loaded plain resources of one kind, by id.
    pub fn plain_of<'a, R: Plain + 'a>(&'a self) -> impl Iterator<Item = &'a R> {
        self.plain.values().filter_map(R::of)
    }

    /// How many plain resources of a kind an account has in a region.
    pub fn plain_count_of(&self, kind: PlainKind, account: &str, region: &str) -> u64 {
        let loaded = self
            .plain
            .values()
            .filter(|row| row.kind() == kind && (row.account(), row.region()) == (account, region))
            .count();
        let counted = self.plain_counts.get(&kind).copied().unwrap_or_default();
        counted.max(loaded as u64)
    }

    /// How many participants publish in a session.
    pub fn publishing_in(&self, session: &StageSessionId) -> u64 {
        let loaded = self
            .participants_of(session)
            .filter(|row| row.is_publisher())
            .count();
        self.occupancy
            .get(session)
            .map_or(0, |counted| counted.publishing)
            .max(loaded as u64)
    }

    /// How full a session is.
    pub fn occupancy_of(&self, session: &StageSessionId) -> Occupancy {
        let mut publishers: BTreeSet<&ParticipantId> = self
            .participants_of(session)
            .filter(|row| row.holds_place())
            .map(|row| &row.id)
            .collect();
        let mut subscribers = BTreeSet::new();
        for row in self
            .connections
            .values()
            .filter(|row| row.session == *session)
        {
            match row.kind {
                ConnectionKind::Publish => publishers.insert(&row.participant),
                ConnectionKind::Subscribe { .. } => subscribers.insert(&row.participant),
                ConnectionKind::Events => false,
            };
        }
        let counted = self.occupancy.get(session).copied().unwrap_or_default();
        Occupancy {
            publishing: self.publishing_in(session),
            publishers: counted.publishers.max(publishers.len() as u64),
            subscribers: counted.subscribers.max(subscribers.len() as u64),
        }
    }

    /// How many ACTIVE replicas a participant that joined this session is the source of.
    pub fn replications_of(&self, source: &StageSessionId, id: &ParticipantId) -> u64 {
        let key = (source.clone(), id.clone());
        let first = (source.clone(), id.clone(), StageSessionId::new(""));
        let loaded = self
            .replicas
            .range(first..)
            .take_while(|((session, of, _), _)| session == source && of == id)
            .filter(|(_, row)| row.active)
            .count();
        let counted = self.replications.get(&key).copied().unwrap_or_default();
        counted.max(loaded as u64)
    }

    /// How much an account has live in a region.
    pub fn region_count(&self, account: &str, region: &str) -> RegionCount {
        let here = |stage: &StageId| {
            self.stages
                .get(stage)
                .is_some_and(|row| row.account == account && row.region == region)
        };
        let holders = self.participants.values().filter(|row| row.holds_place());
        let mut publishers: BTreeSet<(&StageSessionId, &ParticipantId)> = holders
            .filter(|row| here(&row.stage))
            .map(|row| (&row.session, &row.id))
            .collect();
        let mut subscriptions = 0;
        for row in self.connections.values().filter(|row| here(&row.stage)) {
            match row.kind {
                ConnectionKind::Publish => {
                    publishers.insert((&row.session, &row.participant));
                }
                ConnectionKind::Subscribe { .. } => subscriptions += 1,
                ConnectionKind::Events => {}
            }
        }
        let key = (account.to_owned(), region.to_owned());
        let counted = self.regions.get(&key).copied().unwrap_or_default();
        RegionCount {
            publishers: counted.publishers.max(publishers.len() as u64),
            subscriptions: counted.subscriptions.max(subscriptions),
        }
    }

    /// Counts the connection tokens of an account that are remembered as revoked in a Region.
    pub fn revocation_count_of(&self, account: &str, region: &str) -> u64 {
        let here = |row: &&RevokedConnectionToken| row.account == account && row.region == region;
        let loaded = self.revocations.values().filter(here).count();
        let key = (account.to_owned(), region.to_owned());
        let counted = self.revocation_counts.get(&key).copied();
        counted.unwrap_or_default().max(loaded as u64)
    }

    /// The connections that were opened with a connection token, by id. Only those whose stages are loaded are found.
    pub(crate) fn opened_with(
        &self,
        token: &ConnectionTokenKey,
    ) -> impl Iterator<Item = &Connection> {
        self.connections.values().filter(|row| {
            row.connection_token.as_ref() == Some(&token.id)
                && self.stages.get(&row.stage).is_some_and(|stage| {
                    (&stage.account, &stage.region) == (&token.account, &token.region)
                })
        })
    }

    /// The loaded participant rows of a session, by id.
    pub fn participants_of(&self, session: &StageSessionId) -> impl Iterator<Item = &Participant> {
        let first = (session.clone(), ParticipantId::new(""));
        self.participants
            .range(first..)
            .map(|(_, row)| row)
            .take_while(move |row| row.session == *session)
    }

    /// The jobs of a stage that have not ended, by id.
    pub(crate) fn live_jobs_of(&self, stage: &StageId) -> impl Iterator<Item = &Job> {
        self.jobs
            .values()
            .filter(move |row| row.stage == *stage && row.is_live())
    }

    /// How many jobs of a stage have not ended.
    pub fn job_count_of(&self, stage: &StageId) -> u64 {
        let counted = self.job_counts.get(stage).copied().unwrap_or_default();
        counted.max(self.live_jobs_of(stage).count() as u64)
    }

    /// How many recordings of a stage are neither STOPPED nor FAILED.
    pub fn recording_count_of(&self, stage: &StageId) -> u64 {
        let rows = self.recordings.values();
        let loaded = rows.filter(|row| row.stage == *stage && !row.state.is_final());
        let counted = self.recording_counts.get(stage).copied();
        counted.unwrap_or_default().max(loaded.count() as u64)
    }

    /// What uses a storage configuration.
    pub fn storage_use_of(&self, id: &StorageConfigurationId) -> StorageUse {
        let refers = |row: &&Stage| {
            let storage = row.recording.storage.as_ref();
            storage.is_some_and(|storage| storage.configuration == *id)
        };
        let uses = |row: &&Recording| row.storage.configuration == *id && !row.state.is_final();
        let counted = self.storage_uses.get(id).copied().unwrap_or_default();
        let stages = self.stages.values().filter(refers).count() as u64;
        let recordings = self.recordings.values().filter(uses).count() as u64;
        StorageUse {
            stages: counted.stages.max(stages),
            recordings: counted.recordings.max(recordings),
            compositions: counted.compositions.max(self.compositions_stored_by(id)),
        }
    }

    /// The open recordings whose wait for their publisher is over by this time of the steady clock, the longest first; at
    /// most [`RECORDINGS_PER_TICK_MAX`].
    pub(crate) fn due_recordings(&self, now: Time) -> Vec<&Recording> {
        let is_due = |row: &&Recording| {
            row.is_open() && row.window_ends_at.is_some_and(|ends_at| ends_at <= now)
        };
        let mut rows: Vec<&Recording> = self.recordings.values().filter(is_due).collect();
        rows.sort_unstable_by_key(|row| (row.window_ends_at, &row.id));
        rows.truncate(RECORDINGS_PER_TICK_MAX);
        rows
    }

    /// The jobs that are to be looked at by this time of the steady clock, the earliest first; at most
    /// [`JOBS_PER_TICK_MAX`].
    pub(crate) fn due_jobs(&self, now: Time) -> Vec<&Job> {
        let is_due = |row: &&Job| row.due_at().is_some_and(|at| at <= now);
        let mut rows: Vec<&Job> = self.jobs.values().filter(is_due).collect();
        rows.sort_unstable_by_key(|row| (row.due_at(), &row.id));
        rows.truncate(JOBS_PER_TICK_MAX);
        rows
    }

    /// The media connections that were opened at or before this time of the steady clock, oldest first; at most
    /// [`OVERDUE_PER_TICK_MAX`].
    pub(crate) fn overdue(&self, opened_before: Time) -> Vec<&Connection> {
        let is_media = |row: &&Connection| row.kind != ConnectionKind::Events;
        let rows = self.connections.values().filter(is_media);
        let mut rows: Vec<&Connection> =
            rows.filter(|row| row.opened_at <= opened_before).collect();
        rows.sort_unstable_by_key(|row| (row.opened_at, &row.id));
        rows.truncate(OVERDUE_PER_TICK_MAX);
        rows
    }
}
