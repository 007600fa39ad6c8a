//! A seeded random walk: thousands of commands, sensible and not, over stages that come and go. The scene
//! checks every step: the decision is the same on the needed rows as on all, and the audit holds.

use std::collections::BTreeSet;

use restage_core::command::NewStageRecording;
use restage_core::command::{Claims, DestinationChange, JobOutcome};
use restage_core::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{
    COMPOSITION_JOB, Capabilities, CompositionDestinationId, CompositionFailureCode, CompositionId,
    CompositionState, Connection, EncoderConfiguration, EncoderConfigurationId,
    IngestConfiguration, IngestProtocol, PlainKind, PlainLimits, PublicKey, RECORDING_JOB,
    RecordingId, RecordingSettings, StageEventError, StorageConfiguration,
};
use restage_core::{
    Arn, Change, Command, ConnectionTokenClaims, Effect, Limits, Reply, ResourceArn, World, decide,
    needs,
};

use crate::support::compositions::{
    compose, composition_arn, composition_failure, encoded, to_bucket, to_channel,
};
use crate::support::{
    IDLE_S, REGION, Scene, attributes, composition_lines, create, delete, ingest_arn, ingest_row,
    key_arn, key_row, no_bucket, plain_row, recorded_to, recording_lines, storage_arn, stream,
};

const SEEDS: u64 = 16;
const STEPS: u32 = 1200;

/// What decides where a walk goes.
enum Random {
    /// SplitMix64: small, and good enough to wander about.
    Seed(u64),
    /// The bytes of an input, then zeros.
    Bytes(std::vec::IntoIter<u8>),
}

impl Random {
    fn next(&mut self) -> u64 {
        let seed = match self {
            Self::Seed(seed) => seed,
            Self::Bytes(bytes) => return bytes.next().unwrap_or_default().into(),
        };
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.as_slice().is_empty())
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| from[self.below(from.len())])
    }
}

/// Says where a failing walk was.
struct Whereabouts {
    seed: u64,
    step: u32,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the walk failed with seed {}, step {}",
                self.seed, self.step
            );
        }
    }
}

struct Walk {
    scene: Scene,
    random: Random,
    made: u32,
    /// Names of events, faults and reasons met.
    met: BTreeSet<String>,
}

#[test]
fn every_decision_needs_only_its_rows_and_keeps_the_invariants() {
    let mut met = BTreeSet::new();
    for seed in 0..SEEDS {
        met.extend(walk(seed, STEPS));
    }
    // A walk that does not get around proves nothing.
    let expected = "Conflict Denied Disconnected Invalid InsufficientCapabilities Joined JoinError Left LimitExceeded \
                    MissingCapability NotFound PublishError PublishStarted PublishStopped PublisherLeft \
                    PublisherNotFound QuotaExceeded Replaced ReplicationStarted ReplicationStopped \
                    SessionEnded StageDeleted SubscribeError SubscribeStarted SubscribeStopped TokenExpired \
                    TokenRevoked resumed CapabilityLost TokenExchanged TokenInvalid StreamDurationExceeded BitrateExceeded CameBack \
                    JobPending JobRunning JobDone JobFailed JobDeleted RunAgain Abandoned StoppedJob \
                    RecordingStarting RecordingActive RecordingStopping RecordingStopped RecordingFailed \
                    Start End StartFailure EndFailure Told Finish Waited GoneOn OfReplica Paused \
                    CompositionStarting CompositionActive CompositionStopping CompositionStopped CompositionFailed \
                    CompositionIdle CompositionBusy CompositionGone Composed Again Session/Start Session/End Session/Failure \
                    At/Start At/End At/Reconnecting At/Failure StageDeleted! DestinationFailure! InternalServerException! \
                    InvalidStreamKey InvalidProtocol ReuseOfStreamKey Physical Virtual Switched Forced \
                    ConnectionTokenRevoked ConnectionToken(Revoked) ConnectionToken(Expired) ConnectionToken(Malformed)";
    let missed: Vec<&str> = expected
        .split_whitespace()
        .filter(|name| !met.contains(*name))
        .collect();
    assert_eq!(missed, [""; 0], "not met in any walk");
}

fn walk(seed: u64, steps: u32) -> BTreeSet<String> {
    let mut whereabouts = Whereabouts { seed, step: 0 };
    let mut walk = Walk::new(Random::Seed(seed), !seed.is_multiple_of(3));
    for step in 0..steps {
        whereabouts.step = step;
        walk.step();
    }
    walk.met
}

/// A walk that an input decides, with narrow limits if its first byte is even. The fuzz target `core` (dev/fuzz) is this walk.
#[allow(dead_code)]
pub(crate) fn walk_by(input: &[u8], steps_max: u32) {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    let mut walk = Walk::new(
        Random::Bytes(Vec::from(rest).into_iter()),
        first.is_multiple_of(2),
    );
    for _ in 0..steps_max {
        if walk.random.is_over() {
            return;
        }
        walk.step();
    }
}

impl Walk {
    fn new(random: Random, is_narrow: bool) -> Self {
        let mut walk = Self {
            scene: Scene::new(&[]),
            random,
            made: 0,
            met: BTreeSet::new(),
        };
        if is_narrow {
            walk.scene.limits = Limits {
                stages: 5,
                plain: PlainLimits {
                    public_keys: 2,
                    encoder_configurations: 3,
                    storage_configurations: 3,
                    ingest_configurations: 4,
                },
                publishers_per_stage: 3,
                subscribers_per_stage: 4,
                replications_per_participant: 2,
                publishers: 6,
                subscriptions: 8,
                connection_seconds: 200,
                compositions: 4,
                compositions_per_stage: 2,
                ..Limits::AWS
            };
        }
        walk
    }

    fn step(&mut self) {
        let seconds = [0, 0, 0, 1, 5, 20][self.random.below(6)];
        self.scene.wait(if self.random.one_in(60) {
            IDLE_S + 40
        } else {
            seconds
        });
        if self.random.one_in(200) {
            // Hours, either way: what is open lasts, and lists keep their order.
            let hours = [-26, -1, 1, 26][self.random.below(4)];
            self.scene.set_clock(hours * 3_600);
        }
        self.scene.capabilities = Capabilities {
            publish: !self.random.one_in(12),
            subscribe: !self.random.one_in(12),
        };
        let order = self.random.below(3).to_string();
        let plain = self.random.one_in(9);
        self.scene.attributes = if plain {
            attributes(&[])
        } else {
            attributes(&[("order", &order)])
        };
        let Some(command) = self.command() else {
            return;
        };
        if self.random.one_in(4) {
            self.survives_missing_rows(&command);
        }
        let before = self.scene.world.clone();
        let stranger = self.random.one_in(150);
        let step = if stranger {
            self.scene.run_as("999988887777", &command)
        } else {
            self.scene.run(&command)
        };
        if let Err(refusal) = &step.decision.reply {
            self.met.insert(format!("{:?}", refusal.fault));
        }
        if let Command::OpenConnection { claims, .. } = &command
            && claims.expires_at <= self.scene.wall
            && step.decision.reply.is_ok()
        {
            self.met.insert("CameBack".to_owned());
        }
        for change in &step.decision.changes {
            match change {
                Change::AddEvent(event) => {
                    self.met.insert(format!("{:?}", event.name));
                    self.met
                        .extend(event.error.map(|error| format!("{error:?}")));
                }
                Change::PutJob(row) => {
                    let state = format!("{:?}", row.state);
                    let word = state.split([' ', '(']).next().unwrap_or_default();
                    self.met.insert(format!("Job{word}"));
                }
                Change::PutRecording(row) => {
                    self.met.insert(format!("Recording{:?}", row.state));
                    let earlier = before.recordings.get(&row.id);
                    let waited = earlier.is_some_and(|row| row.window_ends_at.is_some());
                    let seen = [
                        (waited && !row.is_open(), "Waited"),
                        (waited && row.publication.is_some(), "GoneOn"),
                        (row.is_open() && row.is_replica(), "OfReplica"),
                        (row.is_open() && row.paused, "Paused"),
                    ];
                    let seen = seen.into_iter().filter(|(seen, _)| *seen);
                    self.met.extend(seen.map(|(_, name)| name.to_owned()));
                }
                Change::PutComposition(row) => {
                    self.met.insert(format!("Composition{:?}", row.state));
                    let earlier = before.compositions.get(&row.id);
                    let was_idle = earlier.is_some_and(|row| row.idle_since.is_some());
                    let seen = [
                        (row.is_open() && row.idle_since.is_some(), "CompositionIdle"),
                        (
                            was_idle
                                && row.state == CompositionState::Active
                                && row.idle_since.is_none(),
                            "CompositionBusy",
                        ),
                    ];
                    let seen = seen.into_iter().filter(|(seen, _)| *seen);
                    self.met.extend(seen.map(|(_, name)| name.to_owned()));
                }
                Change::DeleteComposition(_) => {
                    self.met.insert("CompositionGone".to_owned());
                }
                Change::DeleteJob(_) => {
                    self.met.insert("JobDeleted".to_owned());
                }
                Change::PutParticipant(row) if row.publishing && row.ingest.is_some() => {
                    let kinds = [
                        (row.is_physical(), "Physical"),
                        (row.is_virtual(), "Virtual"),
                    ];
                    let kinds = kinds.into_iter().filter(|(is_so, _)| *is_so);
                    self.met.extend(kinds.map(|(_, name)| name.to_owned()));
                }
                Change::PutParticipant(row) if row.is_physical() && !row.publishing => {
                    let key = (row.session.clone(), row.id.clone());
                    let published = before
                        .participants
                        .get(&key)
                        .is_some_and(|row| row.publishing);
                    let streams = row.ingest.as_ref().and_then(|link| link.redundant.as_ref());
                    let shown = streams.map(|streams| &streams.virtual_participant);
                    let shown = shown.map(|id| (row.session.clone(), id.clone()));
                    let shown = shown.and_then(|key| self.scene.world.participants.get(&key));
                    let goes_on = published && shown.is_some_and(|row| row.publishing);
                    self.met.extend(goes_on.then(|| "Switched".to_owned()));
                }
                Change::DeletePlain(_) if !step.decision.effects.is_empty() => {
                    self.met.insert("Forced".to_owned());
                }
                Change::PutReplica(row) if row.active && row.window_ends_at.is_none() => {
                    let waited = before
                        .replicas
                        .get(&row.key())
                        .is_some_and(|row| row.window_ends_at.is_some());
                    self.met.extend(waited.then(|| "resumed".to_owned()));
                }
                _ => {}
            }
        }
        for line in recording_lines(&step.decision) {
            let name = line.split(' ').nth(1).unwrap_or_default();
            self.met.insert(name.to_owned());
        }
        for line in composition_lines(&step.decision) {
            let words: Vec<&str> = line.split(' ').collect();
            let (what, rest) = match words[0].contains('/') {
                true => ("At", &words[1..]),
                false => ("Session", &words[2..]),
            };
            self.met.insert(format!("{what}/{}", rest[0]));
            if what == "Session" {
                self.met.extend(rest.get(1).map(|code| format!("{code}!")));
            }
        }
        if let (Command::StartComposition { composition, .. }, Ok(Reply::Composition(row))) =
            (&command, &step.decision.reply)
        {
            let is_new = composition.id == row.id;
            self.met
                .insert(if is_new { "Composed" } else { "Again" }.to_owned());
        }
        for effect in &step.decision.effects {
            match effect {
                Effect::Close { reason, .. } => self.met.insert(format!("{reason:?}")),
                Effect::RunJob { job } if job.generation > 1 => {
                    self.met.insert("RunAgain".to_owned())
                }
                Effect::AbandonJob { .. } => self.met.insert("Abandoned".to_owned()),
                Effect::StopJob { .. } => self.met.insert("StoppedJob".to_owned()),
                Effect::TellJob { .. } => self.met.insert("Told".to_owned()),
                Effect::FinishRecording { .. } => self.met.insert("Finish".to_owned()),
                _ => false,
            };
        }
    }

    /// Rows may be missing in any combination; the answer may be odd, but there is one.
    fn survives_missing_rows(&mut self, command: &Command) {
        let context = self.scene.context();
        let mut world = self.scene.world.select(&needs(command, &context));
        let Self { random, .. } = self;
        world.stages.retain(|_, _| !random.one_in(4));
        world.tokens.retain(|_, _| !random.one_in(4));
        world.revocations.retain(|_, _| !random.one_in(4));
        world.plain.retain(|_, _| !random.one_in(4));
        world.sessions.retain(|_, _| !random.one_in(4));
        world.participants.retain(|_, _| !random.one_in(4));
        world.replicas.retain(|_, _| !random.one_in(4));
        world.connections.retain(|_, _| !random.one_in(4));
        world.jobs.retain(|_, _| !random.one_in(4));
        world.recordings.retain(|_, _| !random.one_in(4));
        world.compositions.retain(|_, _| !random.one_in(4));
        let once = decide(&world, &context, command);
        assert_eq!(once, decide(&world, &context, command));
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    fn stage(&mut self) -> String {
        let stages: Vec<&StageId> = self.scene.world.stages.keys().collect();
        let stage = if self.random.one_in(80) {
            None
        } else {
            self.random.pick(&stages)
        };
        stage.map_or_else(|| "Gone".to_owned(), StageId::to_string)
    }

    /// What a bearer's token says. Those that restage made always say the same; a self-signed one may be
    /// another every time, of any key.
    fn claims(&mut self, stage: &str, participant: &str) -> Claims {
        let key = (StageId::new(stage), ParticipantId::new(participant));
        let row = self.scene.world.tokens.get(&key);
        let self_signed = match row {
            Some(row) => row.self_signed.is_some() != self.random.one_in(80),
            None => self.random.one_in(2),
        };
        if self_signed {
            let key = self.key();
            let mut claims = self
                .scene
                .self_signed(&format!("{stage}/{participant}"), &key);
            if self.random.one_in(40) {
                claims.issued_at = self.scene.wall.plus_seconds(400);
            }
            // Often enough for some of them to resume a session.
            if self.random.one_in(10) {
                claims.expires_at = self.scene.wall;
            }
            if self.random.one_in(60) {
                claims.attributes = attributes(&[("order", &"x".repeat(1019))]);
            }
            return claims;
        }
        let order = participant.len().to_string();
        Claims {
            attributes: attributes(&[("order", &order)]),
            ..self.scene.claims(stage, participant)
        }
    }

    /// The name of a public key; seldom one that is not there.
    fn key(&mut self) -> String {
        let keys: Vec<_> = self
            .scene
            .world
            .plain_of::<PublicKey>()
            .map(|row| &row.id)
            .collect();
        let key = if self.random.one_in(60) {
            None
        } else {
            self.random.pick(&keys)
        };
        key.map_or_else(|| "Gone".to_owned(), ToString::to_string)
    }

    /// An encoder configuration; seldom one that is not there.
    fn encoder_configuration(&mut self) -> Arn<EncoderConfigurationId> {
        let rows = self.scene.world.plain_of::<EncoderConfiguration>();
        let ids: Vec<_> = rows.map(|row| &row.id).collect();
        let id = match self.random.one_in(60) {
            true => None,
            false => self.random.pick(&ids).cloned(),
        };
        key_arn("").with_id(|_| id.unwrap_or_else(|| "Gone".into()))
    }

    fn exchange(&mut self) -> Option<Command> {
        let self_signed = |world: &World, row: &Connection| {
            let key = (row.stage.clone(), row.participant.clone());
            let token = world.tokens.get(&key);
            token.is_some_and(|token| token.self_signed.is_some())
        };
        let any = self.random.one_in(20);
        let world = self.scene.world.clone();
        let (connection, stage, participant) =
            self.connection(|row| any || self_signed(&world, row))?;
        let claims = if self.random.one_in(40) {
            let (stage, participant) = self.bearer();
            self.claims(&stage, &participant)
        } else {
            self.claims(stage.as_str(), participant.as_str())
        };
        Some(Command::ExchangeToken {
            connection,
            stage,
            participant,
            claims,
        })
    }

    /// Import and delete keys, tag and untag what there is.
    fn keys_and_tags(&mut self) -> Command {
        let composition = self.composition_id();
        let resource = match self.random.below(5) {
            0 | 1 => ResourceArn::from(crate::support::arn(&self.stage())),
            4 => ResourceArn::from(composition_arn(&composition)),
            2 => ResourceArn::from(key_arn(&self.key())),
            _ => ResourceArn::from(self.encoder_configuration()),
        };
        match self.random.below(10) {
            0..4 => {
                let point = self.random.below(6).to_string();
                let row = key_row(&self.fresh("K"), &point);
                Command::CreateResource { row: row.into() }
            }
            4 => delete(key_arn(&self.key())),
            8 => create(plain_row(PlainKind::EncoderConfiguration, &self.fresh("E"))),
            9 => delete(self.encoder_configuration()),
            5 | 6 => {
                let first = self.random.below(100);
                let tags = (first..first + 20).map(|n| (n.to_string(), String::new()));
                Command::TagResource {
                    resource,
                    tags: tags.collect(),
                }
            }
            _ => Command::UntagResource {
                resource,
                keys: (0..self.random.below(100)).map(|n| n.to_string()).collect(),
            },
        }
    }

    /// Someone with a token; seldom a dead or unknown one.
    fn bearer(&mut self) -> (String, String) {
        let tokens = self.scene.world.tokens.values();
        let live: Vec<_> = tokens
            .filter(|row| row.revoked_at.is_none() && row.expires_at > self.scene.wall)
            .collect();
        let all: Vec<_> = self.scene.world.tokens.values().collect();
        let from = if self.random.one_in(40) { &all } else { &live };
        match self.random.pick(from) {
            Some(row) => (row.stage.to_string(), row.participant.to_string()),
            None => (self.stage(), "nobody".to_owned()),
        }
    }

    /// A bearer, or someone who comes with a self-signed token and an id of their own, which may be heard in
    /// several stages.
    fn joiner(&mut self) -> (String, String) {
        if self.random.one_in(6) {
            (self.stage(), format!("own{}", self.random.below(8)))
        } else {
            self.bearer()
        }
    }

    /// A participant or replica of a session in progress, and its stage.
    fn present(
        &mut self,
        wanted: impl Fn(&World, &restage_core::row::Participant) -> bool,
    ) -> (String, String) {
        let world = &self.scene.world;
        let rows = world
            .participants
            .values()
            .filter(|row| world.sessions[&row.session].ended_at.is_none());
        let rows: Vec<_> = rows.filter(|row| wanted(world, row)).collect();
        match self.random.pick(&rows) {
            Some(row) => (row.stage.to_string(), row.id.to_string()),
            None => self.bearer(),
        }
    }

    fn open(&mut self) -> Command {
        let (stage, participant) = self.joiner();
        let what = match self.random.below(5) {
            0 | 1 => "publish".to_owned(),
            2 => "events".to_owned(),
            _ => {
                let there = StageId::new(stage.as_str());
                let open = self.random.one_in(5);
                let (_, publisher) = self.present(|_, row| {
                    row.stage == there && (open || row.publishing || row.in_replication())
                });
                format!("watch {publisher}")
            }
        };
        let connection = self.fresh("c");
        Command::OpenConnection {
            connection: ConnectionId::new(connection),
            kind: crate::support::kind(&what),
            claims: self.claims(&stage, &participant),
            resumes: self.resumed(&stage),
            protocol: restage_core::row::Protocol::Whip,
            client: Default::default(),
            connection_token: self.connection_token(),
        }
    }

    /// The connection token that comes with a join, if one does; seldom one that is no good.
    fn connection_token(&mut self) -> Option<ConnectionTokenClaims> {
        if !self.random.one_in(6) {
            return None;
        }
        let (id, key) = (self.connection_token_id(), self.key());
        let mut claims = self.scene.connection_token(&id, &key);
        if self.random.one_in(40) {
            claims.expires_at = self.scene.wall;
        }
        Some(claims)
    }

    fn connection_token_id(&mut self) -> String {
        // So many that most are not revoked.
        format!("t{}", self.random.below(4 + self.made as usize / 40))
    }

    /// The session whose resumption secret comes with a token: none, the one in progress, or an old one.
    fn resumed(&mut self, stage: &str) -> Option<StageSessionId> {
        let stage = self.scene.world.stages.get(&StageId::new(stage));
        let active = stage.and_then(|row| row.active_session.clone());
        match self.random.below(6) {
            0 | 1 => active,
            2 => Some(StageSessionId::new("s1")),
            _ => None,
        }
    }

    fn connection(
        &mut self,
        wanted: impl Fn(&Connection) -> bool,
    ) -> Option<(ConnectionId, StageId, ParticipantId)> {
        let rows: Vec<_> = self
            .scene
            .world
            .connections
            .values()
            .filter(|row| wanted(row))
            .collect();
        let row = self.random.pick(&rows)?;
        Some((row.id.clone(), row.stage.clone(), row.participant.clone()))
    }

    fn start_replication(&mut self) -> Command {
        let any = self.random.one_in(6);
        let (stage, participant) =
            self.present(|_, row| any || (row.publishing && !row.is_replica()));
        let long = "x".repeat(1100);
        let value = if self.random.one_in(20) { &long } else { "1" };
        Command::StartParticipantReplication {
            source: crate::support::arn(&stage),
            destination: crate::support::arn(&self.stage()),
            participant: ParticipantId::new(participant),
            reconnect_window_s: [0, 10, 30, 300][self.random.below(4)],
            attributes: attributes(&[("pip", value)]),
        }
    }

    fn stop_replication(&mut self) -> Command {
        let any = self.random.one_in(6);
        let rows: Vec<_> = self
            .scene
            .world
            .replicas
            .values()
            .filter(|row| any || row.active)
            .collect();
        let (source, destination, participant) = match self.random.pick(&rows) {
            Some(row) => (
                row.source_stage.to_string(),
                row.destination_stage.to_string(),
                row.participant.to_string(),
            ),
            None => (self.stage(), self.stage(), "nobody".to_owned()),
        };
        Command::StopParticipantReplication {
            source: crate::support::arn(&source),
            destination: crate::support::arn(&destination),
            participant: ParticipantId::new(participant),
        }
    }

    /// Jobs come and go; reports are of the start that runs, or of an earlier one.
    fn job(&mut self) -> Command {
        let jobs: Vec<_> = self.scene.world.jobs.values().collect();
        let (job, generation) = match self.random.pick(&jobs) {
            Some(row) => (row.id.clone(), row.generation),
            None => (JobId::new("gone"), 1),
        };
        let generation = generation - u32::from(self.random.one_in(8));
        match self.random.below(12) {
            0 | 1 => {
                let (stage, id) = (self.stage(), self.fresh("j"));
                let mut new = self.scene.new_job(&stage, &id);
                if self.random.one_in(20) {
                    new.kind = "No word".to_owned();
                }
                Command::StartJob { job: new }
            }
            2 => Command::StopJob { job },
            3..8 => Command::RenewJob { job, generation },
            _ => {
                let words = "because".to_owned();
                let outcome = match self.random.below(8) {
                    0 => JobOutcome::Done(words),
                    1 => JobOutcome::Impossible(words),
                    2 => JobOutcome::Released,
                    _ => JobOutcome::Failed(words),
                };
                Command::ReportJob {
                    job,
                    generation,
                    outcome,
                }
            }
        }
    }

    /// A recording block; every other one records.
    fn recording_block(&mut self) -> NewStageRecording {
        let rows = self.scene.world.plain_of::<StorageConfiguration>();
        let ids: Vec<String> = rows.map(|row| row.id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let storage = match self.random.one_in(20) {
            true => Some("Gone"),
            false => self.random.pick(&ids).filter(|_| !self.random.one_in(3)),
        };
        let window_s = [0, 0, 10, 60][self.random.below(4)];
        match storage {
            Some(storage) => {
                let mut block = recorded_to(storage, window_s);
                block.settings.replicas = !self.random.one_in(4);
                block
            }
            None => NewStageRecording {
                storage: None,
                settings: RecordingSettings::default(),
            },
        }
    }

    /// Storage configurations come and go; stages begin and cease to record.
    fn storage(&mut self) -> Command {
        match self.random.below(6) {
            0 => create(plain_row(PlainKind::StorageConfiguration, &self.fresh("W"))),
            1 => {
                let rows = self.scene.world.plain_of::<StorageConfiguration>();
                let ids: Vec<_> = rows.map(|row| &row.id).collect();
                let id = self.random.pick(&ids).map(ToString::to_string);
                delete(storage_arn(id.as_deref().unwrap_or("Gone")))
            }
            _ => Command::UpdateStage {
                stage: crate::support::arn(&self.stage()),
                name: None,
                recording: Some(self.recording_block()),
            },
        }
    }

    /// What the node reports of recordings, in any order, and what people ask.
    fn recording(&mut self) -> Command {
        let rows: Vec<_> = self.scene.world.recordings.keys().collect();
        let recording = match self.random.pick(&rows) {
            // Mostly a late one, because early ones have ended.
            Some(_) if !self.random.one_in(4) => {
                rows[rows.len() - 1 - self.random.below(rows.len().min(8))].clone()
            }
            Some(id) => id.clone(),
            None => RecordingId::new("gone"),
        };
        let region = match self.random.one_in(20) {
            true => "us-east-1".to_owned(),
            false => REGION.to_owned(),
        };
        let jobs = self.scene.world.jobs.values();
        let jobs: Vec<_> = jobs.filter(|row| row.kind == RECORDING_JOB).collect();
        let (job, generation) = match self.random.pick(&jobs) {
            Some(row) => (row.id.clone(), row.generation),
            None => (recording.job(), 1),
        };
        let generation = generation - u32::from(self.random.one_in(8));
        match self.random.below(12) {
            0..4 => Command::RecordingStarted { job, generation },
            4 => Command::RecordingStartFailed {
                job,
                generation,
                failure: no_bucket(),
            },
            5..9 => Command::RecordingFinished {
                recording,
                duration_ms: 2_000,
                failure: self.random.one_in(4).then(no_bucket),
                message: None,
            },
            9 | 10 => Command::PauseRecording { recording, region },
            _ => Command::ResumeRecording { recording, region },
        }
    }

    /// A composition, mostly one that has not ended; seldom one that is not there.
    fn composition_id(&mut self) -> String {
        let rows = self.scene.world.compositions.values();
        let any = self.random.one_in(4);
        let rows = rows.filter(|row| any || !row.state.is_final());
        let ids: Vec<&CompositionId> = rows.map(|row| &row.id).collect();
        let id = self.random.pick(&ids);
        id.map_or_else(|| "Gone".to_owned(), ToString::to_string)
    }

    /// StartComposition, now and then with a token that was used before.
    fn start_composition(&mut self) -> Command {
        let rows = self.scene.world.plain_of::<StorageConfiguration>();
        let storages: Vec<String> = rows.map(|row| row.id.to_string()).collect();
        let storages: Vec<&str> = storages.iter().map(String::as_str).collect();
        let storage = self.random.pick(&storages).unwrap_or("Gone").to_owned();
        let encoder = self.encoder_configuration().id.to_string();
        let (id, stage) = (self.fresh("X"), self.stage());
        let channel = ["one", "two", "three", "four"][self.random.below(4)];
        let channel = to_channel(&self.fresh("d"), channel);
        let bucket = to_bucket(&self.fresh("d"), &storage);
        let bucket = match self.random.one_in(3) {
            true => encoded(bucket, &encoder),
            false => bucket,
        };
        let destinations = match self.random.below(3) {
            0 => vec![channel],
            1 => vec![bucket],
            _ => vec![channel, bucket],
        };
        let token = match self.random.below(3) {
            0 => format!("t{}", self.random.below(4)),
            _ => String::new(),
        };
        compose(&id, &stage, destinations, &token)
    }

    /// What people ask of compositions, and what the node reports of them, in any order.
    fn composition(&mut self) -> Command {
        if self.random.one_in(5) {
            return self.start_composition();
        }
        let id = self.composition_id();
        let row = self
            .scene
            .world
            .compositions
            .get(&CompositionId::new(id.as_str()));
        let destinations = row.map_or_else(Vec::new, |row| row.destinations.clone());
        let destinations: Vec<_> = destinations.iter().map(|row| &row.id).collect();
        let destination = match self.random.one_in(20) {
            true => None,
            false => self.random.pick(&destinations).cloned(),
        };
        let destination = destination.unwrap_or_else(|| CompositionDestinationId::new("gone"));
        let job = self.scene.world.jobs.get(&JobId::new(id.as_str()));
        let job = job.filter(|row| row.kind == COMPOSITION_JOB);
        let generation = job.map_or(1, |row| row.generation);
        let generation = generation - u32::from(self.random.one_in(8));
        let failure = composition_failure(CompositionFailureCode::AccessDenied);
        let job = JobId::new(id.as_str());
        let change = match self.random.below(16) {
            0 | 1 => {
                return Command::StopComposition {
                    composition: composition_arn(&id),
                };
            }
            2..5 => return Command::CompositionStarted { job, generation },
            5..7 => {
                return Command::CompositionDestinationFinished {
                    composition: CompositionId::new(id),
                    destination,
                    duration_ms: 2_000,
                    failure: self.random.one_in(4).then_some(failure),
                };
            }
            7..9 => {
                let words = "because".to_owned();
                let outcome = match self.random.below(4) {
                    0 => JobOutcome::Done(words),
                    _ => JobOutcome::Failed(words),
                };
                return Command::ReportJob {
                    job,
                    generation,
                    outcome,
                };
            }
            9..12 => DestinationChange::Started,
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

    /// Ingest configurations come and go, and encoders come with their keys.
    fn ingest(&mut self) -> Command {
        let rows = self.scene.world.plain_of::<IngestConfiguration>();
        let rows: Vec<_> = rows.collect();
        let row = self.random.pick(&rows).cloned();
        let row = row.unwrap_or_else(|| ingest_row("Gone", None, true));
        let configuration = ingest_arn(row.id.as_str());
        match self.random.below(16) {
            0..3 => {
                let (id, stage) = (self.fresh("I"), self.stage());
                let stage = Some(stage.as_str()).filter(|_| !self.random.one_in(4));
                let mut row = ingest_row(&id, stage, self.random.one_in(2));
                row.insecure = self.random.one_in(2);
                create(row)
            }
            3 => Command::DeleteIngestConfiguration {
                configuration,
                force: self.random.one_in(2),
            },
            4 | 5 => {
                let stage = self.stage();
                let stage = crate::support::arn(&stage);
                let fresh = [self.fresh("p"), self.fresh("p")];
                Command::UpdateIngestConfiguration {
                    configuration,
                    stage: match self.random.below(4) {
                        0 => None,
                        1 => Some(None),
                        _ => Some(Some(stage)),
                    },
                    redundant: [None, None, Some(true), Some(false)][self.random.below(4)],
                    fresh: fresh.map(|id| stream(row.id.as_str(), &id)),
                }
            }
            _ => {
                let ids = row.participants();
                let id = ids[self.random.below(ids.len())].to_string();
                let id = match self.random.one_in(12) {
                    true => "wrong".to_owned(),
                    false => id,
                };
                Command::StartIngest {
                    connection: ConnectionId::new(self.fresh("c")),
                    configuration: configuration.id,
                    key: stream(row.id.as_str(), &id).key,
                    protocol: [IngestProtocol::Rtmp, IngestProtocol::Rtmps][self.random.below(2)],
                }
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        if self.random.one_in(10) {
            return Some(self.job());
        }
        if self.random.one_in(12) {
            return Some(self.recording());
        }
        if self.random.one_in(10) {
            return Some(self.composition());
        }
        if self.random.one_in(25) {
            return Some(self.storage());
        }
        if self.random.one_in(80) {
            return Some(Command::RevokeConnectionToken {
                region: REGION.to_owned(),
                token: self.connection_token_id().as_str().into(),
            });
        }
        if self.random.one_in(16) {
            return Some(self.ingest());
        }
        let arn = crate::support::arn;
        Some(match self.random.below(100) {
            0..4 => Command::CreateStage {
                stage: arn(&self.fresh("S")),
                name: String::new(),
                tags: Default::default(),
                recording: self.recording_block(),
                tokens: Vec::new(),
            },
            4 if self.random.one_in(2) => Command::DeleteStage {
                stage: arn(&self.stage()),
            },
            4 => Command::UpdateStage {
                stage: arn(&self.stage()),
                name: Some(self.fresh("n")),
                recording: None,
            },
            5..16 => {
                let seconds = [30, 600, 100_000][self.random.below(3)];
                let expires_at = Time(self.scene.wall.0 + seconds * 1_000_000);
                let token = restage_core::command::NewToken {
                    participant: ParticipantId::new(self.fresh("p")),
                    expires_at,
                };
                Command::CreateParticipantToken {
                    stage: arn(&self.stage()),
                    token,
                }
            }
            16 => {
                let (stage, participant) = if self.random.one_in(2) {
                    self.bearer()
                } else {
                    self.present(|_, _| true)
                };
                Command::DisconnectParticipant {
                    stage: arn(&stage),
                    participant: ParticipantId::new(participant),
                }
            }
            17..28 => self.start_replication(),
            28..31 => self.stop_replication(),
            31..60 => self.open(),
            60..80 => {
                let (connection, stage, participant) = self.connection(|row| !row.established)?;
                Command::ConnectionEstablished {
                    connection,
                    stage,
                    participant,
                }
            }
            80..90 => {
                let (connection, stage, participant) = self.connection(|_| true)?;
                Command::ConnectionClosed {
                    connection,
                    stage,
                    participant,
                }
            }
            90 => {
                let (_, stage, participant) = self.connection(|_| true)?;
                // One that was replaced or closed before.
                Command::ConnectionClosed {
                    connection: ConnectionId::new("c-old"),
                    stage,
                    participant,
                }
            }
            91 if self.random.one_in(3) => {
                let (connection, stage, participant) = self.connection(|_| true)?;
                Command::ConnectionFailed {
                    connection,
                    stage,
                    participant,
                    error: StageEventError::InvalidInput,
                    is_over: self.random.one_in(2),
                }
            }
            91 if self.random.one_in(2) => {
                let (connection, stage, participant) = self.connection(|_| true)?;
                Command::ConnectionExceeded {
                    connection,
                    stage,
                    participant,
                    error: StageEventError::BitrateExceeded,
                }
            }
            91 => {
                let (stage, participant) = self.bearer();
                let claims = self.claims(&stage, &participant);
                let kind = crate::support::kind(
                    ["publish", "events", "watch nobody"][self.random.below(3)],
                );
                Command::RecordConnectionError {
                    claims,
                    kind,
                    error: StageEventError::InvalidInput,
                }
            }
            92 if self.random.one_in(8) => Command::Recover,
            93 | 94 => self.keys_and_tags(),
            95 | 96 => self.exchange()?,
            _ => Command::Tick,
        })
    }
}
