//! Recordings that end for good, and what a restart makes of them.

use restage_core::command::JobOutcome;
use restage_core::limits::RECORDINGS_PER_TICK_MAX;
use restage_core::row::RecordingState;

use crate::support::Scene;

/// Ann publishes in A and is shown in C; both are recorded and wait.
fn scene() -> Scene {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 60);
    scene.create_recorded("C", 60);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "C", 60).ok();
    scene.recording_started("r10000", 1).ok();
    scene.recording_started("r20000", 1).ok();
    scene
}

fn states(scene: &Scene) -> Vec<RecordingState> {
    scene
        .world
        .recordings
        .values()
        .map(|row| row.state)
        .collect()
}

const ACTIVE: RecordingState = RecordingState::Active;
const STOPPING: RecordingState = RecordingState::Stopping;

#[test]
fn who_is_disconnected_will_not_be_back() {
    let mut scene = scene();
    scene.disconnect("A/ann").gives(&[
        "s2/ann PUBLISH_STOPPED (replica)",
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to C/s2",
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "revoke A/ann",
        "stop r10000 1",
        "stop r20000 1",
        "close c1 Disconnected",
        "changed A",
        "changed C",
    ]);
}

#[test]
fn who_is_disconnected_while_recordings_wait_ends_them() {
    let mut scene = scene();
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(30).ok();
    assert_eq!(states(&scene), [ACTIVE, ACTIVE]);
    scene.disconnect("A/ann").ok();
    assert_eq!(states(&scene), [STOPPING, STOPPING]);
}

#[test]
fn a_replica_that_is_stopped_ends_its_recording_alone() {
    for is_away in [false, true] {
        let mut scene = scene();
        if is_away {
            scene.closed("A/ann", "c1").ok();
        }
        scene.stop_replication("A/ann", "C").ok();
        assert_eq!(states(&scene), [ACTIVE, STOPPING]);
    }
    let mut scene = scene();
    scene.disconnect("C/ann").ok();
    assert_eq!(states(&scene), [ACTIVE, STOPPING]);
}

#[test]
fn a_stage_that_is_deleted_ends_its_recordings_and_they_outlive_it() {
    let mut scene = scene();
    scene.delete_stage("C").ok();
    assert_eq!(states(&scene), [ACTIVE, STOPPING]);
    let done = || JobOutcome::Done(String::new());
    scene
        .report_job("r20000", 1, done())
        .gives(&["finish r20000"]);
    assert!(!scene.world.jobs.contains_key(&"r20000".into()));
    scene
        .recording_finished("r20000", None)
        .tells(&["r20000 End"]);
    assert_eq!(scene.recording("r20000").state, RecordingState::Stopped);
}

#[test]
fn the_source_of_replicas_that_is_deleted_ends_their_recordings_too() {
    for is_away in [false, true] {
        let mut scene = scene();
        if is_away {
            scene.closed("A/ann", "c1").ok();
        }
        scene.delete_stage("A").ok();
        assert_eq!(states(&scene), [STOPPING, STOPPING]);
    }
}

#[test]
fn a_crash_lets_recordings_wait_and_the_publisher_goes_on_in_them() {
    let mut scene = scene();
    scene.wait(100);
    let step = scene.restart();
    assert_eq!(step.decision.effects, []);
    assert_eq!(states(&scene), [ACTIVE, ACTIVE]);
    let ends_at = Some(scene.steady.plus_seconds(60));
    for row in scene.world.recordings.values() {
        assert_eq!((&row.publication, row.window_ends_at), (&None, ends_at));
    }
    // The runners go on with what they find, without media.
    scene.tick_after(1).gives(&["run r10000 2", "run r20000 2"]);
    assert!(scene.job("r10000").spec.contains(r#""publication":null"#));
    scene.recording_started("r10000", 2).tells(&[]);
    scene.wait(20);
    scene.join("A/ann", "publish", "c9");
    assert_eq!(
        scene
            .recording("r10000")
            .publication
            .as_ref()
            .unwrap()
            .session
            .as_str(),
        "s1"
    );
    // Both go on, because the replication waited as well.
    for id in ["r10000", "r20000"] {
        let spec = &scene.job(id).spec;
        assert!(spec.contains(r#""publication":{"session":"s1""#), "{spec}");
        scene.renew_job(id, 2).ok();
    }
    scene.tick_after(40).gives(&[]);
    assert_eq!(states(&scene), [ACTIVE, ACTIVE]);
}

#[test]
fn a_replica_without_a_window_is_not_back_and_its_recording_waits_for_its_own() {
    let mut scene = Scene::new(&["A"]);
    scene.create_recorded("C", 60);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "C", 0).ok();
    scene.recording_started("r10000", 1).ok();
    scene.restart().ok();
    scene.join("A/ann", "publish", "c9");
    assert_eq!(states(&scene), [ACTIVE]);
    scene.tick_after(59).gives(&["run r10000 2"]);
    scene.tick_after(1).gives(&["stop r10000 2"]);
}

#[test]
fn a_recorded_replica_that_waits_is_recorded_for_as_long_as_it_waits() {
    let mut scene = Scene::new(&["A"]);
    scene.create_recorded("C", 0);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "C", 60).ok();
    scene.recording_started("r10000", 1).ok();
    scene.restart().ok();
    scene.tick_after(59).gives(&["run r10000 2"]);
    assert_eq!(states(&scene), [ACTIVE]);
    scene.join("A/ann", "publish", "c9");
    scene.renew_job("r10000", 2).ok();
    scene.tick_after(2).gives(&[]);
    assert_eq!(states(&scene), [ACTIVE]);
}

#[test]
fn a_stop_of_the_server_and_a_start_measure_the_window_anew() {
    let mut scene = scene();
    scene.closed("A/ann", "c1").ok();
    scene.wait(59);
    scene.run(&restage_core::Command::Recover).ok();
    scene.wait(59);
    scene.restart().ok();
    scene.tick_after(59).ok();
    assert_eq!(states(&scene), [ACTIVE, ACTIVE]);
    scene.tick_after(1).gives(&[
        "s2/ann LEFT (replica)",
        "s1/ann REPLICATION_STOPPED to C/s2",
        "stop r10000 2",
        "stop r20000 2",
    ]);
}

#[test]
fn a_crash_without_a_window_lets_the_runner_end_what_it_began() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    scene.join("A/ann", "publish", "c1");
    scene.recording_started("r10000", 1).ok();
    scene.restart().ok();
    assert_eq!(states(&scene), [STOPPING]);
    scene.tick_after(1).gives(&["run r10000 2 to its end"]);
}

#[test]
fn what_was_captured_is_finished_after_every_restart_until_it_is() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    scene.join("A/ann", "publish", "c1");
    scene.recording_started("r10000", 1).ok();
    scene.closed("A/ann", "c1").ok();
    let done = JobOutcome::Done(String::new());
    scene
        .report_job("r10000", 1, done)
        .gives(&["finish r10000"]);
    for _ in 0..2 {
        scene.restart().gives(&["finish r10000"]);
        scene.tick_after(1).changes_nothing();
    }
    scene.delete_stage("A").ok();
    scene.restart().gives(&["finish r10000"]);
    scene.recording_finished("r10000", None).ok();
    scene.restart().changes_nothing();
}

#[test]
fn many_windows_end_in_turns() {
    let mut scene = Scene::new(&[]);
    scene.limits = restage_core::Limits::OPEN;
    scene.create_recorded("A", 10);
    let count = RECORDINGS_PER_TICK_MAX + 5;
    for n in 0..count {
        scene.join(&format!("A/p{n}"), "publish", &format!("c{n}"));
    }
    for n in 0..count {
        scene.closed(&format!("A/p{n}"), &format!("c{n}")).ok();
    }
    let open = |scene: &Scene| {
        scene
            .world
            .recordings
            .values()
            .filter(|row| row.is_open())
            .count()
    };
    scene.tick_after(10).ok();
    assert_eq!(open(&scene), 5);
    scene.tick().ok();
    assert_eq!(open(&scene), 0);
}
