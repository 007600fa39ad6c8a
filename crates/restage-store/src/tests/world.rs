//! Random rows. They need not be a state that the rules can reach. But everything that belongs to a stage has that stage,
//! and connections are in the active session.

use std::collections::BTreeMap;

use restage_core::Change;
use restage_core::id::{
    ConnectionId, JobId, ParticipantId, PublicKeyId, RunId, StageId, StageSessionId, Time,
};
use restage_core::row::{
    COMPOSITION_JOB, Capabilities, Client, CompositionId, Connection, ConnectionKind,
    ConnectionTokenId, EncoderConfiguration, EncoderConfigurationId, IngestConfiguration,
    IngestConfigurationId, IngestCredential, IngestLink, IngestProtocol, Job, JobState, Lease,
    Participant, Protocol, PublicKey, PublicationKey, RECORDING_JOB, Recorded, RecordedMedia,
    Recording, RecordingFailure, RecordingFailureCode, RecordingId, RecordingSettings,
    RecordingState, RecordingStorage, RedundantIngest, Replica, Replication,
    RevokedConnectionToken, Stage, StageEvent, StageEventError, StageEventName, StageRecording,
    StageSession, StorageConfiguration, StorageConfigurationId, StreamKey, ThumbnailMode,
    ThumbnailStorage, Thumbnails, Token, TokenExchange, TokenGrant,
};

use super::Dice;
use super::compositions::composition_row;

/// Text that a careless store would damage.
pub(super) const AWKWARD: [&str; 9] = [
    "",
    "ann",
    "O'Hara; DROP TABLE stages; --",
    "Zoë 🎥 日本語 \u{202E}abc",
    "%_\\\"{}[]",
    "line\nbreak\ttab\r\n",
    " leading and trailing ",
    "\u{FEFF}\u{10FFFF}e\u{301}",
    "$1 ?1 :name",
];

pub(super) struct Names {
    pub(super) stages: Vec<StageId>,
    /// The first of each stage's sessions is the active one, where there is one.
    pub(super) sessions: Vec<(StageId, StageSessionId)>,
    pub(super) participants: Vec<ParticipantId>,
    pub(super) connection_tokens: Vec<ConnectionTokenId>,
    pub(super) keys: Vec<PublicKeyId>,
    pub(super) encoder_configurations: Vec<EncoderConfigurationId>,
    pub(super) storage_configurations: Vec<StorageConfigurationId>,
    pub(super) ingest_configurations: Vec<IngestConfigurationId>,
    pub(super) jobs: Vec<JobId>,
    pub(super) recordings: Vec<RecordingId>,
    pub(super) compositions: Vec<CompositionId>,
}

impl Names {
    /// A few ids of each kind, so that random choices meet.
    pub(super) fn few() -> Self {
        let stages: Vec<_> = (0..5).map(|n| StageId::new(format!("stage{n}"))).collect();
        let sessions = stages
            .iter()
            .flat_map(|stage| {
                (0..3).map(move |n| {
                    (
                        stage.clone(),
                        StageSessionId::new(format!("st-{stage}-{n}")),
                    )
                })
            })
            .collect();
        let participants = (0..7)
            .map(|n| ParticipantId::new(format!("person{n}")))
            .collect();
        Self {
            stages,
            sessions,
            participants,
            connection_tokens: (0..4)
                .map(|n| ConnectionTokenId::new(format!("token{n}")))
                .collect(),
            keys: (0..6)
                .map(|n| PublicKeyId::new(format!("key{n}")))
                .collect(),
            // They have the ids of keys, as each kind has ids of its own.
            encoder_configurations: (0..4)
                .map(|n| EncoderConfigurationId::new(format!("key{n}")))
                .collect(),
            storage_configurations: (0..3)
                .map(|n| StorageConfigurationId::new(format!("key{n}")))
                .collect(),
            ingest_configurations: (0..5)
                .map(|n| IngestConfigurationId::new(format!("key{n}")))
                .collect(),
            jobs: (0..90).map(|n| JobId::new(format!("job{n:02}"))).collect(),
            // Most have the id of a job. Those without one are more than one tick ends.
            recordings: (40..240)
                .map(|n| RecordingId::new(format!("job{n:02}")))
                .collect(),
            // Some have the id of a job. There are more than one tick takes up.
            compositions: (60..220)
                .map(|n| CompositionId::new(format!("job{n:02}")))
                .collect(),
        }
    }

    /// Mostly the first session, which is the active one if there is one, because most needs are about it.
    fn session_of(&self, dice: &mut Dice, stage: &StageId) -> StageSessionId {
        let of_stage: Vec<_> = self.sessions.iter().filter(|(of, _)| of == stage).collect();
        let session = if dice.one_in(3) {
            dice.pick(&of_stage)
        } else {
            of_stage[0]
        };
        session.1.clone()
    }
}

/// Rows of every kind.
pub(super) fn rows(dice: &mut Dice, names: &Names) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut active = Vec::new();
    for stage in &names.stages {
        let session = names
            .sessions
            .iter()
            .find(|(of, _)| of == stage)
            .map(|(_, id)| id.clone());
        let session = session.filter(|_| !dice.one_in(4));
        active.extend(session.clone().map(|session| (stage.clone(), session)));
        changes.push(Change::PutStage(stage_row(dice, names, stage, session)));
    }
    for (stage, id) in &names.sessions {
        let ended = !active.iter().any(|(_, session)| session == id);
        changes.push(Change::PutSession(session_row(dice, stage, id, ended)));
    }
    for id in &names.participants {
        changes.push(Change::PutToken(token_row(dice, id, names)));
        changes.push(Change::PutToken(token_row(dice, id, names)));
    }
    for id in &names.connection_tokens {
        let row = revocation_row(dice, id);
        changes.push(Change::PutRevokedConnectionToken(row));
    }
    for (n, id) in names.keys.iter().enumerate() {
        changes.push(Change::PutPlain(public_key_row(dice, id, n).into()));
    }
    changes.push(Change::DeletePlain(dice.pick(&names.keys).clone().into()));
    for id in &names.encoder_configurations {
        let row = encoder_configuration_row(dice, id);
        changes.push(Change::PutPlain(row.into()));
    }
    let gone = dice.pick(&names.encoder_configurations).clone();
    changes.push(Change::DeletePlain(gone.into()));
    for id in &names.ingest_configurations {
        let row = ingest_configuration_row(dice, id, names);
        changes.push(Change::PutPlain(row.into()));
    }
    for id in &names.storage_configurations {
        let row = storage_configuration_row(dice, id);
        changes.push(Change::PutPlain(row.into()));
    }
    let gone = dice.pick(&names.storage_configurations).clone();
    changes.push(Change::DeletePlain(gone.into()));
    for _ in 0..80 {
        let stage = dice.pick(&names.stages).clone();
        let session = names.session_of(dice, &stage);
        let id = dice.pick(&names.participants).clone();
        changes.push(Change::PutParticipant(participant_row(
            dice, stage, session, id, names,
        )));
    }
    for _ in 0..40 {
        changes.push(Change::PutReplica(replica_row(dice, names)));
    }
    for n in 0..40 {
        let Some((stage, session)) = (!active.is_empty()).then(|| dice.pick(&active).clone())
        else {
            break;
        };
        let id = ConnectionId::new(format!("connection{n}"));
        changes.push(Change::PutConnection(connection_row(
            dice, id, stage, session, names,
        )));
    }
    for id in &names.jobs {
        changes.push(Change::PutJob(job_row(dice, id, names)));
    }
    changes.push(Change::DeleteJob(dice.pick(&names.jobs).clone()));
    for id in &names.recordings {
        changes.push(Change::PutRecording(recording_row(dice, id, names)));
    }
    for (n, id) in names.compositions.iter().enumerate() {
        let row = composition_row(dice, id, n, names);
        changes.push(Change::PutComposition(Box::new(row)));
    }
    let gone = dice.pick(&names.compositions).clone();
    changes.push(Change::DeleteComposition(gone));
    for _ in 0..60 {
        changes.push(Change::AddEvent(event_row(dice, names)));
    }
    changes
}

pub(super) fn time(dice: &mut Dice) -> Time {
    Time(i64::try_from(dice.below(1_000)).unwrap())
}

pub(super) fn map(dice: &mut Dice) -> BTreeMap<String, String> {
    (0..dice.below(4))
        .map(|_| {
            (
                (*dice.pick(&AWKWARD)).to_owned(),
                (*dice.pick(&AWKWARD)).to_owned(),
            )
        })
        .collect()
}

fn stage_row(
    dice: &mut Dice,
    names: &Names,
    id: &StageId,
    active_session: Option<StageSessionId>,
) -> Stage {
    Stage {
        id: id.clone(),
        account: "000000000000".to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        name: (*dice.pick(&AWKWARD)).to_owned(),
        tags: map(dice),
        recording: StageRecording {
            storage: dice.one_in(2).then(|| storage(dice, names)),
            settings: settings(dice),
        },
        created_at: time(dice),
        active_session,
    }
}

pub(super) fn storage(dice: &mut Dice, names: &Names) -> RecordingStorage {
    RecordingStorage {
        configuration: dice.pick(&names.storage_configurations).clone(),
        bucket: (*dice.pick(&AWKWARD)).to_owned(),
    }
}

fn settings(dice: &mut Dice) -> RecordingSettings {
    let (one, other) = (ThumbnailStorage::Sequential, ThumbnailStorage::Latest);
    RecordingSettings {
        media: *dice.pick(&[
            RecordedMedia::AudioVideo,
            RecordedMedia::AudioOnly,
            RecordedMedia::None,
        ]),
        segment_s: *dice.pick(&[2, 6, 10]),
        thumbnails: Thumbnails {
            mode: *dice.pick(&[ThumbnailMode::Disabled, ThumbnailMode::Interval]),
            storage: dice
                .pick(&[vec![one], vec![other], vec![one, other], vec![other, one]])
                .clone(),
            interval_s: *dice.pick(&[1, 60, 86_400]),
        },
        reconnect_window_s: *dice.pick(&[0, 300]),
        replicas: dice.one_in(2),
    }
}

fn ingest_configuration_row(
    dice: &mut Dice,
    id: &IngestConfigurationId,
    names: &Names,
) -> IngestConfiguration {
    IngestConfiguration {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        name: (*dice.pick(&AWKWARD)).to_owned(),
        tags: map(dice),
        stage: (!dice.one_in(4)).then(|| dice.pick(&names.stages).clone()),
        user_id: (*dice.pick(&AWKWARD)).to_owned(),
        attributes: map(dice),
        protocol: *dice.pick(&[IngestProtocol::Rtmp, IngestProtocol::Rtmps]),
        insecure: dice.one_in(2),
        credential: credential(dice, names),
        redundant: dice
            .one_in(2)
            .then(|| [credential(dice, names), credential(dice, names)]),
        created_at: time(dice),
    }
}

fn credential(dice: &mut Dice, names: &Names) -> IngestCredential {
    IngestCredential {
        participant: dice.pick(&names.participants).clone(),
        key: StreamKey::given(dice.pick::<&str>(&AWKWARD)),
    }
}

fn link(dice: &mut Dice, names: &Names) -> IngestLink {
    let id = |dice: &mut Dice| dice.pick(&names.participants).clone();
    IngestLink {
        configuration: "key1".into(),
        redundant: dice.one_in(2).then(|| RedundantIngest {
            is_virtual: dice.one_in(3),
            virtual_participant: id(dice),
            physical: [id(dice), id(dice)],
        }),
    }
}

fn storage_configuration_row(dice: &mut Dice, id: &StorageConfigurationId) -> StorageConfiguration {
    StorageConfiguration {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        name: (*dice.pick(&AWKWARD)).to_owned(),
        tags: map(dice),
        bucket: (*dice.pick(&AWKWARD)).to_owned(),
        created_at: time(dice),
    }
}

/// A recording may be of a replica whose source is any other stage.
fn recording_row(dice: &mut Dice, id: &RecordingId, names: &Names) -> Recording {
    let (stage, session) = dice.pick(&names.sessions).clone();
    let others = names.stages.iter().filter(|other| **other != stage);
    let others: Vec<_> = others.cloned().collect();
    let text = |dice: &mut Dice| (*dice.pick(&AWKWARD)).to_owned();
    Recording {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        stage,
        session,
        participant: dice.pick(&names.participants).clone(),
        source: dice.one_in(3).then(|| dice.pick(&others).clone()),
        storage: storage(dice, names),
        prefix: text(dice),
        settings: settings(dice),
        state: *dice.pick(&RecordingState::ALL),
        paused: dice.one_in(2),
        publication: dice.one_in(2).then(|| PublicationKey {
            session: dice.pick(&names.sessions).1.clone(),
            participant: dice.pick(&names.participants).clone(),
        }),
        window_ends_at: dice.one_in(2).then(|| time(dice)),
        started_at: dice.one_in(2).then(|| time(dice)),
        ended_at: dice.one_in(2).then(|| time(dice)),
        duration_ms: dice
            .one_in(2)
            .then(|| *dice.pick(&[0, 1, i64::MAX.unsigned_abs()])),
        message: dice.one_in(2).then(|| text(dice)),
        failure: dice.one_in(2).then(|| RecordingFailure {
            code: *dice.pick(&[
                RecordingFailureCode::ResourceNotFound,
                RecordingFailureCode::AccessDenied,
                RecordingFailureCode::Validation,
                RecordingFailureCode::InternalServer,
            ]),
            reason: text(dice),
        }),
        created_at: time(dice),
    }
}

fn session_row(dice: &mut Dice, stage: &StageId, id: &StageSessionId, ended: bool) -> StageSession {
    StageSession {
        id: id.clone(),
        stage: stage.clone(),
        started_at: time(dice),
        ended_at: ended.then(|| time(dice)),
        idle_since: dice.one_in(2).then(|| time(dice)),
    }
}

fn token_row(dice: &mut Dice, id: &ParticipantId, names: &Names) -> Token {
    Token {
        stage: dice.pick(&names.stages).clone(),
        participant: id.clone(),
        expires_at: time(dice),
        revoked_at: dice.one_in(3).then(|| time(dice)),
        self_signed: dice.one_in(2).then(|| capabilities(dice)),
    }
}

fn capabilities(dice: &mut Dice) -> Capabilities {
    Capabilities {
        publish: dice.one_in(2),
        subscribe: dice.one_in(2),
    }
}

/// No two have the same point.
fn public_key_row(dice: &mut Dice, id: &PublicKeyId, n: usize) -> PublicKey {
    PublicKey {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        name: (*dice.pick(&AWKWARD)).to_owned(),
        tags: map(dice),
        material: (*dice.pick(&AWKWARD)).to_owned(),
        fingerprint: (*dice.pick(&AWKWARD)).to_owned(),
        point: format!("04{n:02}"),
        created_at: time(dice),
    }
}

fn encoder_configuration_row(dice: &mut Dice, id: &EncoderConfigurationId) -> EncoderConfiguration {
    EncoderConfiguration {
        id: id.clone(),
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        name: (*dice.pick(&AWKWARD)).to_owned(),
        tags: map(dice),
        video: (*dice.pick(&AWKWARD)).to_owned(),
        created_at: time(dice),
    }
}

fn grant(dice: &mut Dice) -> TokenGrant {
    TokenGrant {
        capabilities: capabilities(dice),
        attributes: map(dice),
        user_id: (*dice.pick(&AWKWARD)).to_owned(),
        expires_at: time(dice),
    }
}

pub(super) fn participant_row(
    dice: &mut Dice,
    stage: StageId,
    session: StageSessionId,
    id: ParticipantId,
    names: &Names,
) -> Participant {
    let active = dice.one_in(2);
    let replication = match dice.below(3) {
        0 => Replication::None,
        1 => Replication::Source { active },
        _ => {
            let (source_stage, source_session) = dice.pick(&names.sessions).clone();
            Replication::Replica {
                active,
                source_stage,
                source_session,
            }
        }
    };
    Participant {
        session,
        id,
        stage,
        user_id: (*dice.pick(&AWKWARD)).to_owned(),
        attributes: map(dice),
        connected: dice.one_in(3),
        publishing: dice.one_in(3),
        published: dice.one_in(2),
        first_joined_at: time(dice),
        protocol: *dice.pick(&[
            Protocol::Unknown,
            Protocol::Whip,
            Protocol::Rtmp,
            Protocol::Rtmps,
        ]),
        client: Client {
            browser_name: (*dice.pick(&AWKWARD)).to_owned(),
            browser_version: (*dice.pick(&AWKWARD)).to_owned(),
            os_name: (*dice.pick(&AWKWARD)).to_owned(),
            os_version: (*dice.pick(&AWKWARD)).to_owned(),
            sdk_version: (*dice.pick(&AWKWARD)).to_owned(),
        },
        replication,
        recording: dice.one_in(3).then(|| Recorded {
            id: dice.pick(&names.recordings).clone(),
            since: time(dice),
        }),
        ingest: dice.one_in(2).then(|| link(dice, names)),
    }
}

fn replica_row(dice: &mut Dice, names: &Names) -> Replica {
    let source_stage = dice.pick(&names.stages).clone();
    let others: Vec<_> = names
        .stages
        .iter()
        .filter(|stage| **stage != source_stage)
        .collect();
    let destination_stage = (*dice.pick(&others)).clone();
    Replica {
        source_session: names.session_of(dice, &source_stage),
        destination_session: names.session_of(dice, &destination_stage),
        source_stage,
        destination_stage,
        participant: dice.pick(&names.participants).clone(),
        active: dice.one_in(2),
        attributes: map(dice),
        reconnect_window_s: *dice.pick(&[0, 1, 300, u32::MAX]),
        window_ends_at: dice.one_in(2).then(|| time(dice)),
        started_at: time(dice),
    }
}

fn connection_row(
    dice: &mut Dice,
    id: ConnectionId,
    stage: StageId,
    session: StageSessionId,
    names: &Names,
) -> Connection {
    let kind = match dice.below(4) {
        0 => ConnectionKind::Publish,
        1 => ConnectionKind::Events,
        _ => ConnectionKind::Subscribe {
            publisher: dice.pick(&names.participants).clone(),
        },
    };
    Connection {
        id,
        stage,
        session,
        participant: dice.pick(&names.participants).clone(),
        kind,
        established: dice.one_in(2),
        opened_at: time(dice),
        connection_token: dice
            .one_in(2)
            .then(|| dice.pick(&names.connection_tokens).clone()),
    }
}

fn revocation_row(dice: &mut Dice, id: &ConnectionTokenId) -> RevokedConnectionToken {
    RevokedConnectionToken {
        account: (*dice.pick(&["000000000000", "111122223333"])).to_owned(),
        region: (*dice.pick(&["eu-west-1", "us-east-1"])).to_owned(),
        id: id.clone(),
        revoked_at: time(dice),
    }
}

fn job_row(dice: &mut Dice, id: &JobId, names: &Names) -> Job {
    let (stage, session) = dice.pick(&names.sessions).clone();
    let state = match dice.below(6) {
        0 => JobState::Done {
            result: (*dice.pick(&AWKWARD)).to_owned(),
        },
        1 => JobState::Failed {
            reason: (*dice.pick(&AWKWARD)).to_owned(),
        },
        2 | 3 => JobState::Pending { due_at: time(dice) },
        _ => JobState::Running(Lease {
            owner: RunId::new(format!("run{}", dice.below(3))),
            started_at: time(dice),
            ends_at: time(dice),
        }),
    };
    let is_over = matches!(state, JobState::Done { .. } | JobState::Failed { .. });
    Job {
        id: id.clone(),
        kind: (*dice.pick(&["test", RECORDING_JOB, COMPOSITION_JOB])).to_owned(),
        stage,
        session: dice.one_in(2).then_some(session),
        participant: dice
            .one_in(2)
            .then(|| dice.pick(&names.participants).clone()),
        spec: (*dice.pick(&AWKWARD)).to_owned(),
        state,
        generation: *dice.pick(&[1, 7, u32::MAX]),
        attempts: *dice.pick(&[0, 7, u32::MAX]),
        stop_requested: dice.one_in(2),
        created_at: time(dice),
        ended_at: is_over.then(|| time(dice)),
    }
}

pub(super) const EVENT_NAMES: [StageEventName; 12] = [
    StageEventName::Joined,
    StageEventName::Left,
    StageEventName::PublishStarted,
    StageEventName::PublishStopped,
    StageEventName::SubscribeStarted,
    StageEventName::SubscribeStopped,
    StageEventName::PublishError,
    StageEventName::SubscribeError,
    StageEventName::JoinError,
    StageEventName::ReplicationStarted,
    StageEventName::ReplicationStopped,
    StageEventName::TokenExchanged,
];

pub(super) const EVENT_ERRORS: [StageEventError; 10] = [
    StageEventError::InsufficientCapabilities,
    StageEventError::QuotaExceeded,
    StageEventError::PublisherNotFound,
    StageEventError::InvalidAudioCodec,
    StageEventError::InvalidVideoCodec,
    StageEventError::StreamDurationExceeded,
    StageEventError::BitrateExceeded,
    StageEventError::ResolutionExceeded,
    StageEventError::InvalidInput,
    StageEventError::InternalServerException,
];

fn event_row(dice: &mut Dice, names: &Names) -> StageEvent {
    StageEvent {
        session: dice.pick(&names.sessions).1.clone(),
        participant: dice.pick(&names.participants).clone(),
        name: *dice.pick(&EVENT_NAMES),
        at: time(dice),
        remote_participant: dice
            .one_in(2)
            .then(|| dice.pick(&names.participants).clone()),
        error: dice.one_in(2).then(|| *dice.pick(&EVENT_ERRORS)),
        destination: dice.one_in(2).then(|| dice.pick(&names.sessions).clone()),
        replica: dice.one_in(2),
        exchange: dice.one_in(4).then(|| {
            let (previous, new) = (grant(dice), grant(dice));
            Box::new(TokenExchange { previous, new })
        }),
    }
}
