//! The reconnect window: the publisher is gone, and its replicas wait.

use restage_core::row::Replication;

use crate::support::Scene;

/// ann of A, watched there by bob, replicated with a window of 30 s to B and watched there by dan.
fn replicated() -> Scene {
    let mut scene = Scene::new(&["A", "B", "C"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 30).ok();
    scene.join("A/bob", "watch ann", "c2");
    scene.join("B/dan", "watch ann", "c3");
    scene
}

#[test]
fn while_it_runs_the_participant_is_away_in_both_stages_and_the_replica_active() {
    let mut scene = replicated();
    scene.wait(5);
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s1/ann LEFT",
        "changed A",
        "changed B",
    ]);
    let row = scene.replica("s1", "ann", "s2");
    assert!(row.active);
    assert_eq!(row.window_ends_at, Some(scene.now.plus_seconds(30)));
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );
    for who in ["s1/ann", "s2/ann"] {
        assert!(!scene.participant(who).connected && !scene.participant(who).publishing);
    }
    assert!(scene.participant("s2/ann").in_replication());
    assert_eq!(scene.session("s2").idle_since, Some(scene.now));
    scene.tick_after(29).changes_nothing();
}

#[test]
fn on_return_it_reappears_everywhere_unaided() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.wait(29);
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
    assert_eq!(
        (
            scene.session("s1").idle_since,
            scene.session("s2").idle_since
        ),
        (None, None)
    );
    assert_eq!(scene.world.connections.len(), 3, "bob and dan watch on");
    scene.tick_after(60).changes_nothing();
    // And again, with a full window each time.
    scene.closed("A/ann", "c4").ok();
    assert_eq!(
        scene.replica("s1", "ann", "s2").window_ends_at,
        Some(scene.now.plus_seconds(30))
    );
}

#[test]
fn when_it_is_over_the_replica_stops_and_audiences_are_let_go() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(30).gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c3 PublisherLeft",
        "close c2 PublisherLeft",
    ]);
    assert!(!scene.replica("s1", "ann", "s2").active);
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: false }
    );
    scene.tick().changes_nothing();
}

#[test]
fn a_return_after_its_end_is_too_late_even_if_no_tick_came_between() {
    let mut scene = replicated();
    scene.replicate("A/ann", "C", 60).ok();
    scene.closed("A/ann", "c1").ok();
    scene.wait(30);
    scene.open("A/ann", "publish", "c4").ok();
    scene.established("A/ann", "c4").gives(&[
        "s1/ann PUBLISH_STARTED",
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s3/ann PUBLISH_STARTED (replica)",
        "close c3 PublisherLeft",
        "changed A",
        "changed C",
    ]);
    // Its subscribers in A have it back, so they stay.
    assert!(scene.participant("s1/bob").connected);
}

#[test]
fn replications_with_and_without_a_window_part_ways() {
    let mut scene = replicated();
    scene.replicate("A/ann", "C", 0).ok();
    scene.join("C/eve", "watch ann", "c5");
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s3/ann PUBLISH_STOPPED (replica)",
        "s3/ann LEFT (replica)",
        "s3/eve SUBSCRIBE_STOPPED of ann (replica)",
        "s3/eve LEFT",
        "s1/ann REPLICATION_STOPPED to C/s3",
        "s1/ann LEFT",
        "close c5 PublisherLeft",
        "changed A",
        "changed B",
        "changed C",
    ]);
}

#[test]
fn the_source_audience_waits_for_the_longest_window() {
    let mut scene = replicated();
    scene.replicate("A/ann", "C", 60).ok();
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(30).gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c3 PublisherLeft",
    ]);
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: true }
    );
    scene.tick_after(30).gives(&[
        "s3/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to C/s3",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c2 PublisherLeft",
    ]);
}

#[test]
fn windows_that_end_together_end_in_one_tick() {
    let mut scene = replicated();
    scene.replicate("A/ann", "C", 30).ok();
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(45).gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s3/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to C/s3",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c3 PublisherLeft",
        "close c2 PublisherLeft",
    ]);
}

#[test]
fn one_may_begin_to_watch_while_it_runs() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.token("A", "cyd").ok();
    scene.open("A/cyd", "watch ann", "c5").gives(&[
        "opened in s1",
        "s1/cyd JOINED",
        "subscribe c5 to s1/ann",
    ]);
    scene.token("B", "eve").ok();
    scene.open("B/eve", "watch ann", "c6").gives(&[
        "opened in s2",
        "s2/eve JOINED",
        "subscribe c6 to s1/ann",
    ]);
    scene.join("A/ann", "publish", "c7");
    assert_eq!(scene.world.connections.len(), 5);
}

#[test]
fn stopping_it_while_it_runs_lets_both_audiences_go() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.stop_replication("A/ann", "B").gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "close c3 ReplicationStopped",
        "close c2 PublisherLeft",
    ]);
}

#[test]
fn an_attempt_that_fails_does_not_prolong_it() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    let ends_at = scene.replica("s1", "ann", "s2").window_ends_at;
    scene.wait(20);
    scene.open("A/ann", "publish", "c4").ok();
    scene.closed("A/ann", "c4").gives(&["s1/ann LEFT"]);
    assert_eq!(scene.replica("s1", "ann", "s2").window_ends_at, ends_at);
}

#[test]
fn an_events_socket_is_no_return() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.join("A/ann", "events", "c4");
    assert!(scene.participant("s1/ann").connected);
    assert!(!scene.participant("s2/ann").connected);
    scene.tick_after(30).ok();
    assert!(!scene.replica("s1", "ann", "s2").active);
}

#[test]
fn the_replica_takes_the_clients_new_ways_with_it() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.open("A/ann", "publish", "c4").ok();
    let key = (
        scene.participant("s1/ann").session.clone(),
        scene.participant("s1/ann").id.clone(),
    );
    scene
        .world
        .participants
        .get_mut(&key)
        .unwrap()
        .client
        .browser_name = "Chromium".to_owned();
    scene.established("A/ann", "c4").ok();
    assert_eq!(scene.participant("s2/ann").client.browser_name, "Chromium");
}

#[test]
fn one_second_is_a_window() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 1).ok();
    scene.closed("A/ann", "c1").ok();
    assert_eq!(
        scene.replica("s1", "ann", "s2").window_ends_at,
        Some(scene.now.plus_seconds(1))
    );
}

#[test]
fn a_late_return_is_that_of_someone_without_replicas() {
    let mut scene = replicated();
    scene.closed("A/ann", "c1").ok();
    scene.wait(31);
    scene.join("A/ann", "publish", "c4");
    assert_eq!(
        scene.participant("s1/ann").replication,
        Replication::Source { active: false }
    );
    assert!(scene.participant("s1/ann").publishing && !scene.participant("s2/ann").publishing);
}
