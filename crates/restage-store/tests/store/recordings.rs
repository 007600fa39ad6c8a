//! Recordings: how participants show them, their lists, their events, and how long they are kept.

use crate::support::{
    Database, arn, closed, config, create_recorded, delete_stage, distinct, execute, fresh, join,
    nowhere, walk,
};
use restage_core::Command;
use restage_core::command::JobOutcome;
use restage_core::id::{StageSessionId, Time};
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingId, RecordingState};
use restage_store::{
    OutboxConfig, Page, ParticipantFilter, Recorded, RecordedParticipant, RecordingFilter, Store,
    Sweep, check,
};
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000;

fn failure() -> RecordingFailure {
    RecordingFailure {
        code: RecordingFailureCode::AccessDenied,
        reason: "the bucket may not be written".to_owned(),
    }
}

async fn started(store: &Store, at: i64, recording: &RecordingId) {
    let job = recording.job();
    execute(store, at, Command::RecordingStarted { job, generation: 1 }).await;
}

async fn start_failed(store: &Store, at: i64, recording: &RecordingId) {
    let command = Command::RecordingStartFailed {
        job: recording.job(),
        generation: 1,
        failure: failure(),
    };
    execute(store, at, command).await;
}

/// The capture and the uploads are over.
async fn finished(store: &Store, at: i64, recording: &RecordingId, failed: bool) {
    let done = Command::ReportJob {
        job: recording.job(),
        generation: 1,
        outcome: JobOutcome::Done(String::new()),
    };
    execute(store, at, done).await;
    let finished = Command::RecordingFinished {
        recording: recording.clone(),
        duration_ms: 4_200,
        failure: failed.then(failure),
        message: Some("two gaps".to_owned()),
    };
    execute(store, at, finished).await;
}

async fn session(store: &Store) -> StageSessionId {
    let stage = store.get_stage(&arn("a").id).await.unwrap().unwrap();
    stage.active_session.unwrap()
}

async fn participant(store: &Store, session: &StageSessionId, id: &str) -> RecordedParticipant {
    let found = store.get_participant(session, &id.into()).await.unwrap();
    found.unwrap()
}

/// The newest recording of a participant.
async fn recording(store: &Store, session: &StageSessionId, id: &str) -> RecordingId {
    participant(store, session, id)
        .await
        .row
        .recording
        .unwrap()
        .id
}

#[tokio::test]
async fn participants_show_how_their_newest_recording_stands() {
    let (store, database) = fresh().await;
    create_recorded(&store, "a", 0).await;
    for (n, who) in ["ann", "ben", "cyd", "dan", "eve"].into_iter().enumerate() {
        let at = (1 + i64::try_from(n).unwrap()) * SECOND;
        join(&store, at, "a", who, who).await;
    }
    let here = session(&store).await;
    let ids = {
        let mut ids = Vec::new();
        for who in ["ann", "ben", "cyd", "dan", "eve"] {
            ids.push(recording(&store, &here, who).await);
        }
        ids
    };
    for id in &ids[1..4] {
        started(&store, 10 * SECOND, id).await;
    }
    for who in ["cyd", "dan"] {
        execute(&store, 11 * SECOND, closed("a", who, who)).await;
    }
    finished(&store, 12 * SECOND, &ids[3], false).await;
    start_failed(&store, 13 * SECOND, &ids[4]).await;

    let list = async |filter| {
        let page = store.list_participants(&here, &filter, None, 100).await;
        page.unwrap().rows
    };
    for (state, who) in RecordingState::ALL
        .into_iter()
        .zip(["ann", "ben", "cyd", "dan", "eve"])
    {
        let found = list(ParticipantFilter::RecordingState(state)).await;
        let found: Vec<_> = found.iter().map(|found| found.row.id.as_str()).collect();
        assert_eq!(found, [who], "{state:?}");
        let one = participant(&store, &here, who).await;
        let shown = one.recording.clone().unwrap();
        assert_eq!((shown.state, &*shown.bucket), (state, "my-vods"));
        assert!(
            shown
                .prefix
                .starts_with(&format!("a/{here}/{who}/1970-01-01T00-00-0"))
        );
    }
    let everyone = list(ParticipantFilter::None).await;
    let states: Vec<_> = everyone
        .iter()
        .map(|found| found.recording.as_ref().map(|shown| shown.state))
        .collect();
    assert_eq!(states, RecordingState::ALL.map(Some));
    assert_eq!(check(&config(&database)).await.unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn recordings_are_listed_newest_first_by_stage_and_participant() {
    let (store, _database) = fresh().await;
    create_recorded(&store, "a", 0).await;
    let mut at = SECOND;
    for round in 0..12 {
        for who in ["ann", "ben"] {
            let connection = format!("{who}{round}");
            join(&store, at, "a", who, &connection).await;
            execute(&store, at, closed("a", who, &connection)).await;
            at += SECOND;
        }
    }
    execute(&store, at, delete_stage("a")).await;
    let both = RecordingFilter {
        stage: Some("a".into()),
        of: Recorded::Participant("ann".into()),
    };
    let of_stage = RecordingFilter {
        of: Recorded::All,
        ..both.clone()
    };
    let of_participant = RecordingFilter {
        stage: None,
        ..both.clone()
    };
    let elsewhere = RecordingFilter {
        stage: Some("b".into()),
        ..both.clone()
    };
    for limit in [1, 5, 100] {
        for (filter, count) in [
            (&RecordingFilter::default(), 24),
            (&of_stage, 24),
            (&of_participant, 12),
            (&both, 12),
            (&elsewhere, 0),
        ] {
            let fetch = async |before: Option<(Time, RecordingId)>| {
                let page =
                    store.list_recordings("000000000000", "eu-west-1", filter, before, limit);
                let page = page.await.unwrap();
                let rows = page.rows.into_iter();
                Page {
                    rows: rows
                        .map(|named| (named.row.created_at, named.row.id))
                        .collect(),
                    more: page.more,
                }
            };
            let listed = walk(limit, fetch, async |_| ()).await;
            assert!(listed.iter().rev().is_sorted(), "{filter:?}");
            assert_eq!(distinct(listed).len(), count, "{filter:?}");
        }
    }
    for (account, region) in [("111122223333", "eu-west-1"), ("000000000000", "us-east-1")] {
        let every = RecordingFilter::default();
        let page = store.list_recordings(account, region, &every, None, 10);
        assert!(page.await.unwrap().rows.is_empty());
    }
}

#[tokio::test]
async fn recordings_are_found_by_user_id_after_the_participant_has_left() {
    let (store, _database) = fresh().await;
    create_recorded(&store, "a", 0).await;
    for (n, who) in ["ann", "ben"].into_iter().enumerate() {
        let at = (1 + i64::try_from(n).unwrap()) * SECOND;
        join(&store, at, "a", who, who).await;
        execute(&store, at, closed("a", who, who)).await;
    }
    let list = async |stage: Option<&str>, user: &str| {
        let filter = RecordingFilter {
            stage: stage.map(Into::into),
            of: Recorded::User(user.to_owned()),
        };
        let page = store.list_recordings("000000000000", "eu-west-1", &filter, None, 10);
        page.await.unwrap().rows
    };
    for stage in [None, Some("a")] {
        let found = list(stage, "user of ann").await;
        assert_eq!(found.len(), 1, "{stage:?}");
        assert_eq!(found[0].row.participant.as_str(), "ann");
        assert_eq!(found[0].user_id.as_deref(), Some("user of ann"));
        assert!(found[0].stage_name.is_some());
        let one = store.get_named_recording(&found[0].row.id).await.unwrap();
        assert_eq!(one.as_ref(), found.first());
    }
    assert!(list(Some("b"), "user of ann").await.is_empty());
    assert!(list(None, "ann").await.is_empty());
    let every = RecordingFilter::default();
    execute(&store, 9 * SECOND, delete_stage("a")).await;
    let page = store.list_recordings("000000000000", "eu-west-1", &every, None, 10);
    let rows = page.await.unwrap().rows;
    assert!(rows.len() == 2 && rows.iter().all(|named| named.stage_name.is_none()));
}

#[tokio::test]
async fn a_recording_is_kept_until_it_is_over_and_old() {
    let (store, database) = fresh().await;
    create_recorded(&store, "a", 0).await;
    join(&store, SECOND, "a", "ann", "c1").await;
    join(&store, SECOND + 1, "a", "ben", "c2").await;
    let here = session(&store).await;
    let (ann, ben) = (
        recording(&store, &here, "ann").await,
        recording(&store, &here, "ben").await,
    );
    for id in [&ann, &ben] {
        started(&store, 2 * SECOND, id).await;
    }
    execute(&store, 3 * SECOND, closed("a", "ann", "c1")).await;
    let sweep = async || {
        let mut sweep = Sweep::before(Time(1_000 * SECOND));
        while !sweep.is_done() {
            sweep = store.sweep(sweep, 10).await.unwrap();
        }
    };
    sweep().await;
    assert!(
        store.get_recording(&ann).await.unwrap().is_some(),
        "it waits for its uploads"
    );
    finished(&store, 4 * SECOND, &ann, false).await;
    sweep().await;
    assert_eq!(store.get_recording(&ann).await.unwrap(), None);
    assert_eq!(
        store.get_recording(&ben).await.unwrap().unwrap().state,
        RecordingState::Active
    );
    // A report that comes once more finds nothing to do.
    let again = Command::RecordingFinished {
        recording: ann,
        duration_ms: 0,
        failure: None,
        message: None,
    };
    execute(&store, 2_000 * SECOND, again).await;
    assert_eq!(check(&config(&database)).await.unwrap().faults, [""; 0]);
}

#[tokio::test]
async fn events_on_recordings_have_the_shape_of_the_service() {
    let database = Database::fresh().await;
    let config = config(&database).with_outbox(OutboxConfig {
        sinks: vec!["webhook"],
        extra: false,
    });
    let store = Store::open(&config, nowhere()).await.unwrap();
    create_recorded(&store, "a", 0).await;
    for (at, who) in (5 * SECOND..).zip(["ann", "ben", "cyd"]) {
        join(&store, at, "a", who, who).await;
    }
    let here = session(&store).await;
    let mut ids = Vec::new();
    for who in ["ann", "ben", "cyd"] {
        ids.push(recording(&store, &here, who).await);
    }
    started(&store, 6 * SECOND, &ids[0]).await;
    started(&store, 6 * SECOND, &ids[1]).await;
    start_failed(&store, 7 * SECOND, &ids[2]).await;
    // The events on the end come when the stage is gone.
    execute(&store, 8 * SECOND, delete_stage("a")).await;
    finished(&store, 9 * SECOND, &ids[0], false).await;
    finished(&store, 9 * SECOND, &ids[1], true).await;
    let events = store.outbox("webhook", 0, 100).await.unwrap();
    let events = events
        .iter()
        .map(|row| serde_json::from_str::<Value>(&row.body).unwrap());
    let events: Vec<Value> = events
        .filter(|event| event["detail-type"] == "IVS Participant Recording State Change")
        .collect();
    assert_eq!(
        (
            &events[0]["source"],
            &events[0]["account"],
            &events[0]["region"],
            &events[0]["time"]
        ),
        (
            &json!("aws.ivs"),
            &json!("000000000000"),
            &json!("eu-west-1"),
            &json!("1970-01-01T00:00:06Z")
        )
    );
    let resources = json!(["arn:aws:ivs:eu-west-1:000000000000:stage/a"]);
    assert!(events.iter().all(|event| event["resources"] == resources));
    let detail = |name: &str, who: &str| {
        json!({
            "event_name": name, "session_id": here.as_str(), "participant_id": who,
            "recording_s3_bucket_name": "my-vods",
            "recording_s3_key_prefix": format!("a/{here}/{who}/1970-01-01T00-00-05Z"),
        })
    };
    let with = |mut detail: Value, more: Value| {
        detail
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        detail
    };
    let failed =
        json!({"error_code": "AccessDeniedException", "reason": "the bucket may not be written"});
    let length = json!({"recording_duration_ms": 4_200});
    let expected = [
        detail("Recording Start", "ann"),
        detail("Recording Start", "ben"),
        with(detail("Recording Start Failure", "cyd"), failed.clone()),
        with(detail("Recording End", "ann"), length.clone()),
        with(with(detail("Recording End Failure", "ben"), length), failed),
    ];
    let details: Vec<&Value> = events.iter().map(|event| &event["detail"]).collect();
    assert_eq!(details, expected.iter().collect::<Vec<_>>());
}
