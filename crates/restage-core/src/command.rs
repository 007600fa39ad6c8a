//! What can be asked of the rules, and which rows each question needs.

use std::collections::{BTreeMap, BTreeSet};

use strum::IntoStaticStr;

use crate::arn::{PublicKeyArn, ResourceArn, StageArn};
use crate::id::{ConnectionId, ParticipantId, PublicKeyId, StageId, StageSessionId, Time};
use crate::op::Context;
use crate::row::{Attributes, Capabilities, Client, ConnectionKind, Protocol, StageEventError};

/// A token to be issued (CreateStage, CreateParticipantToken). The id is made at the edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewToken {
    /// Fresh id.
    pub participant: ParticipantId,
    /// When it ends.
    pub expires_at: Time,
}

/// Who signed a participant token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signer {
    /// This server.
    Service,
    /// The owner of this public key; `kid`.
    PublicKey(PublicKeyArn),
}

/// What a verified participant token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// `jti`
    pub participant: ParticipantId,
    /// `resource`
    pub stage: StageArn,
    /// `user_id`, empty if absent.
    pub user_id: String,
    /// `attributes`
    pub attributes: Attributes,
    /// `capabilities`
    pub capabilities: Capabilities,
    /// `iat`
    pub issued_at: Time,
    /// `exp`
    pub expires_at: Time,
    /// Whose signature it bears.
    pub signer: Signer,
}

/// Every mutation there is; its name is to be had as `&'static str`. Reads do not come through here.
#[derive(Clone, PartialEq, Eq, Debug, IntoStaticStr)]
pub enum Command {
    /// CreateStage.
    CreateStage {
        /// The new ARN, with a fresh id.
        stage: StageArn,
        /// May be empty.
        name: String,
        /// At most 50.
        tags: BTreeMap<String, String>,
        /// Canonical JSON, fully defaulted.
        recording: String,
        /// At most 12.
        tokens: Vec<NewToken>,
    },
    /// UpdateStage. `None` leaves a member as it is.
    UpdateStage {
        /// Which.
        stage: StageArn,
        /// New name.
        name: Option<String>,
        /// New recording block, canonical JSON.
        recording: Option<String>,
    },
    /// DeleteStage.
    DeleteStage {
        /// Which.
        stage: StageArn,
    },
    /// CreateParticipantToken.
    CreateParticipantToken {
        /// For which stage.
        stage: StageArn,
        /// The token's id and end.
        token: NewToken,
    },
    /// ImportPublicKey.
    ImportPublicKey {
        /// The new ARN, with a fresh id.
        key: PublicKeyArn,
        /// May be empty.
        name: String,
        /// At most 50.
        tags: BTreeMap<String, String>,
        /// The PEM text.
        material: String,
        /// Of the key.
        fingerprint: String,
        /// See [`PublicKey::point`](crate::row::PublicKey::point).
        point: String,
    },
    /// DeletePublicKey.
    DeletePublicKey {
        /// Which.
        key: PublicKeyArn,
    },
    /// TagResource.
    TagResource {
        /// Which.
        resource: ResourceArn,
        /// Put over those it has.
        tags: BTreeMap<String, String>,
    },
    /// UntagResource.
    UntagResource {
        /// Which.
        resource: ResourceArn,
        /// Those it does not have are ignored.
        keys: BTreeSet<String>,
    },
    /// DisconnectParticipant.
    DisconnectParticipant {
        /// Where.
        stage: StageArn,
        /// Whom.
        participant: ParticipantId,
    },
    /// StartParticipantReplication.
    StartParticipantReplication {
        /// Where the participant publishes.
        source: StageArn,
        /// Where it shall appear.
        destination: StageArn,
        /// Whom.
        participant: ParticipantId,
        /// 0–300.
        reconnect_window_s: u32,
        /// Merged over the token's; these win.
        attributes: Attributes,
    },
    /// StopParticipantReplication.
    StopParticipantReplication {
        /// Where the participant publishes.
        source: StageArn,
        /// Where it appears.
        destination: StageArn,
        /// Whom.
        participant: ParticipantId,
    },
    /// A client with a verified token opens a connection.
    OpenConnection {
        /// Fresh id.
        connection: ConnectionId,
        /// What for.
        kind: ConnectionKind,
        /// The verified token.
        claims: Claims,
        /// The stage session that the client proved to have been let into before, by its resumption secret: there an
        /// expired token opens connections, too.
        resumes: Option<StageSessionId>,
        /// For publishing connections.
        protocol: Protocol,
        /// From the User-Agent.
        client: Client,
    },
    /// The client of an open connection presents a verified token in place of the one it joined with.
    ExchangeToken {
        /// Through which it came.
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
        /// What was tried.
        kind: ConnectionKind,
        /// Why it failed.
        error: StageEventError,
    },
    /// Media (ICE, DTLS) or the socket is up.
    ConnectionEstablished {
        /// Which; unknown ones are ignored (already closed).
        connection: ConnectionId,
        /// Its stage.
        stage: StageId,
        /// Its participant.
        participant: ParticipantId,
    },
    /// The client left or vanished.
    ConnectionClosed {
        /// Which; unknown ones are ignored (already closed).
        connection: ConnectionId,
        /// Its stage.
        stage: StageId,
        /// Its participant.
        participant: ParticipantId,
    },
    /// The media plane ended a connection because what goes through it exceeds a limit.
    ConnectionExceeded {
        /// Which; unknown ones are ignored (already closed).
        connection: ConnectionId,
        /// Its stage.
        stage: StageId,
        /// Its participant.
        participant: ParticipantId,
        /// Which limit.
        error: StageEventError,
    },
    /// The media plane says what is wrong with a connection: into the history.
    ConnectionFailed {
        /// Which; unknown ones are ignored (already closed).
        connection: ConnectionId,
        /// Its stage.
        stage: StageId,
        /// Its participant.
        participant: ParticipantId,
        /// What is wrong.
        error: StageEventError,
        /// The media plane has ended it. If not, it goes on.
        is_over: bool,
    },
    /// Time has passed: end reconnect windows, idle stage sessions and connections that are due.
    Tick,
    /// First command after start: close everything the last run left open.
    Recover,
}

/// Rows to load before deciding. Loading more never changes a decision.
///
/// "The stage" below means its row; "the active session" the one the stage's row names. A need that names
/// a stage without an active session (or a missing stage) loads what there is, which may be nothing.
/// [`World::select`](crate::World::select) is the reference for every line here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Need {
    /// The stage and, if it has one, its active session row.
    Stage(StageId),
    /// `World::stage_count` for this account and region.
    StageCount {
        /// 12 digits.
        account: String,
        /// Region name.
        region: String,
    },
    /// `World::public_key_count` for this account and region.
    PublicKeyCount {
        /// 12 digits.
        account: String,
        /// Region name.
        region: String,
    },
    /// `World::region_count` for this account and region. Counts only, no rows.
    RegionCount {
        /// 12 digits.
        account: String,
        /// Region name.
        region: String,
    },
    /// The public key row.
    PublicKey(PublicKeyId),
    /// The public key row with this point in this account and region.
    PublicKeyPoint {
        /// 12 digits.
        account: String,
        /// Region name.
        region: String,
        /// Hexadecimal.
        point: String,
    },
    /// The token row of this participant id in this stage.
    Token(StageId, ParticipantId),
    /// In the stage's active session: this participant's row, its open connections, and the participant
    /// row of every publisher it has a subscription to.
    Presence(StageId, ParticipantId),
    /// In the stage's active session: how many ACTIVE replicas this participant is the source of, as
    /// `World::replications`.
    Replications(StageId, ParticipantId),
    /// All that changes when this participant comes or goes:
    /// - [`Presence`](Self::Presence), [`Audience`](Self::Audience) and [`Occupancy`](Self::Occupancy) here,
    ///   and every ACTIVE replica row of this participant id, whatever its stages;
    /// - for each of those replica rows whose source session is this stage's active session: the
    ///   destination session row, its `World::occupancy`, the participant's row there, and the audience there
    ///   (every subscription to it in that session, with the presence of each subscriber);
    /// - for each of those replica rows whose destination session is this stage's active session: the
    ///   participant's row in the source session and, if that row is not publishing, the audience there.
    Participant(StageId, ParticipantId),
    /// In the stage's active session: every subscription to this participant, with
    /// [`Presence`](Self::Presence) of each subscriber.
    Audience(StageId, ParticipantId),
    /// The replica rows (ACTIVE or not) of this participant between the active sessions of two stages.
    Replica {
        /// Source stage.
        source: StageId,
        /// Whom.
        participant: ParticipantId,
        /// Destination stage.
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
    /// [`Live`](Self::Live) of every stage with an active session, all ACTIVE replica rows, all connections.
    Everything,
    /// A session row by id.
    Session(StageSessionId),
}

/// The rows `command` looks at. Times and limits only matter for [`Command::Tick`].
pub fn needs(command: &Command, context: &Context) -> Vec<Need> {
    crate::op::needs(command, context)
}
