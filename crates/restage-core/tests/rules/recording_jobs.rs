//! A recording and the reports on it: in any order, late, twice, and by runners that have lost their lease.

use restage_core::command::JobOutcome;
use restage_core::limits::{
    JOB_ATTEMPTS_MAX, JOB_LEASE_S, JOB_RETRY_MAX_S, RECORDING_TEXT_BYTES_MAX,
};
use restage_core::row::{RecordingFailure, RecordingFailureCode, RecordingState};
use restage_core::{Command, Reply};

use crate::support::{REGION, Scene, no_bucket};

fn scene() -> Scene {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    scene.join("A/ann", "publish", "c1");
    scene
}

fn done() -> JobOutcome {
    JobOutcome::Done(String::new())
}

#[test]
fn the_start_is_told_once() {
    let mut scene = scene();
    scene
        .recording_started("r10000", 1)
        .tells(&["r10000 Start"]);
    let started_at = scene.recording("r10000").started_at;
    scene.wait(1);
    scene.recording_started("r10000", 1).changes_nothing();
    let failed = JobOutcome::Failed("no disk".to_owned());
    scene.report_job("r10000", 1, failed).ok();
    scene.tick_after(1).gives(&["run r10000 2"]);
    scene.recording_started("r10000", 2).changes_nothing();
    assert_eq!(scene.recording("r10000").started_at, started_at);
}

#[test]
fn a_runner_without_a_lease_is_not_heard() {
    let mut scene = scene();
    let lost = "Conflict: generation: start 1 of job r10000 has no lease any more";
    scene.tick_after(JOB_LEASE_S).gives(&["abandon r10000 1"]);
    scene.recording_started("r10000", 1).refused(lost);
    scene.tick_after(1).gives(&["run r10000 2"]);
    scene.recording_started("r10000", 1).refused(lost);
    scene.recording_start_failed("r10000", 1).refused(lost);
    assert_eq!(scene.recording("r10000").state, RecordingState::Starting);
    scene.start_job("A", "other").ok();
    scene
        .recording_started("other", 1)
        .refused("NotFound: job: other captures no recording");
}

#[test]
fn a_start_that_fails_fails_the_recording_and_not_the_publication() {
    let mut scene = scene();
    scene
        .recording_start_failed("r10000", 1)
        .tells(&["r10000 StartFailure"]);
    let row = scene.recording("r10000");
    assert_eq!((row.state, row.started_at), (RecordingState::Failed, None));
    assert_eq!(row.failure, Some(no_bucket()));
    assert!(scene.participant("s1/ann").publishing);
    scene.recording_start_failed("r10000", 1).changes_nothing();
    scene.recording_started("r10000", 1).changes_nothing();
    let impossible = JobOutcome::Impossible("there is no such bucket".to_owned());
    let step = scene.report_job("r10000", 1, impossible);
    step.gives(&["finish r10000"]);
    step.tells(&[]);
    scene.recording_finished("r10000", None).changes_nothing();
}

#[test]
fn what_has_begun_cannot_fail_to_begin() {
    let mut scene = scene();
    scene.recording_started("r10000", 1).ok();
    scene
        .recording_start_failed("r10000", 1)
        .refused("Conflict: job: the recording r10000 has begun already");
}

#[test]
fn a_job_that_fails_for_good_before_the_start_is_a_start_failure() {
    let mut scene = scene();
    for generation in 1..=JOB_ATTEMPTS_MAX {
        let failed = JobOutcome::Failed("no disk".to_owned());
        let step = scene.report_job("r10000", generation, failed);
        if generation == JOB_ATTEMPTS_MAX {
            step.gives(&["finish r10000"]);
            step.tells(&["r10000 StartFailure"]);
        } else {
            step.tells(&[]);
            scene.tick_after(JOB_RETRY_MAX_S).ok();
        }
    }
    let failure = scene.recording("r10000").failure.clone().unwrap();
    assert_eq!(
        (failure.code, &*failure.reason),
        (RecordingFailureCode::InternalServer, "no disk")
    );
}

#[test]
fn a_job_that_fails_for_good_later_leaves_the_rest_to_be_finished() {
    let mut scene = scene();
    scene.recording_started("r10000", 1).ok();
    for generation in 1..=JOB_ATTEMPTS_MAX {
        let failed = JobOutcome::Failed("no disk".to_owned());
        scene.report_job("r10000", generation, failed).tells(&[]);
        scene.tick_after(JOB_RETRY_MAX_S).ok();
    }
    let row = scene.recording("r10000");
    assert_eq!(
        (row.state, row.publication.is_none()),
        (RecordingState::Stopping, true)
    );
    let failure = row.failure.as_ref().map(|failure| &*failure.reason);
    assert_eq!(failure, Some("no disk"), "it says why before it is whole");
    scene
        .recording_finished("r10000", Some(no_bucket()))
        .tells(&["r10000 EndFailure"]);
    assert_eq!(scene.recording("r10000").duration_ms, Some(1_500));
    // The publisher leaves later, which is nothing to a recording that is over.
    scene
        .closed("A/ann", "c1")
        .gives(&["s1/ann PUBLISH_STOPPED", "s1/ann LEFT", "changed A"]);
}

#[test]
fn a_capture_that_failed_is_no_failure_if_its_recording_is_whole() {
    let mut scene = scene();
    scene.recording_started("r10000", 1).ok();
    let impossible = JobOutcome::Impossible("no disk".to_owned());
    scene.report_job("r10000", 1, impossible).ok();
    let row = scene.recording("r10000");
    assert_eq!(row.state, RecordingState::Stopping);
    assert!(row.failure.is_some());
    scene
        .recording_finished("r10000", None)
        .tells(&["r10000 End"]);
    let row = scene.recording("r10000");
    assert_eq!((row.state, &row.failure), (RecordingState::Stopped, &None));
}

#[test]
fn a_recording_that_is_stopped_before_it_began_ends_without_a_word() {
    let mut scene = scene();
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "stop r10000 1",
        "changed A",
    ]);
    scene
        .report_job("r10000", 1, done())
        .gives(&["finish r10000"]);
    scene.recording_finished("r10000", None).tells(&[]);
    assert_eq!(scene.recording("r10000").state, RecordingState::Stopped);
}

#[test]
fn a_start_that_is_told_after_the_stop_counts() {
    let mut scene = scene();
    scene.closed("A/ann", "c1").ok();
    scene
        .recording_started("r10000", 1)
        .tells(&["r10000 Start"]);
    assert_eq!(scene.recording("r10000").state, RecordingState::Stopping);
    scene.report_job("r10000", 1, done()).ok();
    scene
        .recording_finished("r10000", None)
        .tells(&["r10000 End"]);
}

#[test]
fn what_is_finished_while_its_job_runs_ends_the_job() {
    let mut scene = scene();
    scene.recording_started("r10000", 1).ok();
    let step = scene.recording_finished("r10000", Some(no_bucket()));
    step.gives(&["stop r10000 1"]);
    step.tells(&["r10000 EndFailure"]);
    scene.closed("A/ann", "c1").ok();
    let step = scene.report_job("r10000", 1, done());
    step.gives(&["finish r10000"]);
    step.tells(&[]);
}

#[test]
fn a_recording_that_nobody_knows_is_finished_already() {
    let mut scene = scene();
    scene.recording_finished("gone", None).changes_nothing();
}

#[test]
fn a_reason_is_cut_and_without_what_a_database_refuses() {
    let mut scene = scene();
    scene.recording_started("r10000", 1).ok();
    let failure = RecordingFailure {
        code: RecordingFailureCode::AccessDenied,
        reason: format!("\0{}", "é".repeat(RECORDING_TEXT_BYTES_MAX)),
    };
    scene
        .run(&Command::RecordingFinished {
            recording: "r10000".into(),
            duration_ms: 0,
            failure: Some(failure),
            message: Some("x\0".repeat(RECORDING_TEXT_BYTES_MAX)),
        })
        .ok();
    let row = scene.recording("r10000");
    let reason = &row.failure.as_ref().unwrap().reason;
    assert_eq!(reason.len(), RECORDING_TEXT_BYTES_MAX - 2);
    assert!(!reason.contains('\0') && !row.message.as_ref().unwrap().contains('\0'));
}

#[test]
fn a_recording_is_paused_and_resumed_by_its_owner() {
    let mut scene = scene();
    let pause = |region: &str| Command::PauseRecording {
        recording: "r10000".into(),
        region: region.to_owned(),
    };
    let resume = Command::ResumeRecording {
        recording: "r10000".into(),
        region: REGION.to_owned(),
    };
    let missing = "NotFound: recordingId: there is no recording r10000 in Region";
    scene
        .run_as("999988887777", &pause(REGION))
        .refused(&format!("{missing} eu-west-1"));
    scene
        .run(&pause("us-east-1"))
        .refused(&format!("{missing} us-east-1"));
    let step = scene.run(&pause(REGION));
    step.gives(&["recording r10000", "tell r10000 1"]);
    let Ok(Reply::Recording(row)) = &step.decision.reply else {
        panic!("{:?}", step.decision.reply)
    };
    assert!(row.paused);
    assert!(scene.job("r10000").spec.ends_with(r#""paused":true}"#));
    scene.run(&pause(REGION)).gives(&["recording r10000"]);
    scene
        .run(&resume)
        .gives(&["recording r10000", "tell r10000 1"]);
    assert!(scene.job("r10000").spec.ends_with(r#""paused":false}"#));
    // A job that waits for its next start is told by it.
    scene
        .report_job("r10000", 1, JobOutcome::Failed(String::new()))
        .ok();
    scene.run(&pause(REGION)).gives(&["recording r10000"]);
    scene.tick_after(1).gives(&["run r10000 2"]);
    scene.closed("A/ann", "c1").ok();
    scene.run(&resume).refused(
        "Conflict: recordingId: the recording r10000 is STOPPING; only one that is STARTING or ACTIVE can be paused and resumed",
    );
    assert!(!scene.world.recordings[&"r10000".into()].paused);
}

#[test]
fn a_recording_that_is_ended_while_it_starts_has_not_ended_before_it_began() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    scene.join("A/ann", "publish", "c1");
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(1).ok();
    scene.recording_started("r10000", 1).ok();
    let row = &scene.world.recordings[&"r10000".into()];
    assert!(row.started_at.is_some());
    assert_eq!(row.ended_at, row.started_at);
}
