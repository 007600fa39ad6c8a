//! The history of connections that failed.

use restage_core::limits::GIVEN_UP_AFTER_S;
use restage_core::row::StageEventError;

use crate::support::Scene;

#[test]
fn a_connection_that_never_came_up_is_an_error_in_the_history() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 0).ok();
    scene.token("A", "bob").ok();
    scene.token("B", "cyd").ok();
    scene.open("A/bob", "publish", "c2").ok();
    scene.open("B/cyd", "watch ann", "c3").ok();
    scene
        .failed("A/bob", "c2", StageEventError::InvalidInput, true)
        .gives(&["s1/bob PUBLISH_ERROR INVALID_INPUT", "s1/bob LEFT"]);
    assert!(!scene.participant("s1/bob").published);
    scene
        .failed("B/cyd", "c3", StageEventError::InvalidInput, true)
        .gives(&[
            "s2/cyd SUBSCRIBE_ERROR of ann INVALID_INPUT (replica)",
            "s2/cyd LEFT",
        ]);
    assert!(scene.world.connections.len() == 1);
}

#[test]
fn a_connection_with_a_fault_goes_on() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.join("A/bob", "watch ann", "c2");
    scene
        .failed("A/bob", "c2", StageEventError::InvalidVideoCodec, false)
        .gives(&["s1/bob SUBSCRIBE_ERROR of ann INVALID_VIDEO_CODEC"]);
    scene
        .closed("A/bob", "c2")
        .gives(&["s1/bob SUBSCRIBE_STOPPED of ann", "s1/bob LEFT"]);
}

#[test]
fn a_fault_of_a_connection_that_is_gone_or_anothers_changes_nothing() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("A/ann", "publish", "c1");
    for (who, connection) in [("A/ann", "c2"), ("A/bob", "c1"), ("B/ann", "c1")] {
        for is_over in [true, false] {
            scene
                .failed(who, connection, StageEventError::InvalidInput, is_over)
                .changes_nothing();
        }
    }
}

#[test]
fn who_gives_up_after_waiting_leaves_an_error_and_who_changes_their_mind_does_not() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "events", "c0");
    scene.open("A/ann", "publish", "c1").ok();
    scene.wait(GIVEN_UP_AFTER_S - 1);
    scene.closed("A/ann", "c1").gives(&[]);
    scene.open("A/ann", "publish", "c2").ok();
    scene.wait(GIVEN_UP_AFTER_S);
    scene
        .closed("A/ann", "c2")
        .gives(&["s1/ann PUBLISH_ERROR INVALID_INPUT"]);
    // A connection that was up has not failed.
    scene.join("A/ann", "publish", "c3");
    scene.wait(GIVEN_UP_AFTER_S);
    scene
        .closed("A/ann", "c3")
        .gives(&["s1/ann PUBLISH_STOPPED", "changed A"]);
}

#[test]
fn a_retry_in_place_of_a_connection_that_never_came_up_leaves_an_error() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.token("A", "bob").ok();
    scene.open("A/bob", "watch ann", "c2").ok();
    scene.wait(GIVEN_UP_AFTER_S);
    scene.open("A/bob", "watch ann", "c3").gives(&[
        "opened in s1",
        "s1/bob SUBSCRIBE_ERROR of ann INVALID_INPUT",
        "close c2 Replaced",
        "subscribe c3 to s1/ann",
    ]);
    scene.established("A/bob", "c3").ok();
    scene.wait(GIVEN_UP_AFTER_S);
    scene.open("A/bob", "watch ann", "c4").gives(&[
        "opened in s1",
        "close c3 Replaced",
        "subscribe c4 to s1/ann",
    ]);
}
