//! Destinations of compositions: they start, are reconnected, fail and end, each by itself.

use restage_core::command::{DestinationChange, JobOutcome};
use restage_core::limits::{COMPOSITION_ATTEMPTS_MAX, COMPOSITION_TEXT_BYTES_MAX, JOB_LEASE_S};
use restage_core::row::{
    CompositionFailure, CompositionFailureCode, CompositionState, DestinationState, PlainKind,
};

use crate::support::compositions::{compose, composition_failure, to_bucket, to_channel};
use crate::support::{Scene, create, plain_row};

/// A composition with both kinds of destination, ACTIVE.
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

fn failed(code: CompositionFailureCode) -> DestinationChange {
    DestinationChange::Failed(composition_failure(code))
}

#[test]
fn a_destination_that_is_connected_again_does_not_start_again() {
    let mut scene = scene();
    scene
        .destination_changed("X/d1", 1, DestinationChange::Reconnecting)
        .tells_of(&["X/d1 Reconnecting"]);
    assert_eq!(
        scene.destination("X/d1").state,
        DestinationState::Reconnecting
    );
    let again = DestinationChange::Reconnecting;
    scene
        .destination_changed("X/d1", 1, again)
        .changes_nothing();
    let started_at = scene.destination("X/d1").started_at;
    scene.wait(1);
    let step = scene.destination_changed("X/d1", 1, DestinationChange::Started);
    step.tells_of(&[]);
    assert_eq!(scene.destination("X/d1").state, DestinationState::Active);
    assert_eq!(scene.destination("X/d1").started_at, started_at);
}

#[test]
fn one_that_has_not_started_is_not_connected_again() {
    let mut scene = Scene::new(&["A"]);
    scene
        .run(&compose("X", "A", vec![to_channel("d1", "one")], ""))
        .ok();
    let change = DestinationChange::Reconnecting;
    scene
        .destination_changed("X/d1", 1, change)
        .changes_nothing();
}

#[test]
fn a_composition_lives_while_one_destination_works() {
    let mut scene = scene();
    let step = scene.destination_changed("X/d1", 1, failed(CompositionFailureCode::Conflict));
    step.tells_of(&["X/d1 Failure ConflictException"]);
    step.gives(&["tell X 1"]);
    let spec = &scene.job("X").spec;
    assert!(
        !spec.contains(r#""id":"d1""#) && spec.contains(r#""id":"d2""#),
        "{spec}"
    );
    assert_eq!(scene.composition("X").state, CompositionState::Active);
    // It has failed for good.
    let change = DestinationChange::Started;
    scene
        .destination_changed("X/d1", 1, change)
        .changes_nothing();
    scene
        .destination_changed("X/d1", 1, failed(CompositionFailureCode::Conflict))
        .changes_nothing();

    let step = scene.destination_changed("X/d2", 1, failed(CompositionFailureCode::AccessDenied));
    step.tells_of(&[
        "X/d2 Failure AccessDeniedException",
        "X Session Failure DestinationFailure",
    ]);
    step.gives(&["stop X 1"]);
    let row = scene.composition("X");
    assert_eq!(
        (row.state, row.ended_at),
        (CompositionState::Failed, Some(scene.now))
    );
    // What was recorded until then is still brought to its bucket.
    let done = JobOutcome::Done(String::new());
    let step = scene.report_job("X", 1, done);
    step.gives(&["finish X/d2"]);
    step.tells_of(&[]);
    scene.destination_finished("X/d2", None).tells_of(&[]);
    assert_eq!(scene.destination("X/d2").state, DestinationState::Failed);
    assert_eq!(scene.destination("X/d2").duration_ms, Some(4_000));
    scene.destination_finished("X/d2", None).changes_nothing();
}

#[test]
fn one_failure_is_none_of_the_composition_that_is_stopped() {
    let mut scene = scene();
    scene
        .destination_changed("X/d1", 1, failed(CompositionFailureCode::Conflict))
        .ok();
    scene.stop_composition("X").gives(&["stop X 1"]);
    let done = JobOutcome::Done(String::new());
    scene.report_job("X", 1, done).gives(&["finish X/d2"]);
    scene
        .destination_finished("X/d2", None)
        .tells_of(&["X/d2 End", "X Session End"]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopped);
}

#[test]
fn a_recording_that_cannot_be_brought_to_its_bucket_fails_its_destination() {
    let mut scene = scene();
    scene.stop_composition("X").ok();
    let done = JobOutcome::Done(String::new());
    let step = scene.report_job("X", 1, done);
    step.gives(&["finish X/d2"]);
    step.tells_of(&["X/d1 End"]);
    let code = CompositionFailureCode::ResourceNotFound;
    scene
        .destination_finished("X/d2", Some(code))
        .tells_of(&["X/d2 Failure ResourceNotFoundException", "X Session End"]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopped);
}

#[test]
fn a_bucket_may_fail_while_it_is_recorded() {
    let mut scene = scene();
    let code = CompositionFailureCode::ResourceNotFound;
    let step = scene.destination_finished("X/d2", Some(code));
    step.tells_of(&["X/d2 Failure ResourceNotFoundException"]);
    step.gives(&["tell X 1"]);
}

#[test]
fn the_last_destination_that_ends_by_itself_ends_the_composition() {
    let mut scene = scene();
    scene
        .destination_changed("X/d1", 1, failed(CompositionFailureCode::Conflict))
        .ok();
    let step = scene.destination_changed("X/d2", 1, DestinationChange::Ended);
    step.gives(&["finish X/d2", "stop X 1"]);
    step.tells_of(&[]);
    assert_eq!(scene.composition("X").state, CompositionState::Stopping);
    scene
        .destination_finished("X/d2", None)
        .tells_of(&["X/d2 End", "X Session End"]);
}

#[test]
fn a_channel_that_ends_leaves_the_rest() {
    let mut scene = scene();
    let step = scene.destination_changed("X/d1", 1, DestinationChange::Ended);
    step.tells_of(&["X/d1 End"]);
    step.gives(&["tell X 1"]);
    assert_eq!(scene.composition("X").state, CompositionState::Active);
}

#[test]
fn a_start_that_fails_is_repeated_and_destinations_are_connected_again() {
    let mut scene = scene();
    let broken = || JobOutcome::Failed("the compositor died".to_owned());
    scene
        .report_job("X", 1, broken())
        .tells_of(&["X/d1 Reconnecting", "X/d2 Reconnecting"]);
    let step = scene.tick_after(1);
    step.gives(&["run X 2"]);
    step.tells_of(&[]);
    scene.composition_started("X", 2).changes_nothing();
    scene
        .destination_changed("X/d1", 2, DestinationChange::Started)
        .tells_of(&[]);
    // A lease that is over is a start that has failed.
    scene
        .tick_after(JOB_LEASE_S)
        .tells_of(&["X/d1 Reconnecting"]);
    scene.tick_after(2).gives(&["run X 3"]);

    let step = scene.report_job("X", COMPOSITION_ATTEMPTS_MAX, broken());
    step.gives(&["finish X/d2"]);
    step.tells_of(&["X/d1 Failure InternalServerException"]);
    let row = scene.composition("X");
    assert_eq!(row.state, CompositionState::Stopping);
    let step = scene.destination_finished("X/d2", None);
    step.tells_of(&[
        "X/d2 Failure InternalServerException",
        "X Session Failure InternalServerException",
    ]);
    let reason = scene.composition("X").failure.clone().unwrap().reason;
    assert_eq!(reason, "the compositor died");
}

#[test]
fn a_job_that_fails_before_anything_has_begun_leaves_nothing_to_wait_for() {
    let mut scene = Scene::new(&["A"]);
    let row = plain_row(PlainKind::StorageConfiguration, "W");
    scene.run(&create(row)).ok();
    let both = vec![to_channel("d1", "one"), to_bucket("d2", "W")];
    scene.run(&compose("X", "A", both, "")).ok();
    let impossible = JobOutcome::Impossible("no compositor".to_owned());
    scene.report_job("X", 1, impossible).tells_of(&[
        "X/d1 Failure InternalServerException",
        "X/d2 Failure InternalServerException",
        "X Session Failure InternalServerException",
    ]);
    assert_eq!(scene.composition("X").state, CompositionState::Failed);
}

#[test]
fn a_runner_without_a_lease_is_not_heard() {
    let mut scene = scene();
    let broken = JobOutcome::Failed("the compositor died".to_owned());
    scene.report_job("X", 1, broken).ok();
    let lost = "Conflict: generation: start 1 of job X has no lease any more";
    scene.composition_started("X", 1).refused(lost);
    scene
        .destination_changed("X/d1", 1, DestinationChange::Started)
        .refused(lost);
    scene.tick_after(1).ok();
    scene
        .destination_changed("X/d1", 1, DestinationChange::Started)
        .refused(lost);
    scene
        .destination_changed("X/d7", 2, DestinationChange::Started)
        .refused("NotFound: destination: the composition X has no destination d7");
    scene.start_job("A", "other").ok();
    scene
        .composition_started("other", 1)
        .refused("NotFound: job: other makes no composition");
}

#[test]
fn a_reason_is_cut_to_what_a_row_stores() {
    let mut scene = scene();
    let failure = CompositionFailure {
        code: CompositionFailureCode::InternalServer,
        reason: format!("\0{}", "é".repeat(COMPOSITION_TEXT_BYTES_MAX)),
    };
    let change = DestinationChange::Failed(failure);
    scene.destination_changed("X/d1", 1, change).ok();
    let failure = scene.destination("X/d1").failure.clone().unwrap();
    assert!(failure.reason.len() <= COMPOSITION_TEXT_BYTES_MAX);
    assert!(!failure.reason.contains('\0'));
}

#[test]
fn what_is_not_known_any_more_is_finished() {
    let mut scene = Scene::new(&["A"]);
    scene.destination_finished("X/d1", None).changes_nothing();
}
