//! A world to play scenarios in. Each step is decided on the rows it needs and on all rows, which must
//! agree; then the changes are applied and the whole world is audited.

pub(crate) mod compositions;
mod show;

use std::collections::BTreeMap;

use restage_audit::{Counted, Edge, audit, changes_are_minimal};
use restage_core::command::NewStageRecording;
use restage_core::command::{Claims, JobOutcome, NewJob, NewToken};
use restage_core::id::{
    ConnectionId, JobId, ParticipantId, PublicKeyId, RunId, StageId, StageSessionId, Time,
};
use restage_core::row::{
    Attributes, Capabilities, Client, ConnectionKind, EncoderConfiguration, IngestConfiguration,
    IngestConfigurationId, IngestCredential, IngestProtocol, Job, Participant, PlainId, PlainKind,
    PlainRow, Protocol, PublicKey, Recording, RecordingFailure, RecordingFailureCode, RecordingId,
    RecordingSettings, Replica, StageEventError, StageSession, StorageConfiguration,
    StorageConfigurationId, StreamKey, Token,
};
use restage_core::{
    Arn, Command, ConnectionTokenClaims, Context, Decision, Limits, PublicKeyArn, Signer, StageArn,
    World, decide, needs,
};

pub(crate) use show::{composition_lines, lines, recording_lines};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const IDLE_S: u32 = 120;
/// Tokens made by [`Scene::token`] end this long after the scene's start.
pub(crate) const TOKEN_S: u32 = 3600;
/// When a scene begins.
const START: Time = Time(1_800_000_000_000_000);

pub(crate) fn arn(stage: &str) -> StageArn {
    StageArn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(stage),
    }
}

/// The row that imports a key of the scene's account with this point.
pub(crate) fn key_row(key: &str, point: &str) -> PublicKey {
    let PublicKeyArn {
        region,
        account,
        id,
    } = key_arn(key);
    PublicKey {
        id,
        account,
        region,
        name: key.to_lowercase(),
        tags: BTreeMap::new(),
        material: format!("PEM of {key}"),
        fingerprint: String::new(),
        point: point.to_owned(),
        created_at: Time::default(),
    }
}

/// A row of this kind, of the scene's account.
pub(crate) fn plain_row(kind: PlainKind, id: &str) -> PlainRow {
    match kind {
        PlainKind::PublicKey => key_row(id, &format!("point of {id}")).into(),
        PlainKind::EncoderConfiguration => EncoderConfiguration {
            id: id.into(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            name: id.to_lowercase(),
            tags: BTreeMap::new(),
            video: "{}".to_owned(),
            created_at: Time::default(),
        }
        .into(),
        PlainKind::StorageConfiguration => StorageConfiguration {
            id: id.into(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            name: id.to_lowercase(),
            tags: BTreeMap::new(),
            bucket: format!("bucket-of-{}", id.to_lowercase()),
            created_at: Time::default(),
        }
        .into(),
        PlainKind::IngestConfiguration => ingest_row(id, None, false).into(),
    }
}

/// An ingest configuration of the scene's account that takes RTMPS. Its participant has its id, and those of its streams `a`
/// and `b` after it.
pub(crate) fn ingest_row(id: &str, stage: Option<&str>, redundant: bool) -> IngestConfiguration {
    IngestConfiguration {
        id: id.into(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        name: id.to_lowercase(),
        tags: BTreeMap::new(),
        stage: stage.map(StageId::new),
        user_id: format!("user-{id}"),
        attributes: Attributes::new(),
        protocol: IngestProtocol::Rtmps,
        insecure: false,
        credential: stream(id, id),
        redundant: redundant.then(|| ["a", "b"].map(|end| stream(id, &format!("{id}{end}")))),
        created_at: Time::default(),
    }
}

/// The credential of a participant of an ingest configuration: its id is the secret of its key.
pub(crate) fn stream(configuration: &str, participant: &str) -> IngestCredential {
    IngestCredential {
        participant: ParticipantId::new(participant),
        key: StreamKey::new(ACCOUNT, REGION, &configuration.into(), participant),
    }
}

pub(crate) fn ingest_arn(id: &str) -> Arn<IngestConfigurationId> {
    key_arn("").with_id(|_| IngestConfigurationId::new(id))
}

pub(crate) fn storage_arn(storage: &str) -> Arn<StorageConfigurationId> {
    key_arn("").with_id(|_| StorageConfigurationId::new(storage))
}

/// The recording block that names this storage configuration, and has this reconnect window.
pub(crate) fn recorded_to(storage: &str, reconnect_window_s: u32) -> NewStageRecording {
    NewStageRecording {
        storage: Some(storage_arn(storage)),
        settings: RecordingSettings {
            reconnect_window_s,
            ..RecordingSettings::default()
        },
    }
}

/// Why a recording failed.
pub(crate) fn no_bucket() -> RecordingFailure {
    RecordingFailure {
        code: RecordingFailureCode::ResourceNotFound,
        reason: "there is no such bucket".to_owned(),
    }
}

/// Creates a plain resource.
pub(crate) fn create(row: impl Into<PlainRow>) -> Command {
    Command::CreateResource { row: row.into() }
}

/// Deletes a plain resource.
pub(crate) fn delete<I: Into<PlainId>>(arn: Arn<I>) -> Command {
    Command::DeleteResource {
        resource: arn.with_id(Into::into),
    }
}

pub(crate) fn key_arn(key: &str) -> PublicKeyArn {
    PublicKeyArn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id: PublicKeyId::new(key),
    }
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// `publish`, `events`, or `watch bob`.
pub(crate) fn kind(text: &str) -> ConnectionKind {
    match text.split_once(' ') {
        None if text == "publish" => ConnectionKind::Publish,
        None if text == "events" => ConnectionKind::Events,
        Some(("watch", publisher)) => ConnectionKind::Subscribe {
            publisher: ParticipantId::new(publisher),
        },
        _ => panic!("no such kind of connection: {text}"),
    }
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    /// What rows are written with: it never goes back.
    pub(crate) now: Time,
    /// What tokens expire by; set by [`set_clock`](Self::set_clock).
    pub(crate) wall: Time,
    /// What passes between two steps.
    pub(crate) steady: Time,
    /// What the next tokens carry.
    pub(crate) attributes: Attributes,
    pub(crate) capabilities: Capabilities,
    pub(crate) edge: Edge,
    /// What a store would have counted.
    counted: Counted,
    account: String,
    sessions: u32,
    /// Commands that began recordings.
    recordings: u32,
    /// Which run of the process decides.
    run: u32,
}

/// What a step gave.
pub(crate) struct Step {
    pub(crate) decision: Decision,
}

impl Step {
    /// Reply (if it says anything), history, effects; one line each.
    #[track_caller]
    pub(crate) fn gives(&self, expected: &[&str]) {
        assert_eq!(lines(&self.decision), expected);
    }

    /// What sinks are told of recordings.
    #[track_caller]
    pub(crate) fn tells(&self, expected: &[&str]) {
        assert_eq!(recording_lines(&self.decision), expected);
    }

    /// What sinks are told of compositions.
    #[track_caller]
    pub(crate) fn tells_of(&self, expected: &[&str]) {
        assert_eq!(composition_lines(&self.decision), expected);
    }

    /// Only this refusal, nothing changed.
    #[track_caller]
    pub(crate) fn refused(&self, expected: &str) {
        assert_eq!(lines(&self.decision), [format!("refused {expected}")]);
        assert_eq!(self.decision.changes, []);
    }

    /// This refusal first; history may follow.
    #[track_caller]
    pub(crate) fn is_refused(&self, expected: &str) {
        assert_eq!(lines(&self.decision)[0], format!("refused {expected}"));
    }

    #[track_caller]
    pub(crate) fn changes_nothing(&self) {
        assert!(self.decision.reply.is_ok(), "{:?}", self.decision.reply);
        assert_eq!(
            (&self.decision.changes[..], &self.decision.effects[..]),
            (&[][..], &[][..])
        );
    }

    #[track_caller]
    pub(crate) fn ok(&self) {
        assert!(self.decision.reply.is_ok(), "{:?}", self.decision.reply);
    }
}

impl Scene {
    /// Stages, none of them with a session.
    pub(crate) fn new(stages: &[&str]) -> Self {
        let mut scene = Self {
            world: World::default(),
            limits: Limits::AWS,
            now: START,
            wall: START,
            steady: START,
            attributes: Attributes::new(),
            capabilities: Capabilities {
                publish: true,
                subscribe: true,
            },
            edge: Edge::default(),
            counted: Counted::default(),
            account: ACCOUNT.to_owned(),
            sessions: 0,
            recordings: 0,
            run: 1,
        };
        for stage in stages {
            scene.create_stage(stage).ok();
        }
        scene
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            account: self.account.clone(),
            now: self.now,
            wall: self.wall,
            steady: self.steady,
            limits: self.limits.clone(),
            session_idle_s: IDLE_S,
            run: RunId::new(format!("run{}", self.run)),
            fresh_session: StageSessionId::new(format!("s{}", self.sessions + 1)),
            fresh_recording: RecordingId::new(format!("r{}", self.recordings + 1)),
        }
    }

    #[track_caller]
    pub(crate) fn run(&mut self, command: &Command) -> Step {
        let context = self.context();
        let needed = needs(command, &context);
        let decision = decide(&self.world, &context, command);
        let on_needed_rows = decide(&self.world.select(&needed), &context, command);
        assert_eq!(
            on_needed_rows, decision,
            "{command:?} looks at rows it does not need"
        );
        changes_are_minimal(&self.world, &decision);
        let before = self.world.clone();
        self.world.apply(&decision.changes);
        if self.world.sessions.contains_key(&context.fresh_session) {
            self.sessions += 1;
        }
        if self.world.recordings.len() > before.recordings.len() {
            self.recordings += 1;
        }
        self.counted.take(&decision.changes);
        audit(&self.world, &self.limits);
        self.counted.compare(&self.world);
        self.edge.perform(&before, &self.world, command, &decision);
        Step { decision }
    }

    /// As [`Self::run`], by a caller of another account.
    #[track_caller]
    pub(crate) fn run_as(&mut self, account: &str, command: &Command) -> Step {
        let own = std::mem::replace(&mut self.account, account.to_owned());
        let step = self.run(command);
        self.account = own;
        step
    }

    /// After rows were put there by hand.
    pub(crate) fn count_again(&mut self) {
        self.counted = Counted::of(&self.world);
    }

    // Time.

    pub(crate) fn wait(&mut self, seconds: u32) {
        self.steady = self.steady.plus_seconds(seconds);
        self.set_clock(i64::from(seconds));
    }

    /// Sets the wall clock ahead, or back if negative. Times of rows follow those before.
    pub(crate) fn set_clock(&mut self, seconds: i64) {
        self.wall = Time(self.wall.0 + seconds * 1_000_000);
        self.now = match self.now > self.wall {
            true => Time(self.now.0 + 1),
            false => self.wall,
        };
    }

    #[track_caller]
    pub(crate) fn tick(&mut self) -> Step {
        self.run(&Command::Tick)
    }

    /// Waits, and ticks once.
    #[track_caller]
    pub(crate) fn tick_after(&mut self, seconds: u32) -> Step {
        self.wait(seconds);
        self.tick()
    }

    // Stages and tokens.

    #[track_caller]
    pub(crate) fn create_stage(&mut self, stage: &str) -> Step {
        self.run(&Command::CreateStage {
            stage: arn(stage),
            name: stage.to_lowercase(),
            tags: BTreeMap::new(),
            recording: Default::default(),
            tokens: Vec::new(),
        })
    }

    /// A stage whose participants are recorded, with a storage configuration of its own.
    #[track_caller]
    pub(crate) fn create_recorded(&mut self, stage: &str, reconnect_window_s: u32) {
        let storage = format!("W{stage}");
        let row = plain_row(PlainKind::StorageConfiguration, &storage);
        self.run(&create(row)).ok();
        self.create_stage(stage).ok();
        self.record(stage, recorded_to(&storage, reconnect_window_s))
            .ok();
    }

    /// Sets the recording block of a stage.
    #[track_caller]
    pub(crate) fn record(&mut self, stage: &str, recording: NewStageRecording) -> Step {
        self.run(&Command::UpdateStage {
            stage: arn(stage),
            name: None,
            recording: Some(recording),
        })
    }

    #[track_caller]
    pub(crate) fn delete_stage(&mut self, stage: &str) -> Step {
        self.run(&Command::DeleteStage { stage: arn(stage) })
    }

    #[track_caller]
    pub(crate) fn token(&mut self, stage: &str, participant: &str) -> Step {
        let token = NewToken {
            participant: ParticipantId::new(participant),
            expires_at: self.wall.plus_seconds(TOKEN_S),
        };
        self.run(&Command::CreateParticipantToken {
            stage: arn(stage),
            token,
        })
    }

    pub(crate) fn claims(&self, stage: &str, participant: &str) -> Claims {
        let key = (StageId::new(stage), ParticipantId::new(participant));
        let row = self.world.tokens.get(&key);
        Claims {
            issued_at: self.wall,
            expires_at: row.map_or(self.wall, |row| row.expires_at),
            participant: key.1,
            stage: arn(stage),
            user_id: format!("user-{participant}"),
            attributes: self.attributes.clone(),
            capabilities: self.capabilities,
            signer: Signer::Service,
        }
    }

    /// What a self-signed token says that was made just now.
    pub(crate) fn self_signed(&self, who: &str, key: &str) -> Claims {
        let (stage, participant) = split(who);
        Claims {
            expires_at: self.wall.plus_seconds(TOKEN_S),
            signer: Signer::PublicKey(key_arn(key)),
            ..self.claims(stage, participant)
        }
    }

    // Public keys.

    #[track_caller]
    pub(crate) fn import_key(&mut self, key: &str) -> Step {
        self.run(&create(plain_row(PlainKind::PublicKey, key)))
    }

    #[track_caller]
    pub(crate) fn delete_key(&mut self, key: &str) -> Step {
        self.run(&delete(key_arn(key)))
    }

    // Connections. `who` is `stage/participant`.

    #[track_caller]
    pub(crate) fn open(&mut self, who: &str, what: &str, connection: &str) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::OpenConnection {
            connection: ConnectionId::new(connection),
            kind: kind(what),
            claims: self.claims(stage, participant),
            resumes: None,
            protocol: Protocol::Whip,
            client: Client {
                browser_name: "Firefox".to_owned(),
                ..Client::default()
            },
            connection_token: None,
        })
    }

    #[track_caller]
    pub(crate) fn open_as(&mut self, claims: &Claims, what: &str, connection: &str) -> Step {
        self.run(&Command::OpenConnection {
            connection: ConnectionId::new(connection),
            kind: kind(what),
            claims: claims.clone(),
            resumes: None,
            protocol: Protocol::Whip,
            client: Client::default(),
            connection_token: None,
        })
    }

    /// A good connection token that the owner of this key has signed.
    pub(crate) fn connection_token(&self, id: &str, key: &str) -> ConnectionTokenClaims {
        ConnectionTokenClaims {
            id: id.into(),
            signer: key_arn(key),
            issued_at: self.wall,
            expires_at: self.wall.plus_seconds(TOKEN_S),
        }
    }

    /// As [`open`](Self::open), with a connection token besides. Gives the participant a token if it has none.
    #[track_caller]
    pub(crate) fn open_with(
        &mut self,
        token: &ConnectionTokenClaims,
        who: &str,
        what: &str,
        connection: &str,
    ) -> Step {
        let (stage, participant) = split(who);
        let key = (StageId::new(stage), ParticipantId::new(participant));
        if !self.world.tokens.contains_key(&key) {
            self.token(stage, participant).ok();
        }
        self.run(&Command::OpenConnection {
            connection: ConnectionId::new(connection),
            kind: kind(what),
            claims: self.claims(stage, participant),
            resumes: None,
            protocol: Protocol::Whip,
            client: Client::default(),
            connection_token: Some(token.clone()),
        })
    }

    /// As [`open_with`](Self::open_with), and reports it up.
    #[track_caller]
    pub(crate) fn join_with(
        &mut self,
        token: &ConnectionTokenClaims,
        who: &str,
        what: &str,
        connection: &str,
    ) {
        self.open_with(token, who, what, connection).ok();
        self.established(who, connection).ok();
    }

    #[track_caller]
    pub(crate) fn revoke(&mut self, token: &str) -> Step {
        self.run(&Command::RevokeConnectionToken {
            region: REGION.to_owned(),
            token: token.into(),
        })
    }

    /// As [`resume`](Self::resume), with this token.
    #[track_caller]
    pub(crate) fn resume_as(
        &mut self,
        claims: &Claims,
        what: &str,
        connection: &str,
        session: &str,
    ) -> Step {
        self.run(&Command::OpenConnection {
            connection: ConnectionId::new(connection),
            kind: kind(what),
            claims: claims.clone(),
            resumes: Some(StageSessionId::new(session)),
            protocol: Protocol::Whip,
            client: Client::default(),
            connection_token: None,
        })
    }

    /// Opens the connection with the token of `who` and the resumption secret of a stage session.
    #[track_caller]
    pub(crate) fn resume(
        &mut self,
        who: &str,
        what: &str,
        connection: &str,
        session: &str,
    ) -> Step {
        let (stage, participant) = split(who);
        let claims = self.claims(stage, participant);
        self.resume_as(&claims, what, connection, session)
    }

    /// Opens the connection with this token and reports it up.
    #[track_caller]
    pub(crate) fn join_as(&mut self, claims: &Claims, what: &str, connection: &str) {
        self.open_as(claims, what, connection).ok();
        let who = format!("{}/{}", claims.stage.id, claims.participant);
        self.established(&who, connection).ok();
    }

    /// An encoder comes by RTMPS with the key of this participant of an ingest configuration.
    #[track_caller]
    pub(crate) fn ingest(
        &mut self,
        configuration: &str,
        participant: &str,
        connection: &str,
    ) -> Step {
        self.ingest_by(
            IngestProtocol::Rtmps,
            configuration,
            participant,
            connection,
        )
    }

    #[track_caller]
    pub(crate) fn ingest_by(
        &mut self,
        protocol: IngestProtocol,
        configuration: &str,
        participant: &str,
        connection: &str,
    ) -> Step {
        self.run(&Command::StartIngest {
            connection: ConnectionId::new(connection),
            configuration: configuration.into(),
            key: stream(configuration, participant).key,
            protocol,
        })
    }

    /// Presents a new token through an open connection of `who`.
    #[track_caller]
    pub(crate) fn exchange(&mut self, who: &str, connection: &str, claims: &Claims) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::ExchangeToken {
            connection: ConnectionId::new(connection),
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
            claims: claims.clone(),
        })
    }

    #[track_caller]
    pub(crate) fn established(&mut self, who: &str, connection: &str) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::ConnectionEstablished {
            connection: ConnectionId::new(connection),
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
        })
    }

    #[track_caller]
    pub(crate) fn closed(&mut self, who: &str, connection: &str) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::ConnectionClosed {
            connection: ConnectionId::new(connection),
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
        })
    }

    #[track_caller]
    pub(crate) fn exceeded(&mut self, who: &str, connection: &str, error: StageEventError) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::ConnectionExceeded {
            connection: ConnectionId::new(connection),
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
            error,
        })
    }

    #[track_caller]
    pub(crate) fn failed(
        &mut self,
        who: &str,
        connection: &str,
        error: StageEventError,
        is_over: bool,
    ) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::ConnectionFailed {
            connection: ConnectionId::new(connection),
            stage: StageId::new(stage),
            participant: ParticipantId::new(participant),
            error,
            is_over,
        })
    }

    #[track_caller]
    pub(crate) fn connection_error(
        &mut self,
        who: &str,
        what: &str,
        error: StageEventError,
    ) -> Step {
        let (stage, participant) = split(who);
        let claims = self.claims(stage, participant);
        self.run(&Command::RecordConnectionError {
            claims,
            kind: kind(what),
            error,
        })
    }

    /// Gives it a token if it has none, opens the connection, and reports it up.
    #[track_caller]
    pub(crate) fn join(&mut self, who: &str, what: &str, connection: &str) {
        let (stage, participant) = split(who);
        let key = (StageId::new(stage), ParticipantId::new(participant));
        if !self.world.tokens.contains_key(&key) {
            self.token(stage, participant).ok();
        }
        self.open(who, what, connection).ok();
        self.established(who, connection).ok();
    }

    // Replication.

    #[track_caller]
    pub(crate) fn replicate(
        &mut self,
        who: &str,
        destination: &str,
        reconnect_window_s: u32,
    ) -> Step {
        self.replicate_with(who, destination, reconnect_window_s, &[])
    }

    #[track_caller]
    pub(crate) fn replicate_with(
        &mut self,
        who: &str,
        destination: &str,
        reconnect_window_s: u32,
        overrides: &[(&str, &str)],
    ) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::StartParticipantReplication {
            source: arn(stage),
            destination: arn(destination),
            participant: ParticipantId::new(participant),
            reconnect_window_s,
            attributes: attributes(overrides),
        })
    }

    #[track_caller]
    pub(crate) fn stop_replication(&mut self, who: &str, destination: &str) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::StopParticipantReplication {
            source: arn(stage),
            destination: arn(destination),
            participant: ParticipantId::new(participant),
        })
    }

    #[track_caller]
    pub(crate) fn disconnect(&mut self, who: &str) -> Step {
        let (stage, participant) = split(who);
        self.run(&Command::DisconnectParticipant {
            stage: arn(stage),
            participant: ParticipantId::new(participant),
        })
    }

    // Jobs.

    /// The process is gone, whatever it was doing, and another one starts.
    #[track_caller]
    pub(crate) fn restart(&mut self) -> Step {
        self.run += 1;
        self.run(&Command::Recover)
    }

    /// A job of the kind `test` for a stage.
    #[track_caller]
    pub(crate) fn start_job(&mut self, stage: &str, job: &str) -> Step {
        let job = self.new_job(stage, job);
        self.run(&Command::StartJob { job })
    }

    pub(crate) fn new_job(&self, stage: &str, job: &str) -> NewJob {
        NewJob {
            id: JobId::new(job),
            kind: "test".to_owned(),
            stage: StageId::new(stage),
            session: None,
            participant: Some(ParticipantId::new("ann")),
            spec: "{}".to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn stop_job(&mut self, job: &str) -> Step {
        self.run(&Command::StopJob {
            job: JobId::new(job),
        })
    }

    #[track_caller]
    pub(crate) fn renew_job(&mut self, job: &str, generation: u32) -> Step {
        self.run(&Command::RenewJob {
            job: JobId::new(job),
            generation,
        })
    }

    #[track_caller]
    pub(crate) fn report_job(&mut self, job: &str, generation: u32, outcome: JobOutcome) -> Step {
        self.run(&Command::ReportJob {
            job: JobId::new(job),
            generation,
            outcome,
        })
    }

    #[track_caller]
    pub(crate) fn job(&self, job: &str) -> &Job {
        &self.world.jobs[&JobId::new(job)]
    }

    // Recordings.

    #[track_caller]
    pub(crate) fn recording_started(&mut self, recording: &str, generation: u32) -> Step {
        self.run(&Command::RecordingStarted {
            job: JobId::new(recording),
            generation,
        })
    }

    #[track_caller]
    pub(crate) fn recording_start_failed(&mut self, recording: &str, generation: u32) -> Step {
        self.run(&Command::RecordingStartFailed {
            job: JobId::new(recording),
            generation,
            failure: no_bucket(),
        })
    }

    #[track_caller]
    pub(crate) fn recording_finished(
        &mut self,
        recording: &str,
        failure: Option<RecordingFailure>,
    ) -> Step {
        self.run(&Command::RecordingFinished {
            recording: RecordingId::new(recording),
            duration_ms: 1_500,
            failure,
            message: None,
        })
    }

    #[track_caller]
    pub(crate) fn recording(&self, recording: &str) -> &Recording {
        &self.world.recordings[&RecordingId::new(recording)]
    }

    // Rows.

    /// `who` is `stage/participant`.
    #[track_caller]
    pub(crate) fn token_row(&self, who: &str) -> &Token {
        let (stage, id) = split(who);
        &self.world.tokens[&(StageId::new(stage), ParticipantId::new(id))]
    }

    #[track_caller]
    pub(crate) fn session(&self, id: &str) -> &StageSession {
        &self.world.sessions[&StageSessionId::new(id)]
    }

    pub(crate) fn active_session(&self, stage: &str) -> Option<&str> {
        self.world
            .stages
            .get(&StageId::new(stage))?
            .active_session
            .as_ref()
            .map(StageSessionId::as_str)
    }

    /// `who` is `session/participant`.
    #[track_caller]
    pub(crate) fn participant(&self, who: &str) -> &Participant {
        let (session, id) = split(who);
        &self.world.participants[&(StageSessionId::new(session), ParticipantId::new(id))]
    }

    #[track_caller]
    pub(crate) fn replica(
        &self,
        source_session: &str,
        participant: &str,
        destination_session: &str,
    ) -> &Replica {
        &self.world.replicas[&(
            StageSessionId::new(source_session),
            ParticipantId::new(participant),
            StageSessionId::new(destination_session),
        )]
    }
}

#[track_caller]
fn split(who: &str) -> (&str, &str) {
    who.split_once('/').expect("stage/participant")
}
