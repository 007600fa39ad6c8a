//! Folder buckets, and folders that somebody else put something into.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::crash::Crash;
use super::fixture::{
    BUCKET, ID, PREFIX, Place, Reports, START_US, begin, quick, read_playlist, segment, until,
};
use crate::bucket::{Asked, Backend, ContentType, PROBE_KEY};
use crate::folder::{Access, Folder};
use crate::{BucketError, Buckets, Key, StorageSettings};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-west-1";

fn explicit(root: &Path) -> Buckets {
    Buckets::new(StorageSettings::all(Backend::Folder {
        root: root.to_owned(),
        makes_buckets: false,
    }))
}

async fn put(buckets: &Buckets, key: &str, bytes: &'static [u8]) -> Result<(), BucketError> {
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET)?;
    bucket
        .put(
            &Key::parse(key)?,
            Bytes::from_static(bytes),
            ContentType::Text,
        )
        .await
}

async fn get(buckets: &Buckets, key: &str, asked: Asked) -> Result<Vec<u8>, BucketError> {
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET)?;
    let object = bucket.get(&Key::parse(key)?, asked).await?;
    let pieces: Vec<Bytes> = object.bytes.try_collect().await?;
    Ok(pieces.concat())
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn in_the_default_root_buckets_are_made_for_the_server_alone() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    put(&buckets, "a/b/c.txt", b"text").await.unwrap();
    put(&buckets, "a/b/c.txt", b"other").await.unwrap();
    let folder = place.root().join(BUCKET);
    assert_eq!(std::fs::read(folder.join("a/b/c.txt")).unwrap(), b"other");
    assert!(folder.join(PROBE_KEY).is_file());
    for private in [&folder, &folder.join("a/b")] {
        assert_eq!(mode(private), 0o700);
    }
    assert_eq!(mode(&folder.join("a/b/c.txt")), 0o600);
    assert_eq!(
        std::fs::read_dir(folder.join("a/b")).unwrap().count(),
        1,
        "nothing stays beside it"
    );
}

#[tokio::test]
async fn a_bucket_that_is_removed_is_made_by_a_probe_alone() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    put(&buckets, "a/b", b"text").await.unwrap();
    std::fs::remove_dir_all(place.root().join(BUCKET)).unwrap();
    let error = put(&buckets, "a/c", b"text").await.unwrap_err();
    assert!(matches!(error, BucketError::NotFound(_)), "{error:?}");
    std::fs::remove_dir_all(place.root()).unwrap();
    let error = put(&buckets, "a/c", b"text").await.unwrap_err();
    assert!(matches!(error, BucketError::NotFound(_)), "{error:?}");
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    put(&buckets, "a/c", b"text").await.unwrap();
}

#[tokio::test]
async fn an_object_within_a_folder_that_is_removed_is_refused_and_the_folder_is_not_made() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
    let bucket = buckets.bucket(ACCOUNT, REGION, BUCKET).unwrap();
    let (within, key) = (Key::parse("a/b").unwrap(), Key::parse("a/b/c/d").unwrap());
    let put = || {
        bucket.put_within(
            Some(&within),
            &key,
            b"text".as_slice().into(),
            ContentType::Text,
        )
    };
    for made in ["", "a"] {
        std::fs::create_dir_all(place.root().join(BUCKET).join(made)).unwrap();
        let error = put().await.unwrap_err();
        assert!(
            matches!(&error, BucketError::Rejected(text) if text.contains("a/b in the bucket")),
            "{error:?}"
        );
        assert!(!place.root().join(BUCKET).join("a/b").exists());
    }
    std::fs::create_dir(place.root().join(BUCKET).join("a/b")).unwrap();
    put().await.unwrap();
    assert!(place.root().join(BUCKET).join("a/b/c/d").exists());
}

#[tokio::test]
async fn a_recording_whose_folder_is_removed_waits_for_it() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    let spool = place.spool(&Crash::never().gate());
    let mut writer = begin(&spool, ID);
    let reports = Reports::default();
    let (handle, work) = reports.uploader(spool.clone(), buckets.clone(), quick(1));
    writer.segment(&segment(0, 0, false)).unwrap();
    until("it is uploaded", || spool.usage().bytes == 0).await;
    let folder = place.root().join(BUCKET).join(PREFIX);
    let kept = place.root().join("kept");
    std::fs::rename(&folder, &kept).unwrap();
    let failures = handle.status().failures;
    writer.segment(&segment(1, 0, false)).unwrap();
    writer.ended(START_US, None).unwrap();
    until("it is tried again", || {
        handle.status().failures > failures + 1
    })
    .await;
    assert!(!folder.exists() && reports.all().is_empty());
    std::fs::rename(&kept, &folder).unwrap();
    until("the end is reported", || !reports.all().is_empty()).await;
    work.abort();
    assert_eq!(reports.all()[0].failure, None);
    assert_eq!(read_playlist(&place.objects()).segments, [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn probes_of_one_folder_at_the_same_time_do_not_disturb_each_other() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    let mut probes = tokio::task::JoinSet::new();
    for number in 0..200 {
        let buckets = buckets.clone();
        probes.spawn(async move {
            buckets
                .probe(&format!("{number:012}"), REGION, BUCKET)
                .await
        });
    }
    while let Some(probe) = probes.join_next().await {
        probe.unwrap().unwrap();
    }
}

#[tokio::test]
async fn in_a_root_of_the_operator_a_missing_bucket_is_an_error() {
    let place = Place::new();
    let buckets = explicit(&place.root());
    let error = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert_eq!(error, BucketError::NotFound(error.to_string()));
    assert!(error.to_string().contains("storage-root"), "{error}");
    std::fs::create_dir(place.root()).unwrap();
    let error = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert!(
        matches!(&error, BucketError::NotFound(text) if text.contains("make it")),
        "{error}"
    );
    std::fs::create_dir(place.root().join(BUCKET)).unwrap();
    buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap();
}

#[tokio::test]
async fn objects_are_read_in_parts_and_pieces() {
    let place = Place::new();
    let buckets = place.buckets(&Crash::never().gate());
    let large: &'static [u8] = Box::leak((0..200_000_u32).map(|at| at as u8).collect());
    put(&buckets, "a/large", large).await.unwrap();
    assert_eq!(get(&buckets, "a/large", Asked::Whole).await.unwrap(), large);
    let part = get(&buckets, "a/large", Asked::Between(70_000, 190_000))
        .await
        .unwrap();
    assert_eq!(part, large[70_000..190_000]);
    assert_eq!(
        get(&buckets, "a/large", Asked::Last(3)).await.unwrap(),
        large[199_997..]
    );
    let outside = get(&buckets, "a/large", Asked::From(200_000))
        .await
        .unwrap_err();
    assert!(matches!(outside, BucketError::Invalid(_)));
    for absent in ["a/none", "b/large", "a/large/x"] {
        let error = get(&buckets, absent, Asked::Whole).await.unwrap_err();
        assert!(!matches!(error, BucketError::Unavailable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn symbolic_links_below_the_root_are_not_followed() {
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::create_dir_all(place.root().join(BUCKET)).unwrap();
    let bucket = place.root().join(BUCKET);
    symlink(&outside, bucket.join("folder")).unwrap();
    symlink(outside.join("secret"), bucket.join("file")).unwrap();
    symlink(outside.join("secret"), bucket.join(".file.new")).unwrap();
    let buckets = explicit(&place.root());
    for (key, is_denied) in [
        ("folder/secret", true),
        ("folder/new", true),
        ("file", true),
    ] {
        let error = get(&buckets, key, Asked::Whole).await.unwrap_err();
        assert_eq!(
            matches!(error, BucketError::Denied(_)),
            is_denied,
            "{error:?}"
        );
    }
    let error = put(&buckets, "folder/new", b"x").await.unwrap_err();
    assert!(matches!(error, BucketError::Denied(_)), "{error:?}");
    // A link in the place of the object, or of its temporary file, is replaced.
    put(&buckets, "file", b"ours").await.unwrap();
    assert_eq!(get(&buckets, "file", Asked::Whole).await.unwrap(), b"ours");
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    // The bucket itself.
    std::fs::remove_file(bucket.join("folder")).unwrap();
    std::fs::rename(&bucket, place.root().join("moved")).unwrap();
    symlink(place.root().join("moved"), &bucket).unwrap();
    let error = buckets.probe(ACCOUNT, REGION, BUCKET).await.unwrap_err();
    assert!(matches!(error, BucketError::Denied(_)), "{error:?}");
    // The root is the operator's, and may be a link.
    std::fs::remove_file(&bucket).unwrap();
    std::fs::rename(place.root().join("moved"), &bucket).unwrap();
    let linked = place.dir.path().join("linked");
    symlink(place.root(), &linked).unwrap();
    explicit(&linked)
        .probe(ACCOUNT, REGION, BUCKET)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    let place = Place::new();
    let bucket = place.root().join(BUCKET);
    std::fs::create_dir_all(bucket.join("folder")).unwrap();
    nix::unistd::mkfifo(&bucket.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let buckets = explicit(&place.root());
    for key in ["fifo", "folder"] {
        get(&buckets, key, Asked::Whole).await.unwrap_err();
    }
    let error = put(&buckets, "folder", b"x").await.unwrap_err();
    assert!(matches!(error, BucketError::Rejected(_)), "{error:?}");
    assert!(error.is_of_object());
}

#[tokio::test]
async fn errors_of_the_disk_become_errors_of_the_bucket() {
    use nix::errno::Errno;
    type Kind = fn(String) -> BucketError;
    let place = Place::new();
    let crash = Crash::never();
    let buckets = place.buckets(&crash.gate());
    put(&buckets, "warm", b"x").await.unwrap();
    let cases: [(Errno, Kind); 5] = [
        (Errno::ENOSPC, BucketError::Full),
        (Errno::EDQUOT, BucketError::Full),
        (Errno::EACCES, BucketError::Denied),
        (Errno::EROFS, BucketError::Denied),
        (Errno::EIO, BucketError::Unavailable),
    ];
    for (errno, kind) in cases {
        crash.fail_next(errno);
        let error = put(&buckets, "object", b"x").await.unwrap_err();
        assert_eq!(error, kind(error.to_string()), "{errno}");
        put(&buckets, "object", b"x").await.unwrap();
    }
}

#[test]
fn a_folder_is_removed_with_links_and_folders_in_it_and_nothing_else() {
    let place = Place::new();
    let outside = place.dir.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("kept"), "x").unwrap();
    let removed = place.dir.path().join("removed/inner/deeper");
    std::fs::create_dir_all(&removed).unwrap();
    std::fs::write(removed.join("file"), "x").unwrap();
    symlink(&outside, removed.join("link")).unwrap();
    symlink(&outside, place.dir.path().join("removed/link")).unwrap();
    let folder = Folder::open(place.dir.path(), Access::Private, Crash::never().gate()).unwrap();
    folder.remove_folder("removed").unwrap();
    folder.remove_folder("removed").unwrap();
    assert!(outside.join("kept").is_file() && !place.dir.path().join("removed").exists());
}
