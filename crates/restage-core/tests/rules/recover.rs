//! After a restart nothing may be active that is not.

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
    scene.replicate("A/ann", "B", 60).ok();
    scene.replicate("A/cyd", "B", 60).ok();
    scene.join("B/dan", "watch ann", "c5");
    scene.closed("A/cyd", "c4").ok();
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
        "s2/cyd LEFT (replica)",
        "s1/cyd REPLICATION_STOPPED to B/s2",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
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
    scene.replicate("A/ann", "B", 60).ok();
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
