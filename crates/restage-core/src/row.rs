//! The rows of the store, as the rules see them. A row is a value: the rules return new ones.

use std::collections::BTreeMap;

use crate::id::{ConnectionId, ParticipantId, PublicKeyId, StageId, StageSessionId, Time};

/// String-to-string attributes of a token or participant, at most 1 KB in total.
pub type Attributes = BTreeMap<String, String>;

/// A durable room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Last part of the ARN.
    pub id: StageId,
    /// 12 digits.
    pub account: String,
    /// Any region name a client signs for.
    pub region: String,
    /// May be empty; not unique.
    pub name: String,
    /// Up to 50.
    pub tags: BTreeMap<String, String>,
    /// The fully defaulted recording block, as canonical JSON. Opaque to the rules for now.
    pub recording: String,
    /// Creation; with the id as tie-break it is the list order.
    pub created_at: Time,
    /// The stage session in progress.
    pub active_session: Option<StageSessionId>,
}

/// The public half of a key pair that an account signs participant tokens with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// Last part of the ARN.
    pub id: PublicKeyId,
    /// 12 digits.
    pub account: String,
    /// Any region name a client signs for.
    pub region: String,
    /// May be empty; not unique.
    pub name: String,
    /// Up to 50.
    pub tags: BTreeMap<String, String>,
    /// The PEM text, as it was sent.
    pub material: String,
    /// For people who compare keys.
    pub fingerprint: String,
    /// The point on P-384, uncompressed (SEC 1 §2.3.3), as hexadecimal: what a key is, however written.
    pub point: String,
    /// Import; with the id as tie-break it is the list order.
    pub created_at: Time,
}

/// One stretch of a stage with someone in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageSession {
    /// Unique over all stages.
    pub id: StageSessionId,
    /// Its stage.
    pub stage: StageId,
    /// When the first participant (or replica) appeared.
    pub started_at: Time,
    /// `None` while active.
    pub ended_at: Option<Time>,
    /// Since when nobody publishes here, by the steady clock; `None` while somebody does. Starts with the session.
    pub idle_since: Option<Time>,
}

/// A token's identity in a stage, and whether it is still good. The token text itself is never stored.
///
/// Those that restage makes are here from the start; a self-signed one from its first join on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The one stage it is for.
    pub stage: StageId,
    /// The token's identity, which becomes the participant's. With the stage it is the key.
    pub participant: ParticipantId,
    /// After this no new join is accepted.
    pub expires_at: Time,
    /// Set by DisconnectParticipant: the token is dead.
    pub revoked_at: Option<Time>,
    /// `None` for a token that restage made. Otherwise the identity is one that self-signed tokens gave
    /// themselves, and this is what the latest of them allows.
    pub self_signed: Option<Capabilities>,
}

/// What a participant may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// PUBLISH
    pub publish: bool,
    /// SUBSCRIBE
    pub subscribe: bool,
}

/// How a participant's media reaches us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Not known, or an events socket only.
    Unknown,
    /// WHIP or WHEP.
    Whip,
}

/// What the client said of itself. Empty strings where it did not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Client {
    pub browser_name: String,
    pub browser_version: String,
    pub os_name: String,
    pub os_version: String,
    pub sdk_version: String,
}

/// A participant's part in replications (`replicationType` and `replicationState` on the wire).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replication {
    /// Never replicated.
    None,
    /// Replicated out of this stage; `active` while at least one replication is.
    Source {
        /// ACTIVE or STOPPED.
        active: bool,
    },
    /// This row is a replica: the participant joined `source_stage` and appears here.
    Replica {
        /// ACTIVE or STOPPED.
        active: bool,
        /// Where the participant really is.
        source_stage: StageId,
        /// The session there.
        source_session: StageSessionId,
    },
}

/// One token's presence, or one replica's, in one stage session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Participant {
    /// Session it belongs to; with `id` the key.
    pub session: StageSessionId,
    /// The same id in source and destination stages.
    pub id: ParticipantId,
    /// Its stage.
    pub stage: StageId,
    /// The customer's label; may be empty.
    pub user_id: String,
    /// The token's, or for a replica the token's with the overrides merged over them.
    pub attributes: Attributes,
    /// CONNECTED or DISCONNECTED.
    pub connected: bool,
    /// Publishing right now.
    pub publishing: bool,
    /// Has ever published in this session (`published` on the wire).
    pub published: bool,
    /// First join in this session; with the id as tie-break it is the list order.
    pub first_joined_at: Time,
    /// Of the latest publishing connection.
    pub protocol: Protocol,
    /// Of the latest connection.
    pub client: Client,
    /// NONE, SOURCE or REPLICA.
    pub replication: Replication,
}

impl Participant {
    /// Whether it is shown here by a replication instead of having joined.
    pub const fn is_replica(&self) -> bool {
        matches!(self.replication, Replication::Replica { .. })
    }

    /// Whether it holds a publisher's place by itself: it is publishing, or an ACTIVE replica whose publisher may
    /// come back. One whose publishing connection is open holds one as well.
    pub const fn holds_place(&self) -> bool {
        self.publishing || matches!(self.replication, Replication::Replica { active: true, .. })
    }

    /// Whether an ACTIVE replication leads out of here (SOURCE) or in (REPLICA).
    pub const fn in_replication(&self) -> bool {
        matches!(
            self.replication,
            Replication::Source { active: true } | Replication::Replica { active: true, .. }
        )
    }
}

/// One replication: key is (source session, participant, destination session).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replica {
    /// Where the participant joined.
    pub source_stage: StageId,
    /// The session there.
    pub source_session: StageSessionId,
    /// Who is replicated.
    pub participant: ParticipantId,
    /// Where it appears.
    pub destination_stage: StageId,
    /// The session there.
    pub destination_session: StageSessionId,
    /// ACTIVE or STOPPED. A row that is started again in the same two sessions becomes active again in place.
    pub active: bool,
    /// Overrides given on the start call.
    pub attributes: Attributes,
    /// 0–300.
    pub reconnect_window_s: u32,
    /// Set while the publisher is away and the window runs; the replication stops at this time of the
    /// steady clock.
    pub window_ends_at: Option<Time>,
    /// First start; with the destination session as tie-break it is the list order.
    pub started_at: Time,
}

impl Replica {
    /// Its key.
    pub fn key(&self) -> (StageSessionId, ParticipantId, StageSessionId) {
        (
            self.source_session.clone(),
            self.participant.clone(),
            self.destination_session.clone(),
        )
    }
}

/// What a connection is for. A participant holds at most one of each kind at a time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConnectionKind {
    /// WHIP.
    Publish,
    /// WHEP: one per publisher.
    Subscribe {
        /// Who is watched, by the id it has in this stage.
        publisher: ParticipantId,
    },
    /// The events WebSocket.
    Events,
}

/// A live connection of a participant. Rows exist only while it is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Never reused.
    pub id: ConnectionId,
    /// Its stage.
    pub stage: StageId,
    /// The stage session.
    pub session: StageSessionId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// What it is for.
    pub kind: ConnectionKind,
    /// Media (or the socket) is up: the *_STARTED event has been written.
    pub established: bool,
    /// When it was opened, by the steady clock.
    pub opened_at: Time,
}

/// The names ListParticipantEvents knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StageEventName {
    Joined,
    Left,
    PublishStarted,
    PublishStopped,
    SubscribeStarted,
    SubscribeStopped,
    PublishError,
    SubscribeError,
    JoinError,
    ReplicationStarted,
    ReplicationStopped,
    TokenExchanged,
}

/// The `errorCode`s restage gives so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StageEventError {
    InsufficientCapabilities,
    QuotaExceeded,
    PublisherNotFound,
    InvalidAudioCodec,
    InvalidVideoCodec,
    StreamDurationExceeded,
    BitrateExceeded,
    ResolutionExceeded,
    InvalidInput,
    InternalServerException,
}

/// One line of a participant's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageEvent {
    /// The session whose history this is.
    pub session: StageSessionId,
    /// Whose history this is.
    pub participant: ParticipantId,
    /// What happened.
    pub name: StageEventName,
    /// When.
    pub at: Time,
    /// For SUBSCRIBE_*: the publisher.
    pub remote_participant: Option<ParticipantId>,
    /// For *_ERROR.
    pub error: Option<StageEventError>,
    /// For REPLICATION_*: where to.
    pub destination: Option<(StageId, StageSessionId)>,
    /// The participant (for SUBSCRIBE_*: the remote participant) is a replica here.
    pub replica: bool,
    /// For TOKEN_EXCHANGED.
    pub exchange: Option<Box<TokenExchange>>,
}

/// What an exchange of self-signed tokens changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenExchange {
    /// The token until then.
    pub previous: TokenGrant,
    /// The token from then on.
    pub new: TokenGrant,
}

/// What a token says of its bearer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenGrant {
    /// What it allows.
    pub capabilities: Capabilities,
    /// May be empty.
    pub attributes: Attributes,
    /// May be empty.
    pub user_id: String,
    /// After this no new join is accepted.
    pub expires_at: Time,
}
