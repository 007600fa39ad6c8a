//! Why a replication is not started or stopped.

use restage_core::id::ParticipantId;
use restage_core::{Command, StageArn};

use crate::support::{Scene, arn, attributes};

fn publishing() -> Scene {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene
}

fn start(source: StageArn, destination: StageArn) -> Command {
    Command::StartParticipantReplication {
        source,
        destination,
        participant: ParticipantId::new("ann"),
        reconnect_window_s: 0,
        attributes: attributes(&[]),
    }
}

#[test]
fn into_the_same_stage() {
    publishing()
        .replicate("A/ann", "A", 0)
        .refused("Invalid: destinationStageArn must name another stage than sourceStageArn");
}

#[test]
fn stages_that_are_not_there() {
    let mut scene = publishing();
    scene
        .replicate("A/ann", "Z", 0)
        .refused("NotFound: destinationStageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z");
    scene.replicate("Z/ann", "B", 0).refused(
        "NotFound: sourceStageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z",
    );
    scene
        .stop_replication("A/ann", "Z")
        .refused("NotFound: destinationStageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z");
}

#[test]
fn across_accounts_and_regions() {
    let mut scene = publishing();
    let foreign = StageArn {
        account: "999988887777".to_owned(),
        ..arn("B")
    };
    scene.run(&start(arn("A"), foreign)).refused(
        "Denied: destinationStageArn: arn:aws:ivs:eu-west-1:999988887777:stage/B belongs to another account",
    );
    let far = StageArn {
        region: "us-east-1".to_owned(),
        ..arn("F")
    };
    let create = Command::CreateStage {
        stage: far.clone(),
        name: String::new(),
        tags: Default::default(),
        recording: Default::default(),
        tokens: Vec::new(),
    };
    scene.run(&create).ok();
    scene
        .run(&start(arn("A"), far))
        .refused("Invalid: sourceStageArn and destinationStageArn must be in the same Region");
}

#[test]
fn who_is_not_in_the_source() {
    let mut scene = Scene::new(&["A", "B"]);
    let refusal = "NotFound: participantId: ann is not in the active session of arn:aws:ivs:eu-west-1:111122223333:stage/A";
    scene.token("A", "ann").ok();
    scene.replicate("A/ann", "B", 0).refused(refusal);
    scene.join("A/bob", "publish", "c1");
    scene.replicate("A/ann", "B", 0).refused(refusal);
    assert_eq!(
        scene.active_session("B"),
        None,
        "a refusal opens no session"
    );
}

#[test]
fn who_is_not_publishing() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").ok();
    scene
        .replicate("A/ann", "B", 0)
        .refused("Conflict: ann is not publishing");
    scene.established("A/ann", "c1").ok();
    scene.replicate("A/ann", "B", 60).ok();
    scene.closed("A/ann", "c1").ok();
    // While its window is open it is not publishing either.
    scene
        .replicate("A/ann", "B", 0)
        .refused("Conflict: ann is not publishing");
    scene
        .replicate("A/ann", "C", 0)
        .refused("Conflict: ann is not publishing");
}

#[test]
fn a_replica_onward() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("B/ann", "C", 0).refused(
        "Conflict: ann is a replica in arn:aws:ivs:eu-west-1:111122223333:stage/B; sourceStageArn must be the stage \
         it joined, arn:aws:ivs:eu-west-1:111122223333:stage/A",
    );
    scene.stop_replication("A/ann", "B").ok();
    assert!(
        scene.replicate("B/ann", "C", 0).decision.reply.is_err(),
        "nor one that was"
    );
}

#[test]
fn twice_to_the_same_destination() {
    let mut scene = publishing();
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("A/ann", "B", 0).refused(
        "Conflict: ann is already replicated to arn:aws:ivs:eu-west-1:111122223333:stage/B",
    );
}

#[test]
fn an_id_the_destination_has_already() {
    let mut scene = publishing();
    // Self-signed tokens choose their own ids.
    scene.import_key("K").ok();
    scene.join_as(&scene.self_signed("B/ann", "K"), "events", "c2");
    scene.replicate("A/ann", "B", 0).refused(
        "Conflict: arn:aws:ivs:eu-west-1:111122223333:stage/B has a participant ann of its own",
    );
}

#[test]
fn attributes_of_more_than_a_kilobyte() {
    let mut scene = Scene::new(&["A", "B"]);
    let long = "x".repeat(1000);
    scene.attributes = attributes(&[("a", &long)]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate_with("A/ann", "B", 0, &[("b", &"y".repeat(23))]).refused(
        "Invalid: attributes: the token's with the replication's merged over them come to 1025 bytes; at most 1024 are allowed",
    );
    scene
        .replicate_with("A/ann", "B", 0, &[("b", &"y".repeat(22))])
        .ok();
    scene.stop_replication("A/ann", "B").ok();
    // An override replaces a value; bytes are counted, not characters.
    scene.replicate_with("A/ann", "B", 0, &[("a", &"é".repeat(512))]).refused(
        "Invalid: attributes: the token's with the replication's merged over them come to 1025 bytes; at most 1024 are allowed",
    );
    scene
        .replicate_with("A/ann", "B", 0, &[("a", &"é".repeat(511))])
        .ok();
}

#[test]
fn stopping_what_is_not_running() {
    let mut scene = publishing();
    let refusal = "NotFound: participantId: ann of arn:aws:ivs:eu-west-1:111122223333:stage/A is not replicated to \
                   arn:aws:ivs:eu-west-1:111122223333:stage/B";
    scene.stop_replication("A/ann", "B").refused(refusal);
    scene.replicate("A/ann", "B", 0).ok();
    scene.stop_replication("A/ann", "B").ok();
    scene.stop_replication("A/ann", "B").refused(refusal);
    // The reverse direction is another replication.
    scene.replicate("A/ann", "B", 0).ok();
    assert!(scene.stop_replication("B/ann", "A").decision.reply.is_err());
}
