//! Reading a recording for people, from the spool and from its bucket.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::crash::Crash;
use super::fixture::{
    BUCKET, ID, PREFIX, Place, Reports, START_US, destination, init, quick, segment, until,
};
use crate::bucket::Asked;
use crate::{BucketError, RecordingPlace, RecordingReader};

fn place_of() -> RecordingPlace {
    RecordingPlace {
        recording: ID.into(),
        account: "000000000000".into(),
        region: "eu-west-1".into(),
        bucket: BUCKET.into(),
        prefix: PREFIX.into(),
    }
}

async fn read(reader: &RecordingReader, path: &str, asked: Asked) -> Result<Vec<u8>, BucketError> {
    let object = reader.read(&place_of(), path, asked).await?;
    let pieces: Vec<Bytes> = object.bytes.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn a_recording_can_be_read_before_during_and_after_its_upload() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let buckets = place.buckets(&Crash::never().gate());
    let reader = RecordingReader::new(Arc::new(spool.clone().into()), buckets.clone());
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.started(START_US).unwrap();
    writer.init(&init(0)).unwrap();
    writer.segment(&segment(0, 0, false)).unwrap();
    writer.segment(&segment(1, 0, false)).unwrap();
    let path = "media/hls/high/1.mp4";
    let playlist = "media/hls/high/playlist.m3u8";
    let text = String::from_utf8(read(&reader, playlist, Asked::Whole).await.unwrap()).unwrap();
    assert!(
        text.contains("EVENT") && text.ends_with("1.mp4\n"),
        "{text}"
    );
    assert!(
        read(&reader, "media/hls/multivariant.m3u8", Asked::From(3))
            .await
            .unwrap()
            .starts_with(b"TM3U")
    );
    assert_eq!(
        read(&reader, path, Asked::Between(2, 9)).await.unwrap(),
        segment(1, 0, false).bytes[2..9]
    );
    let reports = Reports::default();
    let (_handle, work) = reports.uploader(spool.clone(), buckets, quick(1));
    until("it is in the bucket", || spool.usage().bytes == 0).await;
    assert_eq!(
        read(&reader, path, Asked::Whole).await.unwrap(),
        segment(1, 0, false).bytes
    );
    writer.ended(START_US, None).unwrap();
    until("the folder is gone", || spool.recordings().is_empty()).await;
    let text = String::from_utf8(read(&reader, playlist, Asked::Whole).await.unwrap()).unwrap();
    assert!(
        text.contains("VOD") && text.ends_with("#EXT-X-ENDLIST\n"),
        "{text}"
    );
    work.abort();
}

#[tokio::test]
async fn nothing_outside_of_the_prefix_can_be_read() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let buckets = place.buckets(&Crash::never().gate());
    buckets
        .probe("000000000000", "eu-west-1", BUCKET)
        .await
        .unwrap();
    let reader = RecordingReader::new(Arc::new(spool.clone().into()), buckets);
    drop(spool.create(ID, &destination()).unwrap());
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "",
        ".",
        "a//b",
        "a\\b",
        "..%2f.restage-probe",
    ] {
        let error = read(&reader, path, Asked::Whole).await.unwrap_err();
        assert!(
            matches!(error, BucketError::Invalid(_)),
            "{path:?}: {error:?}"
        );
    }
    for path in [
        "journal",
        "job.json",
        ".restage-probe",
        "media/hls/high/0.mp4",
    ] {
        let error = read(&reader, path, Asked::Whole).await.unwrap_err();
        assert!(
            matches!(error, BucketError::NoObject(_)),
            "{path:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn reads_at_the_same_time_are_bounded() {
    let place = Place::new();
    let spool = place.spool(&Crash::never().gate());
    let reader = RecordingReader::new(
        Arc::new(spool.clone().into()),
        place.buckets(&Crash::never().gate()),
    );
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.init(&init(0)).unwrap();
    let path = "media/hls/high/init-0.mp4";
    let mut open = Vec::new();
    let error = loop {
        match reader.read(&place_of(), path, Asked::Whole).await {
            Ok(object) => open.push(object),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (open.len(), error.clone()),
        (64, BucketError::Unavailable(error.to_string()))
    );
    open.pop();
    assert_eq!(
        read(&reader, path, Asked::Whole).await.unwrap(),
        init(0).bytes
    );
}
