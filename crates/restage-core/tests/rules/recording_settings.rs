//! What stages say of recording, and the storage configurations that they name.

use restage_core::command::JobOutcome;
use restage_core::command::NewStageRecording;
use restage_core::row::{
    PlainKind, RecordedMedia, RecordingSettings, StorageConfiguration, ThumbnailMode,
};
use restage_core::{Arn, Command};

use crate::support::{REGION, Scene, arn, create, delete, plain_row, recorded_to, storage_arn};

const MEMBER: &str = "autoParticipantRecordingConfiguration.storageConfigurationArn";

fn create_stage(recording: NewStageRecording) -> Command {
    Command::CreateStage {
        stage: arn("N"),
        name: String::new(),
        tags: Default::default(),
        recording,
        tokens: Vec::new(),
    }
}

#[test]
fn a_stage_has_the_bucket_of_its_storage_configuration() {
    let mut scene = Scene::new(&[]);
    scene
        .run(&create(plain_row(PlainKind::StorageConfiguration, "W")))
        .ok();
    scene
        .run(&create_stage(recorded_to("W", 7)))
        .gives(&["stage N"]);
    let row = &scene.world.stages[&"N".into()];
    let storage = row.recording.storage.as_ref().unwrap();
    assert_eq!(
        (storage.configuration.as_str(), &*storage.bucket),
        ("W", "bucket-of-w")
    );
    assert_eq!(row.recording.settings.reconnect_window_s, 7);
}

#[test]
fn a_storage_configuration_must_be_there_and_in_the_stages_account_and_region() {
    let mut scene = Scene::new(&["A"]);
    let unknown = format!(
        "{MEMBER}: there is no storage configuration {}",
        storage_arn("W")
    );
    scene
        .run(&create_stage(recorded_to("W", 0)))
        .refused(&format!("Invalid: {unknown}"));
    scene
        .record("A", recorded_to("W", 0))
        .refused(&format!("NotFound: {unknown}"));

    let named = |storage: Arn<_>| NewStageRecording {
        storage: Some(storage),
        settings: RecordingSettings::default(),
    };
    let theirs = Arn {
        account: "999988887777".to_owned(),
        ..storage_arn("W")
    };
    let refusal = format!("Denied: {MEMBER}: {theirs} belongs to another account");
    scene.record("A", named(theirs.clone())).refused(&refusal);
    scene.run(&create_stage(named(theirs))).refused(&refusal);

    let elsewhere = StorageConfiguration {
        region: "us-east-1".to_owned(),
        ..match plain_row(PlainKind::StorageConfiguration, "E") {
            restage_core::row::PlainRow::StorageConfiguration(row) => row,
            other => panic!("{other:?}"),
        }
    };
    let elsewhere_arn = Arn::of(&elsewhere);
    scene.run(&create(elsewhere)).ok();
    scene.record("A", named(elsewhere_arn.clone())).refused(&format!(
        "Invalid: {MEMBER}: {elsewhere_arn} is in another Region than the stage, which is in {REGION}; both must be in the same one"
    ));
    scene.record("A", recorded_to("E", 0)).refused(&format!(
        "NotFound: {MEMBER}: there is no storage configuration {}",
        storage_arn("E")
    ));
}

#[test]
fn the_block_does_not_change_while_a_recording_of_the_stage_is_not_over() {
    let mut scene = Scene::new(&["B"]);
    scene.create_recorded("A", 30);
    let off = NewStageRecording::default;
    scene.join("A/ann", "publish", "c1");
    let refusal = "Conflict: autoParticipantRecordingConfiguration: recordings of the stage that are STARTING, ACTIVE or STOPPING: 1; it can be changed when all are STOPPED or FAILED";
    scene.record("A", off()).refused(refusal);
    scene.record("A", recorded_to("WA", 31)).refused(refusal);
    scene.record("A", recorded_to("WA", 30)).gives(&["stage A"]);
    scene
        .run(&Command::UpdateStage {
            stage: arn("A"),
            name: Some("other".to_owned()),
            recording: None,
        })
        .ok();
    scene.record("B", off()).ok();
    scene.recording_started("r10000", 1).ok();
    scene.closed("A/ann", "c1").ok();
    scene.record("A", off()).refused(refusal);
    scene.tick_after(30).ok();
    scene.record("A", off()).refused(refusal);
    scene
        .report_job("r10000", 1, JobOutcome::Done(String::new()))
        .ok();
    scene.recording_finished("r10000", None).ok();
    scene.record("A", off()).ok();
    scene.join("A/ann", "publish", "c2");
    assert_eq!(
        scene.world.recordings.len(),
        1,
        "it is not recorded any more"
    );
    // The count of the store is used where the rows are not loaded.
    scene.world.recordings.clear();
    scene.world.recording_counts.insert("A".into(), 1);
    scene
        .world
        .participants
        .values_mut()
        .for_each(|row| row.recording = None);
    scene.record("A", recorded_to("WA", 0)).refused(refusal);
}

#[test]
fn a_storage_configuration_in_use_stays() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    let by_stage = r#"Conflict: arn: stages that record with this storage configuration: 1; delete them, or set another storageConfigurationArn, or "", with UpdateStage"#;
    let by_recording = "Conflict: arn: recordings with this storage configuration that are STARTING, ACTIVE or STOPPING: 1; delete it when they are STOPPED or FAILED";
    scene.run(&delete(storage_arn("WA"))).refused(by_stage);
    scene.join("A/ann", "publish", "c1");
    scene.recording_started("r10000", 1).ok();
    scene.delete_stage("A").ok();
    scene.run(&delete(storage_arn("WA"))).refused(by_recording);
    scene
        .report_job("r10000", 1, JobOutcome::Done(String::new()))
        .ok();
    scene.run(&delete(storage_arn("WA"))).refused(by_recording);
    scene.recording_finished("r10000", None).ok();
    scene.run(&delete(storage_arn("WA"))).gives(&[]);
}

#[test]
fn sound_alone_has_no_thumbnails() {
    let mut scene = Scene::new(&[]);
    scene.create_recorded("A", 0);
    let mut block = recorded_to("WA", 0);
    block.settings.thumbnails.mode = ThumbnailMode::Interval;
    block.settings.media = RecordedMedia::AudioOnly;
    scene.record("A", block).ok();
    scene.join("A/ann", "publish", "c1");
    let spec = &scene.job("r10000").spec;
    assert!(spec.contains(r#""mediaTypes":"AUDIO_ONLY""#), "{spec}");
    assert!(
        spec.contains(r#""thumbnails":{"recordingMode":"DISABLED""#),
        "{spec}"
    );
}
