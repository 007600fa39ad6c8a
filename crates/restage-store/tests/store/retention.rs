//! Retention, with invented times: what ended long enough ago is removed in short steps; what is live stays.

use std::collections::BTreeMap;

use crate::support::{
    arn, closed, connect, create_stage, create_token, execute, execution, fresh, publish,
    replicate, stop,
};
use restage_core::id::{ParticipantId, PublicKeyId, StageId, StageSessionId, Time};
use restage_core::row::{ConnectionKind, ConnectionTokenKey, PublicKey};
use restage_core::{Command, Context, PublicKeyArn, Signer};
use restage_store::{Execution, ParticipantFilter, Store, Sweep};

const DAY: i64 = 86_400_000_000;

async fn sweep(store: &Store, before: i64, limit: u32) -> (u64, u32) {
    let (mut sweep, mut steps) = (Sweep::before(Time(before)), 0);
    while !sweep.is_done() {
        sweep = store.sweep(sweep, limit).await.unwrap();
        steps += 1;
        assert!(steps < 10_000, "it comes to an end");
    }
    (sweep.removed(), steps)
}

/// Ends the sessions in which nobody has been publishing.
async fn tick(store: &Store, at: i64) {
    let execution = execution(at, Command::Tick);
    store.execute(execution).await.unwrap().reply.unwrap();
}

async fn sessions(store: &Store, stage: &str) -> Vec<StageSessionId> {
    let page = store.list_sessions(&stage.into(), None, 100).await.unwrap();
    page.rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_session_goes_with_all_it_had_once_it_ended_long_ago() {
    let (store, _database) = fresh().await;
    let ann = ParticipantId::new("ann");
    publish(&store, "source", "ann").await;
    execute(&store, 3, create_stage("destination")).await;
    execute(&store, 4, replicate("source", "ann", "destination")).await;
    execute(&store, 5, stop("source", "ann", "destination")).await;
    execute(&store, 6, closed("source", "ann", "ann")).await;
    tick(&store, DAY).await;
    let old = sessions(&store, "source").await;
    assert_eq!(old.len(), 1);

    // It ended on day one, which is not long enough ago.
    assert_eq!(sweep(&store, DAY, 10).await.0, 0);
    assert_eq!(sessions(&store, "source").await, old);

    let (removed, steps) = sweep(&store, DAY + 1, 3).await;
    assert!(removed > 5 && steps > 3, "{removed} rows in {steps} steps");
    assert!(sessions(&store, "source").await.is_empty());
    assert!(sessions(&store, "destination").await.is_empty());
    let participants = store
        .list_participants(&old[0], &ParticipantFilter::None, None, 10)
        .await
        .unwrap();
    assert!(participants.rows.is_empty());
    let source = StageId::new("source");
    let replicas = store.list_replicas(&source, &ann, None, 10).await.unwrap();
    assert!(replicas.rows.is_empty());
    let events = store.list_events(&old[0], &ann, 0, 10).await.unwrap();
    assert!(events.rows.is_empty());
    assert!(store.get_stage(&source).await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_that_lasts_loses_what_is_over_in_it_and_nothing_that_lives() {
    let (store, _database) = fresh().await;
    let (ann, bob, cleo) = ("ann", "bob", "cleo");
    publish(&store, "source", ann).await;
    execute(&store, 3, create_stage("over")).await;
    execute(&store, 3, create_stage("going")).await;
    execute(&store, 4, replicate("source", ann, "over")).await;
    execute(&store, 5, replicate("source", ann, "going")).await;
    execute(&store, 6, stop("source", ann, "over")).await;
    for (viewer, left_at) in [(bob, 10), (cleo, 9 * DAY)] {
        execute(&store, 7, create_token("source", viewer)).await;
        let joined = connect("source", viewer, viewer, ConnectionKind::Events);
        execute(&store, 7, joined).await;
        execute(&store, left_at, closed("source", viewer, viewer)).await;
    }
    let session = sessions(&store, "source").await[0].clone();
    sweep(&store, 5 * DAY, 2).await;

    let everyone = store
        .list_participants(&session, &ParticipantFilter::None, None, 10)
        .await
        .unwrap();
    let mut left: Vec<&str> = everyone
        .rows
        .iter()
        .map(|found| found.row.id.as_str())
        .collect();
    left.sort_unstable();
    // Bob had left by then; Ann still publishes, and Cleo left later.
    assert_eq!(left, [ann, cleo]);
    let of_cleo = store
        .list_events(&session, &cleo.into(), 0, 10)
        .await
        .unwrap();
    assert_eq!(of_cleo.rows.len(), 1, "only that she left");
    let replicas = store
        .list_replicas(&"source".into(), &ann.into(), None, 10)
        .await
        .unwrap();
    let states: Vec<(&str, bool)> = replicas
        .rows
        .iter()
        .map(|row| (row.destination_stage.as_str(), row.active))
        .collect();
    assert_eq!(states, [("going", true)]);
    // What is live continues as before.
    execute(&store, 10 * DAY, closed("source", ann, ann)).await;
}

#[tokio::test]
async fn whoever_publishes_for_ever_loses_the_replicas_that_stopped_long_ago() {
    let (store, _database) = fresh().await;
    let ann = ParticipantId::new("ann");
    publish(&store, "source", "ann").await;
    let stages = ["going", "old-a", "old-b", "old-c", "recent"];
    for (at, stage) in (10..).zip(stages) {
        execute(&store, at, create_stage(stage)).await;
        execute(&store, at, replicate("source", "ann", stage)).await;
    }
    for stage in ["old-a", "old-b", "old-c"] {
        execute(&store, 20, stop("source", "ann", stage)).await;
    }
    execute(&store, 9 * DAY, stop("source", "ann", "recent")).await;
    // Each step removes at most its number of rows, whatever the rows are.
    let (mut walk, mut removed) = (Sweep::before(Time(5 * DAY)), 0);
    while !walk.is_done() {
        walk = store.sweep(walk, 2).await.unwrap();
        assert!(walk.removed() - removed <= 2 + 1, "{removed}");
        removed = walk.removed();
    }
    let replicas = store
        .list_replicas(&"source".into(), &ann, None, 10)
        .await
        .unwrap();
    let mut states: Vec<(&str, bool)> = replicas
        .rows
        .iter()
        .map(|row| (row.destination_stage.as_str(), row.active))
        .collect();
    states.sort_unstable();
    assert_eq!(states, [("going", true), ("recent", false)]);
}

#[tokio::test]
async fn an_expired_token_goes_unless_its_bearer_is_connected() {
    let (store, _database) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    for participant in ["here", "gone"] {
        let Command::CreateParticipantToken { stage, mut token } = create_token("a", participant)
        else {
            unreachable!("it makes a token")
        };
        token.expires_at = Time(10);
        execute(&store, 2, Command::CreateParticipantToken { stage, token }).await;
    }
    let joined = connect("a", "here", "c", ConnectionKind::Events);
    let Execution { command, context } = execution(3, joined);
    let context = Context {
        session_idle_s: u32::MAX,
        ..context
    };
    let execution = Execution { command, context };
    store.execute(execution).await.unwrap().reply.unwrap();
    // The token, and the event of the join.
    assert_eq!(sweep(&store, 11, 100).await.0, 2);
    let known = async |participant: &str| {
        store
            .get_token(&"a".into(), &participant.into())
            .await
            .unwrap()
            .is_some()
    };
    assert!(known("here").await);
    assert!(!known("gone").await);
}

#[tokio::test]
async fn a_self_signed_identity_that_was_disconnected_goes_when_no_token_of_it_can_be_alive() {
    let (store, _database) = fresh().await;
    execute(&store, 1, create_stage("a")).await;
    let key = PublicKeyArn {
        region: arn("a").region,
        account: arn("a").account,
        id: PublicKeyId::new("key"),
    };
    let row = PublicKey {
        id: key.id.clone(),
        account: key.account.clone(),
        region: key.region.clone(),
        name: String::new(),
        tags: BTreeMap::new(),
        material: String::new(),
        fingerprint: String::new(),
        point: "04".to_owned(),
        created_at: Time::default(),
    };
    let import = Command::CreateResource { row: row.into() };
    execute(&store, 1, import).await;
    let mut joined = connect("a", "own", "c", ConnectionKind::Events);
    if let Command::OpenConnection { claims, .. } = &mut joined {
        claims.signer = Signer::PublicKey(key);
        claims.expires_at = Time(2 * DAY);
    }
    execute(&store, 2, joined).await;
    let disconnect = Command::DisconnectParticipant {
        stage: arn("a"),
        participant: "own".into(),
    };
    execute(&store, DAY, disconnect).await;
    let known = async || {
        let (stage, own) = ("a".into(), "own".into());
        store.get_token(&stage, &own).await.unwrap().is_some()
    };
    // It has expired, but a token that was signed just before the disconnect could be valid for 14 days.
    sweep(&store, 15 * DAY, 100).await;
    assert!(known().await);
    sweep(&store, 16 * DAY, 100).await;
    assert!(!known().await);
}

/// Revokes a connection token of the scene's account.
async fn revoke(store: &Store, at: i64, token: &str) {
    let command = Command::RevokeConnectionToken {
        region: arn("a").region,
        token: token.into(),
    };
    execute(store, at, command).await;
}

#[tokio::test]
async fn a_revoked_connection_token_is_remembered_for_the_time_of_its_last_revocation() {
    let (store, _database) = fresh().await;
    for (at, token) in [(1, "one"), (2, "two"), (3, "three"), (DAY, "two")] {
        revoke(&store, at, token).await;
    }
    let known = async || {
        let mut known = Vec::new();
        for token in ["one", "two", "three", "four"] {
            let key = ConnectionTokenKey {
                account: arn("a").account,
                region: arn("a").region,
                id: token.into(),
            };
            known.extend(store.is_revoked(&key).await.unwrap().then_some(token));
        }
        known
    };
    assert_eq!(known().await, ["one", "two", "three"]);
    // History of any age is removed without it.
    sweep(&store, 90 * DAY, 100).await;
    assert_eq!(known().await, ["one", "two", "three"]);
    let mut pass = Sweep::of_revocations(Time(4));
    let mut steps = 0;
    while !pass.is_done() {
        pass = store.sweep(pass, 1).await.unwrap();
        steps += 1;
    }
    assert_eq!((pass.removed(), steps), (2, 3));
    assert_eq!(known().await, ["two"]);
}
