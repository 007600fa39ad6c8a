//! What the store's tests share: a store in a directory of its own, and commands to fill it. A test uses
//! a [`Store`] and does not know the engine behind it.
#![allow(dead_code, reason = "each test file uses its part")]

mod database;
pub(crate) mod proxy;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use restage_core::command::NewStageRecording;
use restage_core::command::{Claims, NewDestination, NewTarget, NewToken};
use restage_core::id::{ConnectionId, ParticipantId, RunId, StageId, StageSessionId, Time};
use restage_core::row::{
    Capabilities, Client, CompositionId, ConnectionKind, Idempotency, LayoutSettings, Protocol,
    RecordingId, RecordingSettings, StorageConfiguration, StorageConfigurationId,
};
use restage_core::{Arn, Command, Context, Limits, Reply, Signer, StageArn};
use restage_store::{EffectSink, Execution, Page, Store, StoreConfig, WRITER_QUEUE};

pub(crate) use database::Database;

pub(crate) const ACCOUNT: &str = "000000000000";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const IDLE_S: u32 = 60;

/// A fresh store; it lives as long as the database.
pub(crate) async fn fresh() -> (Store, Database) {
    let database = Database::fresh().await;
    let store = open(&database).await;
    (store, database)
}

pub(crate) async fn open(database: &Database) -> Store {
    Store::open(&config(database), nowhere()).await.unwrap()
}

pub(crate) fn config(database: &Database) -> StoreConfig {
    StoreConfig::from_address(database.address()).unwrap()
}

pub(crate) fn nowhere() -> EffectSink {
    Box::new(|_, _, _| ())
}

pub(crate) fn arn(stage: &str) -> StageArn {
    StageArn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(stage),
    }
}

/// A command at a time in microseconds. A session that it opens is named after that time.
pub(crate) fn execution(at: i64, command: Command) -> Execution {
    let context = Context {
        account: ACCOUNT.to_owned(),
        now: Time(at),
        wall: Time(at),
        steady: Time(at),
        limits: Limits {
            replications_per_participant: 5_000,
            ..Limits::OPEN
        },
        session_idle_s: IDLE_S,
        run: RunId::new("run"),
        fresh_session: StageSessionId::new(format!("st-{at:013}")),
        // The rules keep 18 characters of it.
        fresh_recording: RecordingId::new(format!("recording{at:09}")),
    };
    Execution { command, context }
}

/// Executes a command that the rules accept.
pub(crate) async fn execute(store: &Store, at: i64, command: Command) -> Reply {
    store
        .execute(execution(at, command))
        .await
        .unwrap()
        .reply
        .unwrap()
}

/// Executes many in this order, all of which the rules accept.
pub(crate) async fn execute_all(store: &Store, executions: impl IntoIterator<Item = Execution>) {
    let mut executions = executions.into_iter().peekable();
    while executions.peek().is_some() {
        // No more than fit into the queue: of those that wait for room, later ones may overtake.
        let together = executions.by_ref().take(WRITER_QUEUE);
        let outcomes = join_all(together.map(|execution| store.execute(execution)));
        // Without a budget: one that is used up would let later commands overtake.
        for outcome in tokio::task::unconstrained(outcomes).await {
            outcome.unwrap().reply.unwrap();
        }
    }
}

pub(crate) fn create_stage(stage: &str) -> Command {
    Command::CreateStage {
        stage: arn(stage),
        name: String::new(),
        tags: BTreeMap::new(),
        recording: Default::default(),
        tokens: Vec::new(),
    }
}

/// A stage whose participants are recorded, and what it needs.
pub(crate) async fn create_recorded(store: &Store, stage: &str, reconnect_window_s: u32) {
    let row = StorageConfiguration {
        id: StorageConfigurationId::new("storage"),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        name: String::new(),
        tags: BTreeMap::new(),
        bucket: "my-vods".to_owned(),
        created_at: Time(0),
    };
    let storage = Arn::of(&row);
    let create = Command::CreateResource { row: row.into() };
    let recording = NewStageRecording {
        storage: Some(storage),
        settings: RecordingSettings {
            reconnect_window_s,
            ..RecordingSettings::default()
        },
    };
    let stage = Command::CreateStage {
        stage: arn(stage),
        name: String::new(),
        tags: BTreeMap::new(),
        recording,
        tokens: Vec::new(),
    };
    execute_all(store, [execution(0, create), execution(0, stage)]).await;
}

/// StartComposition of a stage, to a channel and, if it is named, to a bucket.
pub(crate) fn compose(id: &str, stage: &str, channel: &str, storage: &str) -> Command {
    let of = arn(stage);
    let mut destinations = vec![NewDestination {
        id: "live".into(),
        name: "live".to_owned(),
        encoder: None,
        target: NewTarget::Channel(of.clone().with_id(|_| channel.into())),
    }];
    if !storage.is_empty() {
        let storage = of.clone().with_id(|_| storage.into());
        destinations.push(NewDestination {
            id: "vod".into(),
            name: String::new(),
            encoder: None,
            target: NewTarget::S3 {
                storage,
                segment_s: 2,
                thumbnails: None,
            },
        });
    }
    Command::StartComposition {
        composition: of.clone().with_id(|_| CompositionId::new(id)),
        stage: of,
        layout: LayoutSettings::default(),
        destinations,
        tags: BTreeMap::new(),
        idempotency: Some(Idempotency {
            token: format!("token of {id}"),
            fingerprint: "all".to_owned(),
        }),
    }
}

pub(crate) fn delete_stage(stage: &str) -> Command {
    Command::DeleteStage { stage: arn(stage) }
}

pub(crate) fn create_token(stage: &str, participant: &str) -> Command {
    let participant = ParticipantId::new(participant);
    let token = NewToken {
        participant,
        expires_at: Time(i64::MAX),
    };
    Command::CreateParticipantToken {
        stage: arn(stage),
        token,
    }
}

pub(crate) fn connect(
    stage: &str,
    participant: &str,
    connection: &str,
    kind: ConnectionKind,
) -> Command {
    Command::OpenConnection {
        resumes: None,
        connection: ConnectionId::new(connection),
        kind,
        claims: Claims {
            participant: ParticipantId::new(participant),
            stage: arn(stage),
            user_id: format!("user of {participant}"),
            attributes: BTreeMap::new(),
            capabilities: Capabilities {
                publish: true,
                subscribe: true,
            },
            issued_at: Time(0),
            expires_at: Time(i64::MAX),
            signer: Signer::Service,
        },
        protocol: Protocol::Whip,
        client: Client::default(),
        connection_token: None,
    }
}

pub(crate) fn established(stage: &str, participant: &str, connection: &str) -> Command {
    Command::ConnectionEstablished {
        connection: ConnectionId::new(connection),
        stage: StageId::new(stage),
        participant: ParticipantId::new(participant),
    }
}

pub(crate) fn closed(stage: &str, participant: &str, connection: &str) -> Command {
    Command::ConnectionClosed {
        connection: ConnectionId::new(connection),
        stage: StageId::new(stage),
        participant: ParticipantId::new(participant),
    }
}

pub(crate) fn replicate(source: &str, participant: &str, destination: &str) -> Command {
    Command::StartParticipantReplication {
        source: arn(source),
        destination: arn(destination),
        participant: ParticipantId::new(participant),
        reconnect_window_s: 0,
        attributes: BTreeMap::new(),
    }
}

pub(crate) fn stop(source: &str, participant: &str, destination: &str) -> Command {
    Command::StopParticipantReplication {
        source: arn(source),
        destination: arn(destination),
        participant: ParticipantId::new(participant),
    }
}

/// A stage in which someone publishes.
pub(crate) async fn publish(store: &Store, stage: &str, participant: &str) {
    execute_all(
        store,
        [
            execution(0, create_stage(stage)),
            execution(0, create_token(stage, participant)),
            execution(
                1,
                connect(stage, participant, participant, ConnectionKind::Publish),
            ),
            execution(2, established(stage, participant, participant)),
        ],
    )
    .await;
}

/// A participant publishes, from this time on.
pub(crate) async fn join(store: &Store, at: i64, stage: &str, participant: &str, connection: &str) {
    let kind = ConnectionKind::Publish;
    execute_all(
        store,
        [
            execution(at, create_token(stage, participant)),
            execution(at, connect(stage, participant, connection, kind)),
            execution(at, established(stage, participant, connection)),
        ],
    )
    .await;
}

/// Walks a list from end to end. `fetch` gives the page after a row; `meanwhile` may change the store
/// between pages.
pub(crate) async fn walk<T: Clone>(
    limit: u32,
    fetch: impl AsyncFn(Option<T>) -> Page<T>,
    mut meanwhile: impl AsyncFnMut(usize),
) -> Vec<T> {
    let mut rows: Vec<T> = Vec::new();
    for page_number in 0.. {
        let page = fetch(rows.last().cloned()).await;
        assert!(page.rows.len() <= limit as usize);
        assert!(
            !page.more || page.rows.len() == limit as usize,
            "only the last page is short"
        );
        rows.extend(page.rows);
        if !page.more {
            break;
        }
        meanwhile(page_number).await;
    }
    rows
}

pub(crate) fn distinct<T: Ord>(keys: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let keys: Vec<T> = keys.into_iter().collect();
    let count = keys.len();
    let distinct: BTreeSet<T> = keys.into_iter().collect();
    assert_eq!(distinct.len(), count, "a row came twice");
    distinct
}
