//! Sessions end when nobody has published for a while.

use crate::support::{IDLE_S, Scene};

#[test]
fn a_session_ends_some_time_after_the_last_publisher_stopped() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/ann", "events", "c2");
    scene.join("A/bob", "publish", "c3");
    scene.join("A/bob", "watch ann", "c4");
    scene.tick_after(10 * IDLE_S).changes_nothing();
    scene.closed("A/ann", "c1").ok();
    scene
        .closed("A/bob", "c3")
        .gives(&["s1/bob PUBLISH_STOPPED", "s1/bob LEFT", "changed A"]);
    scene.tick_after(IDLE_S - 1).changes_nothing();
    scene
        .tick_after(1)
        .gives(&["s1/ann LEFT", "close c2 SessionEnded"]);
    assert_eq!(
        (scene.session("s1").ended_at, scene.active_session("A")),
        (Some(scene.now), None)
    );
    scene.tick_after(IDLE_S).changes_nothing();
}

#[test]
fn a_session_where_nobody_ever_published_ends_too() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "events", "c1");
    scene.wait(10);
    scene.join("A/bob", "events", "c2");
    scene.tick_after(IDLE_S - 10).gives(&[
        "s1/ann LEFT",
        "s1/bob LEFT",
        "close c1 SessionEnded",
        "close c2 SessionEnded",
    ]);
    // The next join opens another.
    scene
        .open("A/ann", "events", "c3")
        .gives(&["opened in s2", "s2/ann JOINED"]);
    assert_eq!(scene.participant("s2/ann").first_joined_at, scene.now);
}

#[test]
fn sessions_end_by_themselves_not_by_their_neighbours() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "events", "c1");
    scene.wait(60);
    scene.join("B/ben", "events", "c2");
    scene
        .tick_after(60)
        .gives(&["s1/ann LEFT", "close c1 SessionEnded"]);
    scene
        .tick_after(60)
        .gives(&["s2/ben LEFT", "close c2 SessionEnded"]);
}

#[test]
fn a_replication_keeps_both_sessions_open() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 300).ok();
    scene.tick_after(2 * IDLE_S).changes_nothing();
    // Also while its window is longer than the idle time.
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(2 * IDLE_S).changes_nothing();
    scene.tick_after(60).gives(&[
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
    ]);
    // Both had been without a publisher for longer than the idle time, so both end with it.
    assert_eq!(
        (scene.active_session("A"), scene.active_session("B")),
        (None, None)
    );
    assert_eq!(scene.session("s1").ended_at, Some(scene.now));
}

#[test]
fn a_session_is_not_ended_under_a_publisher_who_is_just_connecting() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/bob", "events", "c1");
    scene.wait(IDLE_S - 1);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c2").ok();
    scene.tick_after(1).changes_nothing();
    scene.established("A/ann", "c2").ok();
    scene.tick_after(IDLE_S).changes_nothing();
    scene.closed("A/ann", "c2").ok();
    scene.open("A/ann", "publish", "c3").ok();
    scene.closed("A/ann", "c3").ok();
    scene
        .tick_after(IDLE_S)
        .gives(&["s1/bob LEFT", "close c1 SessionEnded"]);
}

#[test]
fn subscriptions_that_wait_in_vain_end_with_the_window_not_the_session() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 300).ok();
    scene.join("B/dan", "watch ann", "c2");
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(300).gives(&[
        "s2/ann LEFT (replica)",
        "s2/dan SUBSCRIBE_STOPPED of ann (replica)",
        "s2/dan LEFT",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "close c2 PublisherLeft",
    ]);
}
