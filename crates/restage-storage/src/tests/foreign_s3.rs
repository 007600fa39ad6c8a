//! An S3 that others wrote (s3s), which verifies signatures and has folders as its buckets.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

use super::crash::Crash;
use super::faulty_s3::{ACCESS_KEY, SECRET, credentials_file, settings};
use super::fixture::{
    BUCKET, ID, PREFIX, Place, Reports, SEGMENT_US, START_US, destination, init, objects_below,
    quick, read_playlist, segment, until,
};
use crate::bucket::{Asked, Backend, ContentType};
use crate::{BucketError, Buckets, Key, StorageSettings};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-west-1";
const SEGMENTS: u64 = 5;

/// The running service.
struct ForeignS3 {
    endpoint: String,
    root: PathBuf,
}

impl ForeignS3 {
    /// Starts it with one bucket, in a folder of this one.
    async fn start(dir: &Path) -> Self {
        let root = dir.join("s3");
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                tokio::spawn(served);
            }
        });
        Self { endpoint, root }
    }

    /// Its buckets, for an account with this secret key.
    fn buckets(&self, dir: &Path, secret: &str) -> Buckets {
        let settings = settings(&self.endpoint, credentials_file(dir, secret));
        Buckets::new(StorageSettings::all(Backend::S3(settings)))
    }
}

#[tokio::test]
async fn objects_are_put_and_read_in_parts() {
    let place = Place::new();
    let s3 = ForeignS3::start(place.dir.path()).await;
    let buckets = s3.buckets(place.dir.path(), SECRET);
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET).unwrap();
    let key = Key::parse("a/b-c/0.mp4").unwrap();
    let bytes = Bytes::from((0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    for _ in 0..2 {
        let put = bucket.put(&key, bytes.clone(), ContentType::Video);
        put.await.unwrap();
    }
    for (asked, range) in [
        (Asked::Whole, 0..100_000),
        (Asked::Between(70_000, 70_010), 70_000..70_010),
        (Asked::From(99_990), 99_990..100_000),
    ] {
        let object = bucket.get(&key, asked).await.unwrap();
        assert_eq!(
            (object.size, object.range.clone()),
            (100_000, range.clone())
        );
        let pieces: Vec<Bytes> = object.bytes.try_collect().await.unwrap();
        let (from, to) = (range.start as usize, range.end as usize);
        assert!(pieces.concat() == bytes[from..to], "{asked:?}");
    }
    let absent = Key::parse("a/1.mp4").unwrap();
    let error = bucket.get(&absent, Asked::Whole).await.unwrap_err();
    assert!(matches!(error, BucketError::NoObject(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let place = Place::new();
    let s3 = ForeignS3::start(place.dir.path()).await;
    let buckets = s3.buckets(place.dir.path(), SECRET);
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    let buckets = s3.buckets(place.dir.path(), "another");
    let wrong = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert!(matches!(wrong, BucketError::Denied(_)), "{wrong:?}");
    assert!(!wrong.to_string().contains("another"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_recording_arrives() {
    let place = Place::new();
    let s3 = ForeignS3::start(place.dir.path()).await;
    let spool = place.spool(&Crash::never().gate());
    let mut writer = spool.create(ID, &destination()).unwrap();
    writer.started(START_US).unwrap();
    writer.file("events/recording-started.json", b"{}").unwrap();
    writer.init(&init(0)).unwrap();
    for number in 0..SEGMENTS {
        writer.segment(&segment(number, 0, false)).unwrap();
    }
    let end_us = START_US + (SEGMENTS * SEGMENT_US) as i64;
    writer.ended(end_us, None).unwrap();
    let reports = Reports::default();
    let buckets = s3.buckets(place.dir.path(), SECRET);
    let (_handle, work) = reports.uploader(spool, buckets, quick(1));
    until("the end is reported", || !reports.all().is_empty()).await;
    assert_eq!(reports.all()[0].failure, None);
    let listed = read_playlist(&objects_below(&s3.root.join(BUCKET).join(PREFIX)));
    assert_eq!(listed.segments, (0..SEGMENTS).collect::<Vec<_>>());
    assert!(listed.is_over);
    work.abort();
}
