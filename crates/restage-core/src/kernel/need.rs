//! The rows that a command needs, by name. The edge loads them before the command is decided.

use crate::arn::ChannelArn;
use crate::id::{JobId, ParticipantId, StageId, StageSessionId, Time};
use crate::row::{
    CompositionId, ConnectionTokenKey, EncoderConfigurationId, IngestConfigurationId, PlainId,
    PlainKind, RecordingId, StorageConfigurationId,
};

/// Rows to load before deciding. Loading more never changes a decision.
///
/// "The stage" below means its row; "the active session" the one the stage's row names. A need that names
/// a stage without an active session (or a missing stage) loads what there is, which may be nothing.
/// [`World::select`](crate::World::select) is the reference for every line here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Need {
    /// The stage and, if it has one, its active session row.
    Stage(StageId),
    /// How many stages this account has in this Region: `World::stage_count`.
    StageCount {
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
    },
    /// How many plain resources of a kind this account has in this Region: `World::plain_counts`.
    PlainCount {
        /// The kind that is counted.
        kind: PlainKind,
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
    },
    /// What is live in this account and Region: `World::region_count`. Counts only, no rows.
    RegionCount {
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
    },
    /// The row of a plain resource.
    Plain(PlainId),
    /// The ingest configuration. If it has a stage, also [`Stage`](Self::Stage) and [`Occupancy`](Self::Occupancy) of that,
    /// [`Participant`](Self::Participant) of each of its participants there, and [`RegionCount`](Self::RegionCount) of its
    /// account and Region.
    Ingest(IngestConfigurationId),
    /// The rows of the ingest configurations that publish to the stage.
    IngestsOf(StageId),
    /// [`Ingest`](Self::Ingest) of the ingest configuration that publishes to the stage as this participant.
    IngestBy(StageId, ParticipantId),
    /// The public key row with this point in this account and region.
    PublicKeyPoint {
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
        /// The key's point, in hexadecimal.
        point: String,
    },
    /// The token row of this participant id in this stage.
    Token(StageId, ParticipantId),
    /// The revocation of this connection token, if it was revoked.
    Revocation(ConnectionTokenKey),
    /// [`Revocation`](Self::Revocation), how many revocations its account and Region have
    /// (`World::revocation_counts`), and every connection that was opened with it, each with [`Stage`](Self::Stage) and
    /// [`Participant`](Self::Participant) of its own.
    ConnectionToken(ConnectionTokenKey),
    /// In the stage's active session: this participant's row, its open connections, and the participant
    /// row of every publisher it has a subscription to.
    Presence(StageId, ParticipantId),
    /// In the stage's active session: how many ACTIVE replicas this participant is the source of, as
    /// `World::replications`.
    Replications(StageId, ParticipantId),
    /// All that changes when this participant comes or goes:
    /// - [`Presence`](Self::Presence), [`Audience`](Self::Audience), [`Occupancy`](Self::Occupancy) and
    ///   [`Recorded`](Self::Recorded) here, and every ACTIVE replica row of this participant id, whatever its stages;
    /// - for each of those replica rows whose source session is this stage's active session:
    ///   [`Stage`](Self::Stage) of the destination stage and `World::job_counts` of it, the destination session row, its `World::occupancy`, the participant's row there, and the audience there
    ///   (every subscription to it in that session, with the presence of each subscriber);
    /// - for each of those replica rows whose destination session is this stage's active session: the
    ///   participant's row in the source session and, if that row is not publishing, the audience there.
    ///
    /// If its row here says that it belongs to a redundant ingest, the same for each participant of that.
    Participant(StageId, ParticipantId),
    /// What decides whether a recording of this participant begins in this stage, goes on or ends: every open recording
    /// (STARTING or ACTIVE) of this participant id, whatever its stage, with its job unless that has ended; and the
    /// `World::job_counts` of the stage.
    Recorded(StageId, ParticipantId),
    /// In the stage's active session: every subscription to this participant, with
    /// [`Presence`](Self::Presence) of each subscriber.
    Audience(StageId, ParticipantId),
    /// The replica rows (ACTIVE or not) of this participant between the active sessions of two stages.
    Replica {
        /// The source stage.
        source: StageId,
        /// The participant that is replicated.
        participant: ParticipantId,
        /// The destination stage.
        destination: StageId,
    },
    /// Everything live in a stage: [`Stage`](Self::Stage), all open connections of its active session, all
    /// participant rows of it that are connected, publishing or in an ACTIVE replication (SOURCE or
    /// REPLICA), and [`Participant`](Self::Participant) of each of those.
    Live(StageId),
    /// The `World::occupancy` of the stage's active session. Counts only, no rows.
    Occupancy(StageId),
    /// For Tick. Every ACTIVE replica row whose `window_ends_at` is at or before `now`, with
    /// [`Participant`](Self::Participant) of its source stage; every active session whose `idle_since` is at
    /// or before `idle_before`, with [`Live`](Self::Live) of its stage; and, if `opened_before` says so, the first
    /// [`OVERDUE_PER_TICK_MAX`](crate::limits::OVERDUE_PER_TICK_MAX) connections for media, by `opened_at` and id,
    /// that were opened at or before it, each with [`Stage`](Self::Stage) and [`Participant`](Self::Participant) of
    /// its own.
    Due {
        /// Now, by the steady clock.
        now: Time,
        /// Now minus the idle time.
        idle_before: Time,
        /// Now minus how long a connection may last, if that is limited.
        opened_before: Option<Time>,
    },
    /// [`Live`](Self::Live) of every stage with an active session, all ACTIVE replica rows, all connections, all jobs that
    /// have not ended, each with [`Stage`](Self::Stage) of its own, all recordings that are neither STOPPED nor FAILED, and
    /// all compositions.
    Everything,
    /// The job row, unless it has ended and its stage is gone, and whether its stage is there: the stage row and, if it has
    /// one, its active session row. If it captures a recording or makes a composition, that.
    Job(JobId),
    /// The jobs of the stage that have not ended, with the recordings that they capture and the compositions that they make.
    JobsOf(StageId),
    /// For Tick: the first [`JOBS_PER_TICK_MAX`](crate::limits::JOBS_PER_TICK_MAX) jobs, by the time and id, that are due at
    /// or before this time of the steady clock: to be started, or given up; each with [`Stage`](Self::Stage) of its own and
    /// the recording that it captures or the composition that it makes.
    JobsDue(Time),
    /// The recording, with its job unless that has ended.
    Recording(RecordingId),
    /// The open recordings (STARTING or ACTIVE) in the stage, and those of replicas whose source it is; each with its job
    /// unless that has ended.
    RecordingsOf(StageId),
    /// For Tick: the first [`RECORDINGS_PER_TICK_MAX`](crate::limits::RECORDINGS_PER_TICK_MAX) open recordings, by the time
    /// and id, whose wait for their publisher is over at this time of the steady clock; each with its job unless that
    /// has ended.
    RecordingsDue(Time),
    /// The `World::recording_counts` of the stage. Counts only, no rows.
    RecordingCount(StageId),
    /// The `World::storage_uses` of the storage configuration. Counts only, no rows.
    StorageUse(StorageConfigurationId),
    /// The composition, with its job unless that has ended.
    Composition(CompositionId),
    /// The composition that was started with this token in this account and Region.
    CompositionByToken {
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
        /// The token.
        token: String,
    },
    /// The compositions of the stage that are neither STOPPED nor FAILED, each with its job unless that has ended.
    CompositionsOf(StageId),
    /// For Tick: the first [`COMPOSITIONS_PER_TICK_MAX`](crate::limits::COMPOSITIONS_PER_TICK_MAX) compositions, by id, for
    /// which there is something to do at this time of the steady clock: those that are open and have lived long enough, or
    /// have an `idle_since` although somebody publishes in their stage, or have none although nobody does, or have had one for
    /// [`COMPOSITION_IDLE_S`](crate::limits::COMPOSITION_IDLE_S); and those whose `gone_at` has come. Each with
    /// [`Stage`](Self::Stage) of its own and its job unless that has ended. Somebody publishes in a stage whose active
    /// session has no `idle_since`.
    CompositionsDue(Time),
    /// How many compositions this account has in this Region, and this stage has, that are neither STOPPED nor FAILED:
    /// `World::composition_counts` and `World::stage_composition_counts`. Counts only, no rows.
    CompositionCount {
        /// The account: 12 digits.
        account: String,
        /// The name of the Region.
        region: String,
        /// The stage.
        stage: StageId,
    },
    /// The `World::encoder_uses` of the encoder configuration. Counts only, no rows.
    EncoderUse(EncoderConfigurationId),
    /// The `World::channel_uses` of the channel. Counts only, no rows.
    ChannelUse(ChannelArn),
    /// A session row by id.
    Session(StageSessionId),
}
