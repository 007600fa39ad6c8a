//! CreateStage, UpdateStage, DeleteStage.

use std::collections::BTreeMap;

use restage_core::command::{NewStageRecording, NewToken};
use restage_core::id::{ParticipantId, StageId};
use restage_core::row::{RecordingSettings, Replication};
use restage_core::{Change, Command, Reply, StageArn};

use crate::support::{ACCOUNT, Scene, arn};

const OTHER: &str = "999988887777";

#[test]
fn a_stage_is_created_with_its_tokens() {
    let mut scene = Scene::new(&[]);
    let token = |id: &str| NewToken {
        participant: ParticipantId::new(id),
        expires_at: scene.now.plus_seconds(60),
    };
    let command = Command::CreateStage {
        stage: arn("A"),
        name: "lobby".to_owned(),
        tags: BTreeMap::from([("team".to_owned(), "red".to_owned())]),
        recording: Default::default(),
        tokens: vec![token("ann"), token("bob")],
    };
    let step = scene.run(&command);
    step.gives(&["stage A"]);
    let Ok(Reply::Stage(stage)) = &step.decision.reply else {
        panic!("{:?}", step.decision.reply)
    };
    assert_eq!(Some(stage), scene.world.stages.get(&StageId::new("A")));
    assert_eq!(
        (stage.name.as_str(), stage.tags["team"].as_str()),
        ("lobby", "red")
    );
    assert_eq!(
        (stage.created_at, &stage.active_session),
        (scene.now, &None)
    );
    assert_eq!(
        scene
            .world
            .tokens
            .keys()
            .map(|(_, id)| id.as_str())
            .collect::<Vec<_>>(),
        ["ann", "bob"]
    );
}

#[test]
fn update_changes_what_is_given_and_nothing_else() {
    let mut scene = Scene::new(&["A"]);
    let update = |name: Option<&str>, recording: Option<NewStageRecording>| Command::UpdateStage {
        stage: arn("A"),
        name: name.map(str::to_owned),
        recording,
    };
    let short = NewStageRecording {
        settings: RecordingSettings {
            segment_s: 2,
            ..RecordingSettings::default()
        },
        ..NewStageRecording::default()
    };
    scene.run(&update(Some("hall"), None)).gives(&["stage A"]);
    scene.run(&update(None, Some(short))).gives(&["stage A"]);
    let row = &scene.world.stages[&StageId::new("A")];
    assert_eq!(
        (row.name.as_str(), row.recording.settings.segment_s),
        ("hall", 2)
    );

    let step = scene.run(&update(Some("hall"), None));
    step.gives(&["stage A"]);
    step.changes_nothing();
}

#[test]
fn a_stage_in_use_keeps_its_session_through_an_update() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene
        .run(&Command::UpdateStage {
            stage: arn("A"),
            name: Some("x".to_owned()),
            recording: None,
        })
        .ok();
    assert_eq!(scene.active_session("A"), Some("s1"));
}

#[test]
fn other_accounts_and_regions_have_their_own_stages() {
    let mut scene = Scene::new(&["A"]);
    let delete = Command::DeleteStage { stage: arn("A") };
    scene.run_as(OTHER, &delete).refused(
        "Denied: arn: arn:aws:ivs:eu-west-1:111122223333:stage/A belongs to another account",
    );
    // Another account's stage cannot be reached with one's own account in the ARN.
    let forged = StageArn {
        account: OTHER.to_owned(),
        ..arn("A")
    };
    scene
        .run_as(OTHER, &Command::DeleteStage { stage: forged })
        .refused("NotFound: arn: there is no stage arn:aws:ivs:eu-west-1:999988887777:stage/A");
    let elsewhere = StageArn {
        region: "us-east-1".to_owned(),
        ..arn("A")
    };
    scene
        .run(&Command::DeleteStage { stage: elsewhere })
        .refused("NotFound: arn: there is no stage arn:aws:ivs:us-east-1:111122223333:stage/A");
    scene
        .run(&Command::UpdateStage {
            stage: arn("Z"),
            name: None,
            recording: None,
        })
        .refused("NotFound: arn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z");
    let command = Command::CreateStage {
        stage: arn("N"),
        name: String::new(),
        tags: BTreeMap::new(),
        recording: Default::default(),
        tokens: Vec::new(),
    };
    let step = scene.run_as(OTHER, &command);
    step.refused(
        "Denied: arn:aws:ivs:eu-west-1:111122223333:stage/N would belong to another account",
    );
    assert_eq!(scene.world.stages[&StageId::new("A")].account, ACCOUNT);
}

#[test]
fn deleting_a_stage_closes_everything_in_it() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/ann", "events", "c2");
    scene.join("A/bob", "watch ann", "c3");
    scene.token("A", "cyd").ok();
    let step = scene.delete_stage("A");
    // The history is deleted with the stage, so none is written.
    step.gives(&[
        "close c3 StageDeleted",
        "close c1 StageDeleted",
        "close c2 StageDeleted",
    ]);
    assert_eq!(
        step.decision.changes.len(),
        5,
        "three connections, the stage, and the numbers"
    );
    assert_eq!(
        step.decision.changes.last(),
        Some(&Change::DeleteStage(StageId::new("A")))
    );
    assert!(
        scene.world.tokens.is_empty()
            && scene.world.events.is_empty()
            && scene.world.participants.is_empty()
    );
    scene
        .delete_stage("A")
        .refused("NotFound: arn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/A");
}

#[test]
fn deleting_the_source_takes_its_replicas_away() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "watch ann", "c2");
    scene.replicate("A/ann", "B", 60).ok();
    scene.join("B/dan", "events", "c3");
    scene.join("B/dan", "watch ann", "c4");
    scene.join("B/eve", "watch ann", "c5");
    scene.wait(7);
    scene.delete_stage("A").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/eve SUBSCRIBE_STOPPED of ann (replica)",
        "s2/eve LEFT",
        "close c2 StageDeleted",
        "close c4 ReplicationStopped",
        "close c5 ReplicationStopped",
        "close c1 StageDeleted",
        "changed B",
    ]);
    assert!(scene.world.replicas.is_empty());
    assert_eq!(scene.session("s2").idle_since, Some(scene.now));
    let Replication::Replica {
        active,
        source_stage,
        source_session,
    } = &scene.participant("s2/ann").replication
    else {
        panic!("still shown as the replica it was");
    };
    assert_eq!(
        (*active, source_stage.as_str(), source_session.as_str()),
        (false, "A", "s1")
    );
}

#[test]
fn deleting_the_source_during_a_window_ends_it_too() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.join("A/bob", "watch ann", "c2");
    scene.join("B/eve", "watch ann", "c3");
    scene.closed("A/ann", "c1").ok();
    scene.delete_stage("A").gives(&[
        "s2/ann LEFT (replica)",
        "s2/eve SUBSCRIBE_STOPPED of ann (replica)",
        "s2/eve LEFT",
        "close c2 StageDeleted",
        "close c3 ReplicationStopped",
    ]);
}

#[test]
fn deleting_the_destination_stops_what_leads_into_it() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("A/ann", "C", 0).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene.delete_stage("B").gives(&[
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c2 StageDeleted",
    ]);
    assert!(
        !scene.replica("s1", "ann", "s2").active,
        "the row stays listed at the source"
    );
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );
    scene
        .delete_stage("C")
        .gives(&["s1/ann REPLICATION_STOPPED to C/s3"]);
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: false }
    );
}

#[test]
fn deleting_the_last_destination_during_its_window_lets_the_source_audience_go() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.join("A/bob", "watch ann", "c2");
    scene.closed("A/ann", "c1").ok();
    scene.delete_stage("B").gives(&[
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c2 PublisherLeft",
    ]);
}

#[test]
fn two_stages_that_replicate_into_each_other_can_be_deleted_one_by_one() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("B/ben", "publish", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("B/ben", "A", 0).ok();
    scene.delete_stage("A").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/ben REPLICATION_STOPPED to A/s1",
        "close c1 StageDeleted",
        "changed B",
    ]);
    assert_eq!(scene.session("s2").idle_since, None, "ben still publishes");
    scene.delete_stage("B").gives(&["close c2 StageDeleted"]);
    assert!(scene.world.sessions.is_empty() && scene.world.connections.is_empty());
}
