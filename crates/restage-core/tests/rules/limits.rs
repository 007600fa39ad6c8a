//! Every limit refuses at its value and names itself.

use restage_core::row::StageEventError;
use restage_core::{Command, Limits, RegionCount, StageArn, World};

use crate::support::{ACCOUNT, REGION, Scene, arn};

#[test]
fn stages_per_account_and_region() {
    let mut scene = Scene::new(&["A"]);
    scene.limits.stages = 2;
    scene.create_stage("B").ok();
    let refusal = "LimitExceeded: Stages per account and Region: the limit of 2 is reached (setting limit-stages)";
    scene.create_stage("C").refused(refusal);
    scene.delete_stage("A").ok();
    scene.create_stage("C").ok();
    let elsewhere = StageArn {
        region: "us-east-1".to_owned(),
        ..arn("D")
    };
    let create = Command::CreateStage {
        stage: elsewhere,
        name: String::new(),
        tags: Default::default(),
        recording: Default::default(),
        tokens: Vec::new(),
    };
    scene.run(&create).ok();
    // The count of the store is used where the rows are not loaded.
    scene.delete_stage("C").ok();
    scene.world.stage_count = 2;
    scene.create_stage("C").refused(refusal);
}

#[test]
fn publishers_per_stage_count_from_the_moment_they_connect() {
    let mut scene = Scene::new(&["A"]);
    scene.limits.publishers_per_stage = 2;
    for who in ["A/ann", "A/bob", "A/cyd"] {
        scene.token("A", &who[2..]).ok();
    }
    scene.open("A/ann", "publish", "c1").ok();
    scene.open("A/bob", "publish", "c2").ok();
    scene.open("A/cyd", "publish", "c3").gives(&[
        "refused LimitExceeded: Publishers per stage: the limit of 2 is reached (setting limit-publishers-per-stage)",
        "s1/cyd PUBLISH_ERROR QUOTA_EXCEEDED",
    ]);
    assert_eq!(scene.world.participants.len(), 2);
    // A publisher may replace its own connection, and others may still watch.
    scene.open("A/ann", "publish", "c4").ok();
    scene.established("A/ann", "c4").ok();
    scene.open("A/ann", "publish", "c5").ok();
    scene.open("A/cyd", "watch ann", "c6").ok();
    scene.closed("A/bob", "c2").ok();
    scene.open("A/cyd", "publish", "c7").ok();
}

#[test]
fn replicas_take_a_publishers_place_and_keep_it_through_the_window() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.limits.publishers_per_stage = 1;
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.token("B", "ben").ok();
    let refused = [
        "refused LimitExceeded: Publishers per stage: the limit of 1 is reached (setting limit-publishers-per-stage)",
        "s2/ben PUBLISH_ERROR QUOTA_EXCEEDED",
    ];
    scene.open("B/ben", "publish", "c2").gives(&refused);
    scene.closed("A/ann", "c1").ok();
    scene.open("B/ben", "publish", "c2").gives(&refused);
    scene.join("A/ann", "publish", "c3");
    assert!(scene.participant("s2/ann").publishing, "its place was kept");
    scene.stop_replication("A/ann", "B").ok();
    scene.open("B/ben", "publish", "c2").ok();
    scene.replicate("A/ann", "B", 0).refused(
        "LimitExceeded: Publishers per stage, in the destination: the limit of 1 is reached (setting \
         limit-publishers-per-stage)",
    );
}

#[test]
fn subscribers_per_stage_are_participants_not_subscriptions() {
    let mut scene = Scene::new(&["A"]);
    scene.limits.subscribers_per_stage = 1;
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "publish", "c2");
    scene.join("A/cyd", "watch ann", "c3");
    scene.open("A/cyd", "watch bob", "c4").ok();
    scene.open("A/bob", "watch ann", "c5").gives(&[
        "refused LimitExceeded: Subscribers per stage: the limit of 1 is reached (setting limit-subscribers-per-stage)",
        "s1/bob SUBSCRIBE_ERROR of ann QUOTA_EXCEEDED",
    ]);
    scene.closed("A/cyd", "c3").ok();
    scene.closed("A/cyd", "c4").ok();
    scene.open("A/bob", "watch ann", "c5").ok();
}

#[test]
fn replications_per_participant_are_those_that_are_active() {
    let mut scene = Scene::new(&["A", "B", "C", "D"]);
    scene.limits.replications_per_participant = 2;
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("A/ann", "C", 0).ok();
    scene.replicate("A/ann", "D", 0).refused(
        "LimitExceeded: Concurrent replications per participant: the limit of 2 is reached (setting \
         limit-replications-per-participant)",
    );
    scene.stop_replication("A/ann", "B").ok();
    scene.replicate("A/ann", "D", 0).ok();
    // Another participant has a limit of its own.
    scene.join("A/bob", "publish", "c2");
    scene.replicate("A/bob", "B", 0).ok();
}

#[test]
fn the_services_own_numbers() {
    let mut scene = Scene::new(&["A", "B", "C", "D", "E", "F", "G"]);
    assert_eq!(scene.limits, Limits::AWS);
    scene.join("A/ann", "publish", "c1");
    for destination in ["B", "C", "D", "E", "F"] {
        scene.replicate("A/ann", destination, 0).ok();
    }
    assert!(scene.replicate("A/ann", "G", 0).decision.reply.is_err());
    scene.limits = Limits::OPEN;
    scene.replicate("A/ann", "G", 0).ok();
}

#[test]
fn counts_of_rows_that_are_not_loaded_hold() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    let session = scene.participant("s1/ann").session.clone();
    let counted = scene.world.occupancy_of(&session);
    let elsewhere = World {
        occupancy: [(session.clone(), counted)].into(),
        ..World::default()
    };
    assert_eq!(elsewhere.occupancy_of(&session), counted);
    assert_eq!(
        (counted.publishing, counted.publishers, counted.subscribers),
        (1, 1, 0)
    );
}

#[test]
fn publishers_of_an_account_and_region_are_those_of_all_its_stages() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.limits.publishers = 2;
    scene.join("A/ann", "publish", "c1");
    scene.token("B", "ben").ok();
    scene.open("B/ben", "publish", "c2").ok();
    let refusal = "LimitExceeded: Concurrent publishers per account and Region: the limit of 2 is reached (setting \
                   limit-publishers)";
    scene.token("C", "cyd").ok();
    scene.join("A/dan", "watch ann", "c3");
    scene.open("A/dan", "publish", "c4").gives(&[
        &format!("refused {refusal}"),
        "s1/dan PUBLISH_ERROR QUOTA_EXCEEDED",
    ]);
    scene.replicate("A/ann", "C", 0).refused(refusal);
    // A publisher with a place may reconnect.
    scene.open("A/ann", "publish", "c5").ok();
    // A replica counts like a publisher of its stage.
    scene.closed("B/ben", "c2").ok();
    scene.replicate("A/ann", "C", 0).ok();
    scene.open("C/cyd", "publish", "c6").is_refused(refusal);
    scene.delete_stage("C").ok();
    scene.open("B/ben", "publish", "c7").ok();
}

#[test]
fn subscriptions_of_an_account_and_region_are_pairs() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.limits.subscriptions = 2;
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "publish", "c2");
    scene.join("B/eve", "publish", "c3");
    scene.join("A/cyd", "watch ann", "c4");
    scene.join("A/cyd", "watch bob", "c5");
    scene.token("B", "dan").ok();
    let refusal = "LimitExceeded: Concurrent subscriptions per account and Region: the limit of 2 is reached (setting \
                   limit-subscriptions)";
    scene.open("B/dan", "watch eve", "c6").gives(&[
        &format!("refused {refusal}"),
        "s2/dan SUBSCRIBE_ERROR of eve QUOTA_EXCEEDED",
    ]);
    scene.open("A/cyd", "watch ann", "c7").ok();
    scene.closed("A/cyd", "c5").ok();
    scene.open("B/dan", "watch eve", "c8").ok();
    scene.world.regions.insert(
        (ACCOUNT.to_owned(), REGION.to_owned()),
        RegionCount {
            publishers: 0,
            subscriptions: 9,
        },
    );
    scene.limits.subscriptions = 9;
    scene
        .open("A/bob", "watch ann", "c9")
        .is_refused(&refusal.replace("of 2", "of 9"));
}

#[test]
fn a_connection_lasts_as_long_as_it_may() {
    let mut scene = Scene::new(&["A"]);
    scene.limits.connection_seconds = 100;
    scene.join("A/ann", "publish", "c1");
    scene.wait(10);
    scene.join("A/bob", "watch ann", "c2");
    scene.join("A/bob", "events", "c3");
    scene.tick_after(89).changes_nothing();
    scene.tick_after(1).gives(&[
        "s1/ann PUBLISH_ERROR STREAM_DURATION_EXCEEDED",
        "s1/ann PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/ann LEFT",
        "close c1 LimitExceeded",
        "close c2 PublisherLeft",
        "changed A",
    ]);
    // It may begin again.
    scene.join("A/ann", "publish", "c4");
    scene.wait(50);
    scene.join("A/bob", "watch ann", "c5");
    scene.tick_after(50).ok();
    scene.join("A/ann", "publish", "c6");
    scene.join("A/bob", "watch ann", "c7");
    scene.limits.connection_seconds = 0;
    scene.tick_after(1_000).changes_nothing();
}

#[test]
fn a_publisher_who_sends_too_much_is_gone_from_every_stage() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("A/ann", "C", 30).ok();
    scene.join("B/ben", "watch ann", "c2");
    scene
        .exceeded("A/ann", "c1", StageEventError::BitrateExceeded)
        .gives(&[
            "s1/ann PUBLISH_ERROR BITRATE_EXCEEDED",
            "s1/ann PUBLISH_STOPPED",
            "s2/ann PUBLISH_STOPPED (replica)",
            "s2/ann LEFT (replica)",
            "s2/ben SUBSCRIBE_STOPPED of ann (replica)",
            "s2/ben LEFT",
            "s1/ann REPLICATION_STOPPED to B/s2",
            "s3/ann PUBLISH_STOPPED (replica)",
            "s1/ann LEFT",
            "close c1 LimitExceeded",
            "close c2 PublisherLeft",
            "changed A",
            "changed B",
            "changed C",
        ]);
    // Too late: it is gone.
    scene
        .exceeded("A/ann", "c1", StageEventError::BitrateExceeded)
        .changes_nothing();
    // A publisher that reconnects in time continues where its window is open.
    scene.join("A/ann", "publish", "c3");
    assert!(scene.participant("s3/ann").publishing);
    scene
        .exceeded("A/ann", "c3", StageEventError::ResolutionExceeded)
        .ok();
    assert!(!scene.participant("s3/ann").publishing);
}

#[test]
fn one_subscription_too_much_goes_and_the_others_stay() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("B/bob", "publish", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    scene.join("B/cyd", "watch bob", "c3");
    scene.join("B/cyd", "watch ann", "c4");
    // A report with another participant than the connection's is ignored.
    scene
        .exceeded("B/bob", "c4", StageEventError::BitrateExceeded)
        .changes_nothing();
    scene
        .exceeded("B/cyd", "c4", StageEventError::BitrateExceeded)
        .gives(&[
            "s2/cyd SUBSCRIBE_ERROR of ann BITRATE_EXCEEDED (replica)",
            "s2/cyd SUBSCRIBE_STOPPED of ann (replica)",
            "close c4 LimitExceeded",
        ]);
    assert!(scene.participant("s2/cyd").connected);
    scene.join("B/cyd", "watch ann", "c5");
}
