//! The uploader against a service that fails in every way: everything arrives in the end, in order, and once.

use std::time::Duration;

use super::crash::{Crash, Random};
use super::faulty_s3::{Answer, FaultyS3};
use super::fixture::{
    BUCKET, ID, PREFIX, Place, Reports, SEGMENT_US, START_US, destination, init, quick,
    read_playlist, segment, to_bucket, until,
};
use crate::spool::Level;
use crate::{Destination, Spool, SpoolBounds};

const SEGMENTS: u64 = 12;

/// Records a whole recording.
fn record(spool: &Spool, id: &str, destination: &Destination) {
    let mut writer = spool.create(id, destination).unwrap();
    writer.started(START_US).unwrap();
    writer.file("events/recording-started.json", b"{}").unwrap();
    writer.init(&init(0)).unwrap();
    for number in 0..SEGMENTS {
        writer.segment(&segment(number, 0, false)).unwrap();
    }
    let end_us = START_US + (SEGMENTS * SEGMENT_US) as i64;
    writer.ended(end_us, None).unwrap();
}

/// Checks that a whole recording arrived.
fn judge(s3: &FaultyS3, bucket: &str) {
    let objects = s3.objects(bucket, PREFIX);
    let listed = read_playlist(&objects);
    assert_eq!(listed.segments, (0..SEGMENTS).collect::<Vec<_>>());
    assert!(listed.is_over && listed.discontinuities == 0);
    assert!(objects.contains_key("events/recording-ended.json"));
    assert_eq!(objects.len() as u64, SEGMENTS + 5);
}

/// A fault for a request: about six of ten fail, each in another way.
fn fault(random: &mut Random) -> Answer {
    match random.below(20) {
        0 | 1 => Answer::Status(500, "InternalError"),
        2 => Answer::Status(503, "SlowDown"),
        3 => Answer::Status(403, "AccessDenied"),
        4 => Answer::Status(404, "NoSuchBucket"),
        5 => Answer::Status(400, "RequestTimeout"),
        6 => Answer::Status(418, "Odd"),
        7 | 8 => Answer::CutAfter(usize::try_from(random.below(3_000)).unwrap()),
        9 | 10 => Answer::StoreAndCut,
        11 => Answer::Late(Duration::from_millis(random.below(20))),
        _ => Answer::Well,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_whatever_the_service_does() {
    for seed in 0..10 {
        let place = Place::new();
        let mut random = Random(seed);
        let s3 = FaultyS3::start(&[BUCKET], move |_| fault(&mut random)).await;
        let spool = place.spool(&Crash::never().gate());
        record(&spool, ID, &destination());
        let reports = Reports::default();
        let (handle, work) =
            reports.uploader(spool.clone(), s3.buckets(place.dir.path()), quick(seed));
        until("the end is reported", || !reports.all().is_empty()).await;
        judge(&s3, BUCKET);
        let finished = reports.all();
        assert_eq!(
            (finished.len(), finished[0].failure.clone()),
            (1, None),
            "seed {seed}"
        );
        assert_eq!(finished[0].duration_ms, SEGMENTS * SEGMENT_US / 1_000);
        let order = s3.order();
        assert!(
            order
                .last()
                .unwrap()
                .ends_with("events/recording-ended.json"),
            "the end is the last object"
        );
        until("the folder is gone", || spool.recordings().is_empty()).await;
        until("the failures are counted", || handle.status().failures > 0).await;
        assert_eq!(spool.usage().bytes, 0);
        work.abort();
    }
}

#[tokio::test]
async fn requests_that_stall_are_given_up_and_repeated() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |request| match request.number % 4 {
        0 => Answer::Stall,
        _ => Answer::Well,
    });
    let s3 = s3.await;
    let spool = place.spool(&Crash::never().gate());
    record(&spool, ID, &destination());
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(spool, s3.buckets(place.dir.path()), quick(1));
    until("the end is reported", || !reports.all().is_empty()).await;
    judge(&s3, BUCKET);
    work.abort();
}

#[tokio::test]
async fn a_refusal_pauses_uploads_with_a_reason_and_is_no_failure() {
    for (status, code, words) in [
        (403, "AccessDenied", "s3:PutObject"),
        (403, "ExpiredToken", "renew"),
        (404, "NoSuchBucket", "create it"),
    ] {
        let place = Place::new();
        let s3 = FaultyS3::start(&[BUCKET], move |_| Answer::Status(status, code)).await;
        let spool = place.spool(&Crash::never().gate());
        record(&spool, ID, &destination());
        let reports = Reports::default();
        let (handle, work) =
            reports.uploader(spool.clone(), s3.buckets(place.dir.path()), quick(1));
        until("the bucket refused some times", || {
            handle.status().lanes.iter().any(|lane| lane.failures > 3)
        })
        .await;
        let lane = handle.status().lanes[0].clone();
        assert_eq!(
            (lane.account.as_str(), lane.bucket.as_str()),
            ("000000000000", BUCKET)
        );
        assert!(lane.error.unwrap().contains(words));
        assert!(reports.all().is_empty());
        assert_eq!(
            s3.most_open(),
            1,
            "a bucket that refuses is asked for one object at a time"
        );
        s3.set_script(|_| Answer::Well);
        until("the end is reported", || !reports.all().is_empty()).await;
        assert_eq!(reports.all()[0].failure, None);
        judge(&s3, BUCKET);
        until("the end is counted", || handle.status().finished == 1).await;
        work.abort();
    }
}

#[tokio::test]
async fn a_bucket_that_stalls_does_not_hold_up_another() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET, "stalls"], |request| match &*request.bucket {
        "stalls" => Answer::Stall,
        _ => Answer::Well,
    });
    let s3 = s3.await;
    let spool = place.spool(&Crash::never().gate());
    for stalled in 0..20 {
        record(&spool, &format!("stalled-{stalled}"), &to_bucket("stalls"));
    }
    record(&spool, ID, &destination());
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(spool.clone(), s3.buckets(place.dir.path()), quick(1));
    until("the other recording is whole", || !reports.all().is_empty()).await;
    assert_eq!(reports.all()[0].recording, ID);
    judge(&s3, BUCKET);
    until("its folder is gone", || spool.recordings().len() == 20).await;
    work.abort();
}

#[tokio::test]
async fn a_recording_that_goes_on_has_a_playlist_of_what_is_in_the_bucket() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let spool = place.spool(&Crash::never().gate());
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(spool.clone(), s3.buckets(place.dir.path()), quick(1));
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.started(START_US).unwrap();
    writer.init(&init(0)).unwrap();
    for number in 0..3 {
        writer.segment(&segment(number, 0, false)).unwrap();
        until("the playlist lists the segment", || {
            let objects = s3.objects(BUCKET, PREFIX);
            let has_playlist = objects.contains_key("media/hls/high/playlist.m3u8");
            has_playlist
                && objects.contains_key("media/hls/multivariant.m3u8")
                && read_playlist(&objects).segments.len() as u64 == number + 1
        })
        .await;
    }
    assert!(!read_playlist(&s3.objects(BUCKET, PREFIX)).is_over);
    assert_eq!(
        spool.usage().bytes,
        0,
        "what is in the bucket is not in the spool"
    );
    assert!(reports.all().is_empty());
    writer
        .ended(START_US + 3 * SEGMENT_US as i64, None)
        .unwrap();
    until("the end is reported", || !reports.all().is_empty()).await;
    assert!(read_playlist(&s3.objects(BUCKET, PREFIX)).is_over);
    work.abort();
}

#[tokio::test]
async fn uploads_at_the_same_time_are_bounded() {
    let place = Place::new();
    let wait = Duration::from_millis(20);
    let s3 = FaultyS3::start(&[BUCKET], move |_| Answer::Late(wait)).await;
    let spool = place.spool(&Crash::never().gate());
    record(&spool, ID, &destination());
    let reports = Reports::default();
    let buckets = s3.buckets(place.dir.path());
    let (_handle, work) = reports.uploader(spool.clone(), buckets.clone(), quick(1));
    until("the end is reported", || !reports.all().is_empty()).await;
    assert_eq!(s3.most_open(), 4, "of one recording");
    work.abort();
    let mut others = destination();
    for other in 0..5 {
        others.prefix = format!("{PREFIX}-{other}");
        record(&spool, &format!("other-{other}"), &others);
    }
    let (_handle, work) = reports.uploader(spool, buckets, quick(1));
    until("all ends are reported", || reports.all().len() == 6).await;
    assert_eq!(s3.most_open(), 8, "of one bucket");
    work.abort();
}

#[tokio::test]
async fn an_end_that_cannot_be_stored_is_reported_again() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    record(&spool, ID, &destination());
    let reports = Reports::default();
    let seen = reports.clone();
    let (_handle, work) = crate::uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
        move |finished| {
            seen.add(finished);
            let is_stored = seen.all().len() == 3;
            async move { is_stored }
        },
    );
    let work = tokio::spawn(work);
    until("the folder is gone", || spool.recordings().is_empty()).await;
    let all = reports.all();
    assert!(
        all.len() == 3 && all.iter().all(|other| *other == all[0]),
        "{all:?}"
    );
    work.abort();
}

#[tokio::test]
async fn a_recording_without_a_spool_ends_with_a_failure() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let reports = Reports::default();
    let (handle, work) = reports.uploader(spool, place.buckets(&Crash::never().gate()), quick(1));
    handle.finish("gone");
    until("the end is reported", || !reports.all().is_empty()).await;
    let end = reports.all()[0].clone();
    assert_eq!((end.recording.as_str(), end.duration_ms), ("gone", 0));
    assert_eq!(end.failure.unwrap().code, "InternalServerException");
    work.abort();
}

#[tokio::test]
async fn the_end_waits_for_the_writer_and_is_a_failure_if_it_says_nothing() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let reports = Reports::default();
    let (handle, work) = reports.uploader(
        spool.clone(),
        place.buckets(&Crash::never().gate()),
        quick(1),
    );
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.started(START_US).unwrap();
    writer.init(&init(0)).unwrap();
    handle.finish(ID);
    writer.segment(&segment(0, 0, false)).unwrap();
    until("the segment is in the bucket", || spool.usage().bytes == 0).await;
    assert!(reports.all().is_empty());
    drop(writer);
    until("the end is reported", || !reports.all().is_empty()).await;
    let end = reports.all()[0].clone();
    assert_eq!(
        (end.duration_ms, end.failure.unwrap().code.as_str()),
        (6_000, "InternalServerException")
    );
    assert!(read_playlist(&place.objects()).is_over);
    work.abort();
}

#[tokio::test]
async fn a_recording_that_is_too_old_is_given_up() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Status(403, "AccessDenied")).await;
    record(&place.spool(&Crash::never().gate()), ID, &destination());
    let old = std::time::SystemTime::now() - Duration::from_secs(3_600);
    let segment = std::fs::File::options()
        .write(true)
        .open(place.recording_path().join("3.mp4"));
    segment.unwrap().set_modified(old).unwrap();
    let bounds = SpoolBounds {
        age_max: Duration::from_secs(4_000),
        ..SpoolBounds::default()
    };
    let spool = place.bounded(bounds, &Crash::never().gate());
    let usage = spool.usage();
    assert!(usage.oldest.unwrap() >= Duration::from_secs(3_600));
    assert_eq!(usage.level, Level::Alarm, "an alarm comes before");
    drop(spool);
    let bounds = SpoolBounds {
        age_max: Duration::from_secs(3_000),
        ..bounds
    };
    let spool = place.bounded(bounds, &Crash::never().gate());
    let reports = Reports::default();
    let (handle, work) = reports.uploader(spool.clone(), s3.buckets(place.dir.path()), quick(1));
    until("it is given up", || !reports.all().is_empty()).await;
    let end = reports.all()[0].clone();
    assert_eq!(
        (end.duration_ms, end.failure.unwrap().code.as_str()),
        (0, "InternalServerException")
    );
    assert!(end.message.unwrap().contains("too long"));
    until("its folder is gone", || spool.recordings().is_empty()).await;
    assert_eq!(handle.status().given_up, 1);
    work.abort();
}
