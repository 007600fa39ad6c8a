//! What a decision consists of: a reply, row changes, and effects to perform after the commit.

use crate::error::Error;
use crate::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId};
use crate::kernel::census::Census;
use crate::notice::Notice;
use crate::row::{
    Composition, CompositionDestinationId, CompositionId, Connection, ConnectionTokenKey, Job,
    Participant, PlainId, PlainRow, PublicationKey, Recording, RecordingId, Replica,
    RevokedConnectionToken, Stage, StageEvent, StageSession, Token,
};

/// A change of one row. `Put` inserts or replaces by key.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Change {
    PutStage(Stage),
    /// Removes the stage with everything that belongs to it (sessions, participants, tokens, events,
    /// replicas that have it as source, and jobs that have ended). Recordings and compositions stay.
    DeleteStage(StageId),
    PutPlain(PlainRow),
    DeletePlain(PlainId),
    PutToken(Token),
    PutRevokedConnectionToken(RevokedConnectionToken),
    PutSession(StageSession),
    PutParticipant(Participant),
    PutReplica(Replica),
    PutConnection(Connection),
    DeleteConnection(ConnectionId),
    PutJob(Job),
    DeleteJob(JobId),
    PutRecording(Recording),
    PutComposition(Box<Composition>),
    DeleteComposition(CompositionId),
    AddEvent(StageEvent),
    /// The counters that the store keeps of a stage session, and of its stage's account and Region, change by this
    /// much. A world that holds all rows counts them instead.
    Count {
        stage: StageId,
        session: StageSessionId,
        by: Census,
    },
}

/// Why a connection is closed from our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// A newer connection of the same kind took its place.
    Replaced,
    /// The participant was disconnected by DisconnectParticipant.
    Disconnected,
    /// The stage was deleted by DeleteStage.
    StageDeleted,
    /// The publisher it watched is gone.
    PublisherLeft,
    /// The replication it watched was stopped.
    ReplicationStopped,
    /// A token exchange took the capability it needs.
    CapabilityLost,
    /// The stage session ended because nobody was publishing.
    SessionEnded,
    /// It exceeded a limit: it lasted too long, or too much went through it.
    LimitExceeded,
    /// The connection token that it was opened with was revoked.
    ConnectionTokenRevoked,
}

/// Something for the edge to do. Effects are performed in order, after the commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The connection feeds this publication from now on. An earlier feeder was closed before.
    Publish {
        /// A connection of the kind `Publish`.
        connection: ConnectionId,
        /// The publication it feeds.
        publication: PublicationKey,
    },
    /// The connection receives this publication.
    Subscribe {
        /// A connection of the kind `Subscribe`.
        connection: ConnectionId,
        /// The publication it receives.
        publication: PublicationKey,
    },
    /// Close the connection. Its row is gone already, so nothing is to be reported back.
    Close {
        /// A connection of any kind.
        connection: ConnectionId,
        /// The reason, which the client gets where the protocol allows it.
        reason: CloseReason,
    },
    /// The participant's token is revoked: credentials that it has brought are not accepted any more.
    Revoke {
        /// The stage that the token is for.
        stage: StageId,
        /// Whose token it is.
        participant: ParticipantId,
    },
    /// The connection token is revoked: its own sockets end. What else was opened with it has a [`Close`](Self::Close) each.
    RevokeConnectionToken {
        /// The token.
        token: ConnectionTokenKey,
    },
    /// A runner begins with the job; its row names the lease. If it is asked to stop already, it ends what an earlier start
    /// has begun.
    RunJob {
        /// The row, which is running.
        job: Box<Job>,
    },
    /// What the job is to do has changed: the runner is given the row as it is now.
    TellJob {
        /// The row, which is running.
        job: Box<Job>,
    },
    /// The runner ends the job as it should, and reports.
    StopJob {
        /// The job.
        job: JobId,
        /// The number of its start.
        generation: u32,
    },
    /// The lease has ended: a task that still runs this start of the job ends at once, without a report.
    AbandonJob {
        /// The job.
        job: JobId,
        /// The number of its start.
        generation: u32,
    },
    /// The capture of the recording has ended, in whatever way: what is in the spool is to be brought to the bucket and
    /// completed, and [`RecordingFinished`](crate::Command::RecordingFinished) is to be reported. Ordered again at
    /// every start until that has been reported.
    FinishRecording {
        /// The recording.
        recording: RecordingId,
    },
    /// The recording of this destination of a composition has ended, in whatever way: what is in the spool is to be brought
    /// to the bucket and completed, and
    /// [`CompositionDestinationFinished`](crate::Command::CompositionDestinationFinished) is to be reported. It is also
    /// ordered where nothing was recorded. Ordered again at every start until that has been reported.
    FinishCompositionDestination {
        /// The composition.
        composition: CompositionId,
        /// The destination, which is a bucket.
        destination: CompositionDestinationId,
    },
    /// Who publishes in this stage changed: events sockets get a new STAGE_STATE.
    StageChanged {
        /// The stage whose publishers changed.
        stage: StageId,
    },
}

/// The answer to a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The command is done; there is nothing to tell.
    Done,
    /// The stage as it now is (CreateStage, UpdateStage).
    Stage(Stage),
    /// The plain resource that was created.
    Plain(PlainRow),
    /// The job as it now is (StartJob).
    Job(Job),
    /// The recording as it now is (PauseRecording, ResumeRecording).
    Recording(Box<Recording>),
    /// The composition as it now is (StartComposition).
    Composition(Box<Composition>),
    /// A connection was opened.
    Opened {
        /// The session it belongs to.
        session: StageSessionId,
        /// The participant as it now is.
        participant: Participant,
    },
}

/// The outcome of [`crate::decide`]. A refused command may still leave history (an error event).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The reply, or the refusal.
    pub reply: Result<Reply, Error>,
    /// To be written in one transaction.
    pub changes: Vec<Change>,
    /// Events for sinks outside, in order; to be written in the same transaction.
    pub notices: Vec<Notice>,
    /// To be performed after the commit, in order.
    pub effects: Vec<Effect>,
}

/// What a rule answers: the reply, or the refusal.
pub(crate) type Outcome = Result<Reply, Error>;
