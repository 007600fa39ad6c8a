//! The commands: everything that can be asked of the rules, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use strum::IntoStaticStr;

use crate::arn::{PublicKeyArn, ResourceArn, StageArn};
use crate::id::{ConnectionId, ParticipantId, StageId, StageSessionId, Time};
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
