//! The place of buckets changes between two starts while a recording waits: no recording is divided between two places.

use std::path::{Path, PathBuf};

use super::crash::Crash;
use super::fixture::{
    BUCKET, ID, PREFIX, Place, Reports, START_US, begin, destination, init, objects_below, quick,
    read_playlist, segment, until,
};
use crate::bucket::{Asked, Backend};
use crate::spool::moved;
use crate::{BucketError, Buckets, Destination, Lost, RecordingPlace, RecordingReader, Spool};
use crate::{SpoolWriter, StorageSettings};

/// A root with the bucket in it.
fn root(place: &Place, name: &str) -> PathBuf {
    let root = place.dir.path().join(name);
    std::fs::create_dir_all(root.join(BUCKET)).unwrap();
    root
}

fn settings(root: &Path) -> StorageSettings {
    StorageSettings::all(Backend::Folder {
        root: root.to_owned(),
        makes_buckets: false,
    })
}

fn accepting(root: &Path) -> StorageSettings {
    StorageSettings {
        accepts_moved: true,
        ..settings(root)
    }
}

fn spool(place: &Place) -> Spool {
    place.spool(&Crash::never().gate())
}

fn objects(root: &Path) -> usize {
    objects_below(&root.join(BUCKET)).len()
}

/// A start that uploads all that is in the spool; then its process ends.
async fn upload_all(spool: &Spool, settings: StorageSettings) {
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(spool.clone(), Buckets::new(settings), quick(1));
    until("all is uploaded", || spool.usage().bytes == 0).await;
    work.abort();
    let _ = work.await;
}

/// A recording with two segments in the bucket of a root, and two more and its end in the spool.
async fn half_uploaded(place: &Place, root: &Path) {
    let spool = spool(place);
    let mut writer = begin(&spool, ID);
    let add = |writer: &mut SpoolWriter, numbers: std::ops::Range<u64>| {
        for number in numbers {
            writer.segment(&segment(number, 0, false)).unwrap();
        }
    };
    add(&mut writer, 0..2);
    upload_all(&spool, settings(root)).await;
    add(&mut writer, 2..4);
    writer.ended(START_US, None).unwrap();
}

fn segments(root: &Path) -> Vec<u64> {
    read_playlist(&objects_below(&root.join(BUCKET).join(PREFIX))).segments
}

#[tokio::test]
async fn a_recording_whose_bucket_has_moved_waits_until_it_is_back_and_no_other_waits() {
    let place = Place::new();
    let (one, two) = (root(&place, "one"), root(&place, "two"));
    half_uploaded(&place, &one).await;
    let reports = Reports::default();
    let opened = spool(&place);
    let other = Destination {
        prefix: "stage/st-1/other/2026-10-02T09-12-40Z".into(),
        ..destination()
    };
    let mut writer = opened.create("other", &other).unwrap();
    writer.started(START_US).unwrap();
    writer.init(&init(0)).unwrap();
    writer.segment(&segment(0, 0, false)).unwrap();
    writer.ended(START_US, None).unwrap();
    let buckets = Buckets::new(settings(&two));
    let reader = RecordingReader::new(std::sync::Arc::new(opened.clone().into()), buckets.clone());
    let (handle, work) = reports.uploader(opened.clone(), buckets, quick(1));
    until("the other recording is whole", || {
        reports.all().iter().any(|end| end.recording == "other")
    })
    .await;
    until("it is tried again", || handle.status().failures > 2).await;
    assert_eq!(reports.all().len(), 1, "the one that has moved waits");
    assert!(
        !two.join(BUCKET).join(PREFIX).exists(),
        "nothing is divided"
    );
    let failing: Vec<_> = handle
        .status()
        .lanes
        .into_iter()
        .filter_map(|lane| lane.error)
        .collect();
    assert!(
        failing.len() == 1
            && failing[0].contains("one")
            && failing[0].contains("two")
            && failing[0].contains("--accept-moved-buckets"),
        "{failing:?}"
    );
    // Whoever reads it learns that it is not there, and not that there is none.
    let at = RecordingPlace {
        recording: ID.into(),
        account: destination().account,
        region: destination().region,
        bucket: BUCKET.into(),
        prefix: PREFIX.into(),
    };
    let read = reader.read(&at, "media/hls/high/0.mp4", Asked::Whole).await;
    assert!(matches!(read, Err(BucketError::Unavailable(_))), "{read:?}");
    reader
        .read(&at, "media/hls/high/3.mp4", Asked::Whole)
        .await
        .unwrap();
    let found = moved(&place.spool_path(), &settings(&two));
    assert!(found.len() == 1 && found[0].0 == ID, "{found:?}");
    assert_eq!(moved(&place.spool_path(), &settings(&one)), []);
    work.abort();
    let _ = work.await;
    drop((opened, reader, handle));
    let opened = spool(&place);
    let (_handle, work) = reports.uploader(opened, Buckets::new(settings(&one)), quick(1));
    until("its end is reported", || reports.all().len() == 2).await;
    work.abort();
    assert_eq!(reports.all()[1].failure, None);
    assert_eq!(segments(&one), [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_operator_may_have_it_go_on_in_the_new_place() {
    let place = Place::new();
    let (one, two) = (root(&place, "one"), root(&place, "two"));
    half_uploaded(&place, &one).await;
    // What is there is copied before.
    let copy = |from: PathBuf| {
        std::process::Command::new("cp")
            .arg("-r")
            .arg(from)
            .arg(&two)
            .status()
    };
    assert!(copy(one.join(BUCKET)).unwrap().success());
    let reports = Reports::default();
    let opened = spool(&place);
    let buckets = Buckets::new(accepting(&two));
    let (_handle, work) = reports.uploader(opened, buckets, quick(1));
    until("its end is reported", || !reports.all().is_empty()).await;
    work.abort();
    assert_eq!(reports.all()[0].failure, None);
    assert_eq!(segments(&two), [0, 1, 2, 3]);
}

#[tokio::test]
async fn what_was_accepted_once_is_kept_and_what_has_put_nothing_is_nowhere_yet() {
    let place = Place::new();
    let (one, two) = (root(&place, "one"), root(&place, "two"));
    drop(begin(&spool(&place), ID));
    // Nothing is in a bucket: the place may be any.
    assert_eq!(moved(&place.spool_path(), &settings(&two)), []);
    let again = spool(&place);
    upload_all(&again, settings(&one)).await;
    assert!(objects(&one) > 0);
    drop(again);
    let opened = spool(&place);
    opened
        .create(ID, &destination())
        .unwrap()
        .segment(&segment(0, 0, false))
        .unwrap();
    // A folder bucket without what was uploaded would be waited for.
    std::fs::create_dir_all(two.join(BUCKET).join(PREFIX)).unwrap();
    upload_all(&opened, accepting(&two)).await;
    drop(opened);
    assert_eq!(moved(&place.spool_path(), &settings(&two)), []);
    assert_eq!(moved(&place.spool_path(), &settings(&one)).len(), 1);
}

#[tokio::test]
async fn a_job_of_an_earlier_version_is_accepted_where_it_is_and_remembered() {
    let place = Place::new();
    let (one, two) = (root(&place, "one"), root(&place, "two"));
    half_uploaded(&place, &one).await;
    let path = place.recording_path().join("job.json");
    let mut job: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let known = job.as_object_mut().unwrap().remove("place").unwrap();
    assert_eq!(known["kind"], "folder");
    std::fs::write(&path, job.to_string()).unwrap();
    assert_eq!(moved(&place.spool_path(), &settings(&two)), []);
    // A folder bucket without what was uploaded would be waited for.
    std::fs::create_dir_all(two.join(BUCKET).join(PREFIX)).unwrap();
    let opened = spool(&place);
    upload_all(&opened, settings(&two)).await;
    assert!(objects(&two) > 0);
}

#[tokio::test]
async fn the_end_of_a_recording_without_a_journal_waits_for_its_place_too() {
    let place = Place::new();
    let (one, two) = (root(&place, "one"), root(&place, "two"));
    half_uploaded(&place, &one).await;
    std::fs::remove_file(place.recording_path().join("journal")).unwrap();
    let opened = spool(&place);
    let reason = opened.restore(ID, &destination()).unwrap_err().to_string();
    let reports = Reports::default();
    let (handle, work) = reports.uploader(opened, Buckets::new(settings(&two)), quick(1));
    handle.finish_lost(
        ID,
        Lost {
            destination: destination(),
            started_us: START_US,
            ended_us: i64::try_from(crate::spool::now_s()).unwrap() * 1_000_000,
            reason,
        },
    );
    until("it is tried again", || handle.status().failures > 2).await;
    work.abort();
    assert_eq!((reports.all(), objects(&two)), (Vec::new(), 0));
    assert!(place.recording_path().join("3.mp4").is_file());
}
