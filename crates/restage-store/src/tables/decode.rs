//! Rows to and from columns: the order of columns, and the words that stand for variants.

use std::collections::BTreeMap;

use restage_core::id::{ConnectionId, ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{
    Capabilities, Client, Connection, ConnectionKind, Job, JobState, Lease, Participant, Protocol,
    PublicKey, Replica, Replication, Stage, StageEvent, StageEventError, StageEventName,
    StageSession, Token,
};
use restage_core::{Occupancy, RegionCount};

use super::cells::Cells;
use super::exchange;
use crate::error::StoreError;
use crate::sql::Row;

/// Expands to the column list of one kind of row, qualified by a table alias, as a literal.
macro_rules! columns {
    (stage $t:literal) => {
        columns!(@ $t, "id", "account", "region", "name", "tags", "recording", "created_at",
            "active_session")
    };
    (session $t:literal) => {
        columns!(@ $t, "id", "stage", "started_at", "ended_at", "idle_since")
    };
    (token $t:literal) => {
        columns!(@ $t, "stage", "participant", "expires_at", "revoked_at", "allow_publish",
            "allow_subscribe")
    };
    (public_key $t:literal) => {
        columns!(@ $t, "id", "account", "region", "name", "tags", "material", "fingerprint",
            "point", "created_at")
    };
    (participant $t:literal) => {
        columns!(@ $t, "session", "id", "stage", "user_id", "attributes", "connected", "publishing",
            "published", "first_joined_at", "protocol", "client", "replication",
            "replication_active", "source_stage", "source_session")
    };
    (replica $t:literal) => {
        columns!(@ $t, "source_session", "participant", "destination_session", "source_stage",
            "destination_stage", "active", "attributes", "reconnect_window_s", "window_ends_at",
            "started_at")
    };
    (connection $t:literal) => {
        columns!(@ $t, "id", "stage", "session", "participant", "kind", "publisher", "established",
            "opened_at")
    };
    (job $t:literal) => {
        columns!(@ $t, "id", "kind", "stage", "session", "participant", "spec", "state", "owner",
            "started_at", "due_at", "generation", "attempts", "stop_requested", "result",
            "created_at", "ended_at")
    };
    (event $t:literal) => {
        columns!(@ $t, "session", "participant", "seq", "name", "at", "remote_participant", "error",
            "destination_stage", "destination_session", "replica", "exchange")
    };
    (@ $t:literal, $first:literal $(, $rest:literal)*) => {
        concat!($t, ".", $first $(, ", ", $t, ".", $rest)*)
    };
}
pub(crate) use columns;

/// A map as the store keeps it.
pub(crate) fn map_text(map: &BTreeMap<String, String>) -> String {
    // The key order of a BTreeMap makes equal maps equal text.
    serde_json::Value::Object(
        map.iter()
            .map(|(k, v)| (k.clone(), serde_json::Value::from(v.as_str())))
            .collect(),
    )
    .to_string()
}

/// Both directions between a type's variants and the words stored for them. The compiler sees to
/// it that no variant is without a word.
macro_rules! words {
    ($type:ident, $to:ident, $from:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        pub(crate) fn $to(value: $type) -> &'static str {
            match value { $($type::$variant => $word),+ }
        }

        fn $from(word: &str) -> Option<$type> {
            match word { $($word => Some($type::$variant),)+ _ => None }
        }
    };
}

words!(Protocol, protocol_word, protocol { Unknown = "UNKNOWN", Whip = "WHIP" });

words!(StageEventName, event_name_word, event_name {
    Joined = "JOINED",
    Left = "LEFT",
    PublishStarted = "PUBLISH_STARTED",
    PublishStopped = "PUBLISH_STOPPED",
    SubscribeStarted = "SUBSCRIBE_STARTED",
    SubscribeStopped = "SUBSCRIBE_STOPPED",
    PublishError = "PUBLISH_ERROR",
    SubscribeError = "SUBSCRIBE_ERROR",
    JoinError = "JOIN_ERROR",
    ReplicationStarted = "REPLICATION_STARTED",
    ReplicationStopped = "REPLICATION_STOPPED",
    TokenExchanged = "TOKEN_EXCHANGED",
});

words!(StageEventError, event_error_word, event_error {
    InsufficientCapabilities = "INSUFFICIENT_CAPABILITIES",
    QuotaExceeded = "QUOTA_EXCEEDED",
    PublisherNotFound = "PUBLISHER_NOT_FOUND",
    InvalidAudioCodec = "INVALID_AUDIO_CODEC",
    InvalidVideoCodec = "INVALID_VIDEO_CODEC",
    StreamDurationExceeded = "STREAM_DURATION_EXCEEDED",
    BitrateExceeded = "BITRATE_EXCEEDED",
    ResolutionExceeded = "RESOLUTION_EXCEEDED",
    InvalidInput = "INVALID_INPUT",
    InternalServerException = "INTERNAL_SERVER_EXCEPTION",
});

/// What a connection is for, as (word, publisher).
pub(crate) fn kind_columns(kind: &ConnectionKind) -> (&'static str, Option<&str>) {
    match kind {
        ConnectionKind::Publish => ("PUBLISH", None),
        ConnectionKind::Subscribe { publisher } => ("SUBSCRIBE", Some(publisher.as_str())),
        ConnectionKind::Events => ("EVENTS", None),
    }
}

/// A part in replications, as (word, active, source stage, source session).
pub(crate) fn replication_columns(
    replication: &Replication,
) -> (&'static str, bool, Option<&str>, Option<&str>) {
    match replication {
        Replication::None => ("NONE", false, None, None),
        Replication::Source { active } => ("SOURCE", *active, None, None),
        Replication::Replica {
            active,
            source_stage,
            source_session,
        } => (
            "REPLICA",
            *active,
            Some(source_stage.as_str()),
            Some(source_session.as_str()),
        ),
    }
}

/// The client's five facts, without the empty ones.
pub(crate) fn client_text(client: &Client) -> String {
    let Client {
        browser_name,
        browser_version,
        os_name,
        os_version,
        sdk_version,
    } = client;
    let facts = [
        ("browser_name", browser_name),
        ("browser_version", browser_version),
        ("os_name", os_name),
        ("os_version", os_version),
        ("sdk_version", sdk_version),
    ];
    map_text(
        &facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
    )
}

fn client(mut facts: BTreeMap<String, String>) -> Client {
    let mut take = |name: &str| facts.remove(name).unwrap_or_default();
    Client {
        browser_name: take("browser_name"),
        browser_version: take("browser_version"),
        os_name: take("os_name"),
        os_version: take("os_version"),
        sdk_version: take("sdk_version"),
    }
}

pub(crate) fn stage(row: &Row<'_>) -> Result<Stage, StoreError> {
    let mut cells = Cells::new(row, "stage");
    Ok(Stage {
        id: cells.id()?,
        account: cells.text()?,
        region: cells.text()?,
        name: cells.text()?,
        tags: cells.map()?,
        recording: cells.text()?,
        created_at: cells.time()?,
        active_session: cells.opt_id()?,
    })
}

pub(crate) fn session(row: &Row<'_>) -> Result<StageSession, StoreError> {
    let mut cells = Cells::new(row, "stage session");
    Ok(StageSession {
        id: cells.id()?,
        stage: cells.id()?,
        started_at: cells.time()?,
        ended_at: cells.opt_time()?,
        idle_since: cells.opt_time()?,
    })
}

pub(crate) fn token(row: &Row<'_>) -> Result<Token, StoreError> {
    let mut cells = Cells::new(row, "token");
    Ok(Token {
        stage: cells.id()?,
        participant: cells.id()?,
        expires_at: cells.time()?,
        revoked_at: cells.opt_time()?,
        self_signed: match (cells.opt_flag()?, cells.opt_flag()?) {
            (None, None) => None,
            (Some(publish), Some(subscribe)) => Some(Capabilities { publish, subscribe }),
            _ => return Err(cells.corrupt("capabilities come together".to_owned())),
        },
    })
}

pub(crate) fn public_key(row: &Row<'_>) -> Result<PublicKey, StoreError> {
    let mut cells = Cells::new(row, "public key");
    Ok(PublicKey {
        id: cells.id()?,
        account: cells.text()?,
        region: cells.text()?,
        name: cells.text()?,
        tags: cells.map()?,
        material: cells.text()?,
        fingerprint: cells.text()?,
        point: cells.text()?,
        created_at: cells.time()?,
    })
}

pub(crate) fn participant(row: &Row<'_>) -> Result<Participant, StoreError> {
    let mut cells = Cells::new(row, "participant");
    Ok(Participant {
        session: cells.id()?,
        id: cells.id()?,
        stage: cells.id()?,
        user_id: cells.text()?,
        attributes: cells.map()?,
        connected: cells.flag()?,
        publishing: cells.flag()?,
        published: cells.flag()?,
        first_joined_at: cells.time()?,
        protocol: cells.word(protocol)?,
        client: client(cells.map()?),
        replication: replication(&mut cells)?,
    })
}

fn replication(cells: &mut Cells<'_>) -> Result<Replication, StoreError> {
    let word = cells.text()?;
    let active = cells.flag()?;
    let source: (Option<StageId>, Option<StageSessionId>) = (cells.opt_id()?, cells.opt_id()?);
    match (word.as_str(), source) {
        ("NONE", (None, None)) => Ok(Replication::None),
        ("SOURCE", (None, None)) => Ok(Replication::Source { active }),
        ("REPLICA", (Some(source_stage), Some(source_session))) => Ok(Replication::Replica {
            active,
            source_stage,
            source_session,
        }),
        _ => Err(cells.corrupt(format!("{word:?} does not go with its source columns"))),
    }
}

pub(crate) fn replica(row: &Row<'_>) -> Result<Replica, StoreError> {
    let mut cells = Cells::new(row, "replica");
    Ok(Replica {
        source_session: cells.id()?,
        participant: cells.id()?,
        destination_session: cells.id()?,
        source_stage: cells.id()?,
        destination_stage: cells.id()?,
        active: cells.flag()?,
        attributes: cells.map()?,
        reconnect_window_s: {
            let seconds = cells.number()?;
            u32::try_from(seconds)
                .map_err(|_| cells.corrupt(format!("{seconds} s is not a reconnect window")))?
        },
        window_ends_at: cells.opt_time()?,
        started_at: cells.time()?,
    })
}

/// The state of a job as (word, owner, started at, due at, result).
pub(crate) fn job_state_columns(
    job: &Job,
) -> (
    &'static str,
    Option<&str>,
    Option<Time>,
    Option<Time>,
    Option<&str>,
) {
    let due_at = job.due_at();
    match &job.state {
        JobState::Pending { .. } => ("PENDING", None, None, due_at, None),
        JobState::Running(lease) => {
            let owner = Some(lease.owner.as_str());
            ("RUNNING", owner, Some(lease.started_at), due_at, None)
        }
        JobState::Done { result } => ("DONE", None, None, None, Some(result)),
        JobState::Failed { reason } => ("FAILED", None, None, None, Some(reason)),
    }
}

pub(crate) fn job(row: &Row<'_>) -> Result<Job, StoreError> {
    let mut cells = Cells::new(row, "job");
    let id = cells.id()?;
    let kind = cells.text()?;
    let stage = cells.id()?;
    let session = cells.opt_id()?;
    let participant = cells.opt_id()?;
    let spec = cells.text()?;
    let word = cells.text()?;
    let lease = (cells.opt_id()?, cells.opt_time()?, cells.opt_time()?);
    let generation = small(&mut cells)?;
    let attempts = small(&mut cells)?;
    let stop_requested = cells.flag()?;
    let result = cells.opt_str()?.map(str::to_owned);
    let state = match (word.as_str(), lease, result) {
        ("PENDING", (None, None, Some(due_at)), None) => JobState::Pending { due_at },
        ("RUNNING", (Some(owner), Some(started_at), Some(ends_at)), None) => {
            JobState::Running(Lease {
                owner,
                started_at,
                ends_at,
            })
        }
        ("DONE", (None, None, None), Some(result)) => JobState::Done { result },
        ("FAILED", (None, None, None), Some(reason)) => JobState::Failed { reason },
        _ => return Err(cells.corrupt(format!("{word:?} does not go with its columns"))),
    };
    Ok(Job {
        id,
        kind,
        stage,
        session,
        participant,
        spec,
        state,
        generation,
        attempts,
        stop_requested,
        created_at: cells.time()?,
        ended_at: cells.opt_time()?,
    })
}

/// A count that a u32 holds.
fn small(cells: &mut Cells<'_>) -> Result<u32, StoreError> {
    let count = cells.number()?;
    u32::try_from(count).map_err(|_| cells.corrupt(format!("{count} is not a count")))
}

pub(crate) fn connection(row: &Row<'_>) -> Result<Connection, StoreError> {
    let mut cells = Cells::new(row, "connection");
    Ok(Connection {
        id: cells.id::<ConnectionId>()?,
        stage: cells.id()?,
        session: cells.id()?,
        participant: cells.id()?,
        kind: connection_kind(&mut cells)?,
        established: cells.flag()?,
        opened_at: cells.time()?,
    })
}

fn connection_kind(cells: &mut Cells<'_>) -> Result<ConnectionKind, StoreError> {
    let word = cells.text()?;
    let publisher: Option<ParticipantId> = cells.opt_id()?;
    match (word.as_str(), publisher) {
        ("PUBLISH", None) => Ok(ConnectionKind::Publish),
        ("SUBSCRIBE", Some(publisher)) => Ok(ConnectionKind::Subscribe { publisher }),
        ("EVENTS", None) => Ok(ConnectionKind::Events),
        _ => Err(cells.corrupt(format!("{word:?} does not go with its publisher column"))),
    }
}

/// An event and its place in the participant's history.
pub(crate) fn event(row: &Row<'_>) -> Result<(i64, StageEvent), StoreError> {
    let mut cells = Cells::new(row, "stage event");
    let session = cells.id()?;
    let participant = cells.id()?;
    let seq = cells.number()?;
    let name = cells.word(event_name)?;
    let at = cells.time()?;
    let remote_participant = cells.opt_id()?;
    let error =
        match cells.opt_str()? {
            None => None,
            Some(word) => Some(event_error(word).ok_or_else(|| {
                cells.corrupt(format!("{word:?} is not an error code restage uses"))
            })?),
        };
    let destination = match (
        cells.opt_id::<StageId>()?,
        cells.opt_id::<StageSessionId>()?,
    ) {
        (Some(stage), Some(session)) => Some((stage, session)),
        (None, None) => None,
        _ => return Err(cells.corrupt("a destination has both a stage and a session".to_owned())),
    };
    let replica = cells.flag()?;
    let exchange = match cells.opt_str()? {
        None => None,
        Some(text) => {
            let exchange = exchange::from_text(text);
            Some(exchange.map_err(|error| cells.corrupt(error.to_string()))?)
        }
    };
    let event = StageEvent {
        session,
        participant,
        name,
        at,
        remote_participant,
        error,
        destination,
        replica,
        exchange,
    };
    Ok((seq, event))
}

pub(crate) fn meta_value(row: &Row<'_>) -> Result<Vec<u8>, StoreError> {
    let mut cells = Cells::new(row, "value");
    let text = cells.str()?;
    hex::decode(text).map_err(|error| cells.corrupt(error.to_string()))
}

pub(crate) fn stage_id(row: &Row<'_>) -> Result<StageId, StoreError> {
    Cells::new(row, "stage id").id()
}

pub(crate) fn place(row: &Row<'_>) -> Result<(StageSessionId, ParticipantId), StoreError> {
    let mut cells = Cells::new(row, "connection");
    Ok((cells.id()?, cells.id()?))
}

pub(crate) fn count(row: &Row<'_>) -> Result<u64, StoreError> {
    Cells::new(row, "count").count()
}

pub(crate) fn occupancy(row: &Row<'_>) -> Result<(StageSessionId, Occupancy), StoreError> {
    let mut cells = Cells::new(row, "count");
    let session = cells.id()?;
    let occupancy = Occupancy {
        publishing: cells.count()?,
        publishers: cells.count()?,
        subscribers: cells.count()?,
    };
    Ok((session, occupancy))
}

pub(crate) fn region_count(row: &Row<'_>) -> Result<RegionCount, StoreError> {
    let mut cells = Cells::new(row, "count");
    Ok(RegionCount {
        publishers: cells.count()?,
        subscriptions: cells.count()?,
    })
}
