//! A bucket of S3: what is sent, and what its errors become.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::faulty_s3::{Answer, FaultyS3};
use super::fixture::{BUCKET, Place};
use crate::bucket::{Asked, Backend, ContentType, Credentials, Encryption, PROBE_KEY};
use crate::{BucketError, Buckets, Key, StorageSettings};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-west-1";

async fn put(buckets: &Buckets, key: &str, bytes: &'static [u8]) -> Result<(), BucketError> {
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET)?;
    let key = Key::parse(key)?;
    bucket
        .put(
            &key,
            Bytes::from_static(bytes),
            ContentType::of_key(key.as_str()),
        )
        .await
}

async fn get(
    buckets: &Buckets,
    key: &str,
    asked: Asked,
) -> Result<(u64, std::ops::Range<u64>, Vec<u8>), BucketError> {
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET)?;
    let object = bucket.get(&Key::parse(key)?, asked).await?;
    let pieces: Vec<Bytes> = object.bytes.try_collect().await?;
    Ok((object.size, object.range, pieces.concat()))
}

#[tokio::test]
async fn objects_are_put_with_their_type_and_read_in_parts() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let buckets = s3.buckets(place.dir.path());
    put(&buckets, "a/b/0.mp4", b"0123456789").await.unwrap();
    let stored = s3.stored(BUCKET, "a/b/0.mp4").unwrap();
    assert_eq!(stored.headers["content-type"], "video/mp4");
    assert!(stored.headers["authorization"].contains("AKIATEST/"));
    assert!(stored.headers["authorization"].contains("/eu-west-1/s3/"));
    assert!(!stored.headers.contains_key("x-amz-server-side-encryption"));
    for (asked, range, bytes) in [
        (Asked::Whole, 0..10, &b"0123456789"[..]),
        (Asked::Between(2, 5), 2..5, b"234"),
        (Asked::Between(8, 50), 8..10, b"89"),
        (Asked::From(7), 7..10, b"789"),
        (Asked::Last(1), 9..10, b"9"),
    ] {
        let read = get(&buckets, "a/b/0.mp4", asked).await.unwrap();
        assert_eq!(read, (10, range, bytes.to_vec()), "{asked:?}");
    }
    let missing = get(&buckets, "a/b/1.mp4", Asked::Whole).await.unwrap_err();
    assert!(matches!(missing, BucketError::NoObject(_)), "{missing}");
    let outside = get(&buckets, "a/b/0.mp4", Asked::From(10))
        .await
        .unwrap_err();
    assert!(outside.is_of_object(), "{outside:?}");
}

#[tokio::test]
async fn encryption_and_region_are_as_the_settings_say() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let _ = s3.buckets(place.dir.path());
    let credentials = Credentials::File(place.dir.path().join("credentials"));
    for (encryption, expected, key) in [
        (Encryption::S3, "AES256", None),
        (Encryption::Kms("key-1".into()), "aws:kms", Some("key-1")),
    ] {
        let mut settings = s3.settings(credentials.clone());
        settings.encryption = encryption;
        settings.region = Some("us-west-2".into());
        let buckets = Buckets::new(StorageSettings::all(Backend::S3(settings)));
        put(&buckets, "a.mp4", b"x").await.unwrap();
        let headers = s3.stored(BUCKET, "a.mp4").unwrap().headers;
        assert_eq!(headers["x-amz-server-side-encryption"], expected);
        assert_eq!(
            headers
                .get("x-amz-server-side-encryption-aws-kms-key-id")
                .map(String::as_str),
            key
        );
        assert!(headers["authorization"].contains("/us-west-2/s3/"));
    }
}

#[tokio::test]
async fn a_probe_writes_one_object_with_a_fixed_key() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let buckets = s3.buckets(place.dir.path());
    for _ in 0..2 {
        buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    }
    assert_eq!(s3.order(), [PROBE_KEY, PROBE_KEY]);
    let absent = buckets.probe(ACCOUNT, REGION, "absent").await.unwrap_err();
    assert!(matches!(absent, BucketError::NotFound(_)), "{absent:?}");
    let wrong = buckets
        .probe(ACCOUNT, REGION, "Wrong/Name")
        .await
        .unwrap_err();
    assert!(matches!(wrong, BucketError::Invalid(_)), "{wrong:?}");
}

type Kind = fn(String) -> BucketError;

#[tokio::test]
async fn errors_say_what_to_change_and_nothing_that_the_service_said_of_credentials() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let buckets = s3.buckets(place.dir.path());
    let cases: [(Answer, Kind, &str); 15] = [
        (
            Answer::Status(404, "NoSuchBucket"),
            BucketError::NotFound,
            "create it",
        ),
        (
            Answer::Status(404, "Whatever"),
            BucketError::NotFound,
            "create it",
        ),
        (
            Answer::Status(403, "AccessDenied"),
            BucketError::Denied,
            "s3:PutObject",
        ),
        (Answer::Status(401, ""), BucketError::Denied, "s3:PutObject"),
        (
            Answer::Status(400, "ExpiredToken"),
            BucketError::Unauthenticated,
            "renew",
        ),
        (
            Answer::Status(403, "InvalidAccessKeyId"),
            BucketError::Denied,
            "correct them",
        ),
        (
            Answer::Status(403, "RequestTimeTooSkewed"),
            BucketError::Unauthenticated,
            "clock",
        ),
        (
            Answer::Status(301, "PermanentRedirect"),
            BucketError::NotFound,
            "region",
        ),
        (
            Answer::Status(507, "XMinioStorageFull"),
            BucketError::Full,
            "room",
        ),
        (
            Answer::Status(400, "EntityTooLarge"),
            BucketError::Rejected,
            "lower bitrate",
        ),
        (
            Answer::Status(503, "SlowDown"),
            BucketError::Unavailable,
            "503",
        ),
        (
            Answer::Status(500, "InternalError"),
            BucketError::Unavailable,
            "500",
        ),
        (Answer::Status(418, "<x>"), BucketError::Unavailable, "418"),
        (Answer::CutAfter(1), BucketError::Unavailable, "network"),
        (Answer::Stall, BucketError::Unavailable, "too long"),
    ];
    for (answer, kind, words) in cases {
        let given = answer.clone();
        s3.set_script(move |_| given.clone());
        let error = put(&buckets, "a/0.mp4", b"0123").await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error, kind(text.clone()), "{answer:?}");
        assert!(text.contains(words), "{answer:?}: {text}");
        for hidden in ["AKIATEST", "hidden", "secret", "<"] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    assert_eq!(
        s3.stored(BUCKET, "a/0.mp4").map(|stored| stored.bytes),
        None
    );
}

#[tokio::test]
async fn an_answer_without_an_etag_is_not_believed() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Untagged).await;
    let buckets = s3.buckets(place.dir.path());
    let error = put(&buckets, "a/0.mp4", b"0123").await.unwrap_err();
    let text = error.to_string();
    assert_eq!(
        error,
        BucketError::Unavailable(text.clone()),
        "it is tried again"
    );
    assert!(
        text.contains("without an ETag") && text.contains(BUCKET),
        "{text}"
    );
    let probed = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert_eq!(probed.to_string(), text);
    s3.set_script(|_| Answer::Well);
    put(&buckets, "a/0.mp4", b"0123").await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_not_there_and_settings_that_do_not_work_are_errors() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let _ = s3.buckets(place.dir.path());
    let credentials = Credentials::File(place.dir.path().join("credentials"));
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut away = s3.settings(credentials.clone());
    away.endpoint = Some(format!("http://{}", unused.local_addr().unwrap()));
    drop(unused);
    let mut odd = s3.settings(credentials.clone());
    odd.endpoint = Some("ftp://example.org".into());
    let no_file = s3.settings(Credentials::File(place.dir.path().join("none")));
    let mut no_ca = s3.settings(credentials);
    no_ca.ca_file = Some(place.dir.path().join("none.pem"));
    let cases: [(_, Kind, &str); 4] = [
        (away, BucketError::Unavailable, "cannot be reached"),
        (odd, BucketError::Denied, "https://"),
        (no_file, BucketError::Unauthenticated, "cannot be read"),
        (no_ca, BucketError::Denied, "certificates"),
    ];
    for (settings, kind, words) in cases {
        let buckets = Buckets::new(StorageSettings::all(Backend::S3(settings)));
        let error = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
        assert_eq!(error, kind(error.to_string()));
        assert!(error.to_string().contains(words), "{error}");
        let dir = place.dir.path().display().to_string();
        let is_of_callers = !error.to_string().contains("certificates");
        assert!(
            !is_of_callers || !error.to_string().contains(&dir),
            "{error}"
        );
    }
    assert_eq!(s3.requests(), 0);
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_is_of_use() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Endless(500)).await;
    let mut settings = s3.settings(super::faulty_s3::credentials_file(
        place.dir.path(),
        "secret",
    ));
    // Long enough for gigabytes.
    settings.request_timeout = Duration::from_secs(20);
    let buckets = Buckets::new(StorageSettings::all(Backend::S3(settings)));
    /// What sockets have room for, and more.
    const SENT_MAX: u64 = 48 << 20;
    for status in [500, 403, 200] {
        s3.set_script(move |_| Answer::Endless(status));
        let before = s3.sent();
        let put = put(&buckets, "a/0.mp4", b"0123").await;
        assert_eq!(put.is_ok(), status == 200, "{put:?}");
        if status != 200 {
            get(&buckets, "a/0.mp4", Asked::Whole).await.unwrap_err();
        }
        assert!(
            s3.sent() - before < 2 * SENT_MAX,
            "{status}: {}",
            s3.sent() - before
        );
    }
    // An object that is larger than any breaks off.
    s3.set_script(|_| Answer::Endless(200));
    let before = s3.sent();
    get(&buckets, "a/0.mp4", Asked::Whole).await.unwrap_err();
    let bound = crate::bucket::OBJECT_BYTES_MAX + SENT_MAX;
    assert!(s3.sent() - before < bound, "{}", s3.sent() - before);
}

#[tokio::test]
async fn a_url_that_the_client_cannot_read_is_an_error() {
    let place = Place::new();
    let s3 = FaultyS3::start(&[BUCKET], |_| Answer::Well).await;
    let _ = s3.buckets(place.dir.path());
    let mut settings = s3.settings(Credentials::File(place.dir.path().join("credentials")));
    settings.path_style = false;
    let buckets = Buckets::new(StorageSettings::all(Backend::S3(settings)));
    let error = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert!(matches!(error, BucketError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    let place = Place::new();
    let wait = Duration::from_millis(900);
    let s3 = FaultyS3::start(&[BUCKET], move |_| Answer::Late(wait)).await;
    let buckets = s3.buckets(place.dir.path());
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET).unwrap();
    // Its bytes are given a second for each 32 KB.
    let bytes = Bytes::from(vec![7; 64 << 10]);
    let key = Key::parse("0.mp4").unwrap();
    bucket.put(&key, bytes, ContentType::Video).await.unwrap();
    assert_eq!(s3.stored(BUCKET, "0.mp4").unwrap().bytes.len(), 64 << 10);
}
