//! The commands: everything that can be asked of the rules, as plain data.

use std::collections::BTreeSet;

use strum::IntoStaticStr;

use crate::arn::{Arn, ChannelArn, CompositionArn, PublicKeyArn, ResourceArn, StageArn};
use crate::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId, Time};
use crate::row::{
    Attributes, Capabilities, Client, CompositionDestinationId, CompositionFailure, CompositionId,
    CompositionThumbnails, ConnectionKind, ConnectionTokenId, ConnectionTokenKey,
    EncoderConfigurationId, Idempotency, IngestConfigurationId, IngestCredential, IngestProtocol,
    LayoutSettings, PlainId, PlainRow, Protocol, RecordingFailure, RecordingId, RecordingSettings,
    StageEventError, StorageConfigurationId, StreamKey, Tags,
};

/// A token to be issued (CreateStage, CreateParticipantToken). The id is made at the edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// The fresh id that the participant will have.
    pub participant: ParticipantId,
    /// When the token expires.
    pub expires_at: Time,
}

/// A recording block as a request has it. The storage configuration is still to be found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewStageRecording {
    /// The storage configuration to use; `None` for no recording.
    pub storage: Option<Arn<StorageConfigurationId>>,
    /// How participants are recorded. The defaults where they are not.
    pub settings: RecordingSettings,
}

/// A destination of a composition as a request has it. What it names is still to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewDestination {
    /// The fresh id of the destination.
    pub id: CompositionDestinationId,
    /// The customer's name for it; may be empty.
    pub name: String,
    /// The encoder configuration to use; `None` for the defaults.
    pub encoder: Option<Arn<EncoderConfigurationId>>,
    /// The channel or the bucket.
    pub target: NewTarget,
}

/// Where the picture of a composition is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewTarget {
    /// To a channel. That the configuration names its server is checked at the edge.
    Channel(ChannelArn),
    /// To a bucket.
    S3 {
        /// The storage configuration of the bucket.
        storage: Arn<StorageConfigurationId>,
        /// `targetSegmentDurationSeconds`: 2–10 seconds.
        segment_s: u32,
        /// The thumbnails, with every default filled in; `None` for none.
        thumbnails: Option<CompositionThumbnails>,
    },
}

/// What has become of a destination of a composition, as its runner reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DestinationChange {
    /// The picture goes there, for the first time or again.
    Started,
    /// The picture does not go there just now, and is to again.
    Reconnecting,
    /// The picture will not go there any more. Why.
    Failed(CompositionFailure),
    /// The runner has ended it: nothing more goes there. What is left of a recording is to be brought to its bucket.
    Ended,
}

/// Who signed a participant token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signer {
    /// This server signed it (CreateStage, CreateParticipantToken).
    Service,
    /// The owner of the public key that the token's `kid` names.
    PublicKey(PublicKeyArn),
}

/// What a verified participant token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The token's identity, which becomes the participant's (`jti`).
    pub participant: ParticipantId,
    /// The stage it is for (`resource`).
    pub stage: StageArn,
    /// The customer's label of the participant (`user_id`); empty if absent.
    pub user_id: String,
    /// The participant's attributes (`attributes`).
    pub attributes: Attributes,
    /// What the token allows (`capabilities`).
    pub capabilities: Capabilities,
    /// When it was issued, by the signer's clock (`iat`).
    pub issued_at: Time,
    /// When it expires, by the wall clock (`exp`).
    pub expires_at: Time,
    /// Who signed it.
    pub signer: Signer,
}

/// The claims of a verified connection token. Its account and Region are those of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionTokenClaims {
    /// The token's identity (`jti`).
    pub id: ConnectionTokenId,
    /// The public key whose owner signed it (`kid`).
    pub signer: PublicKeyArn,
    /// When it was issued, by the signer's clock (`iat`).
    pub issued_at: Time,
    /// When it expires, by the wall clock (`exp`).
    pub expires_at: Time,
}

impl ConnectionTokenClaims {
    /// The token among those of all accounts and Regions.
    pub fn key(&self) -> ConnectionTokenKey {
        ConnectionTokenKey {
            account: self.signer.account.clone(),
            region: self.signer.region.clone(),
            id: self.id.clone(),
        }
    }
}

/// A job to be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    /// The fresh id of the job.
    pub id: JobId,
    /// What kind of work it is, as in [`Job::kind`](crate::row::Job::kind).
    pub kind: String,
    /// The stage it is for.
    pub stage: StageId,
    /// The stage session it is for, if it is for one.
    pub session: Option<StageSessionId>,
    /// The participant it is for, if it is for one.
    pub participant: Option<ParticipantId>,
    /// What is to be done, as JSON.
    pub spec: String,
}

/// How one start of a job ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobOutcome {
    /// The job is done, with this result in a form of its kind.
    Done(String),
    /// This start failed, and the next one may succeed. Why, for an operator.
    Failed(String),
    /// The job cannot be done, however often it is started. Why, for an operator.
    Impossible(String),
    /// Nobody could take the job just now; it is started again a little later, and this start does not count as failed.
    Released,
}

/// Every change that can be asked for. Its [`name`](Self::name) is for spans.
/// Reads are no commands.
#[derive(Clone, PartialEq, Eq, Debug, IntoStaticStr)]
pub enum Command {
    /// CreateStage: creates a stage, and tokens for it.
    CreateStage {
        /// The new ARN, with a fresh id.
        stage: StageArn,
        /// The customer's name for it; may be empty.
        name: String,
        /// At most 50 tags.
        tags: Tags,
        /// The recording block with every default filled in.
        recording: NewStageRecording,
        /// The tokens to issue with the stage, at most 12.
        tokens: Vec<NewToken>,
    },
    /// UpdateStage: changes a stage. `None` leaves a member as it is.
    UpdateStage {
        /// The stage to change.
        stage: StageArn,
        /// The new name.
        name: Option<String>,
        /// The new recording block, with every default filled in.
        recording: Option<NewStageRecording>,
    },
    /// DeleteStage: disconnects everyone and removes the stage with its history.
    DeleteStage {
        /// The stage to delete.
        stage: StageArn,
    },
    /// CreateParticipantToken: writes the row of a token that was issued.
    CreateParticipantToken {
        /// The stage the token is for.
        stage: StageArn,
        /// The participant id and the expiry of the token.
        token: NewToken,
    },
    /// Creates a plain resource: ImportPublicKey, and the Create operation of every other kind.
    CreateResource {
        /// The new row, with a fresh id. The rules set when it was created.
        row: PlainRow,
    },
    /// Deletes a plain resource: the Delete operation of its kind.
    DeleteResource {
        /// The resource to delete.
        resource: Arn<PlainId>,
    },
    /// UpdateIngestConfiguration: changes an ingest configuration that nobody publishes with. `None` leaves a member as it
    /// is.
    UpdateIngestConfiguration {
        /// The ingest configuration to change.
        configuration: Arn<IngestConfigurationId>,
        /// The stage to publish to from now on; `Some(None)` for none.
        stage: Option<Option<StageArn>>,
        /// Whether the ingest is redundant.
        redundant: Option<bool>,
        /// Fresh streams, used if the ingest becomes redundant.
        fresh: [IngestCredential; 2],
    },
    /// DeleteIngestConfiguration: deletes an ingest configuration.
    DeleteIngestConfiguration {
        /// The ingest configuration to delete.
        configuration: Arn<IngestConfigurationId>,
        /// Whether its participants are disconnected first, if they publish. Otherwise it is refused.
        force: bool,
    },
    /// TagResource: adds tags to a resource.
    TagResource {
        /// The resource to tag.
        resource: ResourceArn,
        /// The tags to add; they replace those with the same key.
        tags: Tags,
    },
    /// UntagResource: removes tags of a resource.
    UntagResource {
        /// The resource to remove tags from.
        resource: ResourceArn,
        /// The keys to remove; those the resource does not have are ignored.
        keys: BTreeSet<String>,
    },
    /// DisconnectParticipant: closes a participant's connections and revokes its token, or stops the replica.
    DisconnectParticipant {
        /// The stage the participant is in.
        stage: StageArn,
        /// The participant to disconnect.
        participant: ParticipantId,
    },
    /// RevokeConnectionToken: ends whatever was opened with a connection token of the caller, and forbids the token. It may be
    /// one that nobody has presented yet.
    RevokeConnectionToken {
        /// The Region of the request.
        region: String,
        /// The token.
        token: ConnectionTokenId,
    },
    /// StartParticipantReplication: shows a publishing participant in another stage.
    StartParticipantReplication {
        /// The stage in which the participant publishes.
        source: StageArn,
        /// The stage in which the replica shall appear.
        destination: StageArn,
        /// The participant that is replicated.
        participant: ParticipantId,
        /// How long the replica waits for its publisher to come back, 0–300 seconds.
        reconnect_window_s: u32,
        /// Attributes of the replica: merged over the token's, and they win.
        attributes: Attributes,
    },
    /// StopParticipantReplication: takes a replica out of its destination stage.
    StopParticipantReplication {
        /// The stage in which the participant publishes.
        source: StageArn,
        /// The stage in which the replica appears.
        destination: StageArn,
        /// The participant that is replicated.
        participant: ParticipantId,
    },
    /// A client with a verified token opens a connection.
    OpenConnection {
        /// The fresh id of the connection.
        connection: ConnectionId,
        /// What the connection is for.
        kind: ConnectionKind,
        /// The verified token.
        claims: Claims,
        /// The stage session that the client proved to have been let into before, by its resumption secret: there an
        /// expired token opens connections, too.
        resumes: Option<StageSessionId>,
        /// How its media arrives; for publishing connections.
        protocol: Protocol,
        /// The client according to its User-Agent.
        client: Client,
        /// The verified connection token that the client presented besides. Its revocation ends the connection.
        connection_token: Option<ConnectionTokenClaims>,
    },
    /// An encoder asks to publish with a stream key. What becomes of its connection is reported as that of every other one
    /// is: [`ConnectionEstablished`](Self::ConnectionEstablished) when its media arrives,
    /// [`ConnectionFailed`](Self::ConnectionFailed) and [`ConnectionExceeded`](Self::ConnectionExceeded) for its faults, and
    /// [`ConnectionClosed`](Self::ConnectionClosed) when it is gone.
    StartIngest {
        /// The fresh id of the connection.
        connection: ConnectionId,
        /// The ingest configuration that the key names.
        configuration: IngestConfigurationId,
        /// The key as the encoder sent it.
        key: StreamKey,
        /// The protocol by which it arrived.
        protocol: IngestProtocol,
    },
    /// The client of an open connection presents a verified token in place of the one it joined with.
    ExchangeToken {
        /// The connection that the new token was presented on.
        connection: ConnectionId,
        /// The connection's stage.
        stage: StageId,
        /// The connection's participant.
        participant: ParticipantId,
        /// The new token.
        claims: Claims,
    },
    /// The edge refused a join for a reason the rules did not see (an unusable SDP offer, say):
    /// write it into the history.
    RecordConnectionError {
        /// The verified token.
        claims: Claims,
        /// What the connection was for.
        kind: ConnectionKind,
        /// Why it failed.
        error: StageEventError,
    },
    /// Media (ICE, DTLS) or the socket is up.
    ConnectionEstablished {
        /// The connection; an unknown one is ignored, because it was closed already.
        connection: ConnectionId,
        /// The connection's stage.
        stage: StageId,
        /// The connection's participant.
        participant: ParticipantId,
    },
    /// The client left or vanished.
    ConnectionClosed {
        /// The connection; an unknown one is ignored, because it was closed already.
        connection: ConnectionId,
        /// The connection's stage.
        stage: StageId,
        /// The connection's participant.
        participant: ParticipantId,
    },
    /// The media plane ended a connection because what goes through it exceeds a limit.
    ConnectionExceeded {
        /// The connection; an unknown one is ignored, because it was closed already.
        connection: ConnectionId,
        /// The connection's stage.
        stage: StageId,
        /// The connection's participant.
        participant: ParticipantId,
        /// The limit that it exceeds.
        error: StageEventError,
    },
    /// The media plane reports what is wrong with a connection; it is written into the history.
    ConnectionFailed {
        /// The connection; an unknown one is ignored, because it was closed already.
        connection: ConnectionId,
        /// The connection's stage.
        stage: StageId,
        /// The connection's participant.
        participant: ParticipantId,
        /// What is wrong with it.
        error: StageEventError,
        /// Whether the media plane has ended it. If not, it goes on.
        is_over: bool,
    },
    /// Starts a job.
    StartJob {
        /// The job.
        job: NewJob,
    },
    /// Asks a job to end. It is asked once; asking again, or when it has ended, changes nothing.
    StopJob {
        /// The job to stop.
        job: JobId,
    },
    /// The runner of a job says that it is alive. Refused when the lease is no longer its own: then it must end at once.
    RenewJob {
        /// The job that runs.
        job: JobId,
        /// The number of its start.
        generation: u32,
    },
    /// One start of a job has ended. Refused when the lease is no longer its own, and nothing is changed.
    ReportJob {
        /// The job that ran.
        job: JobId,
        /// The number of its start.
        generation: u32,
        /// How it ended.
        outcome: JobOutcome,
    },
    /// The runner of a recording has begun to capture it. Refused when its lease is no longer its own. Reported again,
    /// as by a later start, it changes nothing.
    RecordingStarted {
        /// The job that captures the recording.
        job: JobId,
        /// The number of its start.
        generation: u32,
    },
    /// The runner of a recording cannot begin, however often it is started. It ends the job besides. Refused when its
    /// lease is no longer its own, and when the recording has begun.
    RecordingStartFailed {
        /// The job that was to capture the recording.
        job: JobId,
        /// The number of its start.
        generation: u32,
        /// Why.
        failure: RecordingFailure,
    },
    /// Everything of a recording is in its bucket, or will never be. Reported again, it changes nothing.
    RecordingFinished {
        /// The recording.
        recording: RecordingId,
        /// The length of what was recorded, in milliseconds.
        duration_ms: u64,
        /// Why it failed, if it did.
        failure: Option<RecordingFailure>,
        /// Remarks for people, as in the documents in the bucket.
        message: Option<String>,
    },
    /// PauseRecording: captures nothing until the recording is resumed. Asked again, it changes nothing.
    PauseRecording {
        /// The recording.
        recording: RecordingId,
        /// The Region of the request.
        region: String,
    },
    /// ResumeRecording: captures again. Asked again, it changes nothing.
    ResumeRecording {
        /// The recording.
        recording: RecordingId,
        /// The Region of the request.
        region: String,
    },
    /// StartComposition: composes the picture of a stage, and sends it to destinations. Repeated with the same token and the
    /// same fingerprint, it answers with the composition there is.
    StartComposition {
        /// The new ARN, with a fresh id.
        composition: CompositionArn,
        /// The stage to compose.
        stage: StageArn,
        /// The layout with every default filled in.
        layout: LayoutSettings,
        /// One or two destinations, at most one of each kind.
        destinations: Vec<NewDestination>,
        /// At most 50 tags.
        tags: Tags,
        /// The request's token, if it has one.
        idempotency: Option<Idempotency>,
    },
    /// StopComposition: ends a composition. Asked again, or when it has ended, it changes nothing.
    StopComposition {
        /// The composition.
        composition: CompositionArn,
    },
    /// The runner of a composition composes. Refused when its lease is no longer its own. Reported again, as by a later
    /// start, it changes nothing.
    CompositionStarted {
        /// The job that composes.
        job: JobId,
        /// The number of its start.
        generation: u32,
    },
    /// The runner of a composition reports what has become of a destination. Refused when its lease is no longer its own,
    /// and when the composition has no such destination. Reported again, it changes nothing.
    CompositionDestinationChanged {
        /// The job that composes.
        job: JobId,
        /// The number of its start.
        generation: u32,
        /// The destination.
        destination: CompositionDestinationId,
        /// What has become of it.
        change: DestinationChange,
    },
    /// Everything of a recorded destination is in its bucket, or will never be. Reported again, it changes nothing.
    CompositionDestinationFinished {
        /// The composition; one that is not known any more was removed.
        composition: CompositionId,
        /// The destination.
        destination: CompositionDestinationId,
        /// The length of what was recorded, in milliseconds.
        duration_ms: u64,
        /// Why it failed, if it did.
        failure: Option<CompositionFailure>,
    },
    /// Time has passed: end reconnect windows, recordings that have waited long enough, idle stage sessions, idle compositions and connections that are due; remove
    /// compositions that ended a while ago; start jobs that are due, and give up those whose lease has ended.
    Tick,
    /// First command after start: close everything the last run left open.
    Recover,
}

impl Command {
    /// The operation that asks for it, or the variant's name where no operation does.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CreateResource { row } => row.kind().creation(),
            Self::DeleteResource { resource } => resource.id.of_kind().deletion(),
            _ => self.into(),
        }
    }
}
