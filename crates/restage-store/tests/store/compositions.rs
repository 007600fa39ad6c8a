//! Compositions: their lists, their events, and when they are gone.

use crate::support::{
    arn, compose, config, create_recorded, create_stage, distinct, execute, fresh, nowhere, walk,
};
use restage_core::command::{DestinationChange, JobOutcome, NewDestination};
use restage_core::id::JobId;
use restage_core::limits::COMPOSITION_KEPT_S;
use restage_core::row::{
    CompositionFailure, CompositionFailureCode, CompositionId, CompositionState,
    EncoderConfiguration, EncoderConfigurationId,
};
use restage_core::{Arn, Command};
use restage_store::{CompositionFilter, OutboxConfig, Store, check};
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000;

async fn list(store: &Store, filter: CompositionFilter) -> Vec<String> {
    let page = store.list_compositions("000000000000", "eu-west-1", &filter, None, 100);
    let rows = page.await.unwrap().rows;
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn report(id: &str, outcome: JobOutcome) -> Command {
    Command::ReportJob {
        job: JobId::new(id),
        generation: 1,
        outcome,
    }
}

fn changed(id: &str, destination: &str, change: DestinationChange) -> Command {
    Command::CompositionDestinationChanged {
        job: JobId::new(id),
        generation: 1,
        destination: destination.into(),
        change,
    }
}

#[tokio::test]
async fn they_are_listed_by_stage_and_encoder_configuration() {
    let (store, database) = fresh().await;
    let encoder = EncoderConfiguration {
        id: EncoderConfigurationId::new("encoder"),
        account: "000000000000".to_owned(),
        region: "eu-west-1".to_owned(),
        name: String::new(),
        tags: Default::default(),
        video: "{}".to_owned(),
        created_at: Default::default(),
    };
    let encoder_arn = Arn::of(&encoder);
    let create = Command::CreateResource {
        row: encoder.into(),
    };
    execute(&store, 0, create).await;
    for stage in ["a", "b"] {
        execute(&store, 0, create_stage(stage)).await;
    }
    for n in 0..23_i64 {
        let (id, stage) = (format!("x{n:02}"), ["a", "b"][usize::from(n % 3 == 0)]);
        let mut command = compose(&id, stage, &format!("channel{n}"), "");
        if let Command::StartComposition { destinations, .. } = &mut command
            && n % 2 == 0
        {
            let first = destinations.remove(0);
            destinations.push(NewDestination {
                encoder: Some(encoder_arn.clone()),
                ..first
            });
        }
        // Several at the same time.
        execute(&store, n / 2, command).await;
    }
    let names = |wanted: fn(u32) -> bool| -> Vec<String> {
        (0..23)
            .filter(|n| wanted(*n))
            .map(|n| format!("x{n:02}"))
            .collect()
    };
    let of = |stage: Option<&str>, encoder: bool| CompositionFilter {
        stage: stage.map(|stage| arn(stage).id),
        encoder: encoder.then(|| encoder_arn.id.clone()),
    };
    assert_eq!(list(&store, of(None, false)).await, names(|_| true));
    assert_eq!(
        list(&store, of(Some("b"), false)).await,
        names(|n| n % 3 == 0)
    );
    assert_eq!(list(&store, of(None, true)).await, names(|n| n % 2 == 0));
    assert_eq!(
        list(&store, of(Some("b"), true)).await,
        names(|n| n % 6 == 0)
    );
    assert_eq!(list(&store, of(Some("gone"), true)).await, [""; 0]);

    let all = walk(
        4,
        async |last: Option<restage_core::row::Composition>| {
            let after = last.map(|row| (row.created_at, row.id));
            let filter = CompositionFilter::default();
            let page = store.list_compositions("000000000000", "eu-west-1", &filter, after, 4);
            page.await.unwrap()
        },
        async |_| (),
    )
    .await;
    assert_eq!(distinct(all.iter().map(|row| row.id.clone())).len(), 23);
    let row = store
        .get_composition(&CompositionId::new("x05"))
        .await
        .unwrap();
    assert_eq!(row.as_ref(), all.get(5));
    assert_eq!(check(&config(&database)).await.unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn one_that_has_ended_is_gone_after_a_while() {
    let (store, database) = fresh().await;
    create_recorded(&store, "a", 0).await;
    execute(&store, SECOND, compose("x", "a", "one", "storage")).await;
    let impossible = JobOutcome::Impossible("no compositor".to_owned());
    execute(&store, 2 * SECOND, report("x", impossible)).await;
    let id = CompositionId::new("x");
    let row = store.get_composition(&id).await.unwrap().unwrap();
    assert_eq!(row.state, CompositionState::Failed);
    let gone_at = 2 * SECOND + i64::from(COMPOSITION_KEPT_S) * SECOND;
    execute(&store, gone_at - 1, Command::Tick).await;
    assert!(store.get_composition(&id).await.unwrap().is_some());
    execute(&store, gone_at, Command::Tick).await;
    assert_eq!(store.get_composition(&id).await.unwrap(), None);
    assert_eq!(list(&store, CompositionFilter::default()).await, [""; 0]);
    assert_eq!(check(&config(&database)).await.unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn what_becomes_of_one_is_told_in_order() {
    let database = crate::support::Database::fresh().await;
    let config = config(&database).with_outbox(OutboxConfig {
        sinks: vec!["file"],
        extra: false,
    });
    let store = Store::open(&config, nowhere()).await.unwrap();
    create_recorded(&store, "a", 0).await;
    execute(&store, SECOND, compose("x", "a", "one", "storage")).await;
    let started = Command::CompositionStarted {
        job: JobId::new("x"),
        generation: 1,
    };
    execute(&store, 2 * SECOND, started).await;
    for destination in ["live", "vod"] {
        let started = DestinationChange::Started;
        execute(&store, 3 * SECOND, changed("x", destination, started)).await;
    }
    let again = DestinationChange::Reconnecting;
    execute(&store, 4 * SECOND, changed("x", "live", again)).await;
    let failed = DestinationChange::Failed(CompositionFailure {
        code: CompositionFailureCode::Conflict,
        reason: "stream already exists".to_owned(),
    });
    execute(&store, 5 * SECOND, changed("x", "live", failed)).await;
    // The stage may be gone when the rest is told.
    let delete = Command::DeleteStage { stage: arn("a") };
    execute(&store, 6 * SECOND, delete).await;
    execute(
        &store,
        7 * SECOND,
        report("x", JobOutcome::Done(String::new())),
    )
    .await;
    let finished = Command::CompositionDestinationFinished {
        composition: CompositionId::new("x"),
        destination: "vod".into(),
        duration_ms: 3_000,
        failure: None,
    };
    execute(&store, 8 * SECOND, finished).await;

    let events = store.outbox("file", 0, 100).await.unwrap();
    let bodies = events
        .iter()
        .map(|row| serde_json::from_str(&row.body).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    let stage_arn = "arn:aws:ivs:eu-west-1:000000000000:stage/a";
    for body in &bodies {
        assert_eq!(body["detail-type"], "IVS Composition State Change");
        assert_eq!(body["source"], "aws.ivs");
        let of = "arn:aws:ivs:eu-west-1:000000000000:composition/x";
        assert_eq!(body["resources"], json!([of]));
    }
    assert_eq!(bodies[0]["time"], "1970-01-01T00:00:02Z");
    let details: Vec<&Value> = bodies.iter().map(|body| &body["detail"]).collect();
    let of_stage = |name: &str| json!({"event_name": name, "stage_arn": stage_arn});
    let of = |name: &str, id: &str| json!({"event_name": name, "stage_arn": stage_arn, "id": id});
    assert_eq!(
        details,
        [
            &of_stage("Session Start"),
            &of("Destination Start", "live"),
            &of("Destination Start", "vod"),
            &of("Destination Reconnecting", "live"),
            &json!({
                "event_name": "Destination Failure", "stage_arn": stage_arn, "id": "live",
                "error_code": "ConflictException", "reason": "stream already exists",
            }),
            &of("Destination End", "vod"),
            &json!({
                "event_name": "Session Failure", "stage_arn": stage_arn,
                "error_code": "StageDeleted", "reason": "the stage was deleted",
            }),
        ]
    );
}
