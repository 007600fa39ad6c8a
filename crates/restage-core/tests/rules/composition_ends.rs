//! What ends a composition, and how long it can be read afterwards.

use restage_core::command::{DestinationChange, JobOutcome};
use restage_core::limits::{COMPOSITION_IDLE_S, COMPOSITION_KEPT_S, COMPOSITION_LIFE_S};
use restage_core::row::{CompositionId, CompositionState, DestinationState, PlainKind};

use crate::support::compositions::{compose, to_bucket, to_channel};
use crate::support::{Scene, create, ingest_row, plain_row};

/// A composition to a channel and one bucket, ACTIVE, of a stage where ann publishes.
fn scene() -> Scene {
    let mut scene = Scene::new(&["A"]);
    let row = plain_row(PlainKind::StorageConfiguration, "W");
    scene.run(&create(row)).ok();
    scene.join("A/ann", "publish", "c1");
    let both = vec![to_channel("d1", "one"), to_bucket("d2", "W")];
    scene.run(&compose("X", "A", both, "")).ok();
    scene.composition_started("X", 1).ok();
    for destination in ["X/d1", "X/d2"] {
        scene
            .destination_changed(destination, 1, DestinationChange::Started)
            .ok();
    }
    scene
}

fn done() -> JobOutcome {
    JobOutcome::Done(String::new())
}

fn is_there(scene: &Scene) -> bool {
    scene
        .world
        .compositions
        .contains_key(&CompositionId::new("X"))
}

/// The job and the uploader do what they are asked.
fn wind_up(scene: &mut Scene) {
    let step = scene.report_job("X", 1, done());
    step.gives(&["finish X/d2"]);
    step.tells_of(&["X/d1 End"]);
    scene.destination_finished("X/d2", None).ok();
}

#[test]
fn it_is_stopped_in_order() {
    let mut scene = scene();
    let step = scene.stop_composition("X");
    step.gives(&["stop X 1"]);
    step.tells_of(&[]);
    let row = scene.composition("X");
    assert_eq!(row.state, CompositionState::Stopping);
    let mut states = row.destinations.iter().map(|row| row.state);
    assert!(states.all(|state| state == DestinationState::Stopping));
    scene.stop_composition("X").changes_nothing();

    // What still arrives is heard, and changes no state.
    let started = DestinationChange::Started;
    scene
        .destination_changed("X/d1", 1, started)
        .changes_nothing();
    let again = DestinationChange::Reconnecting;
    scene
        .destination_changed("X/d1", 1, again)
        .changes_nothing();

    let step = scene.report_job("X", 1, done());
    step.gives(&["finish X/d2"]);
    step.tells_of(&["X/d1 End"]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopping);
    let step = scene.destination_finished("X/d2", None);
    step.tells_of(&["X/d2 End", "X Session End"]);
    let row = scene.composition("X");
    assert_eq!(
        (row.state, row.ended_at),
        (CompositionState::Stopped, Some(scene.now))
    );
    scene.stop_composition("X").changes_nothing();
}

#[test]
fn it_can_be_read_for_five_minutes_whatever_the_clock_is_set_to() {
    let mut scene = scene();
    scene.stop_composition("X").ok();
    wind_up(&mut scene);
    scene.set_clock(30 * 24 * 3_600);
    scene.tick_after(COMPOSITION_KEPT_S - 1).ok();
    assert!(is_there(&scene));
    scene.tick_after(1).ok();
    assert!(!is_there(&scene));
    scene.stop_composition("X").refused(
        "NotFound: arn: there is no composition arn:aws:ivs:eu-west-1:111122223333:composition/X; one that has ended is removed after 5 minutes",
    );
}

#[test]
fn one_that_is_stopped_before_it_began_ends_without_a_word() {
    let mut scene = Scene::new(&["A"]);
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    scene.stop_composition("X").gives(&["stop X 1"]);
    let step = scene.report_job("X", 1, done());
    step.tells_of(&[]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopped);
    assert_eq!(scene.destination("X/d1").state, DestinationState::Stopped);
}

#[test]
fn a_start_that_was_under_way_when_it_was_stopped_is_told() {
    let mut scene = Scene::new(&["A"]);
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    scene.stop_composition("X").ok();
    scene
        .destination_changed("X/d1", 1, DestinationChange::Started)
        .tells_of(&["X Session Start", "X/d1 Start"]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopping);
    scene
        .report_job("X", 1, done())
        .tells_of(&["X/d1 End", "X Session End"]);
}

#[test]
fn it_ends_when_nobody_has_published_for_a_while() {
    let mut scene = scene();
    scene.wait(10);
    scene.closed("A/ann", "c1").ok();
    let left = scene.steady;
    scene.tick_after(1).ok();
    assert_eq!(
        scene.composition("X").idle_since,
        Some(left),
        "since the last one left"
    );
    // Somebody who watches is nobody who publishes.
    scene.token("A", "bob").ok();
    scene.open("A/bob", "events", "c2").ok();
    scene
        .tick_while_composed("X", COMPOSITION_IDLE_S - 2)
        .changes_nothing();
    scene.join("A/ann", "publish", "c3");
    scene.tick().ok();
    assert_eq!(scene.composition("X").idle_since, None);
    scene
        .tick_while_composed("X", COMPOSITION_IDLE_S)
        .changes_nothing();
    scene.closed("A/ann", "c3").ok();
    scene.tick().ok();
    scene
        .tick_while_composed("X", COMPOSITION_IDLE_S)
        .gives(&["stop X 1"]);
    wind_up(&mut scene);
    assert_eq!(scene.composition("X").state, CompositionState::Stopped);
    assert_eq!(scene.composition("X").failure, None);
}

#[test]
fn it_outlives_the_session_that_ends_while_it_waits() {
    let mut scene = Scene::new(&["A"]);
    scene.join("A/ann", "publish", "c1");
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(crate::support::IDLE_S).ok();
    assert_eq!(scene.active_session("A"), None);
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    scene.tick_after(COMPOSITION_IDLE_S - 1).changes_nothing();
    scene.join("A/ann", "publish", "c2");
    scene.tick_after(1).ok();
    assert_eq!(scene.composition("X").state, CompositionState::Starting);
    assert_eq!(scene.composition("X").idle_since, None);
}

#[test]
fn replicas_that_publish_count() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.join("B/ann", "publish", "c1");
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    scene.replicate("B/ann", "A", 0).ok();
    scene.tick_after(COMPOSITION_IDLE_S).ok();
    assert_eq!(scene.composition("X").idle_since, None);
    scene.stop_replication("B/ann", "A").ok();
    scene.tick().ok();
    assert_eq!(scene.composition("X").idle_since, Some(scene.steady));
}

#[test]
fn a_redundant_ingest_counts_while_one_of_its_streams_does() {
    let mut scene = Scene::new(&["A"]);
    scene.run(&create(ingest_row("I", Some("A"), true))).ok();
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    for (participant, connection) in [("Ia", "c1"), ("Ib", "c2")] {
        scene.ingest("I", participant, connection).ok();
        scene
            .established(&format!("A/{participant}"), connection)
            .ok();
    }
    scene.tick().ok();
    assert_eq!(scene.composition("X").idle_since, None);
    scene.closed("A/Ia", "c1").ok();
    scene
        .tick_while_composed("X", COMPOSITION_IDLE_S)
        .changes_nothing();
    scene.closed("A/Ib", "c2").ok();
    scene.tick().ok();
    assert_eq!(scene.composition("X").idle_since, Some(scene.steady));
}

#[test]
fn it_lives_a_day_whatever_the_clock_is_set_to() {
    let mut scene = scene();
    scene.limits.connection_seconds = 0;
    scene.set_clock(48 * 3_600);
    scene.renew_job("X", 1).ok();
    // The lease is renewed all the time, so that only the age counts.
    let renewals = COMPOSITION_LIFE_S / 50;
    for _ in 1..renewals {
        scene.wait(50);
        scene.renew_job("X", 1).ok();
    }
    scene.tick_after(49).changes_nothing();
    scene.tick_after(1).gives(&["stop X 1"]);
    wind_up(&mut scene);
    assert_eq!(scene.composition("X").state, CompositionState::Stopped);
}

#[test]
fn it_fails_with_its_stage() {
    let mut scene = scene();
    let step = scene.delete_stage("A");
    assert_eq!(
        crate::support::lines(&step.decision)
            .iter()
            .filter(|line| line.as_str() == "stop X 1")
            .count(),
        1
    );
    step.tells_of(&[]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopping);
    let step = scene.report_job("X", 1, done());
    step.tells_of(&["X/d1 End"]);
    step.gives(&["finish X/d2"]);
    scene
        .destination_finished("X/d2", None)
        .tells_of(&["X/d2 End", "X Session Failure StageDeleted"]);
    assert_eq!(scene.composition("X").state, CompositionState::Failed);
    scene.tick_after(COMPOSITION_KEPT_S).ok();
    assert!(!is_there(&scene));
}

#[test]
fn a_waiting_job_is_started_once_more_to_end() {
    let mut scene = scene();
    let broken = JobOutcome::Failed("the compositor died".to_owned());
    scene.report_job("X", 1, broken).ok();
    scene.stop_composition("X").gives(&[]);
    scene.tick().gives(&["run X 2 to its end"]);
    scene.report_job("X", 2, done()).gives(&["finish X/d2"]);
}

#[test]
fn a_restart_goes_on_with_it() {
    let mut scene = scene();
    let step = scene.restart();
    step.tells_of(&["X/d1 Reconnecting", "X/d2 Reconnecting"]);
    let row = scene.composition("X");
    assert_eq!(row.state, CompositionState::Active);
    assert_eq!(row.idle_since, Some(scene.steady), "counted from here");
    scene.tick().gives(&["run X 2"]);
    scene.join("A/ann", "publish", "c2");
    scene.tick_after(COMPOSITION_IDLE_S - 1).ok();
    assert_eq!(scene.composition("X").idle_since, None);
    scene
        .destination_changed("X/d1", 2, DestinationChange::Started)
        .tells_of(&[]);
    assert_eq!(scene.destination("X/d1").state, DestinationState::Active);
}

#[test]
fn an_orderly_stop_and_the_start_after_it_say_it_once() {
    let mut scene = scene();
    let stop = scene.run(&restage_core::Command::Recover);
    stop.tells_of(&["X/d1 Reconnecting", "X/d2 Reconnecting"]);
    scene.restart().tells_of(&[]);
    assert_eq!(scene.job("X").attempts, 0, "nothing has failed");
}

#[test]
fn a_restart_does_not_lengthen_its_life() {
    let mut scene = scene();
    let before = scene.composition("X").lives_until;
    scene.wait(3_600);
    scene.restart().ok();
    assert_eq!(scene.composition("X").lives_until, before);
    // A clock that was set ahead ends it, and one that was set back gives it no more than a day.
    scene.set_clock(-48 * 3_600);
    scene.restart().ok();
    let row = scene.composition("X");
    assert!(row.lives_until <= scene.steady.plus_seconds(COMPOSITION_LIFE_S));
}

#[test]
fn a_restart_finishes_what_has_ended() {
    let mut scene = scene();
    scene.stop_composition("X").ok();
    scene.report_job("X", 1, done()).ok();
    scene.closed("A/ann", "c1").ok();
    scene.restart().gives(&["finish X/d2"]);
    scene.destination_finished("X/d2", None).ok();
    scene.wait(100);
    scene.restart().gives(&[]);
    let row = scene.composition("X");
    assert_eq!(
        row.gone_at,
        Some(scene.steady.plus_seconds(COMPOSITION_KEPT_S - 100))
    );
    scene.tick_after(COMPOSITION_KEPT_S - 100).ok();
    assert!(!is_there(&scene));
}
