//! JOINED with the first connection, LEFT with the last; newer connections replace older ones.

use crate::support::Scene;

#[test]
fn one_joins_publishes_and_leaves() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").gives(&[
        "opened in s1",
        "s1/ann JOINED",
        "publish c1 as s1/ann",
    ]);
    scene
        .established("A/ann", "c1")
        .gives(&["s1/ann PUBLISH_STARTED", "changed A"]);
    let row = scene.participant("s1/ann");
    assert!(row.connected && row.publishing && row.published);
    scene
        .closed("A/ann", "c1")
        .gives(&["s1/ann PUBLISH_STOPPED", "s1/ann LEFT", "changed A"]);
    let row = scene.participant("s1/ann");
    assert!(
        !row.connected && !row.publishing && row.published,
        "published stays"
    );
    assert!(scene.world.connections.is_empty());
}

#[test]
fn what_is_reported_twice_or_late_changes_nothing() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.established("A/ann", "c1").changes_nothing();
    scene.closed("A/ann", "c1").ok();
    scene.closed("A/ann", "c1").changes_nothing();
    scene.established("A/ann", "c1").changes_nothing();
}

#[test]
fn a_report_under_the_wrong_stage_or_participant_changes_nothing() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/bob", "events", "c0");
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").ok();
    for who in ["A/bob", "B/ann"] {
        scene.established(who, "c1").changes_nothing();
        scene.closed(who, "c1").changes_nothing();
    }
}

#[test]
fn a_connection_that_never_came_up_stops_nothing() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.token("A", "bob").ok();
    scene.open("A/bob", "publish", "c2").ok();
    scene.closed("A/bob", "c2").gives(&["s1/bob LEFT"]);
    assert!(!scene.participant("s1/bob").published);
    scene.open("A/bob", "watch ann", "c3").ok();
    scene.closed("A/bob", "c3").gives(&["s1/bob LEFT"]);
}

#[test]
fn joined_with_the_first_connection_and_left_with_the_last() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/bob", "publish", "c0");
    scene.token("A", "ann").ok();
    scene
        .open("A/ann", "events", "c1")
        .gives(&["opened in s1", "s1/ann JOINED"]);
    scene
        .open("A/ann", "publish", "c2")
        .gives(&["opened in s1", "publish c2 as s1/ann"]);
    scene.established("A/ann", "c2").ok();
    scene
        .open("A/ann", "watch bob", "c3")
        .gives(&["opened in s1", "subscribe c3 to s1/bob"]);
    scene
        .established("A/ann", "c3")
        .gives(&["s1/ann SUBSCRIBE_STARTED of bob"]);
    scene.closed("A/ann", "c1").gives(&[]);
    scene
        .closed("A/ann", "c3")
        .gives(&["s1/ann SUBSCRIBE_STOPPED of bob"]);
    scene
        .closed("A/ann", "c2")
        .gives(&["s1/ann PUBLISH_STOPPED", "s1/ann LEFT", "changed A"]);
}

#[test]
fn a_rejoin_is_the_same_participant() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    let first = scene.now;
    scene.closed("A/ann", "c1").ok();
    scene.wait(30);
    scene
        .open("A/ann", "events", "c2")
        .gives(&["opened in s1", "s1/ann JOINED"]);
    let row = scene.participant("s1/ann");
    assert_eq!(
        (row.first_joined_at, row.published, row.publishing),
        (first, true, false)
    );
    assert_eq!(scene.world.participants.len(), 1);
}

#[test]
fn a_second_publishing_connection_takes_over_without_a_trace_in_the_history() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "watch ann", "c2");
    scene.replicate("A/ann", "B", 0).ok();
    scene.open("A/ann", "publish", "c3").gives(&[
        "opened in s1",
        "close c1 Replaced",
        "publish c3 as s1/ann",
    ]);
    assert!(scene.participant("s1/ann").publishing, "no gap");
    scene.established("A/ann", "c3").changes_nothing();
    scene.closed("A/ann", "c1").changes_nothing();
    scene.closed("A/ann", "c3").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "s1/ann LEFT",
        "close c2 PublisherLeft",
        "changed A",
        "changed B",
    ]);
}

#[test]
fn a_replacement_that_never_comes_up_still_ends_what_it_took_over() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.open("A/ann", "publish", "c2").ok();
    scene
        .closed("A/ann", "c2")
        .gives(&["s1/ann PUBLISH_STOPPED", "s1/ann LEFT", "changed A"]);
}

#[test]
fn a_replaced_connection_that_never_came_up_leaves_the_start_to_the_new_one() {
    let mut scene = Scene::new(&["A"]);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").ok();
    scene.open("A/ann", "publish", "c2").gives(&[
        "opened in s1",
        "close c1 Replaced",
        "publish c2 as s1/ann",
    ]);
    scene.established("A/ann", "c1").changes_nothing();
    scene
        .established("A/ann", "c2")
        .gives(&["s1/ann PUBLISH_STARTED", "changed A"]);
}

#[test]
fn subscriptions_are_replaced_per_publisher_and_events_sockets_too() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "publish", "c2");
    scene.join("A/cyd", "watch ann", "c3");
    scene
        .open("A/cyd", "watch bob", "c4")
        .gives(&["opened in s1", "subscribe c4 to s1/bob"]);
    scene.open("A/cyd", "watch ann", "c5").gives(&[
        "opened in s1",
        "close c3 Replaced",
        "subscribe c5 to s1/ann",
    ]);
    scene.established("A/cyd", "c5").changes_nothing();
    scene
        .closed("A/cyd", "c5")
        .gives(&["s1/cyd SUBSCRIBE_STOPPED of ann"]);
    scene.open("A/cyd", "events", "c6").gives(&["opened in s1"]);
    scene
        .open("A/cyd", "events", "c7")
        .gives(&["opened in s1", "close c6 Replaced"]);
}

#[test]
fn when_the_publisher_goes_its_subscriptions_go() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/ann", "events", "c2");
    scene.join("A/bob", "watch ann", "c3");
    scene.join("A/cyd", "events", "c4");
    scene.join("A/cyd", "watch ann", "c5");
    scene.token("A", "dan").ok();
    scene.open("A/dan", "watch ann", "c6").ok();
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s1/bob SUBSCRIBE_STOPPED of ann",
        "s1/bob LEFT",
        "s1/cyd SUBSCRIBE_STOPPED of ann",
        "s1/dan LEFT",
        "close c3 PublisherLeft",
        "close c5 PublisherLeft",
        "close c6 PublisherLeft",
        "changed A",
    ]);
    assert!(
        scene.participant("s1/ann").connected,
        "the events socket is still open"
    );
    assert!(scene.participant("s1/cyd").connected);
}

#[test]
fn one_may_watch_oneself() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene
        .open("A/ann", "watch ann", "c2")
        .gives(&["opened in s1", "subscribe c2 to s1/ann"]);
    scene
        .established("A/ann", "c2")
        .gives(&["s1/ann SUBSCRIBE_STARTED of ann"]);
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s1/ann SUBSCRIBE_STOPPED of ann",
        "s1/ann LEFT",
        "close c2 PublisherLeft",
        "changed A",
    ]);
}

#[test]
fn only_who_publishes_can_be_watched() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.token("A", "bob").ok();
    // Without a session there is no history to write it into.
    scene
        .open("A/bob", "watch ann", "c1")
        .refused("NotFound: participant ann is not publishing in this stage");
    assert_eq!(
        scene.active_session("A"),
        None,
        "a refused join opens no session"
    );

    scene.join("B/ann", "publish", "c2");
    scene.join("A/cyd", "events", "c3");
    for publisher in ["ann", "cyd", "nobody"] {
        scene
            .open("A/bob", &format!("watch {publisher}"), "c4")
            .gives(&[
                &format!(
                    "refused NotFound: participant {publisher} is not publishing in this stage"
                ),
                &format!("s1/bob SUBSCRIBE_ERROR of {publisher} PUBLISHER_NOT_FOUND")
                    .replace("s1", scene.active_session("A").unwrap()),
            ]);
    }
    scene.token("A", "dan").ok();
    scene.open("A/dan", "publish", "c5").ok();
    let step = scene.open("A/bob", "watch dan", "c6");
    assert!(step.decision.reply.is_err(), "opening is not publishing");
}

#[test]
fn new_attributes_of_a_publisher_are_told() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.attributes = crate::support::attributes(&[("mood", "good")]);
    scene
        .open("A/ann", "events", "c2")
        .gives(&["opened in s1", "changed A"]);
    assert_eq!(scene.participant("s1/ann").attributes["mood"], "good");
}
