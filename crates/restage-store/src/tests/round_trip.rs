//! Every kind of row is read as it was written.

use std::collections::BTreeMap;

use restage_core::id::{ParticipantId, StageId, StageSessionId, Time};
use restage_core::row::{RecordingStorage, Stage, StageEvent, StageRecording, StageSession};
use restage_core::{Change, World};

use super::world::{AWKWARD, EVENT_ERRORS, EVENT_NAMES, Names, participant_row, rows};
use super::{Bench, Dice, by_participant};

#[tokio::test]
async fn random_rows_of_every_kind_come_back_the_same() {
    let mut bench = Bench::open().await;
    let mut world = World::default();
    // Later rounds replace rows of earlier ones.
    for seed in 100..110 {
        let changes = rows(&mut Dice(seed), &Names::few());
        world.apply(&changes);
        bench.write(&changes).await;
        assert_eq!(
            bench.dump().await,
            by_participant(world.clone()),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn extremes_come_back_the_same() {
    let mut bench = Bench::open().await;
    let mut world = World::default();
    let long = "é".repeat(100_000);
    let tags: BTreeMap<String, String> = AWKWARD
        .iter()
        .map(|text| ((*text).to_owned(), long.clone()))
        .collect();
    let mut changes = Vec::new();
    for (n, at) in [i64::MIN, -1, 0, 1, i64::MAX].into_iter().enumerate() {
        let stage = StageId::new(format!("s{n}"));
        let session = StageSessionId::new(format!("st-{n}"));
        changes.push(Change::PutStage(Stage {
            id: stage.clone(),
            account: long.clone(),
            region: AWKWARD[3].to_owned(),
            name: long.clone(),
            tags: tags.clone(),
            recording: StageRecording {
                storage: Some(RecordingStorage {
                    configuration: long.as_str().into(),
                    bucket: long.clone(),
                }),
                ..StageRecording::default()
            },
            created_at: Time(at),
            active_session: Some(session.clone()),
        }));
        changes.push(Change::PutSession(StageSession {
            id: session,
            stage,
            started_at: Time(at),
            ended_at: Some(Time(at)),
            idle_since: Some(Time(at)),
        }));
    }
    world.apply(&changes);
    bench.write(&changes).await;
    assert_eq!(bench.dump().await, world);
    assert_eq!(
        bench.store.get_stage(&StageId::new("s4")).await.unwrap(),
        world.stages.get(&StageId::new("s4")).cloned()
    );
}

#[tokio::test]
async fn every_event_name_and_error_has_its_own_word() {
    let mut bench = Bench::open().await;
    let mut changes = Vec::new();
    for name in EVENT_NAMES {
        for error in EVENT_ERRORS.into_iter().map(Some).chain([None]) {
            changes.push(Change::AddEvent(StageEvent {
                session: StageSessionId::new("st-1"),
                participant: ParticipantId::new("p"),
                name,
                at: Time(0),
                remote_participant: None,
                error,
                destination: None,
                replica: false,
                exchange: None,
            }));
        }
    }
    let mut world = World::default();
    world.apply(&changes);
    bench.write(&changes).await;
    assert_eq!(bench.dump().await, world);
}

/// Runs of changes are written together. The result must not depend on how the runs are cut.
#[tokio::test]
async fn long_runs_with_repeated_keys_keep_their_order() {
    let mut dice = Dice(3);
    let names = Names::few();
    let mut changes = Vec::new();
    for _ in 0..700 {
        // Seven ids in one session: every statement ends early because it already has the next key.
        let id = dice.pick(&names.participants).clone();
        let (stage, session) = names.sessions[usize::from(dice.one_in(9))].clone();
        let row = participant_row(&mut dice, stage, session, id, &names);
        changes.push(Change::PutParticipant(row));
    }
    for n in 0..700_i64 {
        changes.push(Change::AddEvent(StageEvent {
            session: StageSessionId::new("st-1"),
            participant: dice.pick(&names.participants).clone(),
            name: *dice.pick(&EVENT_NAMES),
            at: Time(n),
            remote_participant: None,
            error: None,
            destination: None,
            replica: false,
            exchange: None,
        }));
    }
    for n in 0..150_u32 {
        let id = ParticipantId::new(format!("distinct{n:03}"));
        let (stage, session) = names.sessions[2].clone();
        changes.push(Change::PutParticipant(participant_row(
            &mut dice, stage, session, id, &names,
        )));
    }
    let mut bench = Bench::open().await;
    let mut world = World::default();
    world.apply(&changes);
    bench.write(&changes).await;
    assert_eq!(bench.dump().await, by_participant(world));
}

#[tokio::test]
async fn meta_keeps_the_first_value() {
    let bench = Bench::open().await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(bench.store.meta_get("key").await.unwrap(), None);
    assert_eq!(
        bench
            .store
            .meta_put_if_absent("key", &all_bytes)
            .await
            .unwrap(),
        all_bytes
    );
    assert_eq!(
        bench
            .store
            .meta_put_if_absent("key", b"other")
            .await
            .unwrap(),
        all_bytes
    );
    assert_eq!(
        bench.store.meta_put_if_absent("empty", b"").await.unwrap(),
        b""
    );
    assert_eq!(bench.store.meta_get("key").await.unwrap(), Some(all_bytes));
    assert_eq!(
        bench.store.meta_get("empty").await.unwrap(),
        Some(Vec::new())
    );
}
