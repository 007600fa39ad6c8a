//! Every need loads exactly the rows that the rules' reference names, no fewer and no more.

use restage_core::id::{StageId, Time};
use restage_core::row::{ConnectionTokenKey, PlainKind};
use restage_core::{Arn, Census, Change, Need, World};

use super::world::{Names, rows};
use super::{Bench, Dice, by_participant};
use crate::load;

/// All needs are about these names.
fn every_need(names: &Names) -> Vec<Need> {
    let mut needs = vec![Need::Everything];
    for region in ["eu-west-1", "us-east-1", "none-1"] {
        let account = "000000000000".to_owned();
        needs.push(Need::StageCount {
            account: account.clone(),
            region: region.to_owned(),
        });
        needs.push(Need::RegionCount {
            account: account.clone(),
            region: region.to_owned(),
        });
        for kind in PlainKind::ALL {
            needs.push(Need::PlainCount {
                kind: *kind,
                account: account.clone(),
                region: region.to_owned(),
            });
        }
        for id in &names.connection_tokens {
            let token = ConnectionTokenKey {
                account: account.clone(),
                region: region.to_owned(),
                id: id.clone(),
            };
            needs.push(Need::Revocation(token.clone()));
            needs.push(Need::ConnectionToken(token));
        }
        for point in 0..names.keys.len() {
            needs.push(Need::PublicKeyPoint {
                account: account.clone(),
                region: region.to_owned(),
                point: format!("04{point:02}"),
            });
        }
    }
    let keys = names.keys.iter().cloned();
    needs.extend(keys.map(|id| Need::Plain(id.into())));
    for id in &names.encoder_configurations {
        needs.push(Need::Plain(id.clone().into()));
        needs.push(Need::EncoderUse(id.clone()));
    }
    needs.extend(names.compositions.iter().cloned().map(Need::Composition));
    for region in ["eu-west-1", "us-east-1", "none-1"] {
        for channel in ["one", "two", "none"] {
            needs.push(Need::ChannelUse(Arn {
                region: region.to_owned(),
                account: "000000000000".to_owned(),
                id: channel.into(),
            }));
        }
        for token in 0..names.compositions.len() {
            needs.push(Need::CompositionByToken {
                account: "000000000000".to_owned(),
                region: region.to_owned(),
                token: format!("token{token}"),
            });
        }
    }
    let storage_configurations = names.storage_configurations.iter();
    for id in storage_configurations {
        needs.push(Need::Plain(id.clone().into()));
        needs.push(Need::StorageUse(id.clone()));
    }
    for id in &names.ingest_configurations {
        needs.push(Need::Plain(id.clone().into()));
        needs.push(Need::Ingest(id.clone()));
    }
    for now in [0, 300, 600, 1_000] {
        for idle_before in [0, 500, 1_000] {
            for opened_before in [None, Some(Time(0)), Some(Time(500))] {
                needs.push(Need::Due {
                    now: Time(now),
                    idle_before: Time(idle_before),
                    opened_before,
                });
            }
        }
    }
    for now in [0, 200, 500, 1_000] {
        needs.push(Need::JobsDue(Time(now)));
        needs.push(Need::RecordingsDue(Time(now)));
    }
    // Before anybody has been away for a minute, then after; the times of rows are microseconds.
    for now in [0, 500, 60_000_000, 60_000_500, 60_001_000] {
        needs.push(Need::CompositionsDue(Time(now)));
    }
    needs.extend(names.recordings.iter().cloned().map(Need::Recording));
    needs.extend(names.jobs.iter().cloned().map(Need::Job));
    for (_, session) in &names.sessions {
        needs.push(Need::Session(session.clone()));
    }
    for stage in &names.stages {
        needs.push(Need::Stage(stage.clone()));
        needs.push(Need::Live(stage.clone()));
        needs.push(Need::Occupancy(stage.clone()));
        needs.push(Need::JobsOf(stage.clone()));
        needs.push(Need::RecordingsOf(stage.clone()));
        needs.push(Need::RecordingCount(stage.clone()));
        needs.push(Need::IngestsOf(stage.clone()));
        needs.push(Need::CompositionsOf(stage.clone()));
        for region in ["eu-west-1", "us-east-1"] {
            needs.push(Need::CompositionCount {
                account: "000000000000".to_owned(),
                region: region.to_owned(),
                stage: stage.clone(),
            });
        }
        for participant in &names.participants {
            needs.push(Need::Token(stage.clone(), participant.clone()));
            needs.push(Need::Replications(stage.clone(), participant.clone()));
            needs.push(Need::Presence(stage.clone(), participant.clone()));
            needs.push(Need::Participant(stage.clone(), participant.clone()));
            needs.push(Need::Audience(stage.clone(), participant.clone()));
            needs.push(Need::Recorded(stage.clone(), participant.clone()));
            needs.push(Need::IngestBy(stage.clone(), participant.clone()));
            for destination in &names.stages {
                needs.push(Need::Replica {
                    source: stage.clone(),
                    participant: participant.clone(),
                    destination: destination.clone(),
                });
            }
        }
    }
    needs
}

/// The numbers that go with these rows.
fn counted(world: &World) -> Vec<Change> {
    let sessions = world.sessions.values();
    sessions
        .map(|row| Change::Count {
            stage: row.stage.clone(),
            session: row.id.clone(),
            by: Census::of(world, &row.id),
        })
        .collect()
}

/// Whether this row counts for something in the stage.
fn is_live_in(change: &Change, stage: &StageId) -> bool {
    match change {
        Change::PutConnection(row) => row.stage == *stage,
        Change::PutParticipant(row) => row.stage == *stage && row.holds_place(),
        _ => false,
    }
}

/// The rows that the reference selects. It counts stages of the given world.
fn selected(world: &World, needs: &[Need]) -> World {
    world.select(needs)
}

#[tokio::test]
async fn each_need_loads_what_the_reference_selects() {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let names = Names::few();
        let mut bench = Bench::open().await;
        let mut changes = rows(&mut dice, &names);
        let mut world = World::default();
        world.apply(&changes);
        changes.extend(counted(&world));
        bench.write(&changes).await;
        assert_eq!(
            bench.dump().await,
            by_participant(world.clone()),
            "seed {seed}"
        );

        let needs = every_need(&names);
        for need in &needs {
            let need = std::slice::from_ref(need);
            let loaded = load::world(&mut bench.rows, need).await.unwrap();
            assert_eq!(loaded, selected(&world, need), "seed {seed}, {need:?}");
        }
        for _ in 0..200 {
            let several: Vec<Need> = (0..1 + dice.below(5))
                .map(|_| dice.pick(&needs).clone())
                .collect();
            let loaded = load::world(&mut bench.rows, &several).await.unwrap();
            assert_eq!(
                loaded,
                selected(&world, &several),
                "seed {seed}, {several:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_stage_loads_nothing() {
    let mut bench = Bench::open().await;
    for need in every_need(&Names::few()) {
        let loaded = load::world(&mut bench.rows, std::slice::from_ref(&need))
            .await
            .unwrap();
        let nothing = World::default().select(std::slice::from_ref(&need));
        assert_eq!(loaded, nothing, "{need:?}");
    }
}

/// For every need a stage is gone as soon as it is deleted, whether or not its rows are.
#[tokio::test]
async fn rows_of_a_deleted_stage_are_not_loaded() {
    let mut dice = Dice(7);
    let names = Names::few();
    let mut bench = Bench::open().await;
    let mut changes = rows(&mut dice, &names);
    // The rules end replications into a stage before they delete it.
    let gone = names.stages[0].clone();
    for change in &mut changes {
        if let Change::PutReplica(row) = change
            && row.destination_stage == gone
        {
            row.active = false;
        }
    }
    // The rules have also closed its connections and replicas.
    changes.retain(|change| !is_live_in(change, &gone));
    let mut world = World::default();
    world.apply(&changes);
    changes.extend(counted(&world));
    changes.push(Change::DeleteStage(gone.clone()));
    let mut world = World::default();
    world.apply(&changes);
    bench.write(&changes).await;
    let left = bench.dump().await;
    assert!(
        left.participants.values().any(|row| row.stage == gone),
        "nothing was purged yet"
    );
    for need in every_need(&names) {
        let loaded = load::world(&mut bench.rows, std::slice::from_ref(&need))
            .await
            .unwrap();
        assert_eq!(
            loaded,
            world.select(std::slice::from_ref(&need)),
            "{need:?}"
        );
    }

    let mut purged = 0;
    loop {
        let step = bench.store.purge(7).await.unwrap();
        purged += step;
        assert!(step <= 7);
        if step < 7 {
            break;
        }
    }
    assert!(purged > 7, "it took several steps");
    assert_eq!(bench.dump().await, by_participant(world));
}
