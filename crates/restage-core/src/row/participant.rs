//! Participants.

use super::{Attributes, IngestLink, IngestProtocol, RecordingId, RedundantIngest};
use crate::id::{ParticipantId, StageId, StageSessionId, Time};

/// How a participant's media reaches us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Not known, or an events socket only.
    Unknown,
    /// WHIP or WHEP.
    Whip,
    /// RTMP without encryption.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
}

impl From<IngestProtocol> for Protocol {
    fn from(protocol: IngestProtocol) -> Self {
        match protocol {
            IngestProtocol::Rtmp => Self::Rtmp,
            IngestProtocol::Rtmps => Self::Rtmps,
        }
    }
}

/// What the client said of itself in its User-Agent. A field is empty where it did not say.
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
    /// It has never been replicated.
    None,
    /// Replicated out of this stage; `active` while at least one replication is.
    Source {
        /// `true` for ACTIVE, `false` for STOPPED.
        active: bool,
    },
    /// This row is a replica: the participant joined `source_stage` and appears here.
    Replica {
        /// `true` for ACTIVE, `false` for STOPPED.
        active: bool,
        /// The stage that the participant joined.
        source_stage: StageId,
        /// The session of that stage.
        source_session: StageSessionId,
    },
}

/// The newest recording of a participant. Its row says how it stands, as long as there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The recording.
    pub id: RecordingId,
    /// When it was asked for: [`Recording::created_at`](super::Recording::created_at).
    pub since: Time,
}

/// One token's presence, or one replica's, in one stage session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Participant {
    /// The session it belongs to; with `id` the row's key.
    pub session: StageSessionId,
    /// The token's identity: the same in source and destination stages.
    pub id: ParticipantId,
    /// The stage of the session.
    pub stage: StageId,
    /// The customer's label; may be empty.
    pub user_id: String,
    /// The token's, or for a replica the token's with the overrides merged over them.
    pub attributes: Attributes,
    /// `true` for CONNECTED, `false` for DISCONNECTED.
    pub connected: bool,
    /// Whether it is publishing right now.
    pub publishing: bool,
    /// Whether it has ever published in this session (`published` on the wire).
    pub published: bool,
    /// When it first joined this session. Lists are ordered by it, then by id.
    pub first_joined_at: Time,
    /// The protocol of its latest publishing connection.
    pub protocol: Protocol,
    /// The client of its latest connection.
    pub client: Client,
    /// Its part in replications: NONE, SOURCE or REPLICA.
    pub replication: Replication,
    /// Its newest recording, if it was ever recorded in this session.
    pub recording: Option<Recorded>,
    /// The ingest configuration that it publishes by, if it is one of those.
    pub ingest: Option<IngestLink>,
}

impl Participant {
    /// Whether it is shown here by a replication instead of having joined.
    pub const fn is_replica(&self) -> bool {
        matches!(self.replication, Replication::Replica { .. })
    }

    /// Whether it is one of those that publish, as they are counted: the virtual participant of a redundant ingest is not,
    /// because its streams are.
    pub fn is_publisher(&self) -> bool {
        self.publishing && !self.is_virtual()
    }

    /// Whether it holds a publisher's place by itself: it is publishing, or an ACTIVE replica whose publisher may
    /// come back. One whose publishing connection is open holds one as well.
    pub fn holds_place(&self) -> bool {
        self.is_publisher() || matches!(self.replication, Replication::Replica { active: true, .. })
    }

    /// Whether an ACTIVE replication leads out of here (SOURCE) or in (REPLICA).
    pub const fn in_replication(&self) -> bool {
        matches!(
            self.replication,
            Replication::Source { active: true } | Replication::Replica { active: true, .. }
        )
    }

    /// Whether it is one stream of a redundant ingest: subscribers see the virtual participant instead.
    pub fn is_physical(&self) -> bool {
        self.streams().is_some_and(|streams| !streams.is_virtual)
    }

    /// Whether it is what subscribers see of a redundant ingest.
    pub fn is_virtual(&self) -> bool {
        self.streams().is_some_and(|streams| streams.is_virtual)
    }

    fn streams(&self) -> Option<&RedundantIngest> {
        self.ingest.as_ref()?.redundant.as_ref()
    }
}
