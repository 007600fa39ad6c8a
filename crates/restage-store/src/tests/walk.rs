//! Compares the store with the rules alone: the same random commands go to a world in memory that holds every row,
//! and to the writer. Every decision and the order of its effects must be the same, and in the end every row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use restage_core::command::NewStageRecording;
use restage_core::command::{
    Claims, DestinationChange, JobOutcome, NewDestination, NewJob, NewTarget, NewToken,
};
use restage_core::id::{
    ConnectionId, JobId, ParticipantId, PublicKeyId, RunId, StageId, StageSessionId, Time,
};
use restage_core::row::{
    Capabilities, Client, CompositionDestinationId, CompositionFailure, CompositionFailureCode,
    CompositionId, CompositionState, CompositionThumbnails, Connection, ConnectionKind,
    ConnectionTokenId, EncoderConfiguration, EncoderConfigurationId, Idempotency,
    IngestConfiguration, IngestConfigurationId, IngestCredential, IngestProtocol, LayoutSettings,
    PlainLimits, Protocol, PublicKey, RecordingFailure, RecordingFailureCode, RecordingId,
    RecordingSettings, RecordingState, Replica, Stage, StageEventError, StorageConfiguration,
    StorageConfigurationId, StreamKey,
};
use restage_core::{
    Arn, Command, ConnectionTokenClaims, Context, Decision, Limits, PublicKeyArn, ResourceArn,
    Signer, StageArn, World, decide,
};

use super::world::AWKWARD;
use super::{Bench, Dice, by_participant};
use crate::{Execution, Subject, Watch};

const ACCOUNT: &str = "000000000000";
const IDLE_S: u32 = 60;

#[tokio::test]
async fn the_store_decides_as_the_rules_do_on_every_row() {
    let mut refused = 0;
    let mut effects = 0;
    let (mut changed, mut held) = (0, 0);
    let mut states = BTreeSet::new();
    let mut of_compositions = BTreeSet::new();
    for seed in 0..4 {
        let walk = walk(seed, 120).await;
        refused += walk.refused;
        effects += walk.effects;
        changed += walk.changed;
        held += walk.held;
        states.extend(walk.states);
        of_compositions.extend(walk.of_compositions);
    }
    assert!(
        refused > 100 && effects > 400,
        "{refused} refused, {effects} effects: went nowhere"
    );
    let missed: Vec<_> = RecordingState::ALL
        .into_iter()
        .filter(|state| !states.contains(state))
        .collect();
    assert_eq!(missed, [], "no recording was in this state");
    let missed: Vec<_> = CompositionState::ALL
        .into_iter()
        .filter(|state| !of_compositions.contains(state))
        .collect();
    assert_eq!(missed, [], "no composition was in this state");
    let is_sqlite = Bench::open().await.rows.is_sqlite();
    assert!(
        changed > 100 && (held > 100) == is_sqlite,
        "{changed} changed, {held} held"
    );
}

struct Walk {
    dice: Dice,
    world: World,
    /// What rows are written with.
    now: Time,
    wall: Time,
    steady: Time,
    made: u64,
    /// How often the process was replaced by another one.
    runs: u32,
    refused: usize,
    effects: usize,
    /// States that recordings had.
    states: BTreeSet<RecordingState>,
    /// States that compositions had.
    of_compositions: BTreeSet<CompositionState>,
    /// Watched subjects: those that changed, and those that did not change and were not reported.
    changed: usize,
    held: usize,
}

/// A watched subject, and its present state.
type Watched = (StageId, Watch, Option<Stage>, Vec<Replica>);

async fn walk(seed: u64, batches: u32) -> Walk {
    let handed_over = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&handed_over);
    let mut bench = Bench::with_sink(Box::new(move |command, decision: &Decision, _| {
        sink.lock()
            .unwrap()
            .push((command.clone(), decision.clone()));
    }))
    .await;
    let (dice, world) = (Dice(seed), World::default());
    let now = Time(1_700_000_000_000_000);
    let mut walk = Walk {
        dice,
        world,
        now,
        wall: now,
        steady: now,
        made: 0,
        runs: 0,
        refused: 0,
        effects: 0,
        states: BTreeSet::new(),
        of_compositions: BTreeSet::new(),
        changed: 0,
        held: 0,
    };

    for batch in 0..batches {
        let mut executions = Vec::new();
        let mut expected = Vec::new();
        let watched = walk.watch(&bench);
        for _ in 0..=walk.dice.below(12) {
            let execution = walk.execution();
            expected.push((execution.command.clone(), walk.decide(&execution)));
            // The writer makes of the wall clock what rows are written with.
            let Execution { command, context } = execution;
            let now = context.wall;
            let context = Context { now, ..context };
            executions.push(Execution { command, context });
        }
        let outcomes = join_all(
            executions
                .into_iter()
                .map(|execution| bench.store.execute(execution)),
        )
        .await;
        for (outcome, (command, decision)) in outcomes.into_iter().zip(&expected) {
            let reply = outcome.unwrap().reply;
            assert_eq!(
                reply, decision.reply,
                "seed {seed}, batch {batch}, {command:?}"
            );
        }
        walk.look_again(&bench, watched);
        let handed_over = std::mem::take(&mut *handed_over.lock().unwrap());
        for (given, wanted) in handed_over.iter().zip(&expected) {
            assert_eq!(given, wanted, "seed {seed}, batch {batch}");
        }
        assert_eq!(handed_over.len(), expected.len());
        if walk.dice.one_in(10) {
            bench.store.purge(5).await.unwrap();
        }
    }
    while bench.store.purge(1_000).await.unwrap() > 0 {}
    assert_eq!(
        bench.dump().await,
        by_participant(walk.world.clone()),
        "seed {seed}"
    );
    walk
}

impl Walk {
    /// Watches every stage with its replications.
    fn watch(&self, bench: &Bench) -> Vec<Watched> {
        let watch = |stage: &StageId| {
            let subjects = [Subject::Stage(stage), Subject::Replicas(stage)];
            let watch = bench.store.watch(subjects);
            let (row, replicas) = self.seen(stage);
            (stage.clone(), watch, row, replicas)
        };
        self.world.stages.keys().map(watch).collect()
    }

    fn seen(&self, stage: &StageId) -> (Option<Stage>, Vec<Replica>) {
        let replicas = self.world.replicas.values();
        let theirs = replicas.filter(|row| row.source_stage == *stage).cloned();
        (self.world.stages.get(stage).cloned(), theirs.collect())
    }

    /// The watch must report a change.
    fn look_again(&mut self, bench: &Bench, watched: Vec<Watched>) {
        for (stage, watch, row, replicas) in watched {
            let holds = bench.store.holds(&watch);
            if self.seen(&stage) == (row, replicas) {
                self.held += usize::from(holds);
            } else {
                assert!(!holds, "{stage} has changed");
                self.changed += 1;
            }
        }
    }

    fn decide(&mut self, execution: &Execution) -> Decision {
        let decision = decide(&self.world, &execution.context, &execution.command);
        self.world.apply(&decision.changes);
        self.refused += usize::from(decision.reply.is_err());
        self.effects += decision.effects.len();
        let rows = self.world.recordings.values();
        self.states.extend(rows.map(|row| row.state));
        let rows = self.world.compositions.values();
        self.of_compositions.extend(rows.map(|row| row.state));
        decision
    }

    fn execution(&mut self) -> Execution {
        let step_s = *self.dice.pick(&[0, 0, 0, 1, 7, 30, 90]);
        self.steady = self.steady.plus_seconds(step_s);
        self.wall = self.wall.plus_seconds(step_s);
        if self.dice.one_in(100) {
            // The clock is set by hours, in either direction.
            let set_s = *self.dice.pick(&[-90_000, -3_600, 3_600, 90_000]);
            let least = self.now.minus_seconds(40 * 3_600);
            self.wall = least.max(Time(self.wall.0 + set_s * 1_000_000));
        }
        self.now = match self.now > self.wall {
            true => Time(self.now.0 + 1),
            false => self.wall,
        };
        let limits = Limits {
            stages: 5,
            plain: PlainLimits {
                public_keys: 3,
                encoder_configurations: 2,
                storage_configurations: 2,
                ingest_configurations: 3,
            },
            publishers_per_stage: 3,
            subscribers_per_stage: 4,
            replications_per_participant: 2,
            publishers: 6,
            subscriptions: 7,
            connection_seconds: 400,
            compositions: 4,
            compositions_per_stage: 2,
            ..Limits::AWS
        };
        let context = Context {
            account: ACCOUNT.to_owned(),
            now: self.now,
            wall: self.wall,
            steady: self.steady,
            limits,
            session_idle_s: IDLE_S,
            run: RunId::new(format!("run{}", self.runs)),
            fresh_session: StageSessionId::new(self.fresh("st-")),
            fresh_recording: RecordingId::new(self.fresh("recording")),
        };
        Execution {
            command: self.command(),
            context,
        }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    fn command(&mut self) -> Command {
        if self.world.stages.len() < 2 {
            return self.create_stage();
        }
        if self.dice.one_in(7) {
            return self.recording();
        }
        if self.dice.one_in(7) {
            return self.composition();
        }
        if self.dice.one_in(25) {
            return self.storage();
        }
        if self.dice.one_in(15) {
            return self.ingest();
        }
        match self.dice.below(44) {
            0 => self.create_stage(),
            1 if self.dice.one_in(4) => Command::DeleteStage {
                stage: self.stage(),
            },
            1 | 2 => Command::UpdateStage {
                stage: self.stage(),
                name: Some((*self.dice.pick(&AWKWARD)).to_owned()),
                recording: None,
            },
            3 | 4 => {
                let (stage, token) = (self.stage(), self.token());
                Command::CreateParticipantToken { stage, token }
            }
            5 if self.dice.one_in(2) => Command::RevokeConnectionToken {
                region: "eu-west-1".to_owned(),
                token: self.connection_token_id(),
            },
            5 => {
                let (stage, participant) = self.bearer();
                Command::DisconnectParticipant { stage, participant }
            }
            6..=10 => {
                let (source, participant) = self.bearer();
                Command::StartParticipantReplication {
                    source,
                    participant,
                    destination: self.stage(),
                    reconnect_window_s: *self.dice.pick(&[0, 20, 300]),
                    attributes: BTreeMap::from([("order".to_owned(), AWKWARD[3].to_owned())]),
                }
            }
            11 | 12 => {
                let (source, participant) = self.bearer();
                Command::StopParticipantReplication {
                    source,
                    participant,
                    destination: self.stage(),
                }
            }
            13..=25 => self.open_connection(),
            26..=31 => self.on_connection(true),
            32..=35 => self.on_connection(false),
            36 => {
                let (claims, kind) = (self.claims(), self.kind());
                Command::RecordConnectionError {
                    claims,
                    kind,
                    error: StageEventError::InvalidInput,
                }
            }
            37 if self.dice.one_in(10) => {
                self.runs += u32::from(self.dice.one_in(2));
                Command::Recover
            }
            38 => self.keys_and_tags(),
            39 => self.exchange(),
            40 => self.job(),
            _ => Command::Tick,
        }
    }

    fn create_stage(&mut self) -> Command {
        let id = StageId::new(self.fresh("stage"));
        Command::CreateStage {
            stage: arn(id),
            name: "walk".to_owned(),
            tags: BTreeMap::new(),
            recording: self.recording_block(),
            tokens: (0..3).map(|_| self.token()).collect(),
        }
    }

    fn token(&mut self) -> NewToken {
        let participant = ParticipantId::new(self.fresh("p"));
        NewToken {
            participant,
            expires_at: self.wall.plus_seconds(3_600),
        }
    }

    fn stage(&mut self) -> StageArn {
        let stages: Vec<_> = self.world.stages.keys().cloned().collect();
        arn(if self.dice.one_in(40) {
            StageId::new("gone")
        } else {
            self.dice.pick(&stages).clone()
        })
    }

    /// A participant with a token; rarely one that lost it or whose stage is gone.
    fn bearer(&mut self) -> (StageArn, ParticipantId) {
        let tokens: Vec<_> = self.world.tokens.values().collect();
        if tokens.is_empty() || self.dice.one_in(40) {
            return (self.stage(), ParticipantId::new("stranger"));
        }
        let token = self.dice.pick(&tokens);
        (arn(token.stage.clone()), token.participant.clone())
    }

    /// A key, rarely a deleted one.
    fn key(&mut self) -> PublicKeyArn {
        let rows = self.world.plain_of::<PublicKey>();
        let keys: Vec<_> = rows.map(|row| row.id.clone()).collect();
        let id = if keys.is_empty() || self.dice.one_in(20) {
            PublicKeyId::new("gone")
        } else {
            self.dice.pick(&keys).clone()
        };
        PublicKeyArn {
            region: "eu-west-1".to_owned(),
            account: ACCOUNT.to_owned(),
            id,
        }
    }

    /// An encoder configuration, seldom one that is gone.
    fn encoder_configuration(&mut self) -> Arn<EncoderConfigurationId> {
        let rows = self.world.plain_of::<EncoderConfiguration>();
        let ids: Vec<_> = rows.map(|row| row.id.clone()).collect();
        let id = match ids.is_empty() || self.dice.one_in(20) {
            true => "gone".into(),
            false => self.dice.pick(&ids).clone(),
        };
        Arn {
            region: "eu-west-1".to_owned(),
            account: ACCOUNT.to_owned(),
            id,
        }
    }

    fn keys_and_tags(&mut self) -> Command {
        let resource = match self.dice.below(4) {
            0 | 1 => ResourceArn::from(self.stage()),
            2 => ResourceArn::from(self.key()),
            _ => ResourceArn::from(self.encoder_configuration()),
        };
        match self.dice.below(11) {
            0..=4 => {
                let row = PublicKey {
                    id: PublicKeyId::new(self.fresh("key")),
                    account: ACCOUNT.to_owned(),
                    region: "eu-west-1".to_owned(),
                    name: "walk".to_owned(),
                    tags: BTreeMap::new(),
                    material: AWKWARD[5].to_owned(),
                    fingerprint: "00".to_owned(),
                    point: self.dice.below(5).to_string(),
                    created_at: Time::default(),
                };
                Command::CreateResource { row: row.into() }
            }
            5 => Command::DeleteResource {
                resource: self.key().with_id(Into::into),
            },
            8 | 9 => {
                let row = EncoderConfiguration {
                    id: EncoderConfigurationId::new(self.fresh("encoder")),
                    account: ACCOUNT.to_owned(),
                    region: "eu-west-1".to_owned(),
                    name: "walk".to_owned(),
                    tags: BTreeMap::new(),
                    video: AWKWARD[5].to_owned(),
                    created_at: Time::default(),
                };
                Command::CreateResource { row: row.into() }
            }
            10 => Command::DeleteResource {
                resource: self.encoder_configuration().with_id(Into::into),
            },
            6 => Command::TagResource {
                resource,
                tags: BTreeMap::from([(self.fresh("k"), AWKWARD[2].to_owned())]),
            },
            _ => Command::UntagResource {
                resource,
                keys: (0..100).map(|n| format!("k{n}")).collect(),
            },
        }
    }

    /// Jobs come and go; reports are of the start that runs, or of an earlier one.
    fn job(&mut self) -> Command {
        let jobs: Vec<_> = self.world.jobs.values().collect();
        if jobs.len() < 3 || self.dice.one_in(4) {
            let id = JobId::new(self.fresh("j"));
            return Command::StartJob {
                job: NewJob {
                    id,
                    kind: (*self.dice.pick(&["test", "test", "no word"])).to_owned(),
                    stage: self.stage().id,
                    session: None,
                    participant: Some(ParticipantId::new(AWKWARD[3])),
                    spec: AWKWARD[4].to_owned(),
                },
            };
        }
        let row = self.dice.pick(&jobs);
        let (job, generation) = (row.id.clone(), row.generation);
        let generation = generation - u32::from(self.dice.one_in(5));
        let words = AWKWARD[2].to_owned();
        match self.dice.below(8) {
            0 => Command::StopJob { job },
            1 | 2 => Command::RenewJob { job, generation },
            number => Command::ReportJob {
                job,
                generation,
                outcome: match number {
                    3 => JobOutcome::Done(words),
                    4 => JobOutcome::Impossible(words),
                    5 => JobOutcome::Released,
                    _ => JobOutcome::Failed(words),
                },
            },
        }
    }

    /// A storage configuration, seldom one that is gone.
    fn storage_configuration(&mut self) -> Option<Arn<StorageConfigurationId>> {
        let rows = self.world.plain_of::<StorageConfiguration>();
        let ids: Vec<_> = rows.map(|row| row.id.clone()).collect();
        let id = match self.dice.one_in(20) {
            true => "gone".into(),
            false if ids.is_empty() => return None,
            false => self.dice.pick(&ids).clone(),
        };
        Some(Arn {
            region: "eu-west-1".to_owned(),
            account: ACCOUNT.to_owned(),
            id,
        })
    }

    fn recording_block(&mut self) -> NewStageRecording {
        let storage = self.storage_configuration();
        NewStageRecording {
            storage: storage.filter(|_| !self.dice.one_in(5)),
            settings: RecordingSettings {
                reconnect_window_s: *self.dice.pick(&[0, 20, 300]),
                replicas: !self.dice.one_in(4),
                ..RecordingSettings::default()
            },
        }
    }

    fn storage(&mut self) -> Command {
        match self.dice.below(4) {
            0 | 1 => {
                let row = StorageConfiguration {
                    id: StorageConfigurationId::new(self.fresh("storage")),
                    account: ACCOUNT.to_owned(),
                    region: "eu-west-1".to_owned(),
                    name: AWKWARD[3].to_owned(),
                    tags: BTreeMap::new(),
                    bucket: AWKWARD[2].to_owned(),
                    created_at: Time::default(),
                };
                Command::CreateResource { row: row.into() }
            }
            2 => match self.storage_configuration() {
                Some(arn) => Command::DeleteResource {
                    resource: arn.with_id(Into::into),
                },
                None => Command::Tick,
            },
            _ => Command::UpdateStage {
                stage: self.stage(),
                name: None,
                recording: Some(self.recording_block()),
            },
        }
    }

    /// Ingest configurations come and go, and encoders come with their keys.
    fn ingest(&mut self) -> Command {
        let rows: Vec<_> = self.world.plain_of::<IngestConfiguration>().collect();
        let row = match rows.is_empty() || self.dice.one_in(5) {
            true => None,
            false => Some((*self.dice.pick(&rows)).clone()),
        };
        let Some(row) = row else {
            let id = self.fresh("ingest");
            let stage = (!self.dice.one_in(5)).then(|| self.stage().id);
            let row = IngestConfiguration {
                account: ACCOUNT.to_owned(),
                region: "eu-west-1".to_owned(),
                name: AWKWARD[3].to_owned(),
                tags: BTreeMap::new(),
                stage,
                user_id: AWKWARD[2].to_owned(),
                attributes: BTreeMap::new(),
                protocol: IngestProtocol::Rtmps,
                insecure: self.dice.one_in(2),
                credential: self.credential(&id),
                redundant: match self.dice.one_in(2) {
                    true => Some([self.credential(&id), self.credential(&id)]),
                    false => None,
                },
                created_at: Time::default(),
                id: IngestConfigurationId::new(id),
            };
            return Command::CreateResource { row: row.into() };
        };
        let configuration = Arn {
            region: "eu-west-1".to_owned(),
            account: ACCOUNT.to_owned(),
            id: row.id.clone(),
        };
        match self.dice.below(10) {
            0 => Command::DeleteIngestConfiguration {
                configuration,
                force: self.dice.one_in(2),
            },
            1 | 2 => Command::UpdateIngestConfiguration {
                stage: match self.dice.below(3) {
                    0 => None,
                    1 => Some(None),
                    _ => Some(Some(self.stage())),
                },
                redundant: *self.dice.pick(&[None, Some(true), Some(false)]),
                fresh: [
                    self.credential(row.id.as_str()),
                    self.credential(row.id.as_str()),
                ],
                configuration,
            },
            3 => {
                let ids = row.participants();
                let participant = (*self.dice.pick(&ids)).clone();
                let stage = row.stage.clone().map_or_else(|| self.stage(), arn);
                Command::DisconnectParticipant { stage, participant }
            }
            _ => {
                let redundant = row.redundant.iter().flatten();
                let all: Vec<_> = std::iter::once(&row.credential).chain(redundant).collect();
                Command::StartIngest {
                    connection: ConnectionId::new(self.fresh("connection")),
                    configuration: row.id.clone(),
                    key: self.dice.pick(&all).key.clone(),
                    protocol: *self
                        .dice
                        .pick(&[IngestProtocol::Rtmp, IngestProtocol::Rtmps]),
                }
            }
        }
    }

    fn credential(&mut self, configuration: &str) -> IngestCredential {
        let id = self.fresh("p");
        IngestCredential {
            key: StreamKey::new(ACCOUNT, "eu-west-1", &configuration.into(), &id),
            participant: ParticipantId::new(id),
        }
    }

    /// Reports on recordings, in any order, and what people ask.
    fn recording(&mut self) -> Command {
        let rows = self.world.recordings.keys();
        let ids: Vec<_> = rows.rev().take(6).cloned().collect();
        let recording = match ids.is_empty() || self.dice.one_in(30) {
            true => RecordingId::new("gone"),
            false => self.dice.pick(&ids).clone(),
        };
        let job = recording.job();
        let generation = self.world.jobs.get(&job).map_or(1, |row| row.generation);
        let failure = RecordingFailure {
            code: RecordingFailureCode::AccessDenied,
            reason: AWKWARD[3].to_owned(),
        };
        match self.dice.below(12) {
            0..=3 => Command::RecordingStarted { job, generation },
            4 => Command::RecordingStartFailed {
                job,
                generation,
                failure,
            },
            5 => Command::RecordingFinished {
                recording,
                duration_ms: 7,
                failure: self.dice.one_in(3).then_some(failure),
                message: Some(AWKWARD[5].to_owned()),
            },
            6 => Command::PauseRecording {
                recording,
                region: "eu-west-1".to_owned(),
            },
            7 => Command::ResumeRecording {
                recording,
                region: "eu-west-1".to_owned(),
            },
            8 => Command::ReportJob {
                job,
                generation,
                outcome: match self.dice.below(3) {
                    0 => JobOutcome::Done(String::new()),
                    1 => JobOutcome::Failed("no disk".to_owned()),
                    _ => JobOutcome::Impossible("no disk".to_owned()),
                },
            },
            _ => Command::Tick,
        }
    }

    /// StartComposition, now and then with a token that was used before.
    fn start_composition(&mut self) -> Command {
        let channel = NewDestination {
            id: CompositionDestinationId::new(self.fresh("destination")),
            name: AWKWARD[3].to_owned(),
            encoder: None,
            target: NewTarget::Channel(Arn {
                region: "eu-west-1".to_owned(),
                account: ACCOUNT.to_owned(),
                id: (*self.dice.pick(&["one", "two", "three"])).into(),
            }),
        };
        let mut destinations = vec![channel];
        if let Some(storage) = self.storage_configuration() {
            let encoder = self.encoder_configuration();
            destinations.push(NewDestination {
                id: CompositionDestinationId::new(self.fresh("destination")),
                name: String::new(),
                encoder: Some(encoder).filter(|_| self.dice.one_in(3)),
                target: NewTarget::S3 {
                    storage,
                    segment_s: 2,
                    thumbnails: Some(CompositionThumbnails::default()),
                },
            });
        }
        let dropped = usize::try_from(self.dice.below(3)).unwrap();
        if destinations.len() > 1 && dropped < 2 {
            destinations.remove(dropped);
        }
        let token = self.dice.below(4);
        let id = CompositionId::new(self.fresh("composition"));
        let fingerprint = destinations.len().to_string();
        Command::StartComposition {
            composition: arn(StageId::new("")).with_id(|_| id),
            stage: self.stage(),
            layout: LayoutSettings::default(),
            destinations,
            tags: BTreeMap::new(),
            idempotency: self.dice.one_in(3).then(|| Idempotency {
                token: format!("token{token}"),
                fingerprint,
            }),
        }
    }

    /// What people ask of compositions, and reports on them, in any order.
    fn composition(&mut self) -> Command {
        let rows: Vec<_> = self.world.compositions.values().collect();
        let live: Vec<_> = rows.iter().filter(|row| !row.state.is_final()).collect();
        if live.is_empty() || self.dice.one_in(5) {
            return self.start_composition();
        }
        let row = match self.dice.one_in(8) {
            true => (*self.dice.pick(&rows)).clone(),
            false => (**self.dice.pick(&live)).clone(),
        };
        let ids: Vec<_> = row.destinations.iter().map(|row| row.id.clone()).collect();
        let destination = self.dice.pick(&ids).clone();
        let job = row.id.job();
        let generation = self.world.jobs.get(&job).map_or(1, |row| row.generation);
        let failure = CompositionFailure {
            code: *self.dice.pick(&CompositionFailureCode::ALL),
            reason: AWKWARD[3].to_owned(),
        };
        let change = match self.dice.below(16) {
            0 => {
                let arn = arn(StageId::new("")).with_id(|_| row.id.clone());
                return Command::StopComposition { composition: arn };
            }
            1 | 2 => return Command::CompositionStarted { job, generation },
            3..=5 => {
                return Command::CompositionDestinationFinished {
                    composition: row.id.clone(),
                    destination,
                    duration_ms: 7,
                    failure: self.dice.one_in(3).then_some(failure),
                };
            }
            6 | 7 => {
                return Command::ReportJob {
                    job,
                    generation,
                    outcome: match self.dice.below(3) {
                        0 => JobOutcome::Done(String::new()),
                        _ => JobOutcome::Failed("it died".to_owned()),
                    },
                };
            }
            8 => return Command::Tick,
            9..=11 => DestinationChange::Started,
            12 => DestinationChange::Reconnecting,
            13 | 14 => DestinationChange::Failed(failure),
            _ => DestinationChange::Ended,
        };
        Command::CompositionDestinationChanged {
            job,
            generation,
            destination,
            change,
        }
    }

    fn exchange(&mut self) -> Command {
        let self_signed = |world: &World, row: &&Connection| {
            let key = (row.stage.clone(), row.participant.clone());
            world
                .tokens
                .get(&key)
                .is_some_and(|row| row.self_signed.is_some())
        };
        let world = &self.world;
        let rows = world
            .connections
            .values()
            .filter(|row| self_signed(world, row));
        let rows: Vec<_> = rows.cloned().collect();
        if rows.is_empty() {
            return self.open_connection();
        }
        let row = self.dice.pick(&rows);
        Command::ExchangeToken {
            connection: row.id.clone(),
            stage: row.stage.clone(),
            participant: row.participant.clone(),
            claims: self.claims_of(arn(row.stage.clone()), row.participant.clone()),
        }
    }

    fn claims(&mut self) -> Claims {
        let (stage, participant) = self.bearer();
        let own = self.dice.one_in(5);
        let participant = if own {
            ParticipantId::new(format!("own{}", self.dice.below(6)))
        } else {
            participant
        };
        self.claims_of(stage, participant)
    }

    fn claims_of(&mut self, stage: StageArn, participant: ParticipantId) -> Claims {
        let key = (stage.id.clone(), participant.clone());
        let signer = match self.world.tokens.get(&key) {
            Some(row) if row.self_signed.is_none() => Signer::Service,
            _ => Signer::PublicKey(self.key()),
        };
        Claims {
            signer,
            issued_at: self.wall,
            participant,
            stage,
            user_id: (*self.dice.pick(&AWKWARD)).to_owned(),
            attributes: BTreeMap::from([("k".to_owned(), AWKWARD[2].to_owned())]),
            capabilities: Capabilities {
                publish: !self.dice.one_in(12),
                subscribe: !self.dice.one_in(12),
            },
            expires_at: self.wall.plus_seconds(3_600),
        }
    }

    fn kind(&mut self) -> ConnectionKind {
        match self.dice.below(6) {
            0..=2 => ConnectionKind::Publish,
            3 => ConnectionKind::Events,
            _ => {
                let shown: Vec<_> = self
                    .world
                    .participants
                    .values()
                    .filter(|row| row.publishing)
                    .collect();
                let publisher = if shown.is_empty() {
                    ParticipantId::new("stranger")
                } else {
                    self.dice.pick(&shown).id.clone()
                };
                ConnectionKind::Subscribe { publisher }
            }
        }
    }

    fn open_connection(&mut self) -> Command {
        let claims = self.claims();
        // The resumption secret of the session in progress, sometimes of another one.
        let stage = self.world.stages.get(&claims.stage.id);
        let resumes = match self.dice.below(6) {
            0 | 1 => stage.and_then(|row| row.active_session.clone()),
            2 => Some(StageSessionId::new("st-1")),
            _ => None,
        };
        Command::OpenConnection {
            connection: ConnectionId::new(self.fresh("c")),
            kind: self.kind(),
            claims,
            resumes,
            protocol: Protocol::Whip,
            client: Client {
                browser_name: AWKWARD[7].to_owned(),
                ..Client::default()
            },
            connection_token: self.connection_token(),
        }
    }

    fn connection_token(&mut self) -> Option<ConnectionTokenClaims> {
        let keys: Vec<_> = self.world.plain_of::<PublicKey>().collect();
        if keys.is_empty() || !self.dice.one_in(4) {
            return None;
        }
        let key = self.dice.pick(&keys);
        let signer = PublicKeyArn {
            region: key.region.clone(),
            account: key.account.clone(),
            id: key.id.clone(),
        };
        Some(ConnectionTokenClaims {
            id: self.connection_token_id(),
            signer,
            issued_at: Time(0),
            expires_at: Time(i64::MAX),
        })
    }

    fn connection_token_id(&mut self) -> ConnectionTokenId {
        ConnectionTokenId::new(format!("token{}", self.dice.below(24)))
    }

    fn on_connection(&mut self, established: bool) -> Command {
        let open: Vec<_> = self.world.connections.values().collect();
        if open.is_empty() {
            return self.open_connection();
        }
        let row = self.dice.pick(&open);
        let (connection, stage, participant) =
            (row.id.clone(), row.stage.clone(), row.participant.clone());
        if !established && self.dice.one_in(4) {
            return Command::ConnectionExceeded {
                connection,
                stage,
                participant,
                error: StageEventError::ResolutionExceeded,
            };
        }
        if !established && self.dice.one_in(4) {
            return Command::ConnectionFailed {
                connection,
                stage,
                participant,
                error: StageEventError::InvalidInput,
                is_over: self.dice.one_in(2),
            };
        }
        if established {
            Command::ConnectionEstablished {
                connection,
                stage,
                participant,
            }
        } else {
            Command::ConnectionClosed {
                connection,
                stage,
                participant,
            }
        }
    }
}

fn arn(id: StageId) -> StageArn {
    StageArn {
        region: "eu-west-1".to_owned(),
        account: ACCOUNT.to_owned(),
        id,
    }
}
