//! DisconnectParticipant: the participant is disconnected, and its token is invalid.

use restage_core::row::Replication;

use crate::support::Scene;

#[test]
fn everything_of_the_participant_goes() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/bob", "publish", "c1");
    scene.join("A/ann", "publish", "c2");
    scene.join("A/ann", "events", "c3");
    scene.join("A/ann", "watch bob", "c4");
    scene.join("A/bob", "watch ann", "c5");
    scene.disconnect("A/ann").gives(&[
        "s1/ann SUBSCRIBE_STOPPED of bob",
        "s1/ann PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/ann LEFT",
        "revoke A/ann",
        "close c4 Disconnected",
        "close c2 Disconnected",
        "close c5 PublisherLeft",
        "close c3 Disconnected",
        "changed A",
    ]);
    assert_eq!(scene.token_row("A/ann").revoked_at, Some(scene.now));
    assert!(scene.participant("s1/bob").publishing);
}

#[test]
fn replications_stop_at_once_whatever_their_window() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 300).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene.disconnect("A/ann").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "revoke A/ann",
        "close c2 PublisherLeft",
        "close c1 Disconnected",
        "changed A",
        "changed B",
    ]);
}

#[test]
fn a_window_that_runs_is_cut_short() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 300).ok();
    scene.join("A/bob", "watch ann", "c2");
    scene.join("B/dan", "watch ann", "c3");
    scene.closed("A/ann", "c1").ok();
    scene.disconnect("A/ann").gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "revoke A/ann",
        "close c3 PublisherLeft",
        "close c2 PublisherLeft",
    ]);
}

#[test]
fn disconnecting_a_replica_stops_just_that_replication() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.replicate("A/ann", "C", 60).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene.disconnect("B/ann").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c2 ReplicationStopped",
        "changed B",
    ]);
    assert_eq!(scene.token_row("A/ann").revoked_at, None);
    assert!(scene.participant("s1/ann").publishing && scene.participant("s3/ann").publishing);
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );
    scene.disconnect("B/ann").changes_nothing();
}

#[test]
fn who_is_not_there_is_disconnected_all_the_same() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.disconnect("A/ann").gives(&["revoke A/ann"]);
    let revoked_at = scene.token_row("A/ann").revoked_at;
    assert_eq!(
        revoked_at,
        Some(scene.now),
        "the token is dead before its first use"
    );
    scene.wait(9);
    scene.disconnect("A/ann").changes_nothing();
}

#[test]
fn who_was_never_known_is_not_found() {
    let mut scene = Scene::new(&["A", "B"]);
    let refusal = "NotFound: participantId: arn:aws:ivs:eu-west-1:111122223333:stage/A has no participant ann";
    scene.disconnect("A/ann").refused(refusal);
    scene.join("B/ann", "publish", "c1");
    scene.disconnect("A/ann").refused(refusal);
    scene.disconnect("Z/ann").refused(
        "NotFound: stageArn: there is no stage arn:aws:ivs:eu-west-1:111122223333:stage/Z",
    );
}
