//! After a restart nothing may be active that is not, and what has a window waits.

use restage_core::row::Replication;
use restage_core::{Change, Command};

use crate::support::Scene;

#[test]
fn everything_live_ends_and_nobody_is_told() {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/ann", "events", "c2");
    scene.join("A/bob", "watch ann", "c3");
    scene.join("A/cyd", "publish", "c4");
    scene.replicate("A/ann", "B", 0).ok();
    scene.replicate("A/cyd", "B", 0).ok();
    scene.join("B/dan", "watch ann", "c5");
    scene.join("C/eve", "events", "c6");
    scene.wait(1000);
    scene.run(&Command::Recover).gives(&[
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s2/cyd PUBLISH_STOPPED (replica)",
        "s2/cyd LEFT (replica)",
        "s1/cyd REPLICATION_STOPPED to B/s2",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "s1/cyd PUBLISH_STOPPED",
        "s1/cyd LEFT",
        "s3/eve LEFT",
    ]);
    assert!(scene.world.connections.is_empty());
    assert!(
        scene
            .world
            .participants
            .values()
            .all(|row| !row.connected && !row.publishing)
    );
    assert!(
        scene
            .world
            .replicas
            .values()
            .all(|row| !row.active && row.window_ends_at.is_none())
    );
    assert!(
        scene
            .world
            .sessions
            .values()
            .all(|row| row.ended_at == Some(scene.now))
    );
    assert!(
        scene
            .world
            .stages
            .values()
            .all(|row| row.active_session.is_none())
    );
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: false }
    );
    scene.run(&Command::Recover).changes_nothing();
}

/// Ann of A is replicated with a window of 60 s to B, where dan watches her, and without one to C.
fn with_a_window() -> Scene {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 60).ok();
    scene.replicate("A/ann", "C", 0).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene
}

#[test]
fn a_replica_with_a_window_waits_for_its_publisher_and_flows_again() {
    let mut scene = with_a_window();
    scene.wait(1000);
    scene.restart().gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s3/ann PUBLISH_STOPPED (replica)",
        "s3/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to C/s3",
        "s1/ann LEFT",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
    ]);
    assert!(scene.world.connections.is_empty());
    let row = scene.replica("s1", "ann", "s2");
    assert!(row.active);
    assert_eq!(row.window_ends_at, Some(scene.steady.plus_seconds(60)));
    let ended = |scene: &Scene, session| scene.session(session).ended_at.is_some();
    assert!(!ended(&scene, "s1") && !ended(&scene, "s2") && ended(&scene, "s3"));

    scene.tick_after(59).changes_nothing();
    // A viewer that is back first waits, as within any window.
    scene.join("B/dan", "watch ann", "c3");
    scene.open("A/ann", "publish", "c4").gives(&[
        "opened in s1",
        "s1/ann JOINED",
        "publish c4 as s1/ann",
    ]);
    scene.established("A/ann", "c4").gives(&[
        "s1/ann PUBLISH_STARTED",
        "s2/ann PUBLISH_STARTED (replica)",
        "changed A",
        "changed B",
    ]);
    assert_eq!(scene.replica("s1", "ann", "s2").window_ends_at, None);
}

#[test]
fn a_window_is_measured_anew_by_each_start_and_ends() {
    let mut scene = with_a_window();
    scene.closed("A/ann", "c1").ok();
    for _ in 0..3 {
        scene.wait(59);
        scene.restart().ok();
    }
    scene.tick_after(59).changes_nothing();
    scene.tick_after(1).gives(&[
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
    ]);
    scene.tick_after(600).ok();
    for session in ["s1", "s2"] {
        assert!(scene.session(session).ended_at.is_some());
    }
}

#[test]
fn nothing_to_do_on_an_empty_or_a_quiet_store() {
    Scene::new(&[]).run(&Command::Recover).changes_nothing();
    Scene::new(&["A"]).run(&Command::Recover).changes_nothing();
}

#[test]
fn afterwards_tokens_still_let_in() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.run(&Command::Recover).ok();
    scene.open("A/ann", "publish", "c2").gives(&[
        "opened in s2",
        "s2/ann JOINED",
        "publish c2 as s2/ann",
    ]);
}

#[test]
fn rows_that_outlived_their_connections_are_put_right() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    // As after manual changes in the database.
    let stray = scene.world.connections.pop_first().unwrap().1;
    scene.count_again();
    scene.run(&Command::Recover).gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
    ]);

    // And the reverse: a connection of a session that has ended.
    scene
        .world
        .connections
        .insert(stray.id.clone(), stray.clone());
    scene.count_again();
    let step = scene.run(&Command::Recover);
    assert_eq!(step.decision.changes[0], Change::DeleteConnection(stray.id));
}
