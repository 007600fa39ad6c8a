//! The wall clock is set by hours in either direction: tokens follow it, durations do not, and lists keep their order.

use restage_core::Command;
use restage_core::id::{StageId, StageSessionId, Time};
use restage_core::row::StageSession;

use crate::support::{IDLE_S, Scene, TOKEN_S};

const HOUR: i64 = 3_600;

#[test]
fn after_a_clock_that_was_ahead_new_tokens_join_at_once() {
    let mut scene = Scene::new(&["A"]);
    scene.set_clock(26 * HOUR);
    scene.join("A/ann", "publish", "c1");
    scene.set_clock(-26 * HOUR);
    scene.token("A", "bob").ok();
    scene.open("A/bob", "publish", "c2").ok();
    scene.token("A", "dan").ok();
    scene.wait(TOKEN_S);
    scene
        .open("A/dan", "publish", "c4")
        .refused("TokenExpired: the participant token of dan has expired");
}

#[test]
fn a_clock_that_goes_ahead_ends_tokens_and_nothing_else() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.token("A", "bob").ok();
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 30).ok();
    scene.closed("A/ann", "c1").ok();
    scene.set_clock(5 * HOUR);
    scene.tick().changes_nothing();
    scene
        .open("A/bob", "publish", "c2")
        .refused("TokenExpired: the participant token of bob has expired");
    scene.tick_after(29).changes_nothing();
    scene.wait(1);
    scene.tick().ok();
    assert!(!scene.replica("s1", "ann", "s2").active);
}

#[test]
fn windows_and_idle_sessions_end_on_time_while_the_clock_is_behind() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.set_clock(26 * HOUR);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "B", 30).ok();
    scene.closed("A/ann", "c1").ok();
    scene.set_clock(-26 * HOUR);
    scene.tick_after(29).changes_nothing();
    scene.tick_after(1).gives(&[
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to B/s2",
    ]);
    scene.tick_after(IDLE_S).ok();
    for session in ["s1", "s2"] {
        let row = scene.session(session);
        assert!(
            row.ended_at.is_some_and(|at| at > row.started_at),
            "{row:?}"
        );
    }
}

#[test]
fn a_session_of_the_future_ends_when_it_began_at_the_earliest() {
    let mut scene = Scene::new(&["A"]);
    // The rows of a process whose clock was years ahead.
    let (stage, session) = (StageId::new("A"), StageSessionId::new("s0"));
    let started_at = Time(scene.now.0 + 10 * 365 * 24 * HOUR * 1_000_000);
    let row = StageSession {
        id: session.clone(),
        stage: stage.clone(),
        started_at,
        ended_at: None,
        idle_since: Some(started_at),
    };
    scene.world.sessions.insert(session.clone(), row);
    let row = scene.world.stages.get_mut(&stage);
    row.unwrap().active_session = Some(session);
    scene.count_again();
    scene.run(&Command::Recover).ok();
    assert_eq!(scene.session("s0").ended_at, Some(started_at));
    scene.join("A/ann", "publish", "c1");
    assert_eq!(scene.session("s1").started_at, scene.now);
}

fn row_start(scene: &Scene, session: &str) -> Time {
    scene.session(session).started_at
}

#[test]
fn a_later_session_stands_after_an_earlier_one_in_every_list() {
    let mut scene = Scene::new(&["A"]);
    scene.set_clock(26 * HOUR);
    scene.join("A/ann", "events", "c1");
    scene.set_clock(-26 * HOUR);
    scene.tick_after(IDLE_S).ok();
    scene.wait(1);
    scene.open("A/ann", "events", "c2").ok();
    assert!(scene.session("s2").started_at > row_start(&scene, "s1"));
}
