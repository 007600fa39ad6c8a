//! Jobs: one runner at a time, starts that fail are followed by others, and what has lost its lease is not heard.

use restage_core::command::JobOutcome;
use restage_core::limits::{
    COMPOSITION_ATTEMPTS_MAX, COMPOSITION_STEADY_AFTER_S, JOB_ATTEMPTS_MAX, JOB_LEASE_S,
    JOB_RESULT_BYTES_MAX, JOB_RETRY_MAX_S, JOB_SPEC_BYTES_MAX, JOB_STEADY_AFTER_S,
    JOBS_PER_STAGE_MAX, JOBS_PER_TICK_MAX,
};
use restage_core::row::{COMPOSITION_JOB, JobState};
use restage_core::{Change, Command};

use crate::support::Scene;

fn failed() -> JobOutcome {
    JobOutcome::Failed("no space".to_owned())
}

fn done() -> JobOutcome {
    JobOutcome::Done("{\"parts\":3}".to_owned())
}

const NO_LEASE: &str = "Conflict: generation: start 1 of job j1 has no lease any more";

#[test]
fn a_job_runs_at_once_and_keeps_what_came_of_it() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").gives(&["job j1", "run j1 1"]);
    scene.wait(5);
    scene.report_job("j1", 1, done()).gives(&[]);
    let job = scene.job("j1");
    assert_eq!(
        job.state,
        JobState::Done {
            result: "{\"parts\":3}".to_owned()
        }
    );
    assert_eq!(job.ended_at, Some(scene.now));
    scene.tick_after(10_000).changes_nothing();
    scene.restart().changes_nothing();
}

#[test]
fn what_cannot_be_a_job_is_refused() {
    let mut scene = Scene::new(&["A"]);
    let long = "a".repeat(33);
    for kind in ["", "Recording", "-a", "1a", "a b", long.as_str()] {
        let mut job = scene.new_job("A", "j1");
        job.kind = kind.to_owned();
        scene.run(&Command::StartJob { job }).refused(
            "Invalid: kind: it must be a word of a-z, 0-9 and - that begins with a letter, at most 32 characters",
        );
    }
    let mut job = scene.new_job("A", "j1");
    job.spec = "x".repeat(JOB_SPEC_BYTES_MAX + 1);
    scene
        .run(&Command::StartJob { job })
        .refused("Invalid: spec: it must have at most 65536 bytes");
    let mut job = scene.new_job("A", "j1");
    job.spec = "{}\0".to_owned();
    scene
        .run(&Command::StartJob { job })
        .refused("Invalid: spec: it must not contain the character U+0000");
    scene
        .start_job("B", "j1")
        .refused("NotFound: stage: there is no stage B");
    scene.start_job("A", "j1").ok();
    scene
        .start_job("A", "j1")
        .refused("Conflict: id: there is a job j1 already");
    scene
        .stop_job("j2")
        .refused("NotFound: job: there is no job j2");
}

#[test]
fn a_stage_has_so_many_jobs_at_once() {
    let mut scene = Scene::new(&["A", "B"]);
    for n in 0..JOBS_PER_STAGE_MAX {
        scene.start_job("A", &format!("j{n}")).ok();
    }
    scene
        .start_job("A", "one-more")
        .refused("LimitExceeded: Jobs per stage: the limit of 256 is reached");
    scene.start_job("B", "elsewhere").ok();
    scene.report_job("j7", 1, done()).ok();
    scene.start_job("A", "one-more").ok();
}

#[test]
fn a_lease_that_is_not_renewed_ends_and_another_start_follows() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    scene.wait(JOB_LEASE_S - 1);
    scene.tick().changes_nothing();
    scene.renew_job("j1", 1).gives(&[]);
    scene.tick_after(JOB_LEASE_S - 1).changes_nothing();
    scene.tick_after(1).gives(&["abandon j1 1"]);
    assert_eq!(scene.job("j1").attempts, 1);
    // Who was given up is not heard any more, neither while the job waits nor when another one does it.
    for _ in 0..2 {
        scene.renew_job("j1", 1).refused(NO_LEASE);
        scene.report_job("j1", 1, done()).refused(NO_LEASE);
        scene.wait(1);
        scene.tick();
    }
    assert_eq!(scene.job("j1").generation, 2);
    scene.report_job("j1", 2, done()).ok();
    scene
        .report_job("j1", 2, failed())
        .refused("Conflict: generation: start 2 of job j1 has no lease any more");
}

#[test]
fn a_wall_clock_that_is_set_ends_no_lease() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    scene.set_clock(90_000);
    scene.tick().changes_nothing();
    scene.set_clock(-180_000);
    scene.tick_after(JOB_LEASE_S).gives(&["abandon j1 1"]);
}

#[test]
fn starts_that_fail_are_followed_by_others_until_too_many_have() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    for (generation, pause_s) in (1..).zip([1, 2, 4, 8, 16, 32, 60]) {
        scene.report_job("j1", generation, failed()).gives(&[]);
        scene.tick_after(pause_s - 1).changes_nothing();
        let next = format!("run j1 {}", generation + 1);
        scene.tick_after(1).gives(&[&next]);
    }
    scene
        .report_job("j1", JOB_ATTEMPTS_MAX, failed())
        .gives(&[]);
    assert_eq!(
        scene.job("j1").state,
        JobState::Failed {
            reason: "no space".to_owned()
        }
    );
    scene.tick_after(JOB_RETRY_MAX_S).changes_nothing();
}

#[test]
fn a_start_that_lasts_makes_failures_before_it_forgotten() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    for generation in 1..JOB_ATTEMPTS_MAX {
        scene.report_job("j1", generation, failed()).ok();
        scene.tick_after(JOB_RETRY_MAX_S).ok();
    }
    assert_eq!(scene.job("j1").attempts, JOB_ATTEMPTS_MAX - 1);
    let mut lasted = 0;
    while lasted < JOB_STEADY_AFTER_S {
        assert_eq!(scene.job("j1").attempts, JOB_ATTEMPTS_MAX - 1);
        scene.wait(JOB_LEASE_S / 2);
        lasted += JOB_LEASE_S / 2;
        scene.renew_job("j1", JOB_ATTEMPTS_MAX).ok();
    }
    assert_eq!(scene.job("j1").attempts, 0);
}

#[test]
fn a_composition_that_lasts_makes_failures_before_it_forgotten_sooner() {
    let mut scene = Scene::new(&["A"]);
    let mut job = scene.new_job("A", "j1");
    job.kind = COMPOSITION_JOB.to_owned();
    scene.run(&Command::StartJob { job }).ok();
    for generation in 1..COMPOSITION_ATTEMPTS_MAX {
        scene.report_job("j1", generation, failed()).ok();
        scene.tick_after(JOB_RETRY_MAX_S).ok();
    }
    assert_eq!(scene.job("j1").attempts, COMPOSITION_ATTEMPTS_MAX - 1);
    scene.wait(COMPOSITION_STEADY_AFTER_S / 2);
    scene.renew_job("j1", COMPOSITION_ATTEMPTS_MAX).ok();
    assert_eq!(scene.job("j1").attempts, COMPOSITION_ATTEMPTS_MAX - 1);
    scene.wait(COMPOSITION_STEADY_AFTER_S / 2);
    scene.renew_job("j1", COMPOSITION_ATTEMPTS_MAX).ok();
    assert_eq!(scene.job("j1").attempts, 0);
}

#[test]
fn what_is_impossible_is_not_tried_again_and_its_reason_is_cut() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    let reason = "é".repeat(JOB_RESULT_BYTES_MAX);
    scene
        .report_job("j1", 1, JobOutcome::Impossible(reason))
        .gives(&[]);
    let JobState::Failed { reason } = &scene.job("j1").state else {
        panic!("{:?}", scene.job("j1"));
    };
    assert_eq!(reason.len(), JOB_RESULT_BYTES_MAX);
}

#[test]
fn a_job_that_nobody_could_take_has_not_failed() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    scene.report_job("j1", 1, JobOutcome::Released).gives(&[]);
    scene.tick_after(1).gives(&["run j1 2"]);
    assert_eq!(scene.job("j1").attempts, 0);
}

#[test]
fn a_job_is_asked_once_to_end_and_reports_what_it_has() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    scene.stop_job("j1").gives(&["stop j1 1"]);
    scene.stop_job("j1").changes_nothing();
    scene.renew_job("j1", 1).gives(&[]);
    scene.report_job("j1", 1, done()).gives(&[]);
    scene.stop_job("j1").changes_nothing();
}

#[test]
fn a_job_that_waits_is_started_once_more_to_end_what_it_began() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    for generation in 1..=5 {
        scene.report_job("j1", generation, failed()).ok();
        if generation < 5 {
            scene.tick_after(JOB_RETRY_MAX_S).ok();
        }
    }
    scene.stop_job("j1").gives(&[]);
    scene.tick().gives(&["run j1 6 to its end"]);
    scene.report_job("j1", 6, done()).ok();
}

#[test]
fn jobs_of_a_deleted_stage_end_and_leave_nothing() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.start_job("A", "ended").ok();
    scene.report_job("ended", 1, done()).ok();
    scene.start_job("A", "runs").ok();
    scene.start_job("A", "waits").ok();
    scene.report_job("waits", 1, failed()).ok();
    scene.start_job("B", "elsewhere").ok();
    scene.delete_stage("A").gives(&["stop runs 1"]);
    assert_eq!(
        scene.world.jobs.len(),
        3,
        "what has ended went with the stage"
    );
    scene.tick().gives(&["run waits 2 to its end"]);
    let step = scene.report_job("runs", 1, done());
    assert!(matches!(step.decision.changes[..], [Change::DeleteJob(_)]));
    scene
        .report_job("waits", 2, JobOutcome::Impossible(String::new()))
        .gives(&[]);
    let left: Vec<&str> = scene.world.jobs.keys().map(|id| id.as_str()).collect();
    assert_eq!(left, ["elsewhere"]);
}

#[test]
fn after_a_crash_each_job_runs_again_once_with_a_lease_of_the_new_process() {
    let mut scene = Scene::new(&["A"]);
    for job in ["runs", "stops", "waits"] {
        scene.start_job("A", job).ok();
    }
    scene.stop_job("stops").ok();
    scene.report_job("waits", 1, failed()).ok();
    let step = scene.restart();
    step.gives(&[]);
    assert_eq!(step.decision.changes.len(), 3);
    scene
        .tick()
        .gives(&["run runs 2", "run stops 2 to its end", "run waits 2"]);
    scene.tick().changes_nothing();
    assert_eq!(scene.job("runs").attempts, 1, "a crash counts as a failure");
    assert_eq!(scene.job("waits").attempts, 1, "and once");
    scene
        .report_job("runs", 1, done())
        .refused("Conflict: generation: start 1 of job runs has no lease any more");
}

#[test]
fn a_job_that_ends_every_process_is_given_up() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    for _ in 1..JOB_ATTEMPTS_MAX {
        scene.restart().ok();
        scene.tick().ok();
    }
    scene.restart().gives(&[]);
    assert_eq!(
        scene.job("j1").state,
        JobState::Failed {
            reason: "the process that ran it ended".to_owned()
        }
    );
    scene.tick().changes_nothing();
}

#[test]
fn a_stop_of_the_server_is_no_failure_of_a_job() {
    let mut scene = Scene::new(&["A"]);
    scene.start_job("A", "j1").ok();
    for _ in 0..2 * JOB_ATTEMPTS_MAX {
        // Once more at the stop, by the process that holds the lease.
        scene.run(&Command::Recover).ok();
        scene.restart().ok();
        scene.tick().ok();
    }
    assert_eq!(scene.job("j1").attempts, 0);
    assert_eq!(scene.job("j1").generation, 1 + 2 * JOB_ATTEMPTS_MAX);
}

#[test]
fn one_tick_starts_so_many_and_the_next_one_the_others() {
    let mut scene = Scene::new(&["A"]);
    for n in 0..JOBS_PER_TICK_MAX + 3 {
        scene.start_job("A", &format!("j{n:03}")).ok();
    }
    scene.restart().ok();
    assert_eq!(scene.tick().decision.effects.len(), JOBS_PER_TICK_MAX);
    assert_eq!(scene.tick().decision.effects.len(), 3);
    scene.tick().changes_nothing();
}
