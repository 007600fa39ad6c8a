//! The outbox: events are written with the change that they report, wait for each sink, and are removed one by one.

use crate::support::{
    Database, closed, config, connect, create_stage, create_token, delete_stage, execute, nowhere,
    publish, replicate,
};
use restage_core::row::ConnectionKind;
use restage_store::{OutboxConfig, Outgoing, Settlement, Store, StoreConfig, dead_letters, replay};
use serde_json::{Value, json};

const STAGE: &str = "arn:aws:ivs:eu-west-1:000000000000:stage/";

async fn store_with_outbox(sinks: &[&'static str], extra: bool) -> (Store, Database, StoreConfig) {
    let database = Database::fresh().await;
    let config = config(&database).with_outbox(OutboxConfig {
        sinks: sinks.to_vec(),
        extra,
    });
    let store = Store::open(&config, nowhere()).await.unwrap();
    (store, database, config)
}

async fn waiting(store: &Store, sink: &str) -> Vec<Outgoing> {
    store.outbox(sink, 0, 1_000).await.unwrap()
}

fn event(outgoing: &Outgoing) -> Value {
    serde_json::from_str(&outgoing.body).unwrap()
}

fn names(events: &[Outgoing]) -> Vec<String> {
    let name = |row: &Outgoing| {
        event(row)["detail"]["event_name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    events.iter().map(name).collect()
}

#[tokio::test]
async fn events_have_the_shape_of_the_service() {
    let (store, _database, _) = store_with_outbox(&["webhook"], false).await;
    publish(&store, "source", "ann").await;
    execute(&store, 3, create_stage("destination")).await;
    execute(
        &store,
        1_790_000_000_482_913,
        replicate("source", "ann", "destination"),
    )
    .await;
    let events = waiting(&store, "webhook").await;
    assert_eq!(
        names(&events),
        [
            "Participant Published",
            "Participant Published",
            "Participant Replication Start"
        ]
    );
    let source = store.get_stage(&"source".into()).await.unwrap().unwrap();
    let session = source.active_session.unwrap();
    assert_eq!(
        event(&events[1]),
        json!({
            "version": "0", "id": events[1].id, "detail-type": "IVS Stage Update", "source": "aws.ivs",
            "account": "000000000000", "time": "2026-09-21T14:13:20Z", "region": "eu-west-1",
            "resources": [format!("{STAGE}destination")],
            "detail": {
                "event_name": "Participant Published", "session_id": "st-1790000000482913",
                "event_time": "2026-09-21T14:13:20Z",
                "event_time_precise": "2026-09-21T14:13:20.482913Z",
                "participant_id": "ann", "user_id": "user of ann", "replica": true,
                "source_stage_arn": format!("{STAGE}source"), "source_session_id": session.as_str(),
            },
        })
    );
    assert_eq!(
        event(&events[2])["detail"],
        json!({
            "event_name": "Participant Replication Start", "session_id": session.as_str(),
            "event_time": "2026-09-21T14:13:20Z", "participant_id": "ann", "user_id": "user of ann",
            "destination_stage_arn": format!("{STAGE}destination"),
            "destination_session_id": "st-1790000000482913",
        })
    );
}

#[tokio::test]
async fn what_the_service_does_not_tell_comes_when_asked_for() {
    let (store, _database, _) = store_with_outbox(&["file"], true).await;
    publish(&store, "a", "ann").await;
    execute(&store, 3, create_token("a", "bob")).await;
    let kind = ConnectionKind::Subscribe {
        publisher: "nobody".into(),
    };
    let refused = crate::support::execution(4, connect("a", "bob", "c", kind));
    assert!(store.execute(refused).await.unwrap().reply.is_err());
    // The history is deleted with the stage, but its end is reported.
    execute(&store, 5, delete_stage("a")).await;
    let events = waiting(&store, "file").await;
    assert_eq!(
        names(&events),
        [
            "Session Started",
            "Participant Joined",
            "Participant Published",
            "Participant Subscribe Error",
            "Participant Unpublished",
            "Participant Left",
            "Session Ended",
        ]
    );
    let error = event(&events[3]);
    assert_eq!(error["source"], "restage");
    assert_eq!(error["detail"]["error_code"], "PUBLISHER_NOT_FOUND");
    assert_eq!(error["detail"]["user_id"], "user of bob");
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[tokio::test]
async fn without_a_sink_nothing_waits() {
    let (store, _database, _) = store_with_outbox(&[], true).await;
    publish(&store, "a", "ann").await;
    assert!(waiting(&store, "webhook").await.is_empty());
    assert!(store.outbox_stats().is_empty());
}

#[tokio::test]
async fn each_sink_has_its_own_copy_until_it_has_taken_it() {
    let (store, _database, config) = store_with_outbox(&["webhook", "file"], false).await;
    publish(&store, "a", "ann").await;
    execute(&store, 3, closed("a", "ann", "ann")).await;
    let events = waiting(&store, "webhook").await;
    assert_eq!(
        names(&events),
        ["Participant Published", "Participant Unpublished"]
    );
    assert_eq!(waiting(&store, "file").await, events, "the same events");

    let settlement = Settlement {
        delivered: vec![events[0].seq],
        refused: vec![events[1].seq],
        dead: Vec::new(),
    };
    store.settle("webhook", settlement).await.unwrap();
    let left = waiting(&store, "webhook").await;
    assert_eq!((left.len(), left[0].attempts), (1, 1));
    assert_eq!(waiting(&store, "file").await.len(), 2);

    let settlement = Settlement {
        dead: vec![(left[0].seq, "it said \0 no".to_owned())],
        ..Settlement::default()
    };
    store.settle("webhook", settlement).await.unwrap();
    assert!(waiting(&store, "webhook").await.is_empty());
    let letters = dead_letters(&config, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].event.attempts),
        ("it said  no", 2)
    );
    let stats = store.outbox_stats();
    let (name, of_webhook) = stats[0];
    assert_eq!(
        (name, of_webhook.waiting, of_webhook.delivered),
        ("webhook", 0, 1)
    );
    assert_eq!((of_webhook.refused, of_webhook.dead), (2, 1));
    assert_eq!(stats[1].1.waiting, 2);

    replay(&config, &letters).await.unwrap();
    let again = waiting(&store, "webhook").await;
    assert_eq!((again.len(), again[0].attempts), (1, 0));
    assert_eq!((&again[0].id, again[0].seq), (&events[1].id, events[1].seq));
    assert!(dead_letters(&config, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_waits_is_there_after_opening_again() {
    let (store, _database, config) = store_with_outbox(&["webhook"], false).await;
    publish(&store, "a", "ann").await;
    let before = waiting(&store, "webhook").await;
    store.close().await;
    let store = Store::open(&config, nowhere()).await.unwrap();
    assert_eq!(waiting(&store, "webhook").await, before);
    assert_eq!(store.outbox_stats()[0].1.waiting, 1);
    execute(&store, 5, closed("a", "ann", "ann")).await;
    let after = waiting(&store, "webhook").await;
    assert!(after.len() == 2 && after[1].seq > before[0].seq);
}
