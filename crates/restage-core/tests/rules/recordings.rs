//! Recordings: one begins when a participant publishes, waits for its publisher, goes on, and ends.

use restage_core::limits::JOBS_PER_STAGE_MAX;
use restage_core::row::{RecordingFailureCode, RecordingState};

use crate::support::{Scene, no_bucket, recorded_to};

/// Ann publishes in stage A, which is recorded and waits this long.
fn recorded(reconnect_window_s: u32) -> Scene {
    let mut scene = Scene::new(&["B"]);
    scene.create_recorded("A", reconnect_window_s);
    scene.join("A/ann", "publish", "c1");
    scene
}

/// The same, and the capture has begun.
fn active(reconnect_window_s: u32) -> Scene {
    let mut scene = recorded(reconnect_window_s);
    scene
        .recording_started("r10000", 1)
        .tells(&["r10000 Start"]);
    scene
}

#[test]
fn a_recording_begins_with_the_publication_and_not_before() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").ok();
    assert!(scene.world.recordings.is_empty(), "media is not up yet");
    let step = scene.established("A/ann", "c1");
    step.gives(&["s1/ann PUBLISH_STARTED", "run r10000 1", "changed A"]);
    step.tells(&[]);
    let row = scene.recording("r10000");
    assert_eq!(
        (row.state, row.paused, row.is_replica()),
        (RecordingState::Starting, false, false)
    );
    assert_eq!(row.prefix, "A/s1/ann/2027-01-15T08-00-00Z");
    assert_eq!(
        (&*row.storage.bucket, row.storage.configuration.as_str()),
        ("bucket-of-wa", "WA")
    );
    let named = scene.participant("s1/ann").recording.clone().unwrap();
    assert_eq!((named.id.as_str(), named.since), ("r10000", scene.now));
    let job = scene.job("r10000");
    assert_eq!(
        (&*job.kind, job.session.as_ref().unwrap().as_str()),
        ("recording", "s1")
    );
    assert_eq!(
        job.spec,
        r#"{"account":"111122223333","region":"eu-west-1","stage":"A","stageArn":"arn:aws:ivs:eu-west-1:111122223333:stage/A","session":"s1","participant":"ann","bucket":"bucket-of-wa","prefix":"A/s1/ann/2027-01-15T08-00-00Z","storage":"WA","mediaTypes":"AUDIO_VIDEO","segmentSeconds":6,"thumbnails":{"recordingMode":"DISABLED","storage":["SEQUENTIAL"],"targetIntervalSeconds":60},"mayReturn":false,"publication":{"session":"s1","participant":"ann"},"paused":false}"#
    );
}

#[test]
fn viewers_and_stages_without_storage_are_not_recorded() {
    let mut scene = recorded(0);
    scene.join("A/bob", "watch ann", "c2");
    scene.join("B/cyd", "publish", "c3");
    assert_eq!(scene.world.recordings.len(), 1);
    assert_eq!(scene.participant("s1/bob").recording, None);
    assert_eq!(scene.participant("s2/cyd").recording, None);
}

#[test]
fn a_recording_ends_with_its_publication_and_is_over_when_all_is_in_the_bucket() {
    let mut scene = active(0);
    scene.wait(9);
    let began_at = scene.recording("r10000").started_at;
    let step = scene.closed("A/ann", "c1");
    step.gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "stop r10000 1",
        "changed A",
    ]);
    step.tells(&[]);
    let ended_at = Some(scene.now);
    let row = scene.recording("r10000");
    assert_eq!(
        (row.state, row.started_at, row.ended_at),
        (RecordingState::Stopping, began_at, ended_at)
    );
    let done = restage_core::command::JobOutcome::Done("{}".to_owned());
    scene.wait(3);
    scene
        .report_job("r10000", 1, done)
        .gives(&["finish r10000"]);
    scene.wait(60);
    scene
        .recording_finished("r10000", None)
        .tells(&["r10000 End"]);
    let row = scene.recording("r10000");
    assert_eq!(
        (row.state, row.ended_at, row.duration_ms),
        (RecordingState::Stopped, ended_at, Some(1_500)),
        "it ended when the capture did"
    );
    scene
        .recording_finished("r10000", Some(no_bucket()))
        .changes_nothing();
}

#[test]
fn a_publisher_that_is_back_in_its_window_goes_on_in_the_same_recording() {
    let mut scene = active(30);
    scene.wait(5);
    scene.closed("A/ann", "c1").gives(&[
        "s1/ann PUBLISH_STOPPED",
        "s1/ann LEFT",
        "tell r10000 1",
        "changed A",
    ]);
    let row = scene.recording("r10000");
    assert_eq!(
        (row.state, &row.publication),
        (RecordingState::Active, &None)
    );
    assert_eq!(row.window_ends_at, Some(scene.steady.plus_seconds(30)));
    scene.tick_after(29).changes_nothing();
    scene.open("A/ann", "publish", "c2").ok();
    scene.established("A/ann", "c2").gives(&[
        "s1/ann PUBLISH_STARTED",
        "tell r10000 1",
        "changed A",
    ]);
    assert_eq!(scene.world.recordings.len(), 1);
    scene.renew_job("r10000", 1).ok();
    scene.tick_after(50).changes_nothing();
}

#[test]
fn a_window_that_is_over_ends_the_recording() {
    let mut scene = active(30);
    scene.closed("A/ann", "c1").ok();
    scene.tick_after(30).gives(&["stop r10000 1"]);
    scene.renew_job("r10000", 1).ok();
    scene.tick_after(30).changes_nothing();
    scene.join("A/ann", "publish", "c2");
    assert_eq!(scene.world.recordings.len(), 2);
    assert_eq!(
        scene.recording("r20000").prefix,
        "A/s1/ann/2027-01-15T08-01-00Z"
    );
}

#[test]
fn a_publisher_at_the_edge_of_the_window_is_too_late_whether_or_not_a_tick_came_first() {
    let mut scene = active(30);
    scene.closed("A/ann", "c1").ok();
    scene.open("A/ann", "publish", "c2").ok();
    scene.wait(30);
    scene.established("A/ann", "c2").gives(&[
        "s1/ann PUBLISH_STARTED",
        "stop r10000 1",
        "run r20000 1",
        "changed A",
    ]);
    assert_eq!(scene.recording("r10000").state, RecordingState::Stopping);
    assert_eq!(
        scene
            .participant("s1/ann")
            .recording
            .as_ref()
            .unwrap()
            .id
            .as_str(),
        "r20000"
    );
}

#[test]
fn a_later_session_of_the_stage_goes_on_in_the_recording_of_the_earlier_one() {
    let mut scene = active(300);
    scene.closed("A/ann", "c1").ok();
    for _ in 0..4 {
        scene.renew_job("r10000", 1).ok();
        scene.tick_after(30).ok();
    }
    scene.renew_job("r10000", 1).ok();
    assert_eq!(scene.active_session("A"), None, "nobody was left in it");
    scene.wait(60);
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c2").gives(&[
        "opened in s2",
        "s2/ann JOINED",
        "publish c2 as s2/ann",
    ]);
    scene.established("A/ann", "c2").gives(&[
        "s2/ann PUBLISH_STARTED",
        "tell r10000 1",
        "changed A",
    ]);
    let row = scene.recording("r10000");
    assert_eq!(
        (row.session.as_str(), &row.prefix[..9]),
        ("s1", "A/s1/ann/")
    );
    for session in ["s1/ann", "s2/ann"] {
        let named = scene.participant(session).recording.as_ref();
        assert_eq!(named.unwrap().id.as_str(), "r10000", "{session}");
    }
}

#[test]
fn a_participant_that_publishes_again_within_a_second_has_a_prefix_of_its_own() {
    let mut scene = recorded(0);
    for n in 1..4 {
        scene.closed("A/ann", &format!("c{n}")).ok();
        scene.join("A/ann", "publish", &format!("c{}", n + 1));
    }
    let prefixes: Vec<&str> = scene
        .world
        .recordings
        .values()
        .map(|row| &*row.prefix)
        .collect();
    assert_eq!(
        prefixes,
        [
            "A/s1/ann/2027-01-15T08-00-00Z",
            "A/s1/ann/2027-01-15T08-00-01Z",
            "A/s1/ann/2027-01-15T08-00-02Z",
            "A/s1/ann/2027-01-15T08-00-03Z"
        ]
    );
    scene.closed("A/ann", "c4").ok();
    scene.wait(3);
    scene.join("A/ann", "publish", "c5");
    assert!(scene.recording("r50000").prefix.ends_with("08-00-04Z"));
}

#[test]
fn a_connection_that_replaces_the_publishing_one_changes_nothing() {
    let mut scene = active(0);
    scene.open("A/ann", "publish", "c2").ok();
    scene.established("A/ann", "c2").ok();
    assert_eq!(scene.world.recordings.len(), 1);
    assert_eq!(scene.recording("r10000").state, RecordingState::Active);
}

#[test]
fn a_recording_that_finds_no_room_fails_and_the_publication_goes_on() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    for n in 0..JOBS_PER_STAGE_MAX {
        scene.start_job("A", &format!("j{n}")).ok();
    }
    scene.token("A", "ann").ok();
    scene.open("A/ann", "publish", "c1").ok();
    let step = scene.established("A/ann", "c1");
    step.gives(&["s1/ann PUBLISH_STARTED", "changed A"]);
    step.tells(&["r10000 StartFailure"]);
    let row = scene.recording("r10000");
    let failure = row.failure.as_ref().unwrap();
    assert_eq!(
        (row.state, failure.code),
        (RecordingState::Failed, RecordingFailureCode::InternalServer)
    );
    assert!(failure.reason.contains("256 jobs"), "{}", failure.reason);
    assert!(scene.participant("s1/ann").recording.is_some());
    // The next one finds room.
    scene.stop_job("j7").ok();
    let done = restage_core::command::JobOutcome::Done(String::new());
    scene.report_job("j7", 1, done).ok();
    scene.join("A/bob", "publish", "c2");
    assert_eq!(scene.recording("r20000").state, RecordingState::Starting);
}

#[test]
fn a_replica_is_recorded_by_the_settings_of_its_destination() {
    let mut scene = recorded(0);
    scene.create_recorded("C", 0);
    scene.replicate("A/ann", "C", 0).gives(&[
        "s2/ann JOINED (replica)",
        "s2/ann PUBLISH_STARTED (replica)",
        "s1/ann REPLICATION_STARTED to C/s2",
        "run r20000 1",
        "changed C",
    ]);
    let row = scene.recording("r20000");
    assert_eq!(
        (row.is_replica(), &*row.storage.bucket),
        (true, "bucket-of-wc")
    );
    assert_eq!(row.prefix, "C/s2/ann/2027-01-15T08-00-00Z");
    assert_eq!(
        row.publication.as_ref().unwrap().session.as_str(),
        "s1",
        "the source's"
    );
    let own = scene.participant("s1/ann").recording.as_ref().unwrap();
    let shown = scene.participant("s2/ann").recording.as_ref().unwrap();
    assert_eq!((own.id.as_str(), shown.id.as_str()), ("r10000", "r20000"));
    // A replica that is not recorded here, and one whose stage does not want replicas.
    scene.replicate("A/ann", "B", 0).ok();
    scene.create_recorded("D", 0);
    let mut block = recorded_to("WD", 0);
    block.settings.replicas = false;
    scene.record("D", block).ok();
    scene.replicate("A/ann", "D", 0).ok();
    scene.join("D/dan", "publish", "c2");
    let of = scene
        .world
        .recordings
        .values()
        .map(|row| (row.stage.as_str(), row.participant.as_str()));
    assert_eq!(
        of.collect::<Vec<_>>(),
        [("A", "ann"), ("C", "ann"), ("D", "dan")]
    );
}

#[test]
fn a_replica_waits_for_the_longer_of_both_windows() {
    for (replication_s, recording_s, waits_s) in
        [(20, 0, 20), (20, 50, 50), (60, 20, 60), (0, 40, 40)]
    {
        let mut scene = Scene::new(&["A"]);
        scene.create_recorded("C", recording_s);
        scene.join("A/ann", "publish", "c1");
        scene.replicate("A/ann", "C", replication_s).ok();
        scene.closed("A/ann", "c1").ok();
        scene.tick_after(waits_s - 1).ok();
        let row = scene.recording("r10000");
        assert_eq!(
            (row.is_open(), row.publication.is_some()),
            (true, false),
            "{waits_s}"
        );
        scene.tick_after(1).ok();
        assert!(!scene.recording("r10000").is_open(), "{waits_s}");
    }
}

#[test]
fn the_publisher_of_a_replica_that_is_back_goes_on_everywhere() {
    let mut scene = recorded(30);
    scene.create_recorded("C", 0);
    scene.replicate("A/ann", "C", 30).ok();
    scene.closed("A/ann", "c1").ok();
    scene.wait(10);
    scene.open("A/ann", "publish", "c2").ok();
    scene.established("A/ann", "c2").gives(&[
        "s1/ann PUBLISH_STARTED",
        "s2/ann PUBLISH_STARTED (replica)",
        "tell r10000 1",
        "tell r20000 1",
        "changed A",
        "changed C",
    ]);
    assert_eq!(scene.world.recordings.len(), 2);
}

#[test]
fn a_replication_that_is_started_anew_in_time_goes_on_in_the_recording() {
    let mut scene = Scene::new(&["A", "B"]);
    scene.create_recorded("C", 60);
    scene.join("A/ann", "publish", "c1");
    scene.replicate("A/ann", "C", 0).ok();
    scene.closed("A/ann", "c1").ok();
    scene.wait(20);
    scene.join("A/ann", "publish", "c2");
    scene.replicate("A/ann", "C", 0).ok();
    assert_eq!(scene.world.recordings.len(), 1);
    assert!(scene.recording("r10000").publication.is_some());
    // The same id out of another stage is somebody else's.
    scene.closed("A/ann", "c2").ok();
    scene.join("B/ann", "publish", "c3");
    scene.replicate("B/ann", "C", 0).ok();
    assert!(!scene.recording("r10000").is_open());
    assert_eq!(
        scene.recording("r20000").source.as_ref().unwrap().as_str(),
        "B"
    );
}

#[test]
fn two_recordings_that_begin_at_once_have_ids_of_their_own() {
    let mut scene = Scene::new(&["A"]);
    for stage in ["C", "D"] {
        scene.create_recorded(stage, 0);
    }
    scene.join("A/ann", "publish", "c1");
    for stage in ["C", "D"] {
        scene.replicate("A/ann", stage, 100).ok();
    }
    scene.closed("A/ann", "c1").ok();
    // Both captures fail for good while they wait.
    for id in ["r10000", "r20000"] {
        let outcome = restage_core::command::JobOutcome::Impossible("no disk".to_owned());
        scene.report_job(id, 1, outcome).ok();
    }
    scene.open("A/ann", "publish", "c2").ok();
    let step = scene.established("A/ann", "c2");
    step.gives(&[
        "s1/ann PUBLISH_STARTED",
        "s2/ann PUBLISH_STARTED (replica)",
        "s3/ann PUBLISH_STARTED (replica)",
        "run r30000 1",
        "run r30001 1",
        "changed A",
        "changed C",
        "changed D",
    ]);
}
